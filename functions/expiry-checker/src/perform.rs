//! Performs what a plan says.

use shared::events::{Event, Subject};
use shared::failure::{Failure, Kind};
use shared::secret_store::versions::PENDING;
use shared::secret_store::{Described, MoveLabel};
use tracing::info;

use crate::ExpiryChecker;
use crate::plan::Action;

impl ExpiryChecker {
    pub(crate) async fn perform(&self, secret: &Described, action: &Action) -> Result<(), Failure> {
        let arn = secret.arn.as_str();
        match action {
            Action::Sweep => self.rotation.act("sweep", arn).await.map(|_| ()),
            Action::Retire => self.rotation.act("retire", arn).await.map(|_| ()),
            // finishSecret of a version that is current tells what was not told, and nothing else.
            Action::TellRotated { version } => self
                .rotation
                .step("finishSecret", arn, version)
                .await
                .map(|_| ()),
            Action::DropPending { version } => {
                let drop = MoveLabel {
                    secret: arn,
                    label: PENDING,
                    to: None,
                    from: Some(version),
                };
                self.store.swap(drop).await?;
                Ok(())
            }
            Action::Tell(kind) => {
                let event = Event {
                    subject: Subject::Secret {
                        name: secret.name.clone(),
                        arn: arn.to_owned(),
                    },
                    token: secret.versions.in_progress().map(str::to_owned),
                    kind: kind.clone(),
                };
                self.events.put(&[event]).await
            }
            Action::Tag { key, value } => {
                self.store.tag(arn, &[(key, value.clone())]).await?;
                Ok(())
            }
            Action::Rotate => Ok(self.store.rotate(arn, None).await?),
            Action::Reattempt { token } => Ok(self.store.rotate(arn, Some(token)).await?),
            Action::Continue { token, issued } => self.go_on(arn, token, *issued).await,
        }
    }

    /// The remaining steps, as Secrets Manager would call them: one after the other, until one
    /// fails. Each is guarded by the labels and may be repeated.
    async fn go_on(&self, arn: &str, token: &str, issued: bool) -> Result<(), Failure> {
        let steps = ["createSecret", "setSecret", "testSecret", "finishSecret"];
        for step in steps.into_iter().skip(usize::from(issued)) {
            match self.rotation.step(step, arn, token).await {
                Ok(_) => {}
                Err(failure) if failure.kind == Kind::WaitingForPerson => {
                    info!(%failure, "still waiting for a person");
                    return Err(failure);
                }
                Err(failure) => return Err(failure.while_doing(step)),
            }
        }
        Ok(())
    }
}
