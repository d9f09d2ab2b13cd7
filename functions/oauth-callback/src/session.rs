//! What the browser carries between `/authorize` and `/callback`: one sealed cookie, ten minutes.

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use shared::entra::sign_in::Secrets;
use shared::failure::{Failure, Kind};
use shared::ticket::TicketKey;

/// `__Host-`: only this host, only over HTTPS, for all paths (RFC 6265bis, 4.1.3.2).
const NAME: &str = "__Host-shopmail";
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// A sign-in under way.
#[derive(Debug, Clone)]
pub struct Session {
    /// State, nonce and verifier.
    pub secrets: Secrets,
    /// The link's ticket, as text.
    pub ticket: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    state: String,
    nonce: String,
    verifier: String,
    ticket: String,
    ends: i64,
}

impl Session {
    /// A new sign-in with fresh random state, nonce and verifier (RFC 7636: 43 characters).
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn begin(ticket: String) -> Result<Self, Failure> {
        Ok(Self {
            secrets: Secrets {
                state: random()?,
                nonce: random()?,
                verifier: random()?,
            },
            ticket,
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
            ends: now.as_second() + LIFETIME.as_secs(),
        };
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut text = serde_json::to_vec(&sealed).map_err(|_| cannot())?;
        aead(key)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .map_err(|_| cannot())?;
        let value = BASE64URL_NOPAD.encode(&[nonce.as_slice(), &text].concat());
        // Lax: the way back from Microsoft is a navigation from another site.
        Ok(format!(
            "{NAME}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
            LIFETIME.as_secs()
        ))
    }

    /// Opens the session among the request's cookies; `None` when there is none that is ours and
    /// young enough.
    #[must_use]
    pub fn open(cookies: &[String], key: &TicketKey, now: Timestamp) -> Option<Self> {
        let named = |cookie: &String| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == NAME).then(|| value.to_owned())
        };
        let value = cookies.iter().find_map(named)?;
        let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let text = aead(key)
            .ok()?
            .open_in_place(nonce, Aad::empty(), &mut text)
            .ok()?;
        let sealed: Sealed = serde_json::from_slice(text).ok()?;
        (sealed.ends > now.as_second()).then(|| Self {
            secrets: Secrets {
                state: sealed.state.into(),
                nonce: sealed.nonce.into(),
                verifier: sealed.verifier.into(),
            },
            ticket: sealed.ticket,
        })
    }
}

/// The `Set-Cookie` value that ends a session.
#[must_use]
pub fn no_cookie() -> String {
    format!("{NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

fn aead(key: &TicketKey) -> Result<LessSafeKey, Failure> {
    let key = UnboundKey::new(&AES_256_GCM, &key.derive("session")).map_err(|_| cannot())?;
    Ok(LessSafeKey::new(key))
}

fn random() -> Result<SecretString, Failure> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes).into())
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    SystemRandom::new().fill(bytes).map_err(|_| cannot())
}

fn cannot() -> Failure {
    Failure::new(Kind::Temporary, "sealing the sign-in")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> TicketKey {
        TicketKey::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-23T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_session_opens_for_ten_minutes_and_shows_nothing() {
        let session = Session::begin("ticket".into()).unwrap();
        let cookie = session.cookie(&key(), now()).unwrap();
        let pair = cookie.split(';').next().unwrap().to_owned();
        assert!(!cookie.contains(session.secrets.verifier.expose_secret()));
        let open =
            |at: &str| Session::open(std::slice::from_ref(&pair), &key(), at.parse().unwrap());
        let opened = open("2026-11-23T09:09:59Z").unwrap();
        assert_eq!(
            opened.secrets.state.expose_secret(),
            session.secrets.state.expose_secret()
        );
        assert!(open("2026-11-23T09:10:00Z").is_none());
    }

    #[test]
    fn an_altered_session_does_not_open() {
        let cookie = Session::begin("ticket".into())
            .unwrap()
            .cookie(&key(), now())
            .unwrap();
        let pair = cookie.split(';').next().unwrap();
        for at in NAME.len() + 1..pair.len() {
            let mut altered = pair.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(
                Session::open(&[altered], &key(), now()).is_none(),
                "at {at}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_cookie_makes_the_reader_panic(value in ".*") {
            let _ = Session::open(&[format!("{NAME}={value}")], &key(), now());
        }
    }
}
