//! Performs what a plan says.

use std::collections::{BTreeMap, BTreeSet};

use shared::events::{Event, EventKind, MailFlow, Subject, Trouble};
use shared::failure::{Failure, Kind};
use shared::ids::ConnectionId;
use shared::rotation::{Step, Swept};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::PENDING;
use shared::tags;
use shared::tags::state::State;

use tracing::info;

use crate::clients::Clients;
use crate::news::News;
use crate::plan::action::PlannedAction;
use crate::plan::found::Found;
use crate::report::Failed;
use crate::task::Task;

/// What the actions so far have come to.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The connections that were given the current secret back.
    pub(crate) mended: Vec<ConnectionId>,
    /// The secret's tags, as they are now.
    pub(crate) tags: BTreeMap<String, String>,
    /// Tags that are not written yet: a call for each is what a first check of many takes longest for.
    pub(crate) to_note: Vec<(&'static str, String)>,
    /// The drift that is published and was not put right.
    pub(crate) drift: BTreeSet<Trouble>,
    /// What is published at the end of the check, or before a rotation moves.
    pub(crate) news: News,
    /// All that this check publishes of it.
    pub(crate) published: Vec<EventKind>,
    /// Whether the rotation was started, or asked or made to go on.
    pub(crate) moved: bool,
}

impl Progress {
    pub(crate) fn new(found: &Found) -> Self {
        Self {
            mended: Vec::new(),
            tags: found.secret.tags.clone(),
            to_note: Vec::new(),
            drift: BTreeSet::new(),
            news: News::none(found.subject()),
            published: Vec::new(),
            moved: false,
        }
    }

    fn swept(&mut self, swept: Swept) {
        self.mended.extend(swept.delivered);
        if swept.answered {
            let state = State::Rotated.to_string();
            self.tags.insert(tags::STATE.to_owned(), state);
        }
    }

    fn publish_later(&mut self, kind: EventKind) {
        let kind = with_mended(kind, &self.mended);
        if let EventKind::DriftFound {
            what,
            connection,
            mended: false,
            ..
        } = &kind
        {
            let (what, connection) = (*what, connection.clone());
            self.drift.insert(Trouble::Drift { what, connection });
        }
        self.published.push(kind.clone());
        self.news.events.push(kind);
    }
}

pub(crate) async fn perform(
    task: &Task<'_>,
    found: &Found,
    action: &PlannedAction,
    progress: &mut Progress,
) -> Result<(), Failed> {
    let clients = task.clients;
    let rotation = &clients.rotation;
    let secret = &found.secret;
    let arn = secret.arn.as_str();
    let done = match action {
        PlannedAction::Sweep(_) => {
            let named = task.named_by_others(secret).await;
            let _slot = clients.slot().await;
            let swept = rotation.sweep(arn, named.as_ref()).await;
            swept.map(|swept| progress.swept(swept))
        }
        PlannedAction::Retire => {
            let leaked = secret.tags.contains_key(tags::EMERGENCY);
            if !leaked && !clients.may_retire(task.record.tenant.clone()).await {
                info!("many of this tenant's are to be retired; this one is at another check");
                return Ok(());
            }
            let named = task.named_by_others(secret).await;
            let _slot = clients.slot().await;
            rotation.retire(arn, named.as_ref()).await.map(drop)
        }
        // finishSecret of a version that is current publishes what was not published, and nothing else.
        PlannedAction::PublishRotated { version } => {
            let _slot = clients.slot().await;
            rotation.step(Step::FinishSecret, arn, version).await
        }
        PlannedAction::DropPending { version } => drop_pending(clients, arn, version).await,
        PlannedAction::Publish(kind) => {
            if matches!(kind, EventKind::RotationDue { .. }) {
                announce(clients, found, kind.clone()).await
            } else {
                progress.publish_later(kind.clone());
                Ok(())
            }
        }
        PlannedAction::Tag { key, value } if [tags::REMINDED, tags::DRIFT].contains(key) => {
            progress.tags.insert((*key).to_owned(), value.clone());
            progress.news.tags.push((key, value.clone()));
            Ok(())
        }
        PlannedAction::Tag { key, value } => {
            progress.to_note.push((key, value.clone()));
            Ok(())
        }
        PlannedAction::Rotate { .. } => rotate(clients, secret).await,
        PlannedAction::Reattempt { token } => clients.rotate(arn, Some(token)).await,
        // It takes minutes, and says itself how it ends.
        PlannedAction::Continue { token, first } => {
            rotation.continue_later(*first, arn, token).await
        }
    };
    done.map_err(|failure| Failed {
        step: action.name(),
        failure,
    })
}

/// Writes what is to be noted of a secret, in one call.
pub(crate) async fn note(
    clients: &Clients,
    found: &Found,
    progress: &mut Progress,
) -> Result<(), Failed> {
    let tags = std::mem::take(&mut progress.to_note);
    if tags.is_empty() {
        return Ok(());
    }
    let arn = &found.secret.arn;
    if let Err(failure) = clients.tag(arn, &tags).await {
        // Such as too many tags of its own: what decides the next check is noted all the same.
        let decides = [tags::STATE, tags::EMERGENCY, tags::EXPIRES_AT];
        let mut most = tags.clone();
        most.retain(|(key, _)| decides.contains(key));
        if failure.kind == Kind::Misconfigured && most.len() < tags.len() && !most.is_empty() {
            clients.tag(arn, &most).await.ok();
        }
        let step = "check";
        return Err(Failed { step, failure });
    }
    let tags = tags.into_iter();
    progress
        .tags
        .extend(tags.map(|(key, value)| (key.to_owned(), value)));
    Ok(())
}

/// Before the rotation that it announces.
async fn announce(clients: &Clients, found: &Found, kind: EventKind) -> Result<(), Failure> {
    let event = Event {
        subject: Subject::Secret(found.subject()),
        token: None,
        kind,
    };
    clients.events.publish(&[event]).await
}

/// Asks for a rotation, unless one has begun or ended since the secret was looked at: another
/// check may run beside this one.
async fn rotate(clients: &Clients, secret: &SecretMetadata) -> Result<(), Failure> {
    let now = clients.store.describe(&secret.arn).await?.versions;
    if now.current() == secret.versions.current() && now.in_progress().is_none() {
        clients.rotate(&secret.arn, None).await?;
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

/// A drift that the same check mended is published as mended.
fn with_mended(mut kind: EventKind, is_mended: &[ConnectionId]) -> EventKind {
    if let EventKind::DriftFound {
        connection: Some(connection),
        mended,
        mail,
        ..
    } = &mut kind
        && is_mended.contains(connection)
    {
        (*mended, *mail) = (true, MailFlow::Flows);
    }
    kind
}
