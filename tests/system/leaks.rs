//! No secret is found outside its place: after a run with all that can go wrong, everything that the
//! functions wrote, told, answered or sent is searched for every secret that there was, in every guise.

use std::collections::BTreeSet;

use data_encoding::{BASE64, BASE64URL, HEXLOWER};
use http::header::{AUTHORIZATION, SET_COOKIE};
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::gate::Fault;
use simulators::microsoft::directory::account::Person;
use simulators::microsoft::directory::sign_in::{Decision, Step};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::assert_whole;
use crate::hand_over::{attended, come_in, field, fields, paste, pending_secret, reveal, say};
use crate::links::Forged;
use crate::sign_in::without_grant;
use crate::support::visitor::{Visitor, link_in, ticket_of};
use simulators::browser::Page;

/// Foreign servers put this into every text of an error: it stands for what they may quote of ours.
const QUOTED: &str = "Qu0ted~by.a_server-that.echoes~what_it.got";

/// Something that was written somewhere, and where.
struct Found {
    place: String,
    text: String,
}

/// A secret and every form in which it could be hidden in a text.
struct Guises {
    secret: String,
    forms: BTreeSet<String>,
}

impl Guises {
    fn of(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let mut forms = BTreeSet::from([secret.to_owned()]);
        for front in 0..3 {
            for encoding in [BASE64, BASE64URL] {
                forms.insert(inner_base64(&encoding, bytes, front));
            }
        }
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        forms.insert(percent.to_lowercase());
        forms.insert(percent);
        let form: String = url::form_urlencoded::byte_serialize(bytes).collect();
        forms.insert(form.to_lowercase());
        forms.insert(form);
        let json = Value::from(secret).to_string();
        forms.insert(json.trim_matches('"').to_owned());
        forms.insert(HEXLOWER.encode(bytes));
        forms.insert(HEXLOWER.encode(bytes).to_uppercase());
        forms.insert(secret.chars().rev().collect());
        Self {
            secret: secret.to_owned(),
            forms,
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

/// The characters of the Base64 form that do not depend on what stands before and behind, with
/// `front` bytes before.
fn inner_base64(encoding: &data_encoding::Encoding, bytes: &[u8], front: usize) -> String {
    let mut whole = vec![0; front];
    whole.extend_from_slice(bytes);
    let text = encoding.encode(&whole);
    let first = (front * 8).div_ceil(6);
    let last = whole.len() * 8 / 6;
    text[first..last].to_owned()
}

#[test]
fn the_search_finds_a_secret_in_every_guise() {
    let secret = "epb8Q~58LHke6.ysNHwCJb_wJIlOu2u-m9TpqYXK";
    let guises = Guises::of(secret);
    for front in ["", "a", "ab", "abc", "user:"] {
        for behind in ["", "x", "xy", "xyz"] {
            let whole = format!("{front}{secret}{behind}");
            for hidden in [
                BASE64.encode(whole.as_bytes()),
                BASE64URL.encode(whole.as_bytes()),
                url::form_urlencoded::byte_serialize(whole.as_bytes()).collect(),
                HEXLOWER.encode(whole.as_bytes()),
                json!({ "a": whole }).to_string(),
            ] {
                assert!(guises.is_in(&format!("before {hidden} behind")), "{hidden}");
            }
        }
    }
    assert!(!guises.is_in(&BASE64.encode(b"something else that is long enough to be one")));
}

/// A whole run: rotations with and without sign-in, one that is handed over, sign-ins that fail, a
/// retirement, and rotations that fail at every service whose errors quote what they got.
struct Run {
    world: World,
    orders: Mailbox,
    sales: Mailbox,
    support: Mailbox,
    answers: Vec<Page>,
    results: Vec<Value>,
    /// The secret that a page showed.
    shown: String,
}

impl Run {
    async fn start() -> Self {
        let mut settings = short_waits();
        settings.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), "DEBUG".to_owned());
        let world = World::start(settings).await.unwrap();
        world.directory.note_secret(QUOTED);
        let orders = world.add_mailbox(&without_grant()).unwrap();
        let sales = world
            .add_mailbox(&MailboxPlan {
                name: "sales".to_owned(),
                address: "sales@shop.example".to_owned(),
                shop_id: 13,
                ..MailboxPlan::default()
            })
            .unwrap();
        let support = world
            .add_mailbox(&MailboxPlan {
                name: "support".to_owned(),
                address: "support@shop.example".to_owned(),
                shop_id: 14,
                ..attended()
            })
            .unwrap();
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

    async fn check(&mut self) {
        self.results.push(self.world.check().await.unwrap().payload);
        for mailbox in [&self.orders, &self.sales, &self.support] {
            self.world.secrets_manager.settled(&mailbox.secret).await;
        }
    }

    async fn invoke(&mut self, function: &str, event: Value) {
        let result = self.world.invoke(function, &event).await.unwrap();
        self.results.push(result.payload);
    }

    fn keep(&mut self, visitor: Visitor) {
        self.answers.extend(visitor.answers);
    }

    async fn failing_sign_ins(&mut self) {
        let world = &self.world;
        let link = link_in(world, "Authorization Required");
        let mut visitor = Visitor::new(world);
        visitor
            .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
            .await;
        // Declined, and what Microsoft says of it quotes something.
        let authorize = visitor.begin(&link).await;
        let sign_in = |decision| {
            let directory = &world.directory;
            match directory.sign_in_as(&authorize, &self.orders.address, decision) {
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
        visitor.get(&back).await;
        // Without its session; with the ticket in the wrong place; ended.
        visitor.get(&back).await;
        visitor
            .get(&format!("{}/{}", world.callback_url, ticket_of(&link)))
            .await;
        let ended = Forged::like(&link).ending_in(-60);
        let page = visitor.open(&ended.link(world)).await;
        visitor.press(&page, "/ticket", &[]).await;
        world.secrets_manager.settled(&self.orders.secret).await;
        self.keep(visitor);
    }

    async fn sign_in(&mut self) {
        let mut visitor = Visitor::new(&self.world);
        let link = link_in(&self.world, "Authorization Required");
        let page = visitor.sign_in_as_owner(&link, &self.orders).await;
        assert_eq!(page.status, 200, "{}", page.body);
        self.keep(visitor);
        let store = &self.world.secrets_manager;
        store.settled(&self.orders.secret).await;
    }

    /// A whole hand-over, in which the secret is asked for in wrong ways and shown once.
    async fn hand_over(&mut self) {
        let (world, mailbox) = (&self.world, &self.support);
        let mut visitor = Visitor::new(world);
        let page = come_in(world, mailbox, &mut visitor).await;
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
        paste(world, mailbox, "support-in", &secret);
        let page = say(&mut visitor, &page, "authorized").await;
        paste(world, mailbox, "support-out", &secret);
        assert_eq!(secret, pending_secret(world, mailbox));
        say(&mut visitor, &page, "authorized").await;
        world.secrets_manager.settled(&mailbox.secret).await;
        visitor.get(&url("/handover")).await;
        let calendar = visitor.get(&url("/calendar")).await;
        assert_eq!(calendar.status, 200, "{}", calendar.body);
        visitor.post(&url("/reveal"), &statement).await;
        assert_whole(world, mailbox);
        self.shown = secret;
        self.keep(visitor);
    }

    /// One attempt after the other fails at another service; each answer quotes a secret.
    async fn failing_rotations(&mut self) {
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
        let mailbox = &self.sales;
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
            json!({"Action": "probe", "SecretId": arn}),
            json!({"Action": "sweep", "SecretId": arn}),
            json!({"Action": "retire", "SecretId": arn}),
            json!({"Action": "probe", "SecretId": QUOTED}),
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
    fn all(&self) -> Vec<Found> {
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
        for mailbox in [&self.orders, &self.sales, &self.support] {
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

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_outside_its_place_in_any_guise() {
    let mut run = Run::start().await;
    run.check().await;
    run.failing_sign_ins().await;
    run.sign_in().await;
    run.hand_over().await;
    assert_whole(&run.world, &run.orders);
    assert_whole(&run.world, &run.sales);
    run.world.clock.advance(SignedDuration::from_hours(8 * 24));
    run.check().await;
    run.failing_rotations().await;
    run.check().await;
    run.check().await;
    assert_whole(&run.world, &run.sales);
    run.world.lambda.end_all().await;

    // It was a run in which all of it happened.
    let world = &run.world;
    assert!(!world.event_bridge.details("Credential Retired").is_empty());
    let failed = crate::support::visitor::failures(world).len();
    assert!(failed >= 8, "{failed} attempts failed");
    let quoted =
        |call: &simulators::gate::Call| String::from_utf8_lossy(&call.answer).contains(QUOTED);
    assert!(
        world
            .gate
            .calls()
            .iter()
            .filter(|call| quoted(call))
            .count()
            >= 7
    );

    let all = run.all();
    let secrets = world.secret_strings();
    assert!(secrets.len() > 50, "{}", secrets.len());
    let guises: Vec<Guises> = secrets.iter().map(|secret| Guises::of(secret)).collect();
    assert_shown_in_one_answer(&run);
    let mut leaks = Vec::new();
    let mut seen = BTreeSet::new();
    for found in all.iter().filter(|found| seen.insert(found.text.as_str())) {
        for guise in &guises {
            let its_answer = ["the page at /reveal", "the answer to POST /reveal"];
            let shown = guise.secret == run.shown && its_answer.contains(&found.place.as_str());
            if guise.is_in(&found.text) && !shown {
                leaks.push(format!(
                    "{} in {}: {}",
                    guise.secret, found.place, found.text
                ));
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert_places_of_links(&run, &all);
    assert_nobody_gets_anothers(&run, &guises);
    let panicked = |found: &&Found| found.text.contains("panicked");
    assert_eq!(all.iter().filter(panicked).count(), 0);
    // Nor the first characters of a secret, which Graph calls its hint.
    let hinted = |found: &&Found| found.place.starts_with("the log") && found.text.contains("hint");
    assert_eq!(all.iter().filter(hinted).count(), 0);
}

/// The secret that was handed over is in the answer to the one POST that asked for it rightly.
fn assert_shown_in_one_answer(run: &Run) {
    assert!(!run.shown.is_empty());
    let answers = run.answers.iter();
    let shown: Vec<&Page> = answers
        .filter(|answer| answer.body.contains(&run.shown))
        .collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].url.path(), "/reveal");
    assert_eq!(shown[0].headers["cache-control"], "no-store");
    assert_eq!(shown[0].body.matches(&run.shown).count(), 1);
}

/// A ticket is in links, on the page behind it and in the form for a new one: nowhere else.
fn assert_places_of_links(run: &Run, all: &[Found]) {
    for kind in ["Authorization Required", "Hand-over Required"] {
        let events = run.world.event_bridge.details(kind);
        assert!(!events.is_empty());
        for event in events {
            let ticket = ticket_of(event["link"].as_str().unwrap());
            assert_places_of_ticket(kind, &ticket, all);
        }
    }
    assert_places_of_sessions(run, all);
}

fn assert_places_of_ticket(kind: &str, ticket: &str, all: &[Found]) {
    let told = [
        format!("the event \"{kind}\""),
        "the body of events PutEvents".to_owned(),
    ];
    let on_page = [
        format!("name=\"ticket\" value=\"{ticket}\""),
        format!("href=\"authorize?ticket={ticket}\""),
        format!("href=\"authorize?ticket={ticket}&amp;anew=1\""),
    ];
    let start = ["the page at /start", "the answer to GET /start"];
    // The signature is what makes it one.
    let signature = ticket.rsplit('.').next().unwrap();
    for part in [ticket, signature] {
        for found in all.iter().filter(|found| found.text.contains(part)) {
            let times = found.text.matches(part).count();
            let link = told.contains(&found.place) && times == 1;
            let way_on = on_page.iter().any(|place| found.text.contains(place)) && times == 1;
            // The first screen has its own link to copy too, for a private window.
            let itself = start.contains(&found.place.as_str()) && times == 2;
            assert!(
                link || way_on || itself,
                "a ticket in {}: {}",
                found.place,
                found.text
            );
        }
    }
}

/// A session is in its cookie, what ties its forms to it in its pages, state and nonce on the way to
/// Microsoft: nowhere else.
fn assert_places_of_sessions(run: &Run, all: &[Found]) {
    for page in &run.answers {
        let forms = page.forms().into_iter().flat_map(|form| form.fields);
        for (_, value) in forms.filter(|(name, _)| name == "form") {
            for found in all.iter().filter(|found| found.text.contains(&value)) {
                let place = found.place.split(" /").next().unwrap();
                let known = [
                    "the page at",
                    "the answer to GET",
                    "the answer to POST",
                    "the request POST",
                ];
                assert!(known.contains(&place), "{}", found.place);
            }
        }
    }
    let mut sessions = 0;
    for page in &run.answers {
        for cookie in page.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let value = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
            if value.is_empty() {
                continue;
            }
            sessions += 1;
            for found in all.iter().filter(|found| found.text.contains(value)) {
                assert!(
                    found.place.starts_with("the header set-cookie"),
                    "{}",
                    found.place
                );
            }
        }
        let Some(location) = page.location() else {
            continue;
        };
        let location = url::Url::parse(&location).unwrap();
        let secrets = location
            .query_pairs()
            .filter(|(name, _)| ["state", "nonce", "code_challenge"].contains(&name.as_ref()));
        for (name, value) in secrets {
            for found in all
                .iter()
                .filter(|found| found.text.contains(value.as_ref()))
            {
                assert!(
                    found.place.starts_with("the header location"),
                    "{name} in {}",
                    found.place
                );
            }
        }
    }
    assert!(sessions >= 3, "{sessions}");
}

/// Each service gets its own secrets and nobody else's: ShopCtrl client secrets and never a token of
/// ours, Entra neither ShopCtrl's password nor the key of our links.
fn assert_nobody_gets_anothers(run: &Run, guises: &[Guises]) {
    let world = &run.world;
    let password = simulators::world::SHOPCTRL_LOGIN.1;
    let key = simulators::world::TICKET_KEY;
    for call in world.gate.calls() {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        let forbidden: Vec<&Guises> = match call.service {
            "shopctrl" => guises
                .iter()
                .filter(|guise| {
                    world
                        .directory
                        .credential_with_value(&guise.secret)
                        .is_none()
                })
                .collect(),
            "entra" => guises
                .iter()
                .filter(|guise| [password, key].contains(&guise.secret.as_str()))
                .collect(),
            _ => continue,
        };
        for guise in forbidden {
            assert!(
                !guise.is_in(&body),
                "{} {} gets {}",
                call.service,
                call.operation,
                guise.secret
            );
        }
    }
}
