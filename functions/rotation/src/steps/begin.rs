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

use super::guard::{Refusal, VersionState, guard};
use crate::clients::Clients;
use crate::context::Context;

/// A rotation whose pending version holds what createSecret stored.
pub(super) struct Stored<'a> {
    /// Of the pending version.
    pub(super) context: Context<'a>,
    /// Its credential.
    pub(super) credential: StoredCredential,
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
        Found::Stored(stored) => Ok(Some(stored)),
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
        Found::Stored(stored) => Ok(TestSecret::Stored(stored)),
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
        Found::Stored(stored) => Ok(FinishSecret::Stored(stored)),
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
        shown,
        value,
    } = look_until_it_decides(clients, call, deadline).await?;
    let context = |version, document| Context {
        clients,
        secret: secret.clone(),
        version,
        document,
        deadline,
    };
    let current = match shown? {
        Shown::AlreadyCurrent => return Ok(Found::Current { secret, value }),
        Shown::Stored => {
            let value = value.ok_or_else(|| not_shown("value"))?;
            let pending = MailboxSecret::read(&value.text)?;
            let credential = pending.credential.stored().cloned();
            return Ok(Found::Stored(Stored {
                credential: credential.ok_or_else(nothing_issued)?,
                context: context(call.token.clone(), pending),
                stored_at: value.created,
            }));
        }
        Shown::NothingStored { current } => current,
    };
    let of_current = context(current.version, MailboxSecret::read(&current.text)?);
    let Some(value) = value else {
        return Ok(Found::Empty(of_current));
    };
    let pending = MailboxSecret::read(&value.text)?;
    let credential = &of_current.document.credential;
    match pending.credential.is_the_same_as(credential) {
        true => Ok(Found::HoldsCurrent(of_current)),
        false => Err(not_shown("key- label")),
    }
}

/// One look.
struct Look {
    secret: SecretMetadata,
    shown: Result<Shown, Refusal>,
    value: Option<SecretValue>,
}

/// What the labels show; where it is nothing, with the current version, which the value may be that of.
enum Shown {
    AlreadyCurrent,
    Stored,
    NothingStored { current: SecretValue },
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
    let current = async || clients.store.value_with_label(&call.secret, CURRENT).await;
    // createSecret finds nothing stored, as a rule, and copies the current document.
    let at_once = async {
        match call.step {
            Step::CreateSecret => Some(current().await),
            Step::SetSecret | Step::TestSecret | Step::FinishSecret => None,
        }
    };
    let (secret, value, at_once) = tokio::join!(
        clients.store.describe(&call.secret),
        clients.store.value_of(&call.secret, &call.token),
        at_once,
    );
    let secret = secret?;
    let state = match guard(&call.token, &secret) {
        Ok(state) => state,
        // A secret that is marked for deletion shows its labels and no value.
        Err(refusal) => {
            return Ok(Look {
                secret,
                shown: Err(refusal),
                value: None,
            });
        }
    };
    let shown = match state {
        VersionState::AlreadyCurrent => Shown::AlreadyCurrent,
        VersionState::Stored => Shown::Stored,
        VersionState::NothingStored => Shown::NothingStored {
            current: match at_once {
                Some(current) => current?,
                None => current().await?,
            },
        },
    };
    Ok(Look {
        secret,
        shown: Ok(shown),
        value: value?,
    })
}

impl Look {
    /// Whether nothing that this look does not show may show in the next one.
    fn decides(&self, call: &StepCall) -> bool {
        match &self.shown {
            Err(refusal) => !refusal.may_pass,
            Ok(Shown::AlreadyCurrent) => true,
            Ok(Shown::Stored) => self.value.is_some(),
            Ok(Shown::NothingStored { .. }) if self.value.is_none() => {
                call.step == Step::CreateSecret
            }
            // A version with the current secret waits for no label.
            Ok(Shown::NothingStored { current }) => {
                let read = |value: &SecretValue| MailboxSecret::read(&value.text).ok();
                let pending = self.value.as_ref().and_then(read);
                let of_both = pending.zip(read(current));
                of_both.is_some_and(|(pending, current)| {
                    pending.credential.is_the_same_as(&current.credential)
                })
            }
        }
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
