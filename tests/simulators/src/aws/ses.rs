//! Amazon SES, its second interface: `SendEmail` of a simple message, and whether the account may (API v2 reference,
//! *SendEmail*, *GetAccount*, *GetEmailIdentity*).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State as Shared};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::account::is_signed;
use crate::clock::Clock;
use crate::gate::{Gate, Service};

/// The template's `MailFrom` in the simulated account: as whom the notifier's role may mail.
pub const SENDER: &str = "shopmail@agency.example";

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
    /// Domains and addresses, each with whether it is verified yet.
    identities: BTreeMap<String, bool>,
    /// "You can only send mail to verified email addresses and domains" in it.
    sandbox: bool,
    /// Amazon stopped it for what its mails did.
    shut_down: bool,
}

/// What is answered: a status of 200, or another one with the error's code and message.
type Answer = Result<Value, (StatusCode, &'static str, String)>;

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
                .route("/v2/email/outbound-emails", post(send_email))
                .route("/v2/email/account", get(get_account))
                .route("/v2/email/identities/{identity}", get(get_email_identity))
                .with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }

    /// An address or a domain is verified.
    pub fn verify(&self, identity: &str) {
        self.set_identity(identity, true);
    }

    /// An address or a domain is there, and verified or not yet.
    pub fn set_identity(&self, identity: &str, verified: bool) {
        let identities = &mut self.state().identities;
        identities.insert(identity.to_owned(), verified);
    }

    /// Whether the account is in the sandbox, as each is at first.
    pub fn set_sandbox(&self, sandbox: bool) {
        self.state().sandbox = sandbox;
    }

    /// Whether Amazon has stopped the account's sending.
    pub fn set_shut_down(&self, shut_down: bool) {
        self.state().shut_down = shut_down;
    }

    /// What was sent, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, asked: SendEmail) -> Answer {
        let mut state = self.state();
        if state.shut_down {
            let message = "The message can't be sent because the account's ability to send email is currently paused.".to_owned();
            return Err((StatusCode::BAD_REQUEST, "SendingPausedException", message));
        }
        let from = asked.from_email_address;
        let to = asked.destination.to_addresses;
        let checked = to.iter().filter(|_| state.sandbox).chain([&from]);
        let failing: Vec<&str> = checked
            .filter(|address| !state.may_send_as(address))
            .map(String::as_str)
            .collect();
        if !failing.is_empty() {
            let message = format!(
                "Email address is not verified. The following identities failed the check in region EU-WEST-1: {}",
                failing.join(", ")
            );
            return Err((StatusCode::BAD_REQUEST, "MessageRejected", message));
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

impl State {
    /// "When you verify a domain identity, you can send email from any subdomain or email address of the verified
    /// domain" (SES guide, *Creating and verifying identities in Amazon SES*).
    fn may_send_as(&self, address: &str) -> bool {
        let bare = bare(address);
        let domain = bare.rsplit('@').next().unwrap_or_default();
        let parents = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
        let mut identities = [bare, domain].into_iter().chain(parents);
        identities.any(|identity| self.identities.get(identity) == Some(&true))
    }
}

/// The address in `Name <address>`.
pub(super) fn bare(address: &str) -> &str {
    let bare = address.rsplit_once('<').map_or(address, |(_, bare)| bare);
    bare.trim_end_matches('>')
}

fn operation(request: &Request<Bytes>) -> String {
    let operation = match request.uri().path() {
        "/v2/email/outbound-emails" => "SendEmail",
        "/v2/email/account" => "GetAccount",
        _ => "GetEmailIdentity",
    };
    operation.to_owned()
}

async fn send_email(
    Shared(ses): Shared<Arc<Ses>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    answer(&headers, || match serde_json::from_slice(&body) {
        Ok(asked) => ses.send(asked),
        Err(error) => {
            let message = error.to_string();
            Err((StatusCode::BAD_REQUEST, "BadRequestException", message))
        }
    })
}

async fn get_account(Shared(ses): Shared<Arc<Ses>>, headers: HeaderMap) -> Response<Body> {
    answer(&headers, || {
        let state = ses.state();
        let enforcement = if state.shut_down {
            "SHUTDOWN"
        } else {
            "HEALTHY"
        };
        Ok(json!({
            "DedicatedIpAutoWarmupEnabled": false, "EnforcementStatus": enforcement,
            "ProductionAccessEnabled": !state.sandbox, "SendingEnabled": !state.shut_down,
            "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 0.0},
        }))
    })
}

async fn get_email_identity(
    Shared(ses): Shared<Arc<Ses>>,
    Path(identity): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(&headers, || {
        let Some(verified) = ses.state().identities.get(&identity).copied() else {
            let message = format!("Email identity {identity} does not exist.");
            return Err((StatusCode::NOT_FOUND, "NotFoundException", message));
        };
        let kind = if identity.contains('@') {
            "EMAIL_ADDRESS"
        } else {
            "DOMAIN"
        };
        let status = if verified { "SUCCESS" } else { "PENDING" };
        Ok(json!({
            "IdentityType": kind, "FeedbackForwardingStatus": true,
            "VerifiedForSendingStatus": verified, "VerificationStatus": status,
        }))
    })
}

fn answer(headers: &HeaderMap, result: impl FnOnce() -> Answer) -> Response<Body> {
    let result = match is_signed(headers) {
        true => result(),
        false => Err((
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            String::new(),
        )),
    };
    let (status, code, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err((status, code, message)) => (status, Some(code), json!({"message": message})),
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
        assert!(send("shopmail@mail.agency.example", "bob@agency.example"));
        assert!(!send("shopmail@otheragency.example", "bob@agency.example"));
        ses.set_identity("agency.example", false);
        assert!(!send(from, "bob@agency.example"));
    }
}
