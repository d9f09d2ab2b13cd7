//! finishSecret: promotes the pending version, once every connection is seen to hold it.

use jiff::Timestamp;
use shared::events::EventKind;
use shared::failure::{Failure, Kind};
use shared::ids::KeyId;
use shared::mailbox_secret::{Delivery, MailboxSecret};
use shared::retry::{Deadline, backoff, with_retries};
use shared::secret_store::versions::{CURRENT, PREVIOUS, PROVED, key_label};
use shared::secret_store::{LabelSwap, MoveLabel};
use shared::tags;
use tracing::{info, warn};

use crate::begin::Begun;
use crate::call::StepCall;
use crate::{Invocation, Rotation};

impl Rotation {
    pub(crate) async fn finish_secret(
        &self,
        call: &StepCall,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        match self.begin(call, deadline).await? {
            Begun::Stored {
                run,
                pending,
                stored_at,
                ..
            } => {
                self.refuse_unproved(&run).await?;
                self.refuse_undelivered(&run, &pending).await?;
                let was = self.promote(&run).await?;
                self.tell_rotated(&run, &pending, stored_at, was.as_deref())
                    .await
            }
            // Promoted by a run that died before it told: told now. Or by hand, and perhaps delivered
            // to nobody: then it is told once it was.
            Begun::AlreadyCurrent { run, value } => {
                if run.secret.tags.get(tags::ROTATED_VERSION) == Some(&run.token) {
                    return Ok(());
                }
                let value = value.ok_or_else(|| {
                    let what = "reading the current version: it shows no value yet";
                    Failure::new(Kind::Temporary, what)
                })?;
                let document = MailboxSecret::read(&value.text)?;
                self.refuse_undelivered(&run, &document).await?;
                self.tell_rotated(&run, &document, value.created, None)
                    .await
            }
            Begun::Empty { .. } | Begun::ConfigurationTest(_) => Ok(()),
        }
    }

    /// The proof that testSecret recorded on the version; its label may be moments late.
    async fn refuse_unproved(&self, run: &Invocation) -> Result<(), Failure> {
        let wait = run.deadline.at_most(self.settings.label_wait.duration());
        let mut proved = run.secret.versions.has(&run.token, PROVED);
        let mut looks = 1;
        while !proved {
            if !wait.sleep(backoff(looks)).await {
                return Err(Failure::new(
                    Kind::Temporary,
                    "promoting: the version does not show testSecret's proof",
                )
                .next_step("Nothing to do: the rotation is tried again from its delivery."));
            }
            looks += 1;
            let versions = self.store.describe(&run.secret.arn).await?.versions;
            proved = versions.has(&run.token, PROVED);
        }
        Ok(())
    }

    /// The last look before the promotion: what was proved in an earlier invocation may have been
    /// changed since, and a direction that holds another secret must never turn green.
    async fn refuse_undelivered(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
    ) -> Result<(), Failure> {
        let (logins, companion) = tokio::join!(self.shopctrls(document), async {
            if document.has_attended() {
                self.companion(&run.secret).read().await.map(Some)
            } else {
                Ok(None)
            }
        });
        let companion = companion?;
        let looks = document.connections.iter().map(async |connection| {
            let delivered = match connection.delivery {
                Delivery::Api => {
                    let shopctrl = self.shopctrl(&logins, connection)?;
                    let held =
                        with_retries(run.deadline, async || shopctrl.connection(connection).await);
                    held.await?.has(document.key_id)
                }
                Delivery::Attended => companion.as_ref().is_some_and(|companion| {
                    companion.attestations.attested(&run.token, &connection.id)
                }),
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
        if self.store.swap_label(promote).await? == LabelSwap::Lost {
            return Err(Failure::new(
                Kind::Temporary,
                "promoting: AWSCURRENT was moved by somebody else meanwhile",
            ));
        }
        // It has served; the promotion stands, whatever becomes of this, and sweep drops what stays.
        let dropped = self.store.drop_label(&run.secret.arn, PROVED, &run.token);
        if let Err(error) = dropped.await {
            warn!(failure = %error.failure, "the proof's label stays for now");
        }
        Ok(was.map(str::to_owned))
    }

    /// Events first, the tag that says so last: what a kill swallows is told by the next run.
    async fn tell_rotated(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
        stored_at: Option<Timestamp>,
        was: Option<&str>,
    ) -> Result<(), Failure> {
        // After the promotion the version before has AWSPREVIOUS.
        let previous = was.or_else(|| run.secret.versions.with_label(PREVIOUS));
        let (mut previous_key_id, mut kept) = (None, Ok(()));
        if let Some(previous) = previous {
            previous_key_id = self.key_of(run, previous).await?;
            if let Some(key_id) = previous_key_id {
                kept = self.keep_label(run, previous, key_id).await;
            }
        }
        let rotated = run.event(EventKind::ClientSecretRotated {
            key_id: document.key_id,
            previous_key_id,
            expires_at: document.expires_at,
        });
        // The promotion stands, and is told, whatever becomes of a label; without the tag both are done again.
        self.events.publish(&[rotated]).await?;
        kept?;
        let emergency = run.secret.tags.get(tags::EMERGENCY).map(String::as_str);
        if emergency.is_some() && emergency == previous {
            // The leaked credential goes at once, unless another secret uses it: the checker knows.
            let app = self.rotators.token(document, run.deadline).await?;
            let requested = run.event(EventKind::CheckRequested { time: app.now });
            self.events.publish(&[requested]).await?;
        }
        let mut green = vec![
            (tags::EXPIRES_AT, document.expires_at.to_string()),
            (tags::STATE, "rotated".to_owned()),
            (tags::ROTATED_VERSION, run.token.clone()),
        ];
        green.extend(stored_at.map(|at| (tags::ISSUED_AT, at.to_string())));
        if was.is_some() {
            // A promotion mends whatever was found: should it come back, it is told again.
            green.push((tags::DRIFT, format!("{}@{}", tags::NONE, run.token)));
        }
        self.store.tag(&run.secret.arn, &green).await?;
        info!(key_id = %document.key_id, expires_at = %document.expires_at, "rotated");
        Ok(())
    }

    /// The credential of the version before.
    async fn key_of(&self, run: &Invocation, previous: &str) -> Result<Option<KeyId>, Failure> {
        if let Some(key_id) = run.secret.versions.keys_of(previous).first() {
            return Ok(Some(*key_id));
        }
        let value = self.store.value_of(&run.secret.arn, previous).await?;
        let document = value.and_then(|value| MailboxSecret::read(&value.text).ok());
        Ok(document.map(|document| document.key_id))
    }

    /// Keeps the label by which the version before is retired. That it stays there as AWSCURRENT moves away
    /// was seen (recorded in localstack's tests), and is documented nowhere.
    async fn keep_label(
        &self,
        run: &Invocation,
        previous: &str,
        key_id: KeyId,
    ) -> Result<(), Failure> {
        let labelled = !run.secret.versions.keys_of(previous).is_empty();
        // Whether these labels were described after the promotion.
        let after = run.secret.versions.has(previous, PREVIOUS);
        // Without a label before, it was not adopted, and for a reason.
        if labelled != after {
            let (secret, label) = (&run.secret.arn, key_label(key_id));
            self.store.set_label(secret, &label, previous).await?;
        }
        Ok(())
    }
}
