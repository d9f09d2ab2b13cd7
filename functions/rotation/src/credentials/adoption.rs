//! Labelling the current version with the credential that its document names, so that an imported
//! credential is retired after its successor's promotion as one of ours.

use shared::credential::{Credential, Fit};
use shared::failure::Failure;
use shared::graph::application::{Application, Registration};
use shared::secret_store::versions::key_label;
use shared::secret_store::{MoveLabel, SecretMetadata};
use tracing::warn;

use super::removal::find_credential;
use crate::clients::Clients;
use crate::context::Context;

/// Labels the current version, but not with a credential whose hint is not the value's: the id was typed wrong,
/// and the credential is somebody else's. The context's document is the current one.
pub(crate) async fn adopt_current(
    context: &Context<'_>,
    application: &Application,
    registration: &Registration,
) -> Result<(), Failure> {
    let Context {
        clients,
        secret,
        document: mailbox,
        ..
    } = context;
    let versions = &secret.versions;
    let Some(current) = versions.current() else {
        return Ok(());
    };
    let Some(key_id) = mailbox.credential.key_id() else {
        return drop_other_labels(clients, secret, current, "").await;
    };
    // The value may not be known: then the id is all that there is to go by.
    let is_anothers = |credential: &Credential| {
        let stored = mailbox.credential.stored();
        stored.is_some_and(|stored| credential.fits(&stored.client_secret) == Fit::No)
    };
    let label = key_label(key_id);
    let holder = versions.with_label(&label);
    if holder == Some(current) {
        let anothers = application.credential(key_id).is_some_and(is_anothers);
        let keep = if anothers { "" } else { &label };
        return drop_other_labels(clients, secret, current, keep).await;
    }
    if holder.is_some() && holder == versions.in_progress() {
        return Ok(());
    }
    // One look that does not show it proves nothing; and if this version is superseded without
    // its label, its credential is never retired.
    let seen = match application.credential(key_id) {
        Some(credential) => Some(credential.clone()),
        None => find_credential(clients, registration, key_id, context.deadline).await?,
    };
    if seen.as_ref().is_none_or(is_anothers) {
        warn!(%key_id, "Entra shows no credential with the document's key_id, or its hint is another value's");
        return drop_other_labels(clients, secret, current, "").await;
    }
    let adopt = MoveLabel {
        secret: &secret.arn,
        label: &label,
        to: Some(current),
        // A document that was edited by hand is another version with the same credential.
        from: holder,
    };
    clients.store.swap_label(adopt).await?;
    drop_other_labels(clients, secret, current, &label).await
}

/// The current version names the credential that its document names, and no other: a label that was typed
/// wrong would hide from others which one is in use, and one from a time when the version was
/// superseded would have it retired without its quarantine.
async fn drop_other_labels(
    clients: &Clients,
    secret: &SecretMetadata,
    current: &str,
    label: &str,
) -> Result<(), Failure> {
    for key_id in secret.versions.keys_of(current) {
        for other in secret.versions.labels_naming(current, key_id) {
            if other != label {
                clients
                    .store
                    .drop_label(&secret.arn, other, current)
                    .await?;
            }
        }
    }
    Ok(())
}
