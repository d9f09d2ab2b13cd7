//! SNS: `Publish` to the one topic (API reference, *Publish*; the query protocol).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use uuid::Uuid;

use crate::aws::account::{ACCOUNT_ID, REGION, is_signed};
use crate::clock::Clock;
use crate::gate::{Gate, Service};

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
/// "messages must be UTF-8 encoded strings and at most 256 KB in size".
const LONGEST: usize = 256 * 1024;

/// What a subscriber by mail gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The subject.
    pub subject: String,
    /// The text.
    pub message: String,
}

/// The topic.
#[derive(Debug)]
pub struct Sns {
    clock: Arc<Clock>,
    published: Mutex<Vec<Notification>>,
}

impl Sns {
    /// With nothing published.
    #[must_use]
    pub fn new(clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            published: Mutex::default(),
        })
    }

    /// The topic's ARN.
    #[must_use]
    pub fn topic() -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT_ID}:shopmail-notices")
    }

    /// The HTTP API, `sns` in the journal.
    #[must_use]
    pub fn service(self: &Arc<Self>, gate: Arc<Gate>) -> Service {
        Service {
            name: "sns",
            operation,
            router: Router::new()
                .route("/", post(handle))
                .with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }

    /// What was published, in order.
    #[must_use]
    pub fn published(&self) -> Vec<Notification> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Notification>> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, form: &BTreeMap<String, String>) -> Result<String, (&'static str, String)> {
        if form.get("TopicArn") != Some(&Self::topic()) {
            return Err(("NotFound", "Topic does not exist".to_owned()));
        }
        let invalid = |what: &str| {
            let message = format!("Invalid parameter: {what}");
            Err(("InvalidParameter", message))
        };
        let message = form.get("Message").cloned().unwrap_or_default();
        if message.is_empty() || message.len() > LONGEST {
            return invalid("Message");
        }
        let subject = form.get("Subject").cloned().unwrap_or_default();
        // "no line breaks or control characters, and less than 100 characters long"
        if subject.chars().count() >= 100 || subject.contains(char::is_control) {
            return invalid("Subject");
        }
        self.lock().push(Notification { subject, message });
        Ok(Uuid::new_v4().to_string())
    }
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn operation(request: &Request<Bytes>) -> String {
    form(request.body())
        .get("Action")
        .cloned()
        .unwrap_or_default()
}

async fn handle(Shared(sns): Shared<Arc<Sns>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let form = form(&body);
    let result = match form.get("Action").map(String::as_str) {
        _ if !is_signed(&headers) => Err(("MissingAuthenticationToken", String::new())),
        Some("Publish") => sns.publish(&form),
        _ => Err(("InvalidAction", String::new())),
    };
    let id = Uuid::new_v4();
    let (status, xml) = match result {
        Ok(message_id) => (
            StatusCode::OK,
            format!(
                "<PublishResponse xmlns=\"{NAMESPACE}\"><PublishResult><MessageId>{message_id}</MessageId></PublishResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></PublishResponse>"
            ),
        ),
        Err((code, message)) => (
            StatusCode::BAD_REQUEST,
            format!(
                "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
            ),
        ),
    };
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_is_too_long_or_of_two_lines_is_refused() {
        let sns = Sns::new(Arc::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH)));
        let publish = |subject: &str| {
            let form = [
                ("TopicArn", Sns::topic()),
                ("Message", "text".to_owned()),
                ("Subject", subject.to_owned()),
            ];
            let form = form.map(|(name, value)| (name.to_owned(), value));
            sns.publish(&form.into()).is_ok()
        };
        assert!(publish(&"x".repeat(99)));
        assert!(!publish(&"x".repeat(100)));
        assert!(!publish("two\nlines"));
        assert_eq!(sns.published().len(), 1);
    }
}
