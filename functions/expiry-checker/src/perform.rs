//! Performs what a plan says.

use shared::events::{Event, EventKind, Subject};
use shared::failure::{Failure, Kind};
use shared::ids::ConnectionId;
use shared::rotation::Step;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::PENDING;

use crate::clients::Clients;
use crate::plan::action::PlannedAction;
use crate::plan::found::Found;
use crate::report::Failed;

/// The connections that were given the current secret back.
pub(crate) type Mended = Vec<ConnectionId>;

/// `mended` is what was put right by the actions before.
pub(crate) async fn perform(
    clients: &Clients,
    found: &Found,
    action: &PlannedAction,
    mended: &mut Mended,
) -> Result<(), Failed> {
    let Clients {
        rotation, store, ..
    } = clients;
    let secret = &found.secret;
    let (arn, named) = (secret.arn.as_str(), found.named_by_others.as_ref());
    let done = match action {
        PlannedAction::Sweep => {
            let swept = rotation.sweep(arn, named).await;
            swept.map(|swept| mended.extend(swept.delivered))
        }
        PlannedAction::Retire => rotation.retire(arn, named).await.map(drop),
        // finishSecret of a version that is current publishes what was not published, and nothing else.
        PlannedAction::PublishRotated { version } => {
            rotation.step(Step::FinishSecret, arn, version).await
        }
        PlannedAction::DropPending { version } => drop_pending(clients, arn, version).await,
        PlannedAction::Publish(kind) => {
            let kind = with_mended(kind.clone(), mended);
            publish(clients, secret, kind).await
        }
        PlannedAction::Tag { key, value } => note(clients, arn, key, value.clone()).await,
        PlannedAction::Rotate { .. } => rotate(clients, secret).await,
        PlannedAction::Reattempt { token } => {
            store.rotate(arn, Some(token)).await.map_err(Into::into)
        }
        PlannedAction::Continue { token, first } => {
            return go_on(clients, arn, token, *first).await;
        }
    };
    done.map_err(|failure| Failed {
        step: action.name(),
        failure,
    })
}

pub(crate) async fn publish(
    clients: &Clients,
    secret: &SecretMetadata,
    kind: EventKind,
) -> Result<(), Failure> {
    let event = Event {
        subject: Subject::Secret {
            name: secret.name.clone(),
            arn: secret.arn.clone(),
        },
        token: None,
        kind,
    };
    clients.events.publish(&[event]).await
}

pub(crate) async fn note(
    clients: &Clients,
    arn: &str,
    key: &'static str,
    value: String,
) -> Result<(), Failure> {
    Ok(clients.store.tag(arn, &[(key, value)]).await?)
}

/// Asks for a rotation, unless one has begun or ended since the secret was looked at: another
/// check may run beside this one.
async fn rotate(clients: &Clients, secret: &SecretMetadata) -> Result<(), Failure> {
    let now = clients.store.describe(&secret.arn).await?.versions;
    if now.current() == secret.versions.current() && now.in_progress().is_none() {
        clients.store.rotate(&secret.arn, None).await?;
    }
    Ok(())
}

/// Takes AWSPENDING from a version without `key-` label. createSecret may store into it between
/// the look and this: then the version gets its label back.
async fn drop_pending(clients: &Clients, arn: &str, version: &str) -> Result<(), Failure> {
    let store = &clients.store;
    store.drop_label(arn, PENDING, version).await?;
    let after = store.describe(arn).await?.versions;
    let stored = !after.keys_of(version).is_empty();
    if stored && after.with_label(PENDING).is_none() && after.current() != Some(version) {
        store.set_label(arn, PENDING, version).await?;
    }
    Ok(())
}

/// The steps as Secrets Manager would call them: one after the other, until one fails. Each is
/// guarded by the labels and may be repeated.
async fn go_on(clients: &Clients, arn: &str, token: &str, first: Step) -> Result<(), Failed> {
    for step in first.and_after() {
        let done = clients.rotation.step(step, arn, token).await;
        done.map_err(|failure| {
            let failure = match failure.kind {
                Kind::WaitingForPerson => failure,
                Kind::Temporary | Kind::Frozen | Kind::Refused | Kind::Misconfigured => {
                    failure.while_doing(step.name())
                }
            };
            Failed {
                step: step.name(),
                failure,
            }
        })?;
    }
    Ok(())
}

/// A drift that the same check mended is published as mended.
fn with_mended(kind: EventKind, mended: &Mended) -> EventKind {
    match kind {
        EventKind::DriftFound {
            what,
            connection: Some(connection),
            found_at,
            time,
            ..
        } => EventKind::DriftFound {
            what,
            mended: mended.contains(&connection),
            connection: Some(connection),
            found_at,
            time,
        },
        other => other,
    }
}
