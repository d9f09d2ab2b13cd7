//! A superseded version's credential, and the labels that say how far its life has come.

use jiff::Timestamp;
use shared::credential::Credential;
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::{Claim, PREVIOUS, released_label, superseded_label};
use tracing::warn;

use super::retirement::Retirement;
use crate::context::Context;

pub(super) struct Old<'a> {
    pub(super) key_id: KeyId,
    pub(super) version: &'a str,
    pub(super) claim: Claim,
    /// The version's own document, where it can be read.
    pub(super) document: Option<MailboxSecret>,
    /// What the version has for the credential, in the order of its life.
    labels: Vec<String>,
}

impl<'a> Old<'a> {
    pub(super) fn new(
        secret: &SecretMetadata,
        key_id: KeyId,
        version: &'a str,
        claim: Claim,
    ) -> Self {
        let mut labels = secret.versions.labels_naming(version, key_id);
        labels.sort_by_key(|label| Claim::of(label));
        Self {
            key_id,
            version,
            claim,
            document: None,
            labels: labels.into_iter().map(str::to_owned).collect(),
        }
    }

    pub(super) async fn read_document(&mut self, context: &Context<'_>) -> Result<(), Failure> {
        let Context {
            clients, secret, ..
        } = context;
        let value = clients.store.value_of(&secret.arn, self.version).await?;
        self.document = value.and_then(|value| MailboxSecret::read(&value.text).ok());
        Ok(())
    }

    /// Whether the current document holds this version's value too, under an id that is another's: then
    /// ShopCtrl uses it, whatever id the connections show.
    pub(super) fn has_the_value_of(&self, current: &MailboxSecret) -> bool {
        let stored = |document: &MailboxSecret| document.credential.stored().cloned();
        let both = self.document.as_ref().and_then(stored).zip(stored(current));
        both.is_some_and(|(own, current)| {
            own.client_secret.expose() == current.client_secret.expose()
        })
    }

    pub(super) async fn is_in_use_by_now(&self, context: &Context<'_>) -> Result<bool, Failure> {
        let store = &context.clients.store;
        let versions = store.describe(&context.secret.arn).await?.versions;
        let claims = versions.claims();
        let mut holders = claims.keys().filter(|(key_id, _)| *key_id == self.key_id);
        let held_in_use = holders.any(|(_, version)| versions.in_use(version));
        Ok(versions.in_use(self.version) || held_in_use)
    }

    /// Since when the version is superseded, where a label says so, or Secrets Manager's own date of the
    /// rotation that made the current version.
    pub(super) fn since(&self, run: &Retirement<'_>, credential: &Credential) -> Option<Timestamp> {
        if let Claim::Superseded(Some(since)) = self.claim {
            return Some(since);
        }
        // Not of a rotation that was given up, nor of one that was taken back; nor of a value put by hand just
        // before, which Secrets Manager counts as a rotation, too.
        let secret = &run.context.secret;
        let made = run.stored_at;
        let replaced = secret.versions.has(self.version, PREVIOUS)
            && credential
                .start
                .zip(made)
                .is_some_and(|(start, made)| start < made);
        secret
            .last_rotated
            .filter(|rotated| replaced && made.is_some_and(|made| *rotated > made))
    }

    /// Where nothing says since when, its label says it from now on.
    pub(super) async fn label_superseded(
        &mut self,
        context: &Context<'_>,
        now: Timestamp,
        cannot_wait: bool,
    ) -> Result<(), Failure> {
        let label = superseded_label(now, self.key_id);
        self.relabel(context, label, cannot_wait).await
    }

    /// As far as this secret goes, the credential may be removed: a kill after the removal does not make
    /// it look like somebody else's deed, and other secrets that name it need not wait for this one.
    pub(super) async fn release(
        &mut self,
        context: &Context<'_>,
        cannot_wait: bool,
    ) -> Result<(), Failure> {
        if self.claim == Claim::Released {
            return Ok(());
        }
        let label = released_label(self.key_id);
        self.relabel(context, label, cannot_wait).await
    }

    /// Puts one label in the place of what the version has for the credential. That all of a secret's
    /// labels are in use is no reason to keep what leaked or has ended.
    pub(super) async fn relabel(
        &mut self,
        context: &Context<'_>,
        label: String,
        cannot_wait: bool,
    ) -> Result<(), Failure> {
        let (store, secret) = (&context.clients.store, &context.secret.arn);
        if let Err(error) = store.set_label(secret, &label, self.version).await {
            if !cannot_wait {
                return Err(error.failure);
            }
            warn!(label, version = self.version, failure = %error.failure, "the label could not be set; going on without");
            return Ok(());
        }
        for before in std::mem::replace(&mut self.labels, vec![label.clone()]) {
            if before != label {
                match store.drop_label(secret, &before, self.version).await {
                    Err(error) if cannot_wait => {
                        warn!(label = before, version = self.version, failure = %error.failure, "the label stays for now");
                    }
                    dropped => drop(dropped?),
                }
            }
        }
        Ok(())
    }

    /// Drops the labels of a credential that no replica shows. `retired-` goes last: a kill on the way
    /// does not have the removal published again.
    pub(super) async fn forget(&self, context: &Context<'_>) -> Result<(), Failure> {
        let store = &context.clients.store;
        for label in &self.labels {
            let dropped = store.drop_label(&context.secret.arn, label, self.version);
            dropped.await?;
        }
        Ok(())
    }
}
