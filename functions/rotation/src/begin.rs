//! What every step begins with: the labels and values of its secret, read until what is expected shows.
//!
//! "All Secrets Manager operations are eventually consistent" (its API reference): a label, a version
//! and a value may each be moments late. What is expected is waited for, bounded; a stale read costs
//! an attempt and decides nothing.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, backoff};
use shared::secret_store::versions::{CURRENT, PENDING};
use shared::secret_store::{SecretMetadata, SecretValue};

use crate::call::{Step, StepCall};
use crate::permission::{Permission, Refusal, permission};
use crate::{Invocation, Rotation};

/// What a step finds.
pub(crate) enum Begun {
    /// The pending version holds what createSecret stored.
    Stored {
        run: Invocation,
        pending: Box<MailboxSecret>,
        current: Box<MailboxSecret>,
        /// When it was stored, by AWS's clock.
        stored_at: Option<Timestamp>,
    },
    /// The pending version holds nothing.
    Empty {
        run: Invocation,
        current: Box<MailboxSecret>,
    },
    /// A test of the configuration: testSecret alone, on a version that holds nothing, or the current
    /// secret (which of the two is not documented; moto#8504, #8547).
    ConfigurationTest(Invocation),
    /// The version is the current one.
    AlreadyCurrent {
        run: Invocation,
        value: Option<SecretValue>,
    },
}

/// One look.
struct Look {
    secret: SecretMetadata,
    permission: Result<Permission, Refusal>,
    value: Option<SecretValue>,
    current: Result<SecretValue, Failure>,
}

impl Rotation {
    pub(crate) async fn begin(
        &self,
        call: &StepCall,
        deadline: Deadline,
    ) -> Result<Begun, Failure> {
        let wait = deadline.at_most(self.settings.label_wait.duration());
        let mut looks = 1;
        let look = loop {
            let look = self.look(call).await?;
            if look.decides(call) || !wait.sleep(backoff(looks)).await {
                break look;
            }
            looks += 1;
        };
        let Look {
            secret,
            permission,
            value,
            current,
        } = look;
        let permission = permission?;
        let run = Invocation {
            secret,
            token: call.token.clone(),
            rotation_token: call.rotation_token.clone(),
            deadline,
        };
        if permission == Permission::AlreadyCurrent {
            return Ok(Begun::AlreadyCurrent { run, value });
        }
        let current = Box::new(MailboxSecret::read(&current?.text)?);
        let Some(value) = value else {
            return match (permission, call.step) {
                (Permission::Stored, _) => Err(not_shown("value")),
                (_, Step::Create) => Ok(Begun::Empty { run, current }),
                (_, Step::Test) => Ok(Begun::ConfigurationTest(run)),
                (_, Step::Set | Step::Finish) => Err(nothing_issued()),
            };
        };
        let pending = Box::new(MailboxSecret::read(&value.text)?);
        match (permission, call.step) {
            (Permission::Stored, Step::Create) => {}
            (Permission::Stored, Step::Set | Step::Test | Step::Finish) => {
                self.give_way_to_a_changed_document(&run, &pending, &current)
                    .await?;
            }
            (_, Step::Test) if pending.key_id == current.key_id => {
                return Ok(Begun::ConfigurationTest(run));
            }
            _ if pending.key_id == current.key_id => return Err(nothing_issued()),
            _ => return Err(not_shown("key- label")),
        }
        Ok(Begun::Stored {
            run,
            pending,
            current,
            stored_at: value.created,
        })
    }

    async fn look(&self, call: &StepCall) -> Result<Look, Failure> {
        let (secret, value, current) = tokio::join!(
            self.store.describe(&call.secret),
            self.store.value_of(&call.secret, &call.token),
            self.store.value_with_label(&call.secret, CURRENT),
        );
        let secret = secret?;
        let permission = permission(&call.token, &secret);
        let value = match &permission {
            // A secret that is marked for deletion shows its labels and no value.
            Err(_) => None,
            Ok(_) => value?,
        };
        Ok(Look {
            secret,
            permission,
            value,
            current: current.map_err(Failure::from),
        })
    }

    /// Somebody changed the mailbox document since this rotation copied it: promoting the copy would
    /// take the change back. The pending version gives way, and the next check rotates with the new
    /// document; connections that hold the pending secret get the current one back from its sweep.
    async fn give_way_to_a_changed_document(
        &self,
        run: &Invocation,
        pending: &MailboxSecret,
        current: &MailboxSecret,
    ) -> Result<(), Failure> {
        if pending.differs_only_in_credential(current) {
            return Ok(());
        }
        self.give_way(run).await?;
        Err(Failure::new(
            Kind::Temporary,
            "going on with the rotation: the mailbox document was changed since it began, and it gives way",
        )
        .next_step("Nothing to do: the next check starts a rotation with the new document."))
    }

    /// The version is not pending any more, and the next check may start another rotation.
    pub(crate) async fn give_way(&self, run: &Invocation) -> Result<(), Failure> {
        let (secret, version) = (&run.secret.arn, &run.token);
        self.store.drop_label(secret, PENDING, version).await?;
        Ok(())
    }
}

impl Look {
    /// Whether nothing that this look does not show may show in the next one.
    fn decides(&self, call: &StepCall) -> bool {
        match &self.permission {
            Err(refusal) => !refusal.may_pass,
            Ok(Permission::AlreadyCurrent) => true,
            Ok(Permission::Stored) => self.value.is_some(),
            // createSecret looks at a version that holds nothing, as a rule.
            Ok(Permission::NothingStored) if call.step == Step::Create => self.value.is_none(),
            Ok(Permission::NothingStored) => self.holds_the_current_secret(),
        }
    }

    /// A version with the current secret waits for no label.
    fn holds_the_current_secret(&self) -> bool {
        let key_id = |value: &SecretValue| MailboxSecret::read(&value.text).ok().map(|m| m.key_id);
        let pending = self.value.as_ref().and_then(key_id);
        pending.is_some() && pending == self.current.as_ref().ok().and_then(key_id)
    }
}

fn nothing_issued() -> Failure {
    Failure::new(
        Kind::Refused,
        "checking the labels: the pending version holds nothing that createSecret issued",
    )
    .next_step("Nothing to do: the next check clears it and rotates again.")
}

fn not_shown(what: &str) -> Failure {
    Failure::new(
        Kind::Temporary,
        format!("reading the pending version: Secrets Manager does not show its {what} yet"),
    )
}
