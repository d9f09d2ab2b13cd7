//! A run in which all goes wrong that can, and all that was written in it.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use simulators::browser::Page;
use simulators::gate::Fault;
use simulators::microsoft::directory::account::Person;
use simulators::microsoft::directory::sign_in::{Decision, Step};
use simulators::world::{MailboxPlan, World};

use crate::support::Scenario;
use crate::support::hand_over::{attended, field, fields, reveal, say};
use crate::support::scenario::without_grant;
use crate::support::tickets::Forged;
use crate::support::visitor::{Visitor, ticket_of};

/// Foreign servers put this into every text of an error: it stands for what they may quote of ours.
pub const QUOTED: &str = "Qu0ted~by.a_server-that.echoes~what_it.got";

/// Something that was written somewhere, and where.
pub struct Found {
    pub place: String,
    pub text: String,
}

/// A whole run: rotations with and without sign-in, one that is handed over, sign-ins that fail, a
/// retirement, and rotations that fail at every service whose errors quote what they got.
pub struct Run {
    pub world: Arc<World>,
    pub orders: Scenario,
    pub sales: Scenario,
    support: Scenario,
    pub answers: Vec<Page>,
    results: Vec<Value>,
    /// The secret that a page showed.
    pub shown: String,
}

impl Run {
    pub async fn start() -> Self {
        let settings = [("AWS_LAMBDA_LOG_LEVEL", "DEBUG")];
        let orders = Scenario::with_settings(&settings, &without_grant()).await;
        let world = Arc::clone(&orders.world);
        world.directory.note_secret(QUOTED);
        let sales = orders.beside(&MailboxPlan {
            name: "sales".to_owned(),
            address: "sales@shop.example".to_owned(),
            shop_id: 13,
            ..MailboxPlan::default()
        });
        let support = orders.beside(&MailboxPlan {
            name: "support".to_owned(),
            address: "support@shop.example".to_owned(),
            shop_id: 14,
            ..attended()
        });
        let colleague = Person::with_mailbox("colleague@shop.example", "Pa55~colleague");
        world.directory.add_account(world.tenant(), colleague);
        Self {
            world,
            orders,
            sales,
            support,
            answers: Vec::new(),
            results: Vec::new(),
            shown: String::new(),
        }
    }

    pub async fn check(&mut self) {
        self.results.push(self.world.check().await.unwrap().payload);
        for scenario in [&self.orders, &self.sales, &self.support] {
            scenario.settled().await;
        }
    }

    async fn invoke(&mut self, function: &str, event: Value) {
        let result = self.world.invoke(function, &event).await.unwrap();
        self.results.push(result.payload);
    }

    fn keep(&mut self, visitor: Visitor) {
        self.answers.extend(visitor.answers);
    }

    pub async fn failing_sign_ins(&mut self) {
        let world = &self.world;
        let link = self.orders.link_in("Authorization Required");
        let mut visitor = self.orders.visitor();
        visitor
            .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
            .await;
        // Declined, and what Microsoft says of it quotes something.
        let authorize = visitor.begin(&link).await;
        let sign_in = |decision| {
            let directory = &world.directory;
            match directory.sign_in_as(&authorize, &self.orders.mailbox.address, decision) {
                Step::Redirect(back) => back,
                Step::Page(page) => panic!("{page:?}"),
            }
        };
        let back = sign_in(Decision::Accept);
        let cookie = visitor.session().unwrap();
        let refused = back.replace("code=", "error=access_denied&error_description=");
        visitor.get(&refused).await;
        // The token endpoint refuses, and quotes what it got.
        let quote = json!({"error": "invalid_grant", "error_description": QUOTED, "error_codes": [70000],
            "correlation_id": "c0ffee"});
        let quote = Fault::Answer {
            effect: false,
            status: 400,
            headers: Vec::new(),
            body: quote.to_string(),
        };
        world
            .gate
            .fail_next("entra", "POST token authorization_code", quote);
        visitor.set_session(&cookie);
        visitor.open(&back).await;
        // Without its session; with the ticket in the wrong place; ended.
        visitor.open(&back).await;
        visitor
            .get(&format!("{}/{}", world.callback_url, ticket_of(&link)))
            .await;
        let ended = Forged::like(&link).ending_in(-60);
        let page = visitor.open(&ended.link(world)).await;
        visitor.press(&page, "/ticket", &[]).await;
        self.orders.settled().await;
        self.keep(visitor);
    }

    pub async fn sign_in(&mut self) {
        let mut visitor = self.orders.visitor();
        let link = self.orders.link_in("Authorization Required");
        let mailbox = &self.orders.mailbox;
        let page = visitor.sign_in_as_owner(&link, mailbox).await;
        assert_eq!(page.status, 200, "{}", page.body);
        self.keep(visitor);
        self.orders.settled().await;
    }

    /// A whole hand-over, in which the secret is asked for in wrong ways and shown once.
    pub async fn hand_over(&mut self) {
        let (world, scenario) = (&self.world, &self.support);
        let mut visitor = scenario.visitor();
        let page = scenario.come_in(&mut visitor).await;
        let url = |path: &str| format!("{}{path}", world.callback_url);
        let statement = fields(&page, "/attest");
        visitor.get(&url("/reveal")).await;
        visitor.post(&url("/reveal"), &statement[1..]).await;
        let quote = Fault::Answer {
            effect: false,
            status: 400,
            headers: Vec::new(),
            body: json!({"__type": "InvalidRequestException", "message": QUOTED}).to_string(),
        };
        world.gate.fail_next("events", "PutEvents", quote);
        let untold = reveal(&mut visitor, &page).await;
        assert!(untold.status >= 500, "{}", untold.body);
        let shown = reveal(&mut visitor, &page).await;
        let secret = field(&shown, "client-secret").expect("it is shown");
        let page = say(&mut visitor, &shown, "other").await;
        scenario.paste("support-in", &secret);
        let page = say(&mut visitor, &page, "authorized").await;
        scenario.paste("support-out", &secret);
        assert_eq!(secret, scenario.pending_secret());
        say(&mut visitor, &page, "authorized").await;
        scenario.settled().await;
        visitor.get(&url("/handover")).await;
        let calendar = visitor.get(&url("/calendar")).await;
        assert_eq!(calendar.status, 200, "{}", calendar.body);
        visitor.post(&url("/reveal"), &statement).await;
        scenario.assert_whole();
        self.shown = secret;
        self.keep(visitor);
    }

    /// One attempt after the other fails at another service; each answer quotes a secret.
    pub async fn failing_rotations(&mut self) {
        let body = |service: &str| match service {
            "entra" => json!({"error": "invalid_request", "error_description": QUOTED,
                "error_codes": [900144], "trace_id": QUOTED}),
            "graph" => json!({"error": {"code": "Request_BadRequest", "message": QUOTED,
                "innerError": {"request-id": QUOTED}}}),
            "shopctrl" => json!({"Message": QUOTED, "error": QUOTED, "detail": QUOTED}),
            _ => json!({"__type": "InvalidRequestException", "message": QUOTED}),
        };
        let refusal = |service, status| Fault::Answer {
            effect: false,
            status,
            headers: vec![("x-ms-diagnostics".to_owned(), QUOTED.to_owned())],
            body: body(service).to_string(),
        };
        let faults = [
            ("sts", "*", refusal("sts", 400)),
            ("graph", "POST addPassword", refusal("graph", 400)),
            // The secret is in the half that comes.
            ("graph", "POST addPassword", Fault::CutOff),
            ("graph", "POST addPassword", Fault::NotJson),
            ("secretsmanager", "PutSecretValue", refusal("aws", 400)),
            (
                "entra",
                "POST token client_credentials",
                refusal("entra", 400),
            ),
            ("entra", "POST token refresh_token", refusal("entra", 400)),
            ("entra", "POST token refresh_token", Fault::CutOff),
            ("shopctrl", "*", refusal("shopctrl", 400)),
            ("shopctrl", "*", Fault::NotJson),
            ("events", "PutEvents", refusal("aws", 400)),
        ];
        let store = &self.world.secrets_manager;
        let mailbox = &self.sales.mailbox;
        for (service, operation, fault) in faults {
            self.world.gate.heal();
            self.world.gate.fail_next(service, operation, fault);
            let calls = self.world.gate.calls().len();
            let unfinished = store.snapshot(&mailbox.secret).unwrap();
            if unfinished.unfinished_rotation().is_some() {
                store.reattempt(&mailbox.secret);
            } else {
                store.rotate(&mailbox.secret).unwrap();
            }
            store.settled(&mailbox.secret).await;
            let since = self.world.gate.calls().split_off(calls);
            let met = since.iter().any(|call| {
                call.service == service && (operation == "*" || call.operation == operation)
            });
            assert!(met, "nobody met the fault of {service} {operation}");
        }
        self.world.gate.heal();
        // A refusal that is final, and the actions.
        let arn = mailbox.arn.clone();
        for event in [
            json!({"Step": "setSecret", "SecretId": arn, "ClientRequestToken": QUOTED}),
            json!({"Step": QUOTED, "SecretId": arn, "ClientRequestToken": "t"}),
            json!({"Action": "inspect", "Deep": [{"arn": arn}]}),
            json!({"Action": "sweep", "SecretId": arn}),
            json!({"Action": "retire", "SecretId": arn}),
            json!({"Action": "sweep", "SecretId": QUOTED}),
        ] {
            // What a caller quotes as a name or token is his own, and may be told to him and logged.
            if event.to_string().contains(QUOTED) && event.get("Step") != Some(&json!(QUOTED)) {
                continue;
            }
            self.invoke("rotation", event).await;
        }
        self.invoke("expiry-checker", json!({"dry_run": true}))
            .await;
        self.invoke("expiry-checker", json!({"dry_run": QUOTED}))
            .await;
        self.invoke("oauth-callback", json!({"version": QUOTED}))
            .await;
    }

    /// All that was written, told, answered or kept in the open.
    pub fn all(&self) -> Vec<Found> {
        let world = &self.world;
        let mut all = Vec::new();
        let mut add = |place: String, text: String| all.push(Found { place, text });
        for line in world.lambda.logs() {
            add(format!("the log of {}", line.function), line.line);
        }
        for event in world.event_bridge.events() {
            add(
                format!("the event {}", event["detail-type"]),
                event.to_string(),
            );
        }
        for record in world.secrets_manager.records() {
            add(
                "a rotation's error".to_owned(),
                record.reason.unwrap_or_default(),
            );
        }
        for result in &self.results {
            add("a function's answer".to_owned(), result.to_string());
        }
        for page in &self.answers {
            add(
                format!("the page at {}", page.url.path()),
                page.body.clone(),
            );
            for (name, value) in &page.headers {
                let text = value.to_str().unwrap().to_owned();
                add(format!("the header {name} at {}", page.url.path()), text);
            }
        }
        for secret in world.secrets_manager.secrets() {
            let labels = secret.versions.iter().map(|v| (&v.id, &v.labels));
            let open = format!("{:?} {:?}", secret.tags, labels.collect::<Vec<_>>());
            add(format!("tags and labels of {}", secret.name), open);
        }
        for Scenario { mailbox, .. } in [&self.orders, &self.sales, &self.support] {
            for credential in world.directory.credentials(mailbox.app.app_id) {
                let name = credential.display_name.unwrap_or_default();
                add("a credential's name".to_owned(), name);
            }
        }
        for call in world.gate.calls() {
            let (service, operation) = (call.service, &call.operation);
            let answered = String::from_utf8_lossy(&call.answer).into_owned();
            let sent = String::from_utf8_lossy(&call.body).into_owned();
            let from_us = !["api-gateway"].contains(&service)
                && (service != "entra" || operation.starts_with("POST token"));
            if from_us {
                add(
                    format!("the address of {service} {operation}"),
                    call.uri.clone(),
                );
                for (name, value) in &call.headers {
                    let text = value.to_str().unwrap_or_default().to_owned();
                    // Bearer at Graph, Basic at ShopCtrl; AWS signs.
                    let bearer = name == AUTHORIZATION && ["graph", "shopctrl"].contains(&service);
                    if !bearer {
                        add(format!("the header {name} of {service} {operation}"), text);
                    }
                }
            }
            match service {
                "lambda" => {
                    add(format!("the call of {operation}"), sent);
                    add(format!("the answer to {operation}"), answered);
                }
                "api-gateway" => {
                    add(format!("the answer to {operation}"), answered);
                    let path = call.uri.split('?').next().unwrap_or_default();
                    // The requests of a hand-over have no secret, code or ticket in them.
                    if ["/handover", "/reveal", "/attest", "/calendar"].contains(&path) {
                        let asked = format!("{} {sent}", call.uri);
                        add(format!("the request {operation}"), asked);
                    }
                }
                "graph" | "events" | "sts" => {
                    add(format!("the body of {service} {operation}"), sent)
                }
                _ => {}
            }
        }
        all
    }
}
