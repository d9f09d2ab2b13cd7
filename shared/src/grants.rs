//! The grants of a mailbox secret, kept in a companion secret, `<mailbox secret>/grants`: one document that also
//! holds what people attested, for both outlive a client secret. Changed by compare-and-swap.

pub mod attestations;
pub mod consents;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;

use crate::failure::{Failure, Kind};
use crate::json::{self, FormVersion};
use crate::retry::{CallError, backoff};
use crate::secret_store::versions::CURRENT;
use crate::secret_store::{LabelSwap, MoveLabel, Put, SecretStore, Stored};
use attestations::Attestations;
use consents::Grants;

/// The value of the companion.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GrantsDocument {
    version: FormVersion,
    /// The consents of the mailboxes' accounts.
    pub grants: Grants,
    /// What people said of the hand-overs.
    #[serde(default, rename = "handover")]
    pub attestations: Attestations,
}

impl GrantsDocument {
    /// Reads a companion's value.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming the field.
    pub fn read(text: &SecretString) -> Result<Self, Failure> {
        json::read(text).map_err(|problem| {
            Failure::new(
                Kind::Misconfigured,
                format!("reading the grants: {problem}"),
            )
            .next_step("Put the value that it has at first (docs/configuration.md, The other secrets); the owners will be asked to sign in.")
        })
    }
}

/// The companion of one mailbox secret.
#[derive(Debug, Clone)]
pub struct GrantsStore {
    store: SecretStore,
    secret: String,
}

/// The name of the companion of the mailbox secret with this name.
#[must_use]
pub fn companion(mailbox_secret: &str) -> String {
    format!("{mailbox_secret}/grants")
}

/// A writer that loses this many races in a row is not losing races.
const SWAPS: u32 = 6;

impl GrantsStore {
    /// The companion of the mailbox secret with this name.
    #[must_use]
    pub fn of(store: &SecretStore, mailbox_secret: &str) -> Self {
        Self {
            store: store.clone(),
            secret: companion(mailbox_secret),
        }
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read(&self) -> Result<GrantsDocument, Failure> {
        Ok(self.read_version().await?.0)
    }

    async fn read_version(&self) -> Result<(GrantsDocument, String), Failure> {
        let value = self
            .store
            .value_with_label(&self.secret, CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the grants"))?;
        Ok((GrantsDocument::read(&value.text)?, value.version))
    }

    /// Changes the document by compare-and-swap: a plain PutSecretValue would overwrite what another
    /// sign-in stored meanwhile. `change` is applied to what is current, each time anew.
    ///
    /// # Errors
    /// [`Failure`]; then nothing was changed that another reader could see.
    pub async fn update(&self, change: impl Fn(&mut GrantsDocument)) -> Result<(), Failure> {
        for attempt in 1..=SWAPS {
            let (mut companion, was) = self.read_version().await?;
            change(&mut companion);
            if self.replace(&companion, &was).await? == LabelSwap::Done {
                return Ok(());
            }
            // Another writer may be at it; or what was read is moments old, and is so again at once.
            tokio::time::sleep(backoff(attempt)).await;
        }
        Err(Failure::new(
            Kind::Temporary,
            "storing the grants: others kept changing them",
        ))
    }

    async fn replace(&self, companion: &GrantsDocument, was: &str) -> Result<LabelSwap, Failure> {
        let text = serde_json::to_string(companion)
            .map(SecretString::from)
            .map_err(|_| Failure::new(Kind::Misconfigured, "writing the grants"))?;
        let version = Uuid::new_v4().to_string();
        // A label of its own keeps the version from being taken as AWSCURRENT by PutSecretValue.
        let candidate = format!("candidate-{version}");
        let put = Put {
            secret: &self.secret,
            version: &version,
            text: &text,
            labels: vec![candidate.clone()],
            rotation_token: None,
        };
        match self.store.put(put).await? {
            Stored::Done => {}
            Stored::HasAnother => return Ok(LabelSwap::Lost),
        }
        let swapped = self
            .store
            .swap_label(MoveLabel {
                secret: &self.secret,
                label: CURRENT,
                to: Some(&version),
                from: Some(was),
            })
            .await?;
        // A version with a label is kept for ever; its secret should go when it is superseded. The swap
        // is done, whatever becomes of this: `tidy` drops what stays.
        let tidied = self.store.drop_label(&self.secret, &candidate, &version);
        if let Err(error) = tidied.await {
            warn!(failure = %error.failure, "a grants version keeps its candidate label; the next sweep drops it");
        }
        Ok(swapped)
    }

    /// Drops the labels that a writer left behind that was killed between its calls.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn tidy(&self) -> Result<(), Failure> {
        for (version, label) in self.left_behind().await? {
            self.store
                .drop_label(&self.secret, &label, &version)
                .await?;
        }
        Ok(())
    }

    /// Those labels, each after its version.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn left_behind(&self) -> Result<Vec<(String, String)>, CallError> {
        let versions = self.store.describe(&self.secret).await?.versions.0;
        let left = versions.into_iter().flat_map(|(version, labels)| {
            let left = labels
                .into_iter()
                .filter(|label| label.starts_with("candidate-"));
            left.map(move |label| (version.clone(), label))
        });
        Ok(left.collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(document: &Value) -> Result<GrantsDocument, Failure> {
        GrantsDocument::read(&document.to_string().into())
    }

    #[test]
    fn the_stored_form_stays_as_it_is() {
        let id = "11111111-1111-4111-8111-111111111111";
        let stored = json!({
            "version": 1,
            "grants": {"orders@shop.example": {
                "oid": id, "tid": id, "scopes": ["mail.read"], "refresh_token": "r",
                "redeemed_at": "2026-11-23T09:00:00Z",
            }},
            "handover": {"t": {"orders-in": {
                "state": "attested", "attested_by": id, "at": "2026-11-23T09:00:00Z",
                "evidence": "what ShopCtrl shows",
            }}},
        });
        let companion = read(&stored).unwrap();
        assert_eq!(serde_json::to_value(&companion).unwrap(), stored);
        let mut earlier = stored.clone();
        let attestation = &mut earlier["handover"]["t"]["orders-in"];
        attestation["rests_on"] = attestation["evidence"].take();
        attestation.as_object_mut().unwrap().remove("evidence");
        let companion = read(&earlier).unwrap();
        assert_eq!(serde_json::to_value(&companion).unwrap(), stored);
        let at_first = read(&json!({"version": 1, "grants": {}})).unwrap();
        assert!(at_first.grants.idle(jiff::Timestamp::MAX).is_empty());
    }

    #[test]
    fn an_error_names_the_field_and_never_the_value() {
        let wrong = read(&json!({"version": 1, "grants": "hunter2"})).unwrap_err();
        let wrong = wrong.to_string();
        assert!(wrong.contains("field grants"), "{wrong}");
        assert!(!wrong.contains("hunter2"), "{wrong}");
    }
}
