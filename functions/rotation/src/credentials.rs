//! Removing credentials, and making sure that they are gone. Graph's reads lag its writes, and its
//! "no such credential" can mean "not heard of it yet": one empty look proves nothing.

use shared::credential::{Credential, KeyId};
use shared::entra::application::{Registration, Removal};
use shared::events::{EventKind, RetiredReason};
use shared::failure::{Failure, Kind};
use shared::retry::{Deadline, backoff, with_retries};
use shared::secret_store::Described;
use tracing::info;

use crate::{Rotation, event};

/// A credential is taken as gone when this many looks in a row did not find it.
const ABSENT_LOOKS: u32 = 4;
/// A removal is tried this often while replicas disagree.
const REMOVALS: u32 = 3;

impl Rotation {
    /// Removes a credential whose value nobody has. Told first: a kill between the two repeats the
    /// event, and never swallows it.
    pub(crate) async fn remove_orphan(
        &self,
        secret: &Described,
        registration: &Registration<'_>,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let reason = RetiredReason::Orphan;
        let retired = event(
            secret,
            None,
            EventKind::CredentialRetired {
                key_id,
                reason,
                stops: None,
            },
        );
        self.events.put(&[retired]).await?;
        self.remove_credential(registration, key_id, deadline)
            .await?;
        info!(%key_id, "removed an orphaned credential");
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

    /// Looks for a credential; `None` when several looks in a row did not find it.
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
            let seen = with_retries(deadline, async || registration.read().await).await?;
            if let Some(credential) = seen.credential(key_id) {
                return Ok(Some(credential.clone()));
            }
            if look < ABSENT_LOOKS && !deadline.sleep(backoff(look)).await {
                return Err(Failure::new(
                    Kind::Temporary,
                    "looking for a client secret in Entra: there was no time for a second look",
                ));
            }
        }
        Ok(None)
    }
}
