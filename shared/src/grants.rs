//! Grants: the delegated consents of mailbox accounts, and what people attested of a hand-over. They
//! live in a companion secret, `<mailbox secret>/grants`, because they outlive client secrets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tracing::warn;
use uuid::Uuid;

use crate::failure::{Failure, Kind};
use crate::ids::{DirectoryId, MailboxAddress};
use crate::mailbox_secret::{FormVersion, field_error};
use crate::retry::backoff;
use crate::secret_store::versions::CURRENT;
use crate::secret_store::{MoveLabel, Put, SecretStore, Stored, Swap};

/// The value of the companion secret.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    version: FormVersion,
    /// By mailbox address, in lower case.
    grants: BTreeMap<String, Grant>,
    /// By rotation token, then by connection id.
    #[serde(default)]
    pub handover: BTreeMap<String, BTreeMap<String, HandOver>>,
}

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
    /// When it was last redeemed, by Entra's clock.
    pub redeemed_at: Timestamp,
}

/// What a person attested of one connection.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// How far it is.
    pub state: HandOverState,
    /// The account that attested it.
    pub attested_by: DirectoryId,
    /// When.
    pub at: Timestamp,
    /// What the statement rests on, in the page's words.
    pub rests_on: String,
}

/// How far a hand-over is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOverState {
    /// The person says that ShopCtrl shows Status Authorized.
    Attested,
    /// The person says that ShopCtrl does not.
    Failed,
}

fn exposed<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

impl Grants {
    fn read(text: &SecretString) -> Result<Self, Failure> {
        let mut json = serde_json::Deserializer::from_str(text.expose_secret());
        serde_path_to_error::deserialize(&mut json).map_err(|error| {
            Failure::new(
                Kind::Misconfigured,
                format!("reading the grants: {}", field_error(&error)),
            )
            .next_step("Put the value that it has at first (README, The other secrets); the owners will be asked to sign in.")
        })
    }

    /// The grant of a mailbox.
    #[must_use]
    pub fn of(&self, mailbox: &MailboxAddress) -> Option<&Grant> {
        self.grants.get(&mailbox.key())
    }

    /// Files a grant under its mailbox.
    pub fn set(&mut self, mailbox: &MailboxAddress, grant: Grant) {
        self.grants.insert(mailbox.key(), grant);
    }

    /// The mailboxes whose grant was last redeemed before `before`.
    #[must_use]
    pub fn idle(&self, before: Timestamp) -> Vec<MailboxAddress> {
        let idle = self
            .grants
            .iter()
            .filter(|(_, grant)| grant.redeemed_at < before);
        idle.filter_map(|(mailbox, _)| MailboxAddress::read(mailbox))
            .collect()
    }

    /// Whether a person attested this connection in this rotation.
    #[must_use]
    pub fn attested(&self, token: &str, connection: &str) -> bool {
        let hand_over = self.handover.get(token).and_then(|all| all.get(connection));
        hand_over.is_some_and(|hand_over| hand_over.state == HandOverState::Attested)
    }
}

/// The grants of one mailbox secret.
#[derive(Debug, Clone)]
pub struct GrantStore {
    store: SecretStore,
    secret: String,
}

/// A writer that loses this many races in a row is not losing races.
const SWAPS: u32 = 6;

impl GrantStore {
    /// The companion of the mailbox secret with this name.
    #[must_use]
    pub fn of(store: &SecretStore, mailbox_secret: &str) -> Self {
        Self {
            store: store.clone(),
            secret: format!("{mailbox_secret}/grants"),
        }
    }

    /// Reads the grants.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read(&self) -> Result<Grants, Failure> {
        Ok(self.read_version().await?.0)
    }

    async fn read_version(&self) -> Result<(Grants, String), Failure> {
        let value = self
            .store
            .value_with_label(&self.secret, CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the grants"))?;
        Ok((Grants::read(&value.text)?, value.version))
    }

    /// Changes the grants by compare-and-swap: a plain PutSecretValue would overwrite what another
    /// sign-in stored meanwhile. `change` is applied to what is current, each time anew.
    ///
    /// # Errors
    /// [`Failure`]; then nothing was changed that another reader could see.
    pub async fn update(&self, change: impl Fn(&mut Grants)) -> Result<(), Failure> {
        for swap in 1..=SWAPS {
            let (mut grants, was) = self.read_version().await?;
            change(&mut grants);
            if self.swap(&grants, &was).await? == Swap::Done {
                return Ok(());
            }
            // Another writer may be at it; or what was read is moments old, and is so again at once.
            tokio::time::sleep(backoff(swap)).await;
        }
        Err(Failure::new(
            Kind::Temporary,
            "storing the grants: others kept changing them",
        ))
    }

    async fn swap(&self, grants: &Grants, was: &str) -> Result<Swap, Failure> {
        let text = serde_json::to_string(grants)
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
            Stored::HasAnother => return Ok(Swap::Lost),
        }
        let swapped = self
            .store
            .swap(MoveLabel {
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
            warn!(failure = %error.failure, "a candidate's label stays for now");
        }
        Ok(swapped)
    }

    /// Drops the labels that a writer left behind that was killed between its calls.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn tidy(&self) -> Result<(), Failure> {
        let versions = self.store.describe(&self.secret).await?.versions;
        for (version, labels) in &versions.0 {
            for label in labels.iter().filter(|l| l.starts_with("candidate-")) {
                self.store.drop_label(&self.secret, label, version).await?;
            }
        }
        Ok(())
    }
}
