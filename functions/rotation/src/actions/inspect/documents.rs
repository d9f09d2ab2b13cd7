//! The documents of the secrets that are looked at deeply, and their companions, read in batches.

use std::collections::BTreeMap;

use shared::failure::{Failure, Kind};
use shared::grants::{GrantsDocument, GrantsStore, companion};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::CallError;
use shared::rotation::inspection::DeepLook;
use shared::rotation::secret_name;
use shared::secret_store::SecretValue;

use crate::clients::Clients;

/// A mailbox secret's current document, and what it was asked for.
pub(super) struct Document {
    pub(super) arn: String,
    pub(super) look: DeepLook,
    /// The version that is current.
    pub(super) version: String,
    pub(super) mailbox: MailboxSecret,
    pub(super) companion: Result<GrantsDocument, Failure>,
}

impl Document {
    /// Whether a grant or an attestation is of any use to it.
    pub(super) fn needs_grants(&self) -> bool {
        self.mailbox.has_sign_ins()
    }

    /// Whether a writer of the grants was killed and left its label. What cannot be told is told by the next look.
    pub(super) async fn has_unfinished_grants(&self, clients: &Clients) -> bool {
        if !self.needs_grants() || self.companion.is_err() {
            return false;
        }
        let grants = GrantsStore::of(&clients.store, secret_name(&self.arn));
        grants
            .left_behind()
            .await
            .is_ok_and(|left| !left.is_empty())
    }
}

pub(super) async fn read(
    clients: &Clients,
    looks: &[DeepLook],
) -> Vec<(String, Result<Document, Failure>)> {
    let companion_of = |look: &DeepLook| companion(secret_name(&look.arn));
    let companions: Vec<String> = looks.iter().map(companion_of).collect();
    let own = looks.iter().map(|look| look.arn.as_str());
    let all: Vec<&str> = own.chain(companions.iter().map(String::as_str)).collect();
    let values = if all.is_empty() {
        Ok(BTreeMap::new())
    } else {
        clients.store.values(&all).await
    };
    let read = |look: &DeepLook| {
        let values = values.as_ref().map_err(|error| error.failure.clone())?;
        let value = |secret: &str| {
            values
                .get(secret)
                .cloned()
                .unwrap_or_else(|| Err(not_answered()))
        };
        let current = value(&look.arn)?;
        let companion = value(&companion_of(look));
        Ok(Document {
            arn: look.arn.clone(),
            look: look.clone(),
            mailbox: MailboxSecret::read(&current.text)?,
            version: current.version,
            companion: read_companion(companion),
        })
    };
    looks
        .iter()
        .map(|look| (look.arn.clone(), read(look)))
        .collect()
}

fn read_companion(value: Result<SecretValue, CallError>) -> Result<GrantsDocument, Failure> {
    let value = value.map_err(|error| error.failure.while_doing("reading the grants"))?;
    GrantsDocument::read(&value.text)
}

fn not_answered() -> CallError {
    let what = "reading secrets: the answer leaves one out";
    CallError::refused(Failure::new(Kind::Temporary, what))
}
