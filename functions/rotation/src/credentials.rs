//! Removing credentials, and making sure that they are gone. Graph's reads lag its writes, and its
//! "no such credential" can mean "not heard of it yet": one empty look proves nothing.

use shared::credential::Credential;
use shared::events::{EventKind, RetiredReason};
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Registration, Removal};
use shared::ids::KeyId;
use shared::retry::{Deadline, with_retries};
use shared::secret_store::SecretMetadata;
use shared::tags;
use tracing::info;

use crate::{Rotation, event};

/// A credential is taken as gone when this many looks in a row did not find it: Terraform's provider wants
/// as many, as far apart (terraform-provider-azuread, consistency.go).
const ABSENT_LOOKS: u32 = 5;
/// A removal is tried this often while replicas disagree.
const REMOVALS: u32 = 3;
/// A tag has 256 characters.
const MOST_NOTED: usize = 6;

impl Rotation {
    /// Removes credentials whose values nobody has, and tells it of each then. They are noted before: a kill
    /// between the two does not swallow the event. Returns those that are gone; one that fails does not
    /// keep the others.
    pub(crate) async fn remove_orphans(
        &self,
        secret: &SecretMetadata,
        registration: &Registration,
        orphans: Vec<KeyId>,
        deadline: Deadline,
    ) -> (Vec<KeyId>, Option<Failure>) {
        let mut open = noted(secret);
        open.retain(|noted| !orphans.contains(noted));
        open.extend(&orphans);
        if orphans.is_empty() {
            return (Vec::new(), None);
        }
        if let Err(failure) = self.note_removing(secret, &open).await {
            return (Vec::new(), Some(failure));
        }
        let (mut removed, mut failed) = (Vec::new(), None);
        for key_id in orphans {
            let removal = async {
                self.remove_credential(registration, key_id, deadline)
                    .await?;
                info!(%key_id, "removed an orphaned credential");
                removed.push(key_id);
                self.tell_orphan(secret, key_id).await
            };
            match removal.await {
                Ok(()) => open.retain(|noted| *noted != key_id),
                Err(failure) => failed = Some(failure),
            }
        }
        let noted = self.note_removing(secret, &open).await;
        (removed, failed.or(noted.err()))
    }

    /// Tells the removals of orphans that a kill kept from being told.
    pub(crate) async fn tell_removed(
        &self,
        secret: &mut SecretMetadata,
        registration: &Registration,
        application: &Application,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let noted = noted(secret);
        let mut open = Vec::new();
        for key_id in &noted {
            let seen = application.credential(*key_id).is_some();
            if seen || !self.is_gone(registration, *key_id, deadline).await? {
                open.push(*key_id);
                continue;
            }
            self.tell_orphan(secret, *key_id).await?;
        }
        if open == noted {
            return Ok(());
        }
        // What was written is handed on, not read again.
        let tag = written(&open);
        secret.tags.insert(tags::REMOVING.to_owned(), tag);
        self.note_removing(secret, &open).await
    }

    async fn tell_orphan(&self, secret: &SecretMetadata, key_id: KeyId) -> Result<(), Failure> {
        let retired = EventKind::CredentialRetired {
            key_id,
            reason: RetiredReason::Orphan,
            stops: None,
        };
        self.events.publish(&[event(secret, None, retired)]).await
    }

    async fn note_removing(&self, secret: &SecretMetadata, keys: &[KeyId]) -> Result<(), Failure> {
        let tag = (tags::REMOVING, written(keys));
        self.store.tag(&secret.arn, &[tag]).await?;
        Ok(())
    }

    /// Removes a credential.
    pub(crate) async fn remove_credential(
        &self,
        registration: &Registration,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut refused = None;
        for _ in 0..REMOVALS {
            let removal = with_retries(deadline, async || {
                registration.remove_password(key_id).await
            });
            match removal.await? {
                Removal::Removed => return Ok(()),
                not_found @ Removal::NotFound(_) => {
                    if self.is_gone(registration, key_id, deadline).await? {
                        return Ok(());
                    }
                    refused = not_found.refused();
                }
            }
        }
        Err(refused.map_or_else(
            || {
                Failure::new(
                    Kind::Temporary,
                    "removing a client secret in Entra: its replicas do not agree yet",
                )
            },
            |refusal| refusal.failure,
        ))
    }

    /// Whether several looks in a row do not find the credential.
    pub(crate) async fn is_gone(
        &self,
        registration: &Registration,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<bool, Failure> {
        let found = self.find_credential(registration, key_id, deadline).await?;
        Ok(found.is_none())
    }

    /// Looks for a credential; `None` when several looks did not find it, each over another connection and
    /// some time after the one before.
    ///
    /// # Errors
    /// [`Failure`], also when there was no time for all the looks.
    pub(crate) async fn find_credential(
        &self,
        registration: &Registration,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<Option<Credential>, Failure> {
        for look in 1..=ABSENT_LOOKS {
            let apart = match look {
                1 => registration.clone(),
                _ => registration.apart(),
            };
            let seen = with_retries(deadline, async || apart.read().await).await?;
            if let Some(credential) = seen.credential(key_id) {
                return Ok(Some(credential.clone()));
            }
            let pause = self.settings.look_interval.duration();
            if look < ABSENT_LOOKS && !deadline.sleep(pause).await {
                return Err(Failure::new(
                    Kind::Temporary,
                    "looking for a client secret in Entra: there was no time for a second look",
                ));
            }
        }
        Ok(None)
    }
}

/// The orphans whose removal was begun, and perhaps not told.
fn noted(secret: &SecretMetadata) -> Vec<KeyId> {
    let tag = secret.tags.get(tags::REMOVING).map(String::as_str);
    let keys = tag.unwrap_or_default().split('.');
    keys.filter_map(|key| key.parse().ok()).collect()
}

fn written(keys: &[KeyId]) -> String {
    let latest = keys.iter().rev().take(MOST_NOTED);
    latest
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(".")
}
