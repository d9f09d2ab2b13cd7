//! Which credentials that nothing names are lost for good, by what their versions store and connections hold.

use jiff::Timestamp;
use shared::credential::IssuedBy;
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, backoff};
use shared::secret_store::versions::key_label;
use shared::secret_store::{SecretMetadata, SecretValue};
use tracing::warn;

use super::orphans::Orphan;
use crate::clients::Clients;
use crate::context::Context;
use crate::delivery::held::look_at_connections;

/// What is younger than this may yet be stored, or its label not show yet.
pub(crate) fn settled(clients: &Clients, now: Timestamp) -> Timestamp {
    let settled = now.checked_sub(clients.settings.issue_grace.signed());
    settled.unwrap_or(Timestamp::MIN)
}

/// Of the credentials that nothing names, those whose values nobody has. One that its version stores gets the label back that somebody took away; one that a connection holds, or
/// may hold, stays; and so does one with an old marker, which another region may have issued.
pub(crate) async fn lost_for_good(
    clients: &Clients,
    secret: &SecretMetadata,
    mailbox: &MailboxSecret,
    orphans: Vec<Orphan>,
    deadline: Deadline,
) -> Result<Vec<KeyId>, Failure> {
    let mut lost = Vec::new();
    for Orphan {
        key_id,
        version,
        issuer,
    } in orphans
    {
        if !(32..=64).contains(&version.len()) {
            // No version of ours: Secrets Manager takes no such token, and would refuse to look for it.
            continue;
        }
        let stored = clients.store.value_of(&secret.arn, &version).await?;
        let stored =
            stored.map(|value| MailboxSecret::read(&value.text).map(|m| m.credential.key_id()));
        match stored {
            Some(Ok(stored)) if stored == Some(key_id) => {
                warn!(%key_id, version, "a version's key label was taken away; it gets it back");
                let label = key_label(key_id);
                clients
                    .store
                    .set_label(&secret.arn, &label, &version)
                    .await?;
            }
            Some(Ok(_)) => lost.push(key_id),
            None if issuer == IssuedBy::This => lost.push(key_id),
            None => {
                warn!(%key_id, "nothing shows who issued this credential, which has an old marker; it stays");
            }
            Some(Err(_)) => {
                warn!(%key_id, version, "the version's document cannot be read; its credential stays");
            }
        }
    }
    if !lost.is_empty() {
        let held = look_at_connections(clients, mailbox, deadline).await;
        lost.retain(|key| held.iter().all(|held| held.lets_go_of_lost(*key)));
    }
    Ok(lost)
}

/// The value of the version that is worked on; where it may only lag, waited for as long as one may.
pub(crate) async fn stored_value(
    context: &Context<'_>,
    may_lag: bool,
) -> Result<Option<SecretValue>, Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let wait = clients.settings.label_wait.duration();
    let wait = context.deadline.at_most(wait);
    let mut looks = 1;
    loop {
        let value = clients
            .store
            .value_of(&secret.arn, &context.version)
            .await?;
        if value.is_some() || !may_lag || !wait.sleep(backoff(looks)).await {
            return Ok(value);
        }
        looks += 1;
    }
}
