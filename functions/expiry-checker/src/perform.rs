//! Performs what a plan says.

use shared::events::{Event, EventKind, Subject};
use shared::failure::{Failure, Kind};
use shared::ids::ConnectionId;
use shared::rotation::Step;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::PENDING;

use crate::ExpiryChecker;
use crate::plan::{Action, Found};
use crate::report::Failed;

/// The connections that were given the current secret back.
pub(crate) type Mended = Vec<ConnectionId>;

impl ExpiryChecker {
    /// `mended` is what was put right by the actions before.
    pub(crate) async fn perform(
        &self,
        found: &Found,
        action: &Action,
        mended: &mut Mended,
    ) -> Result<(), Failed> {
        let secret = &found.secret;
        let (arn, named) = (secret.arn.as_str(), found.named_by_others.as_ref());
        let done = match action {
            Action::Sweep => {
                let swept = self.rotation.sweep(arn, named).await;
                swept.map(|swept| mended.extend(swept.delivered))
            }
            Action::Retire => self.rotation.retire(arn, named).await.map(drop),
            // finishSecret of a version that is current tells what was not told, and nothing else.
            Action::TellRotated { version } => {
                self.rotation.step(Step::FinishSecret, arn, version).await
            }
            Action::DropPending { version } => self.drop_pending(arn, version).await,
            Action::Tell(kind) => {
                let told = self.tell(secret, with_mended(kind.clone(), mended));
                told.await
            }
            Action::Tag { key, value } => self.note(arn, key, value.clone()).await,
            Action::Rotate { .. } => self.rotate(secret).await,
            Action::Reattempt { token } => {
                let asked = self.store.rotate(arn, Some(token)).await;
                asked.map_err(Into::into)
            }
            Action::Continue { token, first } => return self.go_on(arn, token, *first).await,
        };
        done.map_err(|failure| Failed {
            step: action.name(),
            failure,
        })
    }

    pub(crate) async fn tell(
        &self,
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
        self.events.publish(&[event]).await
    }

    pub(crate) async fn note(
        &self,
        arn: &str,
        key: &'static str,
        value: String,
    ) -> Result<(), Failure> {
        Ok(self.store.tag(arn, &[(key, value)]).await?)
    }

    /// Asks for a rotation, unless one has begun or ended since the secret was looked at: another
    /// check may run beside this one.
    async fn rotate(&self, secret: &SecretMetadata) -> Result<(), Failure> {
        let now = self.store.describe(&secret.arn).await?.versions;
        if now.current() == secret.versions.current() && now.in_progress().is_none() {
            self.store.rotate(&secret.arn, None).await?;
        }
        Ok(())
    }

    /// Takes AWSPENDING from a version without `key-` label. createSecret may store into it between
    /// the look and this: then the version gets its label back.
    async fn drop_pending(&self, arn: &str, version: &str) -> Result<(), Failure> {
        self.store.drop_label(arn, PENDING, version).await?;
        let after = self.store.describe(arn).await?.versions;
        let stored = !after.keys_of(version).is_empty();
        if stored && after.with_label(PENDING).is_none() && after.current() != Some(version) {
            self.store.set_label(arn, PENDING, version).await?;
        }
        Ok(())
    }

    /// The steps as Secrets Manager would call them: one after the other, until one fails. Each is
    /// guarded by the labels and may be repeated.
    async fn go_on(&self, arn: &str, token: &str, first: Step) -> Result<(), Failed> {
        for step in first.and_after() {
            let done = self.rotation.step(step, arn, token).await;
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
}

/// A drift that the same check mended is told as mended.
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
