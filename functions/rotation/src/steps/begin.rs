//! What every step begins with: the labels and values of its secret, read until what is expected shows, and
//! what this step is called for by them.
//!
//! "All Secrets Manager operations are eventually consistent" (its API reference): a label, a version
//! and a value may each be moments late. What is expected is waited for, bounded; a stale read costs
//! an attempt and decides nothing.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{MailboxSecret, StoredCredential};
use shared::retry::{Deadline, backoff};
use shared::rotation::{Step, StepCall};
use shared::secret_store::versions::CURRENT;
use shared::secret_store::{SecretMetadata, SecretValue};
use shared::tags;

use super::give_up::give_way;
use super::guard::{Refusal, VersionState, guard};
use crate::clients::Clients;
use crate::context::Context;

/// A rotation whose pending version holds what createSecret stored.
pub(super) struct Stored<'a> {
    /// Of the pending version.
    pub(super) context: Context<'a>,
    /// Its credential.
    pub(super) credential: StoredCredential,
    /// The document that consumers use now.
    pub(super) current: Box<MailboxSecret>,
    /// When it was stored, by AWS's clock.
    pub(super) stored_at: Option<Timestamp>,
}

/// What createSecret is called for.
pub(super) enum CreateSecret<'a> {
    /// The pending version holds nothing.
    Issue(Context<'a>),
    /// An earlier run issued it, and may have died before that was published.
    Stored(Stored<'a>),
    AlreadyCurrent,
}

/// What testSecret is called for.
pub(super) enum TestSecret<'a> {
    Stored(Stored<'a>),
    /// A test of the configuration: testSecret alone, on a version that holds nothing, or the current
    /// secret (which of the two is not documented; moto#8504, #8547). The context is the current version's.
    Configuration(Context<'a>),
    AlreadyCurrent,
}

/// What finishSecret is called for.
pub(super) enum FinishSecret<'a> {
    Stored(Stored<'a>),
    /// Promoted by a run that died before that was published, or by hand.
    Unpublished {
        context: Context<'a>,
        credential: StoredCredential,
        stored_at: Option<Timestamp>,
    },
    /// Promoted, and published.
    Done,
}

pub(super) async fn create_secret<'a>(
    clients: &'a Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<CreateSecret<'a>, Failure> {
    match find(clients, call, deadline).await? {
        Found::Current { .. } => Ok(CreateSecret::AlreadyCurrent),
        Found::Stored(stored) => Ok(CreateSecret::Stored(stored)),
        Found::Empty(current) => Ok(CreateSecret::Issue(Context {
            version: call.token.clone(),
            ..current
        })),
        Found::HoldsCurrent(_) => Err(nothing_issued()),
    }
}

/// `None` where the version is the current one already.
pub(super) async fn set_secret<'a>(
    clients: &'a Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<Option<Stored<'a>>, Failure> {
    match find(clients, call, deadline).await? {
        Found::Current { .. } => Ok(None),
        Found::Stored(stored) => give_way_to_a_changed_document(stored).await.map(Some),
        Found::Empty(_) | Found::HoldsCurrent(_) => Err(nothing_issued()),
    }
}

pub(super) async fn test_secret<'a>(
    clients: &'a Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<TestSecret<'a>, Failure> {
    match find(clients, call, deadline).await? {
        Found::Current { .. } => Ok(TestSecret::AlreadyCurrent),
        Found::Stored(stored) => {
            let stored = give_way_to_a_changed_document(stored).await?;
            Ok(TestSecret::Stored(stored))
        }
        Found::Empty(current) | Found::HoldsCurrent(current) => {
            Ok(TestSecret::Configuration(current))
        }
    }
}

pub(super) async fn finish_secret<'a>(
    clients: &'a Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<FinishSecret<'a>, Failure> {
    match find(clients, call, deadline).await? {
        Found::Current { secret, value } => {
            if secret.tags.get(tags::ROTATED_VERSION) == Some(&call.token) {
                return Ok(FinishSecret::Done);
            }
            let value = value.ok_or_else(|| {
                let what = "reading the current version: it shows no value yet";
                Failure::new(Kind::Temporary, what)
            })?;
            let document = MailboxSecret::read(&value.text)?;
            let Some(credential) = document.credential.stored().cloned() else {
                // No rotation made it.
                return Ok(FinishSecret::Done);
            };
            Ok(FinishSecret::Unpublished {
                context: Context {
                    clients,
                    secret,
                    version: call.token.clone(),
                    document,
                    deadline,
                },
                credential,
                stored_at: value.created,
            })
        }
        Found::Stored(stored) => {
            let stored = give_way_to_a_changed_document(stored).await?;
            Ok(FinishSecret::Stored(stored))
        }
        Found::Empty(_) | Found::HoldsCurrent(_) => Err(nothing_issued()),
    }
}

/// What the version holds that a step is called for.
enum Found<'a> {
    /// It is the current one.
    Current {
        secret: SecretMetadata,
        value: Option<SecretValue>,
    },
    /// It is pending, and holds what createSecret stored.
    Stored(Stored<'a>),
    /// It is pending and holds nothing. The context is the current version's.
    Empty(Context<'a>),
    /// It is pending and holds the current secret. The context is the current version's.
    HoldsCurrent(Context<'a>),
}

async fn find<'a>(
    clients: &'a Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<Found<'a>, Failure> {
    let Look {
        secret,
        state,
        value,
        current,
    } = look_until_it_decides(clients, call, deadline).await?;
    let stored = match state? {
        VersionState::AlreadyCurrent => return Ok(Found::Current { secret, value }),
        VersionState::Stored => true,
        VersionState::NothingStored => false,
    };
    let current_value = current?;
    let current = MailboxSecret::read(&current_value.text)?;
    let context = |version, document| Context {
        clients,
        secret,
        version,
        document,
        deadline,
    };
    let Some(value) = value else {
        return match stored {
            true => Err(not_shown("value")),
            false => Ok(Found::Empty(context(current_value.version, current))),
        };
    };
    let pending = MailboxSecret::read(&value.text)?;
    if stored {
        let credential = pending.credential.stored().cloned();
        return Ok(Found::Stored(Stored {
            credential: credential.ok_or_else(nothing_issued)?,
            context: context(call.token.clone(), pending),
            current: Box::new(current),
            stored_at: value.created,
        }));
    }
    match pending.credential.is_the_same_as(&current.credential) {
        true => Ok(Found::HoldsCurrent(context(current_value.version, current))),
        false => Err(not_shown("key- label")),
    }
}

/// One look.
struct Look {
    secret: SecretMetadata,
    state: Result<VersionState, Refusal>,
    value: Option<SecretValue>,
    current: Result<SecretValue, Failure>,
}

async fn look_until_it_decides(
    clients: &Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<Look, Failure> {
    let wait = deadline.at_most(clients.settings.label_wait.duration());
    let mut looks = 1;
    loop {
        let look = look(clients, call).await?;
        if look.decides(call) || !wait.sleep(backoff(looks)).await {
            return Ok(look);
        }
        looks += 1;
    }
}

async fn look(clients: &Clients, call: &StepCall) -> Result<Look, Failure> {
    let (secret, value, current) = tokio::join!(
        clients.store.describe(&call.secret),
        clients.store.value_of(&call.secret, &call.token),
        clients.store.value_with_label(&call.secret, CURRENT),
    );
    let secret = secret?;
    let state = guard(&call.token, &secret);
    let value = match &state {
        // A secret that is marked for deletion shows its labels and no value.
        Err(_) => None,
        Ok(_) => value?,
    };
    Ok(Look {
        secret,
        state,
        value,
        current: current.map_err(Failure::from),
    })
}

impl Look {
    /// Whether nothing that this look does not show may show in the next one.
    fn decides(&self, call: &StepCall) -> bool {
        match &self.state {
            Err(refusal) => !refusal.may_pass,
            Ok(VersionState::AlreadyCurrent) => true,
            Ok(VersionState::Stored) => self.value.is_some(),
            // createSecret looks at a version that holds nothing, as a rule.
            Ok(VersionState::NothingStored) if call.step == Step::CreateSecret => {
                self.value.is_none()
            }
            Ok(VersionState::NothingStored) => self.holds_the_current_secret(),
        }
    }

    /// A version with the current secret waits for no label.
    fn holds_the_current_secret(&self) -> bool {
        let read = |value: &SecretValue| MailboxSecret::read(&value.text).ok();
        let pending = self.value.as_ref().and_then(read);
        let current = self.current.as_ref().ok().and_then(read);
        pending.zip(current).is_some_and(|(pending, current)| {
            pending.credential.is_the_same_as(&current.credential)
        })
    }
}

impl Stored<'_> {
    /// When mail stops unless the pending credential takes the current one's place, where that is known.
    pub(super) fn mail_stops(&self) -> Option<Timestamp> {
        let cached = self.context.secret.tags.get(tags::EXPIRES_AT);
        self.current.credential.end(cached)
    }
}

/// Somebody changed the mailbox document since this rotation copied it: promoting the copy would
/// take the change back. The pending version gives way, and the next check rotates with the new
/// document; connections that hold the pending secret get the current one back from its sweep.
async fn give_way_to_a_changed_document(stored: Stored<'_>) -> Result<Stored<'_>, Failure> {
    let Stored {
        context, current, ..
    } = &stored;
    if context.document.differs_only_in_credential(current) {
        return Ok(stored);
    }
    give_way(context).await?;
    Err(Failure::new(
        Kind::Temporary,
        "going on with the rotation: the mailbox document was changed since it began, and it gives way",
    )
    .next_step("Nothing to do: the next check starts a rotation with the new document."))
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
