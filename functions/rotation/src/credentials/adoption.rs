//! Labelling the current version with the credential that its document names, so that an imported
//! credential is retired after its successor's promotion as one of ours.

use shared::credential::Fit;
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
    let label = key_label(mailbox.key_id);
    let holder = versions.with_label(&label);
    let Some(current) = versions.current() else {
        return Ok(());
    };
    if holder == Some(current) {
        let named = application.credential(mailbox.key_id);
        let anothers = named.is_some_and(|c| c.fits(&mailbox.client_secret) == Fit::No);
        let keep = if anothers { "" } else { &label };
        return drop_other_labels(clients, secret, current, keep).await;
    }
    if holder.is_some() && holder == versions.in_progress() {
        return Ok(());
    }
    // One look that does not show it proves nothing; and if this version is superseded without
    // its label, its credential is never retired.
    let seen = match application.credential(mailbox.key_id) {
        Some(credential) => Some(credential.clone()),
        None => find_credential(clients, registration, mailbox.key_id, context.deadline).await?,
    };
    let fit = seen.map(|credential| credential.fits(&mailbox.client_secret));
    if fit.is_none_or(|fit| fit == Fit::No) {
        warn!(key_id = %mailbox.key_id, "Entra shows no credential with the document's key_id, or its hint is another value's");
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
