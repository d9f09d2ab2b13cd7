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
use shared::tags::removing::Removing;
use tracing::info;

use crate::clients::Clients;
use crate::context::event;

/// A credential is taken as gone when this many looks in a row did not find it: Terraform's provider wants
/// as many, as far apart (terraform-provider-azuread, consistency.go).
pub(crate) const ABSENT_LOOKS: u32 = 5;
/// A removal is tried this often while replicas disagree.
const REMOVALS: u32 = 3;

/// Removes credentials whose values nobody has, and publishes each then. They are noted before: a kill
/// between the two does not swallow the event. Returns those that are gone; one that fails does not
/// keep the others.
pub(crate) async fn remove_orphans(
    clients: &Clients,
    secret: &SecretMetadata,
    registration: &Registration,
    orphans: Vec<KeyId>,
    deadline: Deadline,
) -> (Vec<KeyId>, Option<Failure>) {
    if orphans.is_empty() {
        return (Vec::new(), None);
    }
    let mut open = removing(secret);
    open.0.retain(|noted| !orphans.contains(noted));
    open.0.extend(&orphans);
    if let Err(failure) = note(clients, secret, &open).await {
        return (Vec::new(), Some(failure));
    }
    let (mut removed, mut failed) = (Vec::new(), None);
    for key_id in orphans {
        let removal = async {
            remove_credential(clients, registration, key_id, deadline).await?;
            info!(%key_id, "removed an orphaned credential");
            removed.push(key_id);
            publish_orphan(clients, secret, key_id).await
        };
        match removal.await {
            Ok(()) => open.0.retain(|noted| *noted != key_id),
            Err(failure) => failed = Some(failure),
        }
    }
    let noted = note(clients, secret, &open).await;
    (removed, failed.or(noted.err()))
}

/// Publishes the removals of orphans that a kill kept from being published.
pub(crate) async fn publish_removed(
    clients: &Clients,
    secret: &mut SecretMetadata,
    registration: &Registration,
    application: &Application,
    deadline: Deadline,
) -> Result<(), Failure> {
    let noted = removing(secret);
    let mut open = Removing::default();
    for key_id in &noted.0 {
        let seen = application.credential(*key_id).is_some();
        if seen || !is_gone(clients, registration, *key_id, deadline).await? {
            open.0.push(*key_id);
            continue;
        }
        publish_orphan(clients, secret, *key_id).await?;
    }
    if open == noted {
        return Ok(());
    }
    // What was written is handed on, not read again.
    let tag = open.to_string();
    secret.tags.insert(tags::REMOVING.to_owned(), tag);
    note(clients, secret, &open).await
}

async fn publish_orphan(
    clients: &Clients,
    secret: &SecretMetadata,
    key_id: KeyId,
) -> Result<(), Failure> {
    let retired = EventKind::CredentialRetired {
        key_id,
        reason: RetiredReason::Orphan,
        stops: None,
    };
    clients
        .events
        .publish(&[event(secret, None, retired)])
        .await
}

/// The orphans whose removal was begun, and perhaps not published.
fn removing(secret: &SecretMetadata) -> Removing {
    Removing::read(secret.tags.get(tags::REMOVING).map(String::as_str))
}

async fn note(clients: &Clients, secret: &SecretMetadata, open: &Removing) -> Result<(), Failure> {
    let tag = (tags::REMOVING, open.to_string());
    clients.store.tag(&secret.arn, &[tag]).await?;
    Ok(())
}

/// Removes a credential.
pub(crate) async fn remove_credential(
    clients: &Clients,
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
                if is_gone(clients, registration, key_id, deadline).await? {
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
    clients: &Clients,
    registration: &Registration,
    key_id: KeyId,
    deadline: Deadline,
) -> Result<bool, Failure> {
    let found = find_credential(clients, registration, key_id, deadline).await?;
    Ok(found.is_none())
}

/// Looks for a credential; `None` when several looks did not find it, each over another connection and
/// some time after the one before.
///
/// # Errors
/// [`Failure`], also when there was no time for all the looks.
pub(crate) async fn find_credential(
    clients: &Clients,
    registration: &Registration,
    key_id: KeyId,
    deadline: Deadline,
) -> Result<Option<Credential>, Failure> {
    for look in 1..=ABSENT_LOOKS {
        let through = match look {
            1 => registration.clone(),
            _ => registration.apart(),
        };
        let seen = with_retries(deadline, async || through.read().await).await?;
        if let Some(credential) = seen.credential(key_id) {
            return Ok(Some(credential.clone()));
        }
        let pause = clients.settings.look_interval.duration();
        if look < ABSENT_LOOKS && !deadline.sleep(pause).await {
            return Err(Failure::new(
                Kind::Temporary,
                "looking for a client secret in Entra: there was no time for a second look",
            ));
        }
    }
    Ok(None)
}
