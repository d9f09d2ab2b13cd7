//! Amazon SES, its second interface: `SendEmail` of a simple message (API v2 reference, *SendEmail*).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::account::is_signed;
use crate::clock::Clock;
use crate::gate::{Gate, Service};

/// A mail as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// `From`.
    pub from: String,
    /// `To`.
    pub to: Vec<String>,
    /// `Reply-To`.
    pub reply_to: Vec<String>,
    /// `Subject`.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The part with a page.
    pub html: String,
    /// The other headers, `Name: value`.
    pub headers: Vec<String>,
}

/// The account's mail service.
#[derive(Debug)]
pub struct Ses {
    clock: Arc<Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: Vec<Sent>,
    /// Domains and addresses that were verified.
    verified: BTreeSet<String>,
    /// "You can only send mail to verified email addresses and domains" in it.
    sandbox: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail {
    from_email_address: String,
    destination: Destination,
    #[serde(default)]
    reply_to_addresses: Vec<String>,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    to_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Text,
    body: Parts,
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parts {
    text: Text,
    html: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    name: String,
    value: String,
}

impl Ses {
    /// An account that is out of the sandbox, and may send as no one yet.
    #[must_use]
    pub fn new(clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
        })
    }

    /// The HTTP API, `ses` in the journal.
    #[must_use]
    pub fn service(self: &Arc<Self>, gate: Arc<Gate>) -> Service {
        Service {
            name: "ses",
            operation,
            router: Router::new()
                .route("/v2/email/outbound-emails", post(handle))
                .with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }

    /// An address or a domain is verified.
    pub fn verify(&self, identity: &str) {
        self.state().verified.insert(identity.to_owned());
    }

    /// Whether the account is in the sandbox, as each is at first.
    pub fn set_sandbox(&self, sandbox: bool) {
        self.state().sandbox = sandbox;
    }

    /// What was sent, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, asked: SendEmail) -> Result<Value, (&'static str, String)> {
        let mut state = self.state();
        let is_verified = |address: &str| {
            let bare = address.rsplit_once('<').map_or(address, |(_, bare)| bare);
            let bare = bare.trim_end_matches('>');
            let domain = bare.rsplit('@').next().unwrap_or_default();
            state.verified.contains(bare) || state.verified.contains(domain)
        };
        let from = asked.from_email_address;
        let to = asked.destination.to_addresses;
        let checked = to.iter().filter(|_| state.sandbox).chain([&from]);
        let failing: Vec<&str> = checked
            .filter(|address| !is_verified(address))
            .map(String::as_str)
            .collect();
        if !failing.is_empty() {
            return Err((
                "MessageRejected",
                format!(
                    "Email address is not verified. The following identities failed the check in region EU-WEST-1: {}",
                    failing.join(", ")
                ),
            ));
        }
        let Simple {
            subject,
            body,
            headers,
        } = asked.content.simple;
        let headers = headers.into_iter();
        state.sent.push(Sent {
            from,
            to,
            reply_to: asked.reply_to_addresses,
            subject: subject.data,
            text: body.text.data,
            html: body.html.data,
            headers: headers
                .map(|header| format!("{}: {}", header.name, header.value))
                .collect(),
        });
        Ok(json!({"MessageId": Uuid::new_v4().to_string()}))
    }
}

fn operation(_: &Request<Bytes>) -> String {
    "SendEmail".to_owned()
}

async fn handle(Shared(ses): Shared<Arc<Ses>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let asked = serde_json::from_slice::<SendEmail>(&body);
    let result = match asked {
        _ if !is_signed(&headers) => Err(("MissingAuthenticationTokenException", String::new())),
        Ok(asked) => ses.send(asked),
        Err(error) => Err(("BadRequestException", error.to_string())),
    };
    let (status, code, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err((code, message)) => (
            StatusCode::BAD_REQUEST,
            Some(code),
            json!({"message": message}),
        ),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    if let Some(code) = code {
        let code = HeaderValue::from_static(code);
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_verified_neither_sends_nor_gets_in_the_sandbox() {
        let ses = Ses::new(Arc::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH)));
        let send = |from: &str, to: &str| {
            let text = |data: &str| json!({"Data": data});
            let asked = json!({
                "FromEmailAddress": from, "Destination": {"ToAddresses": [to]},
                "Content": {"Simple": {
                    "Subject": text("s"), "Body": {"Text": text("t"), "Html": text("h")},
                }},
            });
            ses.send(serde_json::from_value(asked).unwrap()).is_ok()
        };
        let from = "Shop mail <shopmail@agency.example>";
        assert!(!send(from, "ann@elsewhere.example"));
        ses.verify("agency.example");
        assert!(send(from, "ann@elsewhere.example"));
        ses.set_sandbox(true);
        assert!(!send(from, "ann@elsewhere.example"));
        assert!(send(from, "bob@agency.example"));
    }
}
