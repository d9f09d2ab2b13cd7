//! The credential of a mailbox document: with its value, or, before the first one is issued, without.

use jiff::Timestamp;

use crate::credential::ClientSecret;
use crate::ids::KeyId;

/// The credential of a document's version.
#[derive(Debug, Clone)]
pub enum DocumentCredential {
    /// Its value is here.
    Stored(StoredCredential),
    /// Nobody has the value any more: ShopCtrl uses it, and the first rotation issues one of which it is known.
    NotStored(UnknownCredential),
}

/// A credential whose value the document holds.
#[derive(Debug, Clone)]
pub struct StoredCredential {
    /// Its id (Secret ID in the portal).
    pub key_id: KeyId,
    /// Its value.
    pub client_secret: ClientSecret,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// What a person may say of a credential without having its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnknownCredential {
    /// Its id.
    pub key_id: Option<KeyId>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl DocumentCredential {
    /// The credential, where its value is here.
    #[must_use]
    pub fn stored(&self) -> Option<&StoredCredential> {
        match self {
            Self::Stored(stored) => Some(stored),
            Self::NotStored(_) => None,
        }
    }

    /// Its id, where the document names it.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Stored(stored) => Some(stored.key_id),
            Self::NotStored(unknown) => unknown.key_id,
        }
    }

    /// When it ends. Of one whose value is not here by what the checker last saw in Entra of the named one
    /// (`cached`, the tag), or else by the document.
    #[must_use]
    pub fn end(&self, cached: Option<&String>) -> Option<Timestamp> {
        match self {
            Self::Stored(stored) => Some(stored.expires_at),
            Self::NotStored(unknown) => {
                let cached = cached.filter(|_| unknown.key_id.is_some());
                let cached = cached.and_then(|end| end.parse().ok());
                cached.or(unknown.expires_at)
            }
        }
    }

    /// Whether both are one and the same, as far as documents tell.
    #[must_use]
    pub fn is_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stored(one), Self::Stored(other)) => one.key_id == other.key_id,
            (Self::NotStored(one), Self::NotStored(other)) => one == other,
            (Self::Stored(_), Self::NotStored(_)) | (Self::NotStored(_), Self::Stored(_)) => false,
        }
    }
}
