//! Somebody in the middle of a hand-over, and the tools of an attacker.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use http::Method;
use jiff::SignedDuration;
use oauth_callback::Route;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};
use shared::ticket::TicketKey;
use simulators::browser::Page;
use simulators::gate::Fault;
use simulators::world::{MailboxPlan, TICKET_KEY, World};

use crate::support::Scenario;
use crate::support::hand_over::fields;
use crate::support::picture::Picture;
use crate::support::visitor::{SIGNED_IN, Visitor};

pub const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

pub const RECEIVING: &str = "Receiving mail: enter the new client secret";

pub const SENDING: &str = "Sending mail: enter the new client secret";

/// What a plan changes in its document.
pub type Change = fn(&mut Value);

/// Signed in by the link of a hand-over that waits.
pub struct Visit {
    pub scenario: Scenario,
    pub visitor: Visitor,
    /// The page that came first.
    pub page: Page,
    /// The pending secret.
    pub secret: String,
}

impl Visit {
    pub async fn begin(plan: &MailboxPlan) -> Self {
        let scenario = Scenario::waiting_for_hand_over(plan).await;
        Self::of(scenario).await
    }

    pub async fn of(scenario: Scenario) -> Self {
        scenario.world.api_gateway.lift_limits();
        let mut visitor = scenario.visitor();
        let page = scenario.come_in(&mut visitor).await;
        assert_eq!(page.heading(), RECEIVING, "{}", page.body);
        let secret = scenario.pending_secret();
        Self {
            scenario,
            visitor,
            page,
            secret,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.scenario.world.callback_url)
    }

    /// What nobody may have changed, and how much was told.
    pub fn standing(&self) -> (Picture, usize) {
        let picture = self.scenario.picture();
        (picture, self.scenario.world.event_bridge.events().len())
    }

    /// A browser with this in place of the session.
    pub fn with_cookie(&self, value: &str) -> Visitor {
        let mut visitor = self.scenario.visitor();
        visitor.set_cookie(SIGNED_IN, value);
        visitor
    }

    /// The session, changed by somebody who has the key.
    pub fn crafted(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut session = unsealed(SIGNED_IN, &self.visitor.cookie(SIGNED_IN).unwrap());
        change(&mut session);
        sealed(TICKET_KEY, SIGNED_IN, &session)
    }

    /// The session as it would be if the sign-in had been so long ago.
    pub fn aged(&self, by: SignedDuration) -> String {
        self.crafted(|session| {
            for time in ["at", "authenticated"] {
                let at = session[time].as_i64().unwrap() - by.as_secs();
                session[time] = json!(at);
            }
        })
    }

    /// The fields that say that the page's connection is authorized.
    pub fn statement(&self) -> Vec<(String, String)> {
        let mut fields = fields(&self.page, "/attest");
        fields.push(("said".to_owned(), "authorized".to_owned()));
        fields
    }

    pub fn refusals(&self) -> Vec<Value> {
        let told = self.scenario.details("Reveal Refused");
        told.into_iter()
            .map(|told| told["reason"].clone())
            .collect()
    }

    pub fn revealed(&self) -> usize {
        self.scenario.details("Client Secret Revealed").len()
    }

    /// How often Secrets Manager was asked to go on.
    pub fn pushes(&self) -> usize {
        asked_for(&self.scenario.world, "RotateSecret")
    }
}

pub fn asked_for(world: &World, operation: &str) -> usize {
    let calls = world.gate.calls().into_iter();
    calls.filter(|call| call.operation == operation).count()
}

pub fn aead(key: &str) -> LessSafeKey {
    let key = TicketKey::new(key.to_owned().into()).unwrap();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key.derive("session")).unwrap())
}

pub fn sealed(key: &str, name: &str, content: &Value) -> String {
    let nonce = [7; NONCE_LEN];
    let mut text = content.to_string().into_bytes();
    aead(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(name.as_bytes()),
            &mut text,
        )
        .unwrap();
    BASE64URL_NOPAD.encode(&[nonce.as_slice(), &text].concat())
}

pub fn unsealed(name: &str, value: &str) -> Value {
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).unwrap();
    let (nonce, text) = bytes.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let mut text = text.to_vec();
    let text = aead(TICKET_KEY)
        .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
        .unwrap();
    serde_json::from_slice(text).unwrap()
}

pub fn encoded(fields: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

pub fn with(fields: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields.to_vec();
    fields.retain(|(known, _)| known != name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

pub fn without(fields: &[(String, String)], name: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields.to_vec();
    fields.retain(|(known, _)| known != name);
    fields
}

pub fn down(status: u16) -> Fault {
    Fault::Answer {
        effect: false,
        status,
        headers: Vec::new(),
        body: "{}".to_owned(),
    }
}

pub fn methods() -> [Method; 6] {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ]
}

/// The paths of a hand-over: all but those of a sign-in.
pub fn paths() -> BTreeSet<&'static str> {
    let of_a_sign_in = [Route::Authorize, Route::Callback];
    let routes = Route::ALL.into_iter();
    let of_a_hand_over = routes.filter(|route| !of_a_sign_in.contains(route));
    of_a_hand_over.map(Route::path).collect()
}

/// Nothing outside was asked to do anything.
pub fn assert_only_looked(world: &World) {
    for call in world.gate.calls() {
        let looks = match call.service {
            "api-gateway" => true,
            "secretsmanager" => ["DescribeSecret", "GetSecretValue"].contains(&&*call.operation),
            "shopctrl" => call.method == Method::GET,
            _ => false,
        };
        assert!(looks, "{} {}", call.service, call.operation);
    }
}
