//! What the browser carries between `/authorize` and `/callback`: a sign-in under way, ten minutes.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use shared::entra::sign_in::Secrets;
use shared::failure::Failure;
use shared::ticket::TicketKey;

use super::sealed_cookie::{Cookie, random};

const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// The cookie of a sign-in under way.
pub(crate) const COOKIE: Cookie = Cookie {
    name: "__Host-shopmail",
    max_age: LIFETIME.as_secs(),
};

/// A sign-in under way.
#[derive(Debug, Clone)]
pub(crate) struct SignInSession {
    /// State, nonce and verifier.
    pub secrets: Secrets,
    /// The link's ticket, as text.
    pub ticket: String,
    /// Whether Microsoft was asked to have credentials entered, whoever is signed in there.
    pub anew: bool,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    state: String,
    nonce: String,
    verifier: String,
    ticket: String,
    anew: bool,
    ends: i64,
}

impl SignInSession {
    /// A new sign-in with fresh random state, nonce and verifier.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn begin(ticket: String, anew: bool) -> Result<Self, Failure> {
        Ok(Self {
            secrets: Secrets {
                state: random()?,
                nonce: random()?,
                verifier: random()?,
            },
            ticket,
            anew,
        })
    }

    /// The `Set-Cookie` value that carries it.
    ///
    /// # Errors
    /// When sealing fails.
    pub fn cookie(&self, key: &TicketKey, now: Timestamp) -> Result<String, Failure> {
        let sealed = Sealed {
            state: self.secrets.state.expose_secret().to_owned(),
            nonce: self.secrets.nonce.expose_secret().to_owned(),
            verifier: self.secrets.verifier.expose_secret().to_owned(),
            ticket: self.ticket.clone(),
            anew: self.anew,
            ends: now.as_second() + LIFETIME.as_secs(),
        };
        COOKIE.seal(key, &sealed)
    }

    /// Opens the session among the request's cookies; `None` when there is none that is ours and
    /// young enough.
    #[must_use]
    pub fn open(cookies: &[String], key: &TicketKey, now: Timestamp) -> Option<Self> {
        let sealed: Sealed = COOKIE.open(cookies, key)?;
        (sealed.ends > now.as_second()).then(|| Self {
            secrets: Secrets {
                state: sealed.state.into(),
                nonce: sealed.nonce.into(),
                verifier: sealed.verifier.into(),
            },
            ticket: sealed.ticket,
            anew: sealed.anew,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TicketKey {
        TicketKey::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap()
    }

    #[test]
    fn a_session_opens_for_ten_minutes_and_shows_nothing() {
        let session = SignInSession::begin("ticket".into(), false).unwrap();
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        let cookie = session.cookie(&key(), now).unwrap();
        let pair = cookie.split(';').next().unwrap().to_owned();
        assert!(!cookie.contains(session.secrets.verifier.expose_secret()));
        let open = |at: &str| {
            SignInSession::open(std::slice::from_ref(&pair), &key(), at.parse().unwrap())
        };
        let opened = open("2026-11-23T09:09:59Z").unwrap();
        assert_eq!(
            opened.secrets.state.expose_secret(),
            session.secrets.state.expose_secret()
        );
        assert!(open("2026-11-23T09:10:00Z").is_none());
    }
}
