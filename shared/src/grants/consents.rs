//! Grants: the delegated consents of mailbox accounts, each a refresh token. They outlive client secrets, and are
//! kept in [`super`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::ids::{DirectoryId, MailboxAddress};

/// A mailbox account's delegated consent.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The account in its tenant.
    pub oid: DirectoryId,
    /// The tenant.
    pub tid: DirectoryId,
    /// The bare names of the granted scopes, in lower case.
    pub scopes: BTreeSet<String>,
    /// Bound to account and app, not to the client secret: it survives rotations, 90 days at a time.
    #[serde(serialize_with = "exposed")]
    pub refresh_token: SecretString,
    /// When Entra gave this token, by its clock.
    pub redeemed_at: Timestamp,
}

fn exposed<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

/// By mailbox address, in lower case.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Grants(BTreeMap<String, Grant>);

impl Grants {
    /// The grant of a mailbox.
    #[must_use]
    pub fn of(&self, mailbox: &MailboxAddress) -> Option<&Grant> {
        self.0.get(&mailbox.key())
    }

    /// Files a grant under its mailbox.
    pub fn set(&mut self, mailbox: &MailboxAddress, grant: Grant) {
        self.0.insert(mailbox.key(), grant);
    }

    /// The mailboxes whose grant was last redeemed before `before`.
    #[must_use]
    pub fn idle(&self, before: Timestamp) -> Vec<MailboxAddress> {
        let idle = self
            .0
            .iter()
            .filter(|(_, grant)| grant.redeemed_at < before);
        idle.filter_map(|(mailbox, _)| MailboxAddress::read(mailbox))
            .collect()
    }
}
