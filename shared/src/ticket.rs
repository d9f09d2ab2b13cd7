//! The ticket in a person's link: it names a request, and reveals nothing without the right sign-in.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Kind};
use crate::ids::MailboxAddress;
use crate::jwt;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A rotation that waits: bound to its pending version.
    Rotate,
    /// The first grant, or one that is dying: bound to the version that is AWSCURRENT.
    Connect,
}

/// What a ticket says. It may be used again until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What it is for.
    pub purpose: Purpose,
    /// ARN of the mailbox secret.
    pub secret: String,
    /// The version that it is bound to.
    pub version: String,
    /// The account that has to sign in.
    pub mailbox: MailboxAddress,
    /// When it ends, by the machine's clock.
    pub expires_at: Timestamp,
}

/// Why a ticket is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It was one of ours, and it says for what.
    Expired(Ticket),
    /// Another key signed it, or seems to have.
    OtherKey,
    /// It is no ticket, or was altered.
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    aud: String,
    purpose: Purpose,
    secret: String,
    version: String,
    mailbox: String,
    exp: i64,
}

const AUDIENCE: &str = "shopmail-ticket";
/// The longest ticket has some 600 characters.
const LONGEST: usize = 2048;

/// When a text that has a ticket's form says that it ends, whoever signed it; `None` where it cannot be one of ours.
/// For strangers' requests: it needs no key.
#[must_use]
pub fn claimed_expiry(text: &str) -> Option<Timestamp> {
    let mut parts = text.splitn(4, '.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if text.len() > LONGEST || parts.next().is_some() {
        return None;
    }
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).ok();
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    let claims: Claims = serde_json::from_slice(&decode(claims)?).ok()?;
    let signed = header.alg == Algorithm::HS256 && decode(signature)?.len() == 32;
    let ours = signed && claims.aud == AUDIENCE;
    ours.then(|| Timestamp::from_second(claims.exp).ok())?
}

/// The key that signs tickets. The callback derives the key of its cookies from it too.
#[derive(Debug, Clone)]
pub struct TicketKey(SecretString);

/// A key shorter than this can be guessed.
const SHORTEST_KEY: usize = 32;

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

impl TicketKey {
    /// Takes the value of the secret `shopmail-ticket-key`.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`] when it is shorter than 32 characters.
    pub fn new(value: SecretString) -> Result<Self, Failure> {
        if value.expose_secret().len() < SHORTEST_KEY {
            return Err(Failure::new(
                Kind::Misconfigured,
                "reading the ticket key: it has fewer than 32 characters",
            )
            .next_step("Let template.yaml generate it."));
        }
        Ok(Self(value))
    }

    /// A key for one use, so that what is made for one can never pass for another.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let salt = Salt::new(HKDF_SHA256, b"shopmail/1");
        let info = [purpose.as_bytes()];
        let mut key = [0; 32];
        // 32 bytes are far below HKDF's limit (RFC 5869), so neither call can fail.
        let _ = salt
            .extract(self.0.expose_secret().as_bytes())
            .expand(&info, Bytes32)
            .and_then(|okm| okm.fill(&mut key));
        key
    }

    /// Which key it is. No secret: it stands in the tickets that it signs.
    #[must_use]
    pub fn id(&self) -> String {
        let id = self.derive("kid");
        let (front, _) = id.split_at(4);
        HEXLOWER.encode(front)
    }

    /// Signs a ticket.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`]; cannot happen with a key that was taken.
    pub fn sign(&self, ticket: &Ticket) -> Result<String, Failure> {
        jwt::use_ring();
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            purpose: ticket.purpose,
            secret: ticket.secret.clone(),
            version: ticket.version.clone(),
            mailbox: ticket.mailbox.to_string(),
            exp: ticket.expires_at.as_second(),
        };
        let key = EncodingKey::from_secret(&self.derive("ticket"));
        let header = Header {
            kid: Some(self.id()),
            ..Header::new(Algorithm::HS256)
        };
        encode(&header, &claims, &key)
            .map_err(|_| Failure::new(Kind::Misconfigured, "signing a ticket"))
    }

    /// Checks a ticket.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<Ticket, Refused> {
        jwt::use_ring();
        let mut checks = Validation::new(Algorithm::HS256);
        checks.set_audience(&[AUDIENCE]);
        checks.set_required_spec_claims(&["exp", "aud"]);
        checks.validate_exp = false;
        let key = DecodingKey::from_secret(&self.derive("ticket"));
        let kid = decode_header(text).map_err(|_| Refused::Invalid)?.kid;
        if kid.as_ref().is_some_and(|kid| *kid != self.id()) {
            return Err(Refused::OtherKey);
        }
        let claims = decode(text, &key, &checks).map_err(|error| match (error.kind(), kid) {
            // Releases before wrote no key's id.
            (ErrorKind::InvalidSignature, None) => Refused::OtherKey,
            _ => Refused::Invalid,
        });
        let claims: Claims = claims?.claims;
        let ticket = Ticket {
            purpose: claims.purpose,
            secret: claims.secret,
            version: claims.version,
            mailbox: MailboxAddress::read(&claims.mailbox).ok_or(Refused::Invalid)?,
            expires_at: Timestamp::from_second(claims.exp).map_err(|_| Refused::Invalid)?,
        };
        if ticket.expires_at <= now {
            return Err(Refused::Expired(ticket));
        }
        Ok(ticket)
    }
}

/// When a ticket that is made `now` ends; whole seconds, as it is written.
#[must_use]
pub fn expiry(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    let end = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn key() -> TicketKey {
        TicketKey::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap()
    }

    fn ticket() -> Ticket {
        Ticket {
            purpose: Purpose::Rotate,
            secret: "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/a-AbC123".into(),
            version: "v1".into(),
            mailbox: MailboxAddress::read("orders@shop.example").unwrap(),
            expires_at: "2026-12-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_ticket_is_good_until_it_expires_and_then_still_says_for_what() {
        let text = key().sign(&ticket()).unwrap();
        let before = "2026-11-30T23:59:59Z".parse().unwrap();
        assert_eq!(key().verify(&text, before), Ok(ticket()));
        let after = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(key().verify(&text, after), Err(Refused::Expired(ticket())));
    }

    #[test]
    fn every_altered_character_makes_it_invalid() {
        let text = key().sign(&ticket()).unwrap();
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            // The last character's spare bits are refused too (strict base64).
            let verified = key().verify(&altered, now);
            let refused = matches!(verified, Err(Refused::Invalid | Refused::OtherKey));
            assert!(refused, "at {at}: {verified:?}");
        }
    }

    #[test]
    fn a_token_without_signature_or_of_another_key_is_invalid() {
        let now = "2026-11-23T00:00:00Z".parse().unwrap();
        let text = key().sign(&ticket()).unwrap();
        let other = TicketKey::new("fedcba9876543210fedcba9876543210".to_owned().into()).unwrap();
        assert_eq!(other.verify(&text, now), Err(Refused::OtherKey));
        assert_ne!(other.id(), key().id());
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let payload = text.split('.').nth(1).unwrap();
        assert_eq!(
            key().verify(&format!("{none}.{payload}."), now),
            Err(Refused::Invalid)
        );
    }

    #[test]
    fn a_ticket_of_a_release_before_has_no_key_id_and_is_taken() {
        let claims = json!({
            "aud": AUDIENCE, "purpose": "connect", "secret": "s", "version": "v",
            "mailbox": "orders@shop.example", "exp": 2_000_000_000,
        });
        jwt::use_ring();
        let with = |key: &TicketKey| {
            let key = EncodingKey::from_secret(&key.derive("ticket"));
            encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
        };
        let other = TicketKey::new("fedcba9876543210fedcba9876543210".to_owned().into()).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        assert!(key().verify(&with(&key()), now).is_ok());
        assert_eq!(key().verify(&with(&other), now), Err(Refused::OtherKey));
    }

    #[test]
    fn what_has_no_tickets_form_is_known_without_the_key() {
        let text = key().sign(&ticket()).unwrap();
        assert_eq!(claimed_expiry(&text), Some(ticket().expires_at));
        let [header, claims, signature] = text.split('.').collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        for odd in [
            String::new(),
            "a.b.c".to_owned(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}.{signature}.{signature}"),
            format!("{none}.{claims}.{signature}"),
            format!("{header}.{header}.{signature}"),
            format!("{header}.{claims}.{}", &signature[1..]),
            "A.".repeat(3000),
        ] {
            assert_eq!(claimed_expiry(&odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = claimed_expiry(&text);
            let _ = key().verify(&text, Timestamp::UNIX_EPOCH);
        }
    }
}
