//! Cookies that only this function can read and write: AEAD-sealed, for this host alone.

use data_encoding::BASE64URL_NOPAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::failure::{Failure, Kind};
use shared::ticket::TicketKey;

/// A cookie's name and how long the browser keeps it. What is sealed under one name does not open
/// under another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cookie {
    /// `__Host-…`: only this host, only over HTTPS, for all paths (RFC 6265bis, 4.1.3.2).
    pub name: &'static str,
    /// In seconds.
    pub max_age: i64,
}

impl Cookie {
    /// The `Set-Cookie` value that carries `content`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(self, key: &TicketKey, content: &impl Serialize) -> Result<String, Failure> {
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let mut text = serde_json::to_vec(content).map_err(|_| cannot())?;
        aead(key)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), self.aad(), &mut text)
            .map_err(|_| cannot())?;
        let value = BASE64URL_NOPAD.encode(&[nonce.as_slice(), &text].concat());
        // Lax: the way back from Microsoft is a navigation from another site.
        Ok(format!(
            "{}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
            self.name, self.max_age
        ))
    }

    /// What the request's cookie of this name carries; `None` when there is none that is ours.
    pub fn open<T: DeserializeOwned>(self, cookies: &[String], key: &TicketKey) -> Option<T> {
        let value = self.value_among(cookies)?;
        let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let text = aead(key)
            .ok()?
            .open_in_place(nonce, self.aad(), &mut text)
            .ok()?;
        serde_json::from_slice(text).ok()
    }

    /// Whether the request has one of this name, whoever made it.
    #[must_use]
    pub fn is_among(self, cookies: &[String]) -> bool {
        self.value_among(cookies).is_some()
    }

    fn value_among(self, cookies: &[String]) -> Option<&str> {
        cookies.iter().find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            (name == self.name).then_some(value)
        })
    }

    /// The `Set-Cookie` value that ends it.
    #[must_use]
    pub fn end(self) -> String {
        format!(
            "{}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
            self.name
        )
    }

    fn aad(self) -> Aad<&'static [u8]> {
        Aad::from(self.name.as_bytes())
    }
}

fn aead(key: &TicketKey) -> Result<LessSafeKey, Failure> {
    let key = UnboundKey::new(&AES_256_GCM, &key.derive("session")).map_err(|_| cannot())?;
    Ok(LessSafeKey::new(key))
}

/// 32 random bytes as text: 43 characters, as RFC 7636 wants of a verifier.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random() -> Result<SecretString, Failure> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes).into())
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    SystemRandom::new().fill(bytes).map_err(|_| cannot())
}

fn cannot() -> Failure {
    Failure::new(Kind::Temporary, "sealing a cookie")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COOKIE: Cookie = Cookie {
        name: "__Host-one",
        max_age: 60,
    };

    fn key() -> TicketKey {
        TicketKey::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap()
    }

    fn pair() -> String {
        let cookie = COOKIE.seal(&key(), &"content").unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing() {
        let pair = pair();
        assert!(!pair.contains("content"));
        let opened: Option<String> = COOKIE.open(&[pair], &key());
        assert_eq!(opened.as_deref(), Some("content"));
    }

    #[test]
    fn a_cookie_does_not_open_under_another_name() {
        let other = Cookie {
            name: "__Host-two",
            ..COOKIE
        };
        let renamed = pair().replace("__Host-one", "__Host-two");
        assert_eq!(other.open::<String>(&[renamed], &key()), None);
    }

    #[test]
    fn an_altered_cookie_does_not_open() {
        let pair = pair();
        for at in COOKIE.name.len() + 1..pair.len() {
            let mut altered = pair.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            let opened = COOKIE.open::<String>(&[altered], &key());
            assert_eq!(opened, None, "at {at}");
        }
    }

    proptest! {
        #[test]
        fn no_cookie_makes_the_reader_panic(value in ".*") {
            let _ = COOKIE.open::<String>(&[format!("{}={value}", COOKIE.name)], &key());
        }
    }
}
