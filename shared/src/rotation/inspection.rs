//! What `inspect` is asked and what it answers: many secrets of whole tenants in one look, so that what is the same
//! for all of a tenant is asked once. No secret, and no hint of one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cloud::Cloud;
use crate::drift::Drift;
use crate::failure::Failure;
use crate::ids::{ConnectionId, DirectoryId, KeyId, MailboxAddress};
use crate::mailbox_secret::{MailboxSecret, Rotator};
use crate::out_of_reach::OutOfReach;
use crate::preflight::Row;

/// A rotator in a tenant: what it sees of that tenant is asked for once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TenantRotator {
    /// The Microsoft cloud.
    pub cloud: Cloud,
    /// The tenant of the app registrations.
    pub tenant_id: DirectoryId,
    /// The identity that issues and removes their credentials.
    pub rotator: Rotator,
}

impl TenantRotator {
    /// That of a mailbox document.
    #[must_use]
    pub fn of(mailbox: &MailboxSecret) -> Self {
        Self {
            cloud: mailbox.cloud,
            tenant_id: mailbox.tenant_id.clone(),
            rotator: mailbox.rotator.clone(),
        }
    }
}

/// What is to be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspect {
    /// App registrations only, by what the secrets' tags say.
    #[serde(default)]
    pub light: Vec<LightLook>,
    /// Secrets with all that depends on them, by their documents.
    #[serde(default)]
    pub deep: Vec<DeepLook>,
}

/// The app registrations of one rotator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightLook {
    /// Whose.
    #[serde(flatten)]
    pub of: TenantRotator,
    /// The secrets on them.
    pub secrets: Vec<LightSecret>,
}

/// A secret whose app registration alone is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightSecret {
    /// Its ARN.
    pub arn: String,
    /// The app registration.
    pub client_id: DirectoryId,
    /// The credentials that its labels name.
    pub keys: Vec<KeyId>,
}

/// A secret that is looked at with all that depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeepLook {
    /// Its ARN.
    pub arn: String,
    /// The credentials that its labels name.
    #[serde(default)]
    pub keys: Vec<KeyId>,
    /// The rotation that is under way.
    #[serde(default)]
    pub pending: Option<String>,
}

/// What was seen, by ARN; of each secret that was asked for, or why not.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Inspected {
    /// What the app registration shows.
    #[serde(default)]
    pub light: BTreeMap<String, Result<Vec<ListedCredential>, Failure>>,
    /// All of it.
    #[serde(default)]
    pub deep: BTreeMap<String, Result<Facts, Failure>>,
    /// Those of the light looks whose app registration or rotator lacks something that a rotation needs: a deep look
    /// says what.
    #[serde(default)]
    pub lacking: BTreeSet<String>,
    /// The requests that it took.
    #[serde(default)]
    pub calls: u64,
}

/// A credential that labels name, or that carries our marker for this secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCredential {
    /// Its id.
    pub key_id: KeyId,
    /// When Entra made it.
    pub start: Option<Timestamp>,
    /// When it stops working.
    pub end: Option<Timestamp>,
    /// The version that a rotation of this secret, or of the one that it was a replica of, issued it for.
    pub issued_for: Option<String>,
    /// Whether it is older than the grace in which its label may not show yet.
    pub settled: bool,
}

/// What a deep look saw of a secret; what it could not see is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The version that was current then.
    pub version: String,
    /// Who issues its credentials, and where.
    pub of: TenantRotator,
    /// The app registration's client id.
    pub client_id: DirectoryId,
    /// The current document has no value yet: the first rotation issues one.
    pub without_value: bool,
    /// The current credential, where it is named.
    pub key_id: Option<KeyId>,
    /// Whether Entra lists that credential, and its hint is not another value's; `None` where that was not seen.
    pub key_fits: Option<bool>,
    /// Whether a rotation of this secret issued it, as version `version`.
    pub issued_here: bool,
    /// Entra's clock; absent when Entra could not be asked.
    pub now: Option<Timestamp>,
    /// When Entra made the credential.
    pub start: Option<Timestamp>,
    /// When it ends: Entra's word, or else the document's; `None` where neither says it.
    pub expires_at: Option<Timestamp>,
    /// What the app registration lists; `None` where it could not be read.
    pub credentials: Option<Vec<ListedCredential>>,
    /// The accounts whose mail may stand still.
    pub mailboxes: Vec<MailboxAddress>,
    /// The connections.
    pub connections: Vec<ConnectionId>,
    /// Those of them that send; the others receive.
    #[serde(default)]
    pub sending: Vec<ConnectionId>,
    /// Those of them to which a person delivers.
    pub attended: Vec<ConnectionId>,
    /// What the `api` connections hold, of those that could be asked.
    pub held: Vec<HeldSecret>,
    /// The connections that a person attested in the rotation that is under way.
    pub attested: Vec<ConnectionId>,
    /// The grants of the mailboxes that are proved with one; `None` where they could not be read.
    pub grants: Option<Vec<StoredGrant>>,
    /// Whether a writer of the grants that was killed left its label.
    pub grants_unfinished: bool,
    /// The connections whose mailbox was not opened in this look, and not for a fault of its own: what was found of them
    /// stands.
    #[serde(default)]
    pub not_opened: Vec<ConnectionId>,
    /// What a rotation needs of others, as far as this look shows it.
    #[serde(default)]
    pub preflight: Vec<Row>,
    /// What is not as it was left, and of what a rotation needs what is missing.
    pub drift: Vec<Drift>,
    /// What could not be looked at.
    pub problems: Vec<Failure>,
}

impl Facts {
    /// Whether a person delivers to some connection.
    #[must_use]
    pub fn has_attended(&self) -> bool {
        !self.attended.is_empty()
    }

    /// Whether something did not answer that is acted on.
    #[must_use]
    pub fn has_silent(&self) -> bool {
        let mut problems = self.problems.iter();
        problems.any(|problem| match problem.out_of_reach.as_deref() {
            Some(OutOfReach::Tenant(_) | OutOfReach::ShopCtrl(_)) => true,
            // It is only looked at.
            Some(OutOfReach::MailServer(_)) | None => false,
        })
    }

    /// Whether all of it could be looked at.
    #[must_use]
    pub fn all_seen(&self) -> bool {
        self.problems.is_empty() && self.credentials.is_some()
    }
}

/// What a connection holds in ShopCtrl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSecret {
    /// Which connection.
    pub connection: ConnectionId,
    /// The credential whose value it holds.
    pub key_id: Option<KeyId>,
    /// Whether Status is Authorized.
    pub authorized: bool,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// The stored grant of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredGrant {
    /// The account.
    pub mailbox: MailboxAddress,
    /// When it was last redeemed; `None` where there is none.
    pub redeemed_at: Option<Timestamp>,
    /// Whether nobody has redeemed it for so long that it is time to.
    pub idle: bool,
    /// Whether Entra wants its owner to sign in, as this look has seen.
    #[serde(default)]
    pub refused: bool,
}
