//! A mailbox document as JSON: the credential's three fields stand among the others.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::credential::{DocumentCredential, StoredCredential, UnknownCredential};
use super::{Connection, MailboxSecret, Rotator};
use crate::cloud::Cloud;
use crate::credential::ClientSecret;
use crate::ids::{DirectoryId, KeyId};
use crate::json::{self, FormVersion};
use crate::period::Period;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename = "MailboxSecret")]
struct Wire {
    version: FormVersion,
    tenant_id: DirectoryId,
    client_id: DirectoryId,
    #[serde(default)]
    cloud: Cloud,
    #[serde(default)]
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime: Option<Period>,
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    key_id: Option<KeyId>,
    #[serde(
        default,
        deserialize_with = "no_secret_is_none",
        serialize_with = "exposed",
        skip_serializing_if = "Option::is_none"
    )]
    client_secret: Option<ClientSecret>,
    #[serde(
        default,
        deserialize_with = "empty_is_none",
        skip_serializing_if = "Option::is_none"
    )]
    expires_at: Option<Timestamp>,
    rotator: Rotator,
    connections: Vec<Connection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reveal_to: Vec<DirectoryId>,
}

/// A field that is there and empty is one that nobody filled in.
fn empty_is_none<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    T::deserialize(de::value::StringDeserializer::new(text)).map(Some)
}

fn no_secret_is_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ClientSecret>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then(|| ClientSecret::new(text)))
}

/// The only place where a document with its secret becomes text: [`MailboxSecret::write`].
#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
fn exposed<S: Serializer>(secret: &Option<ClientSecret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_str(secret.expose()),
        None => serializer.serialize_none(),
    }
}

/// Reads a document; the error says what is wrong with which field, and never its value.
pub(super) fn read(text: &SecretString) -> Result<MailboxSecret, String> {
    let wire: Wire = json::read_whole(text)?;
    let missing = |field: &str| format!("missing field `{field}`, which belongs to client_secret");
    let credential = match (wire.client_secret, wire.key_id, wire.expires_at) {
        (None, key_id, expires_at) => {
            DocumentCredential::NotStored(UnknownCredential { key_id, expires_at })
        }
        (Some(client_secret), Some(key_id), Some(expires_at)) => {
            DocumentCredential::Stored(StoredCredential {
                key_id,
                client_secret,
                expires_at,
            })
        }
        (Some(_), None, _) => return Err(missing("key_id")),
        (Some(_), Some(_), None) => return Err(missing("expires_at")),
    };
    Ok(MailboxSecret {
        version: wire.version,
        tenant_id: wire.tenant_id,
        client_id: wire.client_id,
        cloud: wire.cloud,
        description: wire.description,
        lifetime: wire.lifetime,
        credential,
        rotator: wire.rotator,
        connections: wire.connections,
        reveal_to: wire.reveal_to,
    })
}

/// The document as text, secret included.
pub(super) fn write(document: &MailboxSecret) -> Result<SecretString, serde_json::Error> {
    let document = document.clone();
    let (key_id, client_secret, expires_at) = match document.credential {
        DocumentCredential::Stored(stored) => (
            Some(stored.key_id),
            Some(stored.client_secret),
            Some(stored.expires_at),
        ),
        DocumentCredential::NotStored(unknown) => (unknown.key_id, None, unknown.expires_at),
    };
    let wire = Wire {
        version: document.version,
        tenant_id: document.tenant_id,
        client_id: document.client_id,
        cloud: document.cloud,
        description: document.description,
        lifetime: document.lifetime,
        key_id,
        client_secret,
        expires_at,
        rotator: document.rotator,
        connections: document.connections,
        reveal_to: document.reveal_to,
    };
    serde_json::to_string(&wire).map(SecretString::from)
}
