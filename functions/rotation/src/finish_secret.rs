//! finishSecret: promotes the pending version, once every connection is seen to hold it.

use shared::events::EventKind;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Delivery, MailboxSecret};
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::CURRENT;
use shared::secret_store::{MoveLabel, Swap};
use shared::tags;
use tracing::info;

use crate::call::{Call, Step};
use crate::permission::{Permission, permission};
use crate::{Invocation, Rotation};

impl Rotation {
    pub(crate) async fn finish_secret(
        &self,
        call: &Call,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Call::Step {
            token,
            rotation_token,
            ..
        } = call
        else {
            return Ok(());
        };
        let (secret, value, current) = tokio::join!(
            self.store.describe(call.secret()),
            self.store.value_of(call.secret(), token),
            self.store.value_with_label(call.secret(), CURRENT),
        );
        let secret = secret?;
        let permission = permission(Step::Finish, token, &secret)?;
        let told = secret.tags.get(tags::ROTATED_VERSION) == Some(token);
        if permission == Permission::AlreadyCurrent && told {
            return Ok(());
        }
        let document = match value? {
            Some(value) => MailboxSecret::read(&value.text)?,
            None => {
                return Err(Failure::new(
                    Kind::Temporary,
                    "reading the pending version: it shows no value",
                ));
            }
        };
        let run = Invocation {
            secret,
            token: token.clone(),
            rotation_token: rotation_token.clone(),
            deadline,
        };
        let was = match permission {
            Permission::Run => {
                let current = MailboxSecret::read(&current?.text)?;
                self.give_way_to_a_changed_document(&run, &document, &current)
                    .await?;
                self.refuse_undelivered(&run, &document).await?;
                self.promote(&run).await?
            }
            // Promoted by a run that died before it told: told now. Or by hand, and perhaps delivered
            // to nobody: then it is told once it was.
            Permission::AlreadyCurrent | Permission::ConfigurationTest => {
                self.refuse_undelivered(&run, &document).await?;
                None
            }
        };
        self.tell_rotated(&run, &document, was.as_deref()).await
    }

    /// The last look before the promotion: what was proved in an earlier invocation may have been
    /// changed since, and a direction that holds another secret must never turn green.
    async fn refuse_undelivered(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
    ) -> Result<(), Failure> {
        let (logins, grants) = tokio::join!(self.shopctrls(document), async {
            if document.has_attended() {
                self.grants(&run.secret).read().await.map(Some)
            } else {
                Ok(None)
            }
        });
        let grants = grants?;
        let looks = document.connections.iter().map(async |connection| {
            let delivered = match connection.delivery {
                Delivery::Api => {
                    let shopctrl = self.shopctrl(&logins, connection)?;
                    let held =
                        with_retries(run.deadline, async || shopctrl.connection(connection).await);
                    held.await?.has(document.key_id)
                }
                Delivery::Attended => grants
                    .as_ref()
                    .is_some_and(|grants| grants.attested(&run.token, connection.id.as_str())),
            };
            if delivered {
                return Ok(());
            }
            Err(Failure::new(
                Kind::Temporary,
                format!(
                    "promoting: connection {} does not hold the new secret",
                    connection.id
                ),
            )
            .next_step("Nothing to do: the rotation is tried again from its delivery."))
        });
        let looks = futures_util::future::join_all(looks).await;
        looks.into_iter().collect()
    }

    /// Moves AWSCURRENT, if it still is where it was described. Returns the version that had it.
    async fn promote(&self, run: &Invocation) -> Result<Option<String>, Failure> {
        let was = run.secret.versions.current();
        let promote = MoveLabel {
            secret: &run.secret.arn,
            label: CURRENT,
            to: Some(&run.token),
            from: was,
        };
        match self.store.swap(promote).await? {
            Swap::Done => Ok(was.map(str::to_owned)),
            Swap::Lost => Err(Failure::new(
                Kind::Temporary,
                "promoting: AWSCURRENT was moved by somebody else meanwhile",
            )),
        }
    }

    /// Events first, the tag that says so last: what a kill swallows is told by the next run.
    async fn tell_rotated(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
        was: Option<&str>,
    ) -> Result<(), Failure> {
        // After the promotion the version before has AWSPREVIOUS.
        let previous_label = shared::secret_store::versions::PREVIOUS;
        let previous = was.or_else(|| run.secret.versions.with_label(previous_label));
        let previous_keys = previous.map(|version| run.secret.versions.keys_of(version));
        let rotated = run.event(EventKind::ClientSecretRotated {
            key_id: document.key_id,
            previous_key_id: previous_keys.and_then(|keys| keys.first().copied()),
            expires_at: document.expires_at,
        });
        self.events.put(&[rotated]).await?;
        let emergency = run.secret.tags.get(tags::EMERGENCY).map(String::as_str);
        if emergency.is_some() && emergency == previous {
            self.retire(&run.secret.arn, run.deadline).await?;
        }
        let mut green = vec![
            (tags::EXPIRES_AT, document.expires_at.to_string()),
            (tags::STATE, "rotated".to_owned()),
            (tags::ROTATED_VERSION, run.token.clone()),
        ];
        if was.is_some() {
            // A promotion mends whatever was found: should it come back, it is told again.
            green.push((tags::DRIFT, format!("{}@{}", tags::NO_DRIFT, run.token)));
        }
        self.store.tag(&run.secret.arn, &green).await?;
        info!(key_id = %document.key_id, expires_at = %document.expires_at, "rotated");
        Ok(())
    }
}
