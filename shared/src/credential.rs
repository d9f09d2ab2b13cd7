//! A credential: an entry of `passwordCredentials` of an Entra app registration, and the marker by
//! which ours are known from other people's.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// The id of a credential in Entra (`keyId`). The portal calls it Secret ID; it is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub Uuid);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// A client secret: never printed, never serialized but by [`ClientSecret::expose`], zeroized on
/// drop.
#[derive(Clone)]
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// Takes the value over.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value.into())
    }

    /// The value, for the line that sends or stores it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = String::deserialize(deserializer)?;
        if value.is_empty() {
            return Err(serde::de::Error::custom("empty"));
        }
        Ok(Self::new(value))
    }
}

/// An entry of `passwordCredentials` as Graph lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub key_id: KeyId,
    /// The name that the portal shows as description; the portal's own entries may have none.
    pub display_name: Option<String>,
    /// When Entra made it.
    pub start: Option<Timestamp>,
    /// When it stops working.
    pub end: Option<Timestamp>,
}

/// Graph documents 90 characters for the name of a key credential and shortens longer ones; the
/// same is taken to hold for a password credential (graph-docs, resources/keycredential).
const LONGEST_NAME: usize = 90;

/// The front of the `displayName` of every credential that we issue:
/// `smr1/<6 characters of the secret's ARN>/<ClientRequestToken>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The six random characters at the end of the mailbox secret's ARN.
    pub secret: String,
    /// The token of the rotation that issued it.
    pub token: String,
}

impl Marker {
    /// The marker of a rotation of the secret with this ARN.
    #[must_use]
    pub fn new(secret_arn: &str, token: &str) -> Self {
        Self {
            secret: secret_suffix(secret_arn),
            token: token.to_owned(),
        }
    }

    /// The whole `displayName`, cut to what Graph keeps.
    #[must_use]
    pub fn display_name(&self, description: &str) -> String {
        let whole = format!("smr1/{}/{} {description}", self.secret, self.token);
        whole.trim_end().chars().take(LONGEST_NAME).collect()
    }

    /// Reads a `displayName`; `None` when it does not carry our marker.
    #[must_use]
    pub fn read(display_name: &str) -> Option<Self> {
        let rest = display_name.strip_prefix("smr1/")?;
        let (secret, rest) = rest.split_once('/')?;
        let token = rest.split(' ').next().filter(|token| !token.is_empty())?;
        Some(Self {
            secret: secret.to_owned(),
            token: token.to_owned(),
        })
    }
}

/// The six random characters that Secrets Manager puts at the end of an ARN. They tell two
/// installations' secrets of one name apart.
#[must_use]
pub fn secret_suffix(secret_arn: &str) -> String {
    secret_arn.rsplit('-').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shopmail/orders-AbC123";

    proptest! {
        #[test]
        fn a_marker_survives_any_description_and_graphs_cut(
            token in "[a-zA-Z0-9-]{32,64}",
            description in ".{0,120}",
        ) {
            let marker = Marker::new(ARN, &token);
            let name = marker.display_name(&description);
            prop_assert!(name.chars().count() <= LONGEST_NAME);
            prop_assert_eq!(Marker::read(&name), Some(marker));
        }

        #[test]
        fn no_text_makes_the_reader_panic(name in ".*") {
            let _ = Marker::read(&name);
        }
    }

    #[test]
    fn a_foreign_name_is_no_marker() {
        for name in [
            "",
            "smr1",
            "smr1/",
            "smr1/AbC123",
            "smr1/AbC123/",
            "prod key",
            "SMR1/a/b",
            "smr2/a/b",
        ] {
            assert_eq!(Marker::read(name), None, "{name}");
        }
    }

    #[test]
    fn a_client_secret_is_never_printed() {
        let secret = ClientSecret::new("hunter2~".into());
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
