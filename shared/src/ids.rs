//! By what things are named: apps, tenants and accounts at Entra, credentials, connections, mailboxes. Below
//! all else, so that documents, clouds and events can each speak of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};
use uuid::Uuid;

/// An id of Entra's (tenant, application, user): a GUID, written in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DirectoryId(String);

impl DirectoryId {
    /// The GUID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a GUID.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok()?;
        Some(Self(id.hyphenated().to_string()))
    }
}

impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DirectoryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| de::Error::custom("not a GUID"))
    }
}

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

/// The id of a connection: up to 64 letters, digits, `.`, `_` and `-`, so that it is safe in paths,
/// logs and pages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let dots = text.chars().all(|c| c == '.');
        if text.len() <= 64 && text.chars().all(plain) && !dots {
            Ok(Self(text))
        } else {
            Err(de::Error::custom(
                "not an id of 1 to 64 letters, digits, '.', '_' and '-'",
            ))
        }
    }
}

/// The address of a mailbox account, compared without regard to case.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct MailboxAddress(String);

impl MailboxAddress {
    /// The address as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads an address: one `@`, something before and behind it, no space or control character, and nothing
    /// that would have to be quoted in an address (RFC 5322, 3.2.3) or in the mails that name it.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (local, domain) = text.split_once('@')?;
        let plain = |c: char| {
            !c.is_whitespace()
                && !c.is_control()
                && !matches!(c, '@' | '<' | '>' | '"' | ',' | '\\')
        };
        let good = !local.is_empty()
            && !domain.is_empty()
            && text.len() <= 254
            && local.chars().all(plain)
            && domain.chars().all(plain);
        good.then(|| Self(text.to_owned()))
    }

    /// The form by which addresses are compared and grants are filed.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for MailboxAddress {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for MailboxAddress {}

impl fmt::Display for MailboxAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MailboxAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| de::Error::custom("not a mail address"))
    }
}
