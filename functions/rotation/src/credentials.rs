//! Removing credentials, and making sure that they are gone. Graph's reads lag its writes, and its
//! "no such credential" can mean "not heard of it yet": one empty look proves nothing.

use shared::credential::{Credential, KeyId};
use shared::entra::application::{Application, Registration, Removal};
use shared::events::{EventKind, RetiredReason};
use shared::failure::{Failure, Kind};
use shared::retry::{Deadline, with_retries};
use shared::secret_store::Described;
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
    /// Removes a credential whose value nobody has, and tells it then. It is noted before: a kill between the
    /// two does not swallow the event.
    pub(crate) async fn remove_orphan(
        &self,
        secret: &Described,
        registration: &Registration<'_>,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let mut noted = noted(secret);
        noted.retain(|noted| *noted != key_id);
        let others = noted.clone();
        noted.push(key_id);
        self.note_removing(secret, &noted).await?;
        self.remove_credential(registration, key_id, deadline)
            .await?;
        info!(%key_id, "removed an orphaned credential");
        self.tell_orphan(secret, key_id).await?;
        self.note_removing(secret, &others).await
    }

    /// Tells the removals of orphans that a kill kept from being told.
    pub(crate) async fn tell_removed(
        &self,
        secret: &Described,
        registration: &Registration<'_>,
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
        self.note_removing(secret, &open).await
    }

    async fn tell_orphan(&self, secret: &Described, key_id: KeyId) -> Result<(), Failure> {
        let retired = EventKind::CredentialRetired {
            key_id,
            reason: RetiredReason::Orphan,
            stops: None,
        };
        self.events.put(&[event(secret, None, retired)]).await
    }

    async fn note_removing(&self, secret: &Described, keys: &[KeyId]) -> Result<(), Failure> {
        let latest = keys.iter().rev().take(MOST_NOTED);
        let keys: Vec<String> = latest.map(ToString::to_string).collect();
        let tag = (tags::REMOVING, keys.join("."));
        self.store.tag(&secret.arn, &[tag]).await?;
        Ok(())
    }

    /// Removes a credential.
    pub(crate) async fn remove_credential(
        &self,
        registration: &Registration<'_>,
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
        registration: &Registration<'_>,
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
        registration: &Registration<'_>,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<Option<Credential>, Failure> {
        for look in 1..=ABSENT_LOOKS {
            let http = match look {
                1 => registration.http.clone(),
                _ => registration.http.apart(),
            };
            let apart = Registration {
                http: &http,
                ..registration.clone()
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
fn noted(secret: &Described) -> Vec<KeyId> {
    let tag = secret.tags.get(tags::REMOVING).map(String::as_str);
    let keys = tag.unwrap_or_default().split('.');
    keys.filter_map(|key| key.parse().ok()).collect()
}
