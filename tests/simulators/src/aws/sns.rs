//! SNS: the one topic, `Publish` to it and who is subscribed to it (API reference, *Publish*,
//! *ListSubscriptionsByTopic*; the query protocol).

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
/// "Each call returns a limited list of subscriptions, up to 100".
const PAGE: usize = 100;

/// What a subscriber by mail gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The subject.
    pub subject: String,
    /// The text.
    pub message: String,
}

/// Whether a subscriber by mail gets what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// The link in the mail that asks for it was not followed yet.
    Pending,
    /// It was.
    Confirmed,
    /// The link under a mail that ends it was followed.
    Deleted,
}

/// The topic.
#[derive(Debug)]
pub struct Sns {
    clock: Arc<Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    published: Vec<Notification>,
    /// Addresses, in the order in which they were subscribed.
    subscriptions: Vec<(String, Subscribed)>,
}

impl Sns {
    /// With nothing published.
    #[must_use]
    pub fn new(clock: Arc<Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            state: Mutex::default(),
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
        self.state().published.clone()
    }

    /// From now on this address is subscribed so.
    pub fn set_subscription(&self, address: &str, subscribed: Subscribed) {
        let mut state = self.state();
        state.subscriptions.retain(|(known, _)| known != address);
        state.subscriptions.push((address.to_owned(), subscribed));
    }

    /// Nobody is subscribed any more: "Amazon SNS deletes unconfirmed subscriptions after 48 hours".
    pub fn drop_subscriptions(&self) {
        self.state().subscriptions.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of an operation, as XML.
    fn result(&self, form: &BTreeMap<String, String>) -> Result<String, (&'static str, String)> {
        if form.get("TopicArn") != Some(&Self::topic()) {
            return Err(("NotFound", "Topic does not exist".to_owned()));
        }
        match form.get("Action").map(String::as_str) {
            Some("Publish") => self.publish(form),
            Some("ListSubscriptionsByTopic") => self.list(form),
            _ => Err(("InvalidAction", String::new())),
        }
    }

    fn publish(&self, form: &BTreeMap<String, String>) -> Result<String, (&'static str, String)> {
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
        let sent = Notification { subject, message };
        self.state().published.push(sent);
        Ok(format!("<MessageId>{}</MessageId>", Uuid::new_v4()))
    }

    fn list(&self, form: &BTreeMap<String, String>) -> Result<String, (&'static str, String)> {
        let begins = form.get("NextToken").map_or(Ok(0), |token| token.parse());
        let Ok(begins) = begins else {
            let message = "Invalid parameter: NextToken".to_owned();
            return Err(("InvalidParameter", message));
        };
        let state = self.state();
        let page = state.subscriptions.iter().skip(begins).take(PAGE);
        let members: String = page.map(member).collect();
        let ends = begins + PAGE;
        let next = match ends < state.subscriptions.len() {
            true => format!("<NextToken>{ends}</NextToken>"),
            false => String::new(),
        };
        Ok(format!("<Subscriptions>{members}</Subscriptions>{next}"))
    }
}

/// Only one that is confirmed has an ARN (mozilla/frost#428, ansible/ansible#20086).
fn member((address, subscribed): &(String, Subscribed)) -> String {
    let topic = Sns::topic();
    let arn = match subscribed {
        Subscribed::Pending => "PendingConfirmation".to_owned(),
        Subscribed::Confirmed => format!("{topic}:{}", Uuid::new_v4()),
        Subscribed::Deleted => "Deleted".to_owned(),
    };
    format!(
        "<member><TopicArn>{topic}</TopicArn><Protocol>email</Protocol><SubscriptionArn>{arn}</SubscriptionArn><Owner>{ACCOUNT_ID}</Owner><Endpoint>{address}</Endpoint></member>"
    )
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
    let result = match is_signed(&headers) {
        true => sns.result(&form),
        false => Err(("MissingAuthenticationToken", String::new())),
    };
    let action = form.get("Action").map_or("", String::as_str);
    let id = Uuid::new_v4();
    let (status, xml) = match result {
        Ok(result) => (
            StatusCode::OK,
            format!(
                "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
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

    fn sns() -> Arc<Sns> {
        Sns::new(Arc::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH)))
    }

    #[test]
    fn only_a_subscription_that_was_confirmed_has_an_arn_and_a_page_has_a_hundred() {
        let sns = sns();
        for (address, subscribed) in [
            ("ann@agency.example", Subscribed::Pending),
            ("bob@agency.example", Subscribed::Confirmed),
            ("cat@agency.example", Subscribed::Deleted),
        ] {
            sns.set_subscription(address, subscribed);
        }
        let list = |token: Option<&str>| {
            let topic = ("TopicArn".to_owned(), Sns::topic());
            let token = token.map(|token| ("NextToken".to_owned(), token.to_owned()));
            sns.list(&[topic].into_iter().chain(token).collect())
        };
        let listed = list(None).unwrap();
        let arns: Vec<&str> = listed
            .split("<SubscriptionArn>")
            .skip(1)
            .filter_map(|rest| rest.split('<').next())
            .collect();
        let [pending, confirmed, deleted] = arns.as_slice() else {
            panic!("{listed}");
        };
        assert_eq!((*pending, *deleted), ("PendingConfirmation", "Deleted"));
        assert!(confirmed.starts_with(&format!("{}:", Sns::topic())));
        for n in 0..100 {
            sns.set_subscription(&format!("{n}@agency.example"), Subscribed::Confirmed);
        }
        let first = list(None).unwrap();
        assert_eq!(first.matches("<member>").count(), 100);
        assert!(first.ends_with("<NextToken>100</NextToken>"), "{first}");
        let second = list(Some("100")).unwrap();
        assert_eq!(second.matches("<member>").count(), 3);
        assert!(!second.contains("NextToken"), "{second}");
        assert!(list(Some("x")).is_err());
    }

    #[test]
    fn a_subject_that_is_too_long_or_of_two_lines_is_refused() {
        let sns = sns();
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
