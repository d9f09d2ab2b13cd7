//! Performs what a plan says.

use shared::events::{Event, Subject};
use shared::failure::{Failure, Kind};
use shared::secret_store::Described;
use shared::secret_store::versions::PENDING;

use crate::ExpiryChecker;
use crate::plan::{Action, Found, Step};

impl ExpiryChecker {
    pub(crate) async fn perform(&self, found: &Found, action: &Action) -> Result<(), Failure> {
        let secret = &found.secret;
        let (arn, named) = (secret.arn.as_str(), found.named_by_others.as_ref());
        match action {
            Action::Sweep => self.rotation.act("sweep", arn, named).await.map(|_| ()),
            Action::Retire => self.rotation.act("retire", arn, named).await.map(|_| ()),
            // finishSecret of a version that is current tells what was not told, and nothing else.
            Action::TellRotated { version } => self
                .rotation
                .step("finishSecret", arn, version)
                .await
                .map(|_| ()),
            Action::DropPending { version } => self.drop_pending(arn, version).await,
            Action::Tell(kind) => {
                let event = Event {
                    subject: Subject::Secret {
                        name: secret.name.clone(),
                        arn: arn.to_owned(),
                    },
                    token: None,
                    kind: kind.clone(),
                };
                self.events.put(&[event]).await
            }
            Action::Tag { key, value } => {
                self.store.tag(arn, &[(key, value.clone())]).await?;
                Ok(())
            }
            Action::Rotate { .. } => self.rotate(secret).await,
            Action::Reattempt { token } => Ok(self.store.rotate(arn, Some(token)).await?),
            Action::Continue { token, first } => self.go_on(arn, token, *first).await,
        }
    }

    /// Asks for a rotation, unless one has begun or ended since the secret was looked at: another
    /// check may run beside this one.
    async fn rotate(&self, secret: &Described) -> Result<(), Failure> {
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
    async fn go_on(&self, arn: &str, token: &str, first: Step) -> Result<(), Failure> {
        let steps: &[&str] = match first {
            Step::CreateSecret => &["createSecret", "setSecret", "testSecret", "finishSecret"],
            Step::SetSecret => &["setSecret", "testSecret", "finishSecret"],
        };
        for &step in steps {
            let done = self.rotation.step(step, arn, token).await;
            done.map_err(|failure| match failure.kind {
                Kind::WaitingForPerson => failure,
                Kind::Temporary | Kind::Frozen | Kind::Refused | Kind::Misconfigured => {
                    failure.while_doing(step)
                }
            })?;
        }
        Ok(())
    }
}
