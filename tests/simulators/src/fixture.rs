//! A tenant with an app, its rotator and a shop mailbox, for this crate's own tests.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::microsoft::directory::Directory;
use crate::microsoft::directory::account::Person;
use crate::microsoft::directory::application::{AppIds, NewSecret, Registration};
use crate::microsoft::directory::redemption::{Client, CodeRedemption, Proof};
use crate::microsoft::directory::scope::Scope;
use crate::microsoft::directory::sign_in::{Decision, Step};
use crate::microsoft::{entra, graph};
use crate::shopctrl::{self, AuthParameters, ShopCtrl};

pub(crate) const MAILBOX: &str = "orders@shop.example";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const CALLBACK: &str = "https://callback.example/callback";

pub(crate) struct Fixture {
    pub(crate) clock: Arc<Clock>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) entra: Service,
    pub(crate) graph: Service,
    pub(crate) shopctrl: Arc<ShopCtrl>,
    pub(crate) shop: Service,
    pub(crate) tenant: Uuid,
    pub(crate) app: AppIds,
    pub(crate) rotator: AppIds,
    pub(crate) rotator_secret: String,
    pub(crate) person: Uuid,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn code(&self) -> u64 {
        self.json()["error_codes"][0].as_u64().unwrap()
    }
}

pub(crate) async fn ask(
    service: &Service,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = service
        .call(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let clock = Arc::new(Clock::starting_at(start));
        let gate = Arc::new(Gate::default());
        let directory = Directory::new(Arc::clone(&clock), 7);
        let shopctrl = ShopCtrl::new(Arc::clone(&directory), Arc::clone(&clock));
        let tenant = directory.add_tenant("shop.example");
        let rotator = directory.register(
            tenant,
            Registration {
                display_name: "Rotator".to_owned(),
                app_roles: ["Application.ReadWrite.OwnedBy".to_owned()].into(),
                ..Registration::default()
            },
        );
        let (_, rotator_secret) = directory
            .add_secret(rotator.app_id, NewSecret::default())
            .unwrap();
        let app = directory.register(
            tenant,
            Registration {
                redirect_uris: vec![CALLBACK.to_owned(), shopctrl.redirect_uri()],
                owners: [rotator.service_principal_id].into(),
                admin_consent: Scope::parse_list("Mail.Read").into_iter().collect(),
                ..Registration::default()
            },
        );
        let person = directory.add_account(tenant, Person::with_mailbox(MAILBOX, PASSWORD));
        directory.consent(
            person,
            app.app_id,
            "openid profile offline_access User.Read Mail.Read Mail.Send https://outlook.office.com/SMTP.Send",
        );
        Self {
            entra: entra::service(
                Arc::clone(&directory),
                Arc::clone(&gate),
                Arc::clone(&clock),
            ),
            graph: graph::service(
                Arc::clone(&directory),
                Arc::clone(&gate),
                Arc::clone(&clock),
            ),
            shop: shopctrl::service(Arc::clone(&shopctrl), gate, Arc::clone(&clock)),
            clock,
            directory,
            shopctrl,
            tenant,
            app,
            rotator,
            rotator_secret,
            person,
        }
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The app, as a connection of ShopCtrl's names it.
    pub(crate) fn auth_parameters(&self) -> AuthParameters {
        AuthParameters {
            tenant_id: self.tenant,
            client_id: self.app.app_id,
        }
    }

    /// A secret of the app, put there in the portal.
    pub(crate) fn secret(&self) -> (Uuid, String) {
        self.directory
            .add_secret(self.app.app_id, NewSecret::default())
            .unwrap()
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        let uri = format!("/{}/oauth2/v2.0/token", self.tenant);
        ask(&self.entra, "POST", &uri, &[], form(fields)).await
    }

    /// A token of the person's for these scopes, by a sign-in that consents to them.
    pub(crate) fn signed_in(&self, scopes: &str) -> String {
        let (tenant, id) = (self.tenant.to_string(), self.app.app_id.to_string());
        self.directory.consent(self.person, self.app.app_id, scopes);
        let query = form(&[
            ("client_id", &id),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", scopes),
        ]);
        let url =
            format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize?{query}");
        let step = self.directory.sign_in_as(&url, MAILBOX, Decision::Accept);
        let Step::Redirect(back) = step else {
            panic!("{step:?}");
        };
        let (_, secret) = self.secret();
        let client = Client {
            tenant: &tenant,
            client_id: &id,
            proof: Proof::Secret(&secret),
        };
        let redemption = CodeRedemption {
            code: back.split("code=").nth(1).unwrap(),
            redirect_uri: CALLBACK,
            code_verifier: None,
            scope: None,
        };
        let tokens = self.directory.redeem_code(client, redemption);
        tokens.unwrap().access_token
    }

    /// A client credentials request of the app with this secret.
    pub(crate) async fn try_secret(&self, secret: &str) -> Answer {
        self.token(&[
            ("grant_type", "client_credentials"),
            ("client_id", &self.app.app_id.to_string()),
            ("client_secret", secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ])
        .await
    }

    /// The rotator's `Authorization` for Graph.
    pub(crate) async fn rotator_bearer(&self) -> String {
        let answer = self
            .token(&[
                ("grant_type", "client_credentials"),
                ("client_id", &self.rotator.app_id.to_string()),
                ("client_secret", &self.rotator_secret),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .await;
        format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
    }

    /// Asks Graph about the app: `what` comes after its key.
    pub(crate) async fn about_app(
        &self,
        bearer: &str,
        method: &str,
        what: &str,
        body: Value,
    ) -> Answer {
        let uri = format!("/v1.0/applications(appId='{}'){what}", self.app.app_id);
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        ask(
            &self.graph,
            method,
            &uri,
            &[("authorization", bearer)],
            body,
        )
        .await
    }

    pub(crate) async fn add_password(&self, bearer: &str, name: &str) -> Answer {
        let body = json!({"passwordCredential": {"displayName": name, "endDateTime": "2027-05-22T00:00:00Z"}});
        self.about_app(bearer, "POST", "/addPassword", body).await
    }
}
