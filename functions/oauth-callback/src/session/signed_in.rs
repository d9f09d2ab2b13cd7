//! What the browser carries through a hand-over: who signed in, when, and by which link. An hour; the
//! secret itself is shown for the first ten minutes of it only.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use shared::failure::Failure;
use shared::ids::DirectoryId;
use shared::mailbox_secret::{Connection, Direction};
use shared::ticket::TicketKey;
use subtle::ConstantTimeEq;

use super::sealed_cookie::{Cookie, random};
use crate::request::Request;

const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// Credentials that were given longer ago than this show nothing secret.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// The form field that ties a form to the session that it was made in.
pub(crate) const FORM: &str = "form";

const COOKIE: Cookie = Cookie {
    name: "__Host-shopmail-hand-over",
    max_age: LIFETIME.as_secs(),
};

/// What ShopCtrl said when the secret was offered to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AtShopCtrl {
    /// Where it wants the owner's own sign-in, by connection id.
    pub authorize: BTreeMap<String, String>,
    /// The directions in which all of the account's `api` connections had the secret.
    pub held: Vec<Direction>,
}

/// The mailbox's owner, signed in, by a link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    /// The link's ticket, as text.
    pub ticket: String,
    /// The account.
    pub oid: DirectoryId,
    /// Ties the forms of its pages to it.
    pub form: String,
    /// Where connections are authorized at ShopCtrl that it did not take without a person, by
    /// connection id.
    pub authorize: BTreeMap<String, String>,
    /// The directions in which all of the account's `api` connections had the secret by then.
    #[serde(default)]
    pub held: Vec<Direction>,
    /// Those of `authorize` of which the person said that it is done.
    pub authorized: Vec<String>,
    /// Whether the secret was shown in it.
    pub revealed: bool,
    /// When credentials were given, in Unix seconds, where that is known.
    authenticated: Option<i64>,
    /// When the sign-in was, in Unix seconds.
    at: i64,
}

impl SignedIn {
    /// A session that begins with a sign-in just made.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn begin(
        ticket: String,
        oid: DirectoryId,
        shopctrl: AtShopCtrl,
        authenticated: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        Ok(Self {
            ticket,
            oid,
            form: random()?.expose_secret().to_owned(),
            authorize: shopctrl.authorize,
            held: shopctrl.held,
            authorized: Vec::new(),
            revealed: false,
            authenticated: authenticated.map(Timestamp::as_second),
            at: now.as_second(),
        })
    }

    /// The `Set-Cookie` value that carries it.
    ///
    /// # Errors
    /// When sealing fails.
    pub fn cookie(&self, key: &TicketKey) -> Result<String, Failure> {
        COOKIE.seal(key, self)
    }

    /// Opens the session among the request's cookies.
    #[must_use]
    pub fn open(request: &Request, key: &TicketKey, now: Timestamp) -> Option<Self> {
        let session: Self = COOKIE.open(&request.cookies, key)?;
        (session.at + LIFETIME.as_secs() > now.as_second()).then_some(session)
    }

    /// Opens the session that a posted form was made in; another one's form does not count.
    #[must_use]
    pub fn open_for_form(request: &Request, key: &TicketKey, now: Timestamp) -> Option<Self> {
        let session = Self::open(request, key, now)?;
        let form = request.form(FORM)?;
        let same: bool = form.as_bytes().ct_eq(session.form.as_bytes()).into();
        same.then_some(session)
    }

    /// Whether credentials were given so lately that the secret may be shown. A sign-in that a session of
    /// Microsoft's was enough for is not fresh, however young it is.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let is_fresh = |at: i64| at.saturating_add(FRESH.as_secs()) > now.as_second();
        self.authenticated.is_some_and(is_fresh)
    }

    /// Whether the person said that this connection is authorized at ShopCtrl.
    #[must_use]
    pub fn has_authorized(&self, connection: &Connection) -> bool {
        self.authorized
            .iter()
            .any(|id| id == connection.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> TicketKey {
        TicketKey::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn begin() -> SignedIn {
        begin_authenticated(Some(at("2026-11-23T09:00:00Z")))
    }

    fn begin_authenticated(authenticated: Option<Timestamp>) -> SignedIn {
        let oid = DirectoryId::read("55555555-5555-4555-8555-555555555555").unwrap();
        SignedIn::begin(
            "ticket".into(),
            oid,
            AtShopCtrl::default(),
            authenticated,
            at("2026-11-23T09:00:00Z"),
        )
        .unwrap()
    }

    fn post(session: &SignedIn, form: &str) -> Request {
        let cookie = session.cookie(&key()).unwrap();
        let pair = cookie.split(';').next().unwrap();
        Request::read(&json!({
            "version": "2.0", "rawPath": "/reveal", "rawQueryString": "", "cookies": [pair],
            "headers": {}, "body": format!("form={form}"), "isBase64Encoded": false,
            "requestContext": {"http": {"method": "POST", "path": "/reveal"}, "stage": "$default"}
        }))
        .unwrap()
    }

    #[test]
    fn it_shows_secrets_for_ten_minutes_and_lasts_an_hour() {
        let session = begin();
        assert!(session.is_fresh(at("2026-11-23T09:09:59Z")));
        assert!(!session.is_fresh(at("2026-11-23T09:10:00Z")));
        for unknown_or_old in [None, Some(at("2026-11-23T04:00:00Z"))] {
            let session = begin_authenticated(unknown_or_old);
            assert!(!session.is_fresh(at("2026-11-23T09:00:01Z")));
        }
        let request = post(&session, "");
        assert!(SignedIn::open(&request, &key(), at("2026-11-23T09:59:59Z")).is_some());
        assert!(SignedIn::open(&request, &key(), at("2026-11-23T10:00:00Z")).is_none());
    }

    #[test]
    fn a_form_counts_only_in_the_session_that_it_was_made_in() {
        let (one, other) = (begin(), begin());
        let now = at("2026-11-23T09:01:00Z");
        let opened = |form: &str| SignedIn::open_for_form(&post(&one, form), &key(), now);
        assert!(opened(&one.form).is_some());
        assert!(opened(&other.form).is_none());
        assert!(opened("").is_none());
    }
}
