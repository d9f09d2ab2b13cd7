//! createSecret: issues a credential in Entra and stores it as the pending version.
//!
//! Graph shows a secret once and addPassword is not idempotent. Secrets Manager's pending version is
//! the write-ahead record; value and `key-` label are written in one call; whatever dies between
//! addPassword and that call leaves a credential with our marker whose version stores nothing, and such
//! a one is removed. Which ones is decided in `credentials::orphans` and `credentials::lost`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::events::EventKind;
use shared::failure::{Failure, Kind, sanitized_code};
use shared::graph::application::{Issued, Registration};
use shared::ids::KeyId;
use shared::mailbox_secret::{DocumentCredential, MailboxSecret, StoredCredential};
use shared::policy::Hold;
use shared::retry::{Deadline, Effect, with_retries};
use shared::rotation::StepCall;
use shared::secret_store::versions::{MOST_LABELS, PENDING, PREVIOUS, PROVED, Versions, key_label};
use shared::secret_store::{Put, SecretMetadata, Stored};
use shared::tags;
use tracing::{info, warn};

use super::begin::{self, CreateSecret};
use crate::clients::Clients;
use crate::context::Context;
use crate::credentials::adoption::adopt_current;
use crate::credentials::issuing::{add_password, refused_for_want_of_room};
use crate::credentials::lost::stored_value;
use crate::credentials::removal::remove_orphans;
use crate::credentials::room::make_room;

pub(super) async fn run(
    clients: &Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<(), Failure> {
    match begin::create_secret(clients, call, deadline).await? {
        CreateSecret::Issue(context) => issue(&context, call.rotation_token.as_deref()).await,
        CreateSecret::Stored(stored) => {
            info!("the pending version holds a credential already");
            publish_started(&stored.context, &stored.credential).await
        }
        CreateSecret::AlreadyCurrent => Ok(()),
    }
}

async fn issue(context: &Context<'_>, rotation_token: Option<&str>) -> Result<(), Failure> {
    let Context {
        clients,
        secret,
        document: current,
        deadline,
        ..
    } = context;
    let deadline = *deadline;
    let registration = clients.registration(current, deadline).await?;
    // The look at what is there also opens the connection on which addPassword goes out: a
    // socket that a frozen function left behind must not make its outcome unknown.
    let before = with_retries(deadline, async || registration.read().await).await?;
    // Entra's end counts and not the document's; what is gone from Entra cannot wait, and what is not known can.
    let end = match &current.credential {
        DocumentCredential::Stored(_) => before.end_of(current).map(Some),
        DocumentCredential::NotStored(unknown) => {
            Some(before.end_of(current).or(unknown.expires_at))
        }
    };
    if let Some(end) = end {
        refuse_in_a_freeze(context, registration.now(), end).await?;
    }
    refuse_without_labels(&secret.versions)?;
    // Adding harms nobody, and not issuing stops the mail: what fails here the sweep tries again.
    if let Err(failure) = adopt_current(context, &before, &registration).await {
        warn!(%failure, "the current credential was not adopted now");
    }
    let removed = make_room(context, &registration, &before).await?;

    let issued = match add_password(context, &registration).await {
        Ok(issued) => issued,
        Err(failure) => {
            let room = refused_for_want_of_room(&registration, &before, failure, deadline);
            return Err(room.await);
        }
    };
    info!(key_id = %issued.key_id, expires_at = %issued.end, "issued a client secret in Entra");
    let stored = store_issued(context, &registration, &issued, rotation_token).await?;
    publish_started(context, &stored).await?;

    // Now that this version has its credential, any other one with its token is lost for sure. In a
    // freeze it waits for the sweep that comes after.
    if clients.is_frozen(secret, registration.now()) {
        return Ok(());
    }
    let twins = before.credentials.iter().filter(|credential| {
        context.issued(credential)
            && credential.key_id != stored.key_id
            && !removed.contains(&credential.key_id)
    });
    let twins: Vec<KeyId> = twins.map(|credential| credential.key_id).collect();
    let removal = remove_orphans(clients, secret, &registration, twins, deadline);
    removal.await.1.map_or(Ok(()), Err)
}

async fn publish_started(context: &Context<'_>, stored: &StoredCredential) -> Result<(), Failure> {
    let started = context.event(EventKind::RotationStarted {
        key_id: stored.key_id,
        expires_at: stored.expires_at,
    });
    context.clients.events.publish(&[started]).await
}

async fn refuse_in_a_freeze(
    context: &Context<'_>,
    now: Timestamp,
    end: Option<Timestamp>,
) -> Result<(), Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let current = secret.versions.current();
    let leaked = |secret: &SecretMetadata| {
        let emergency = secret.tags.get(tags::EMERGENCY).map(String::as_str);
        current.is_some() && emergency == current
    };
    let policy = clients.policy(secret)?;
    // A window says when the checker begins. What Secrets Manager's schedule or a person asks for begins when it is
    // asked for: where the checker is dead, nobody would ask again in the next window.
    let frozen = policy.held(now, end) == Some(Hold::Freeze);
    if leaked(secret) || !frozen {
        return Ok(());
    }
    // The tag may have been set moments ago, as this rotation was asked for.
    if leaked(&clients.store.describe(&secret.arn).await?) {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Frozen,
        "the mailbox's policy has a freeze now",
    ))
}

/// The labels of a rotation have to fit before anything is issued: a credential's own on the version that is
/// made, its proof where no version before has that label to give, the current credential's where it was not adopted
/// yet, and AWSPREVIOUS where nothing was superseded yet.
fn refuse_without_labels(versions: &Versions) -> Result<(), Failure> {
    let current = versions.current().map(|current| versions.keys_of(current));
    let to_adopt = current.is_some_and(|keys| keys.is_empty());
    let lacks = |label| usize::from(versions.with_label(label).is_none());
    let more = 1 + lacks(PROVED) + usize::from(to_adopt) + lacks(PREVIOUS);
    if versions.count() + more <= MOST_LABELS {
        return Ok(());
    }
    let labels = |(version, labels): (&String, &BTreeSet<String>)| {
        let version = sanitized_code(version);
        (!labels.is_empty()).then(|| format!("{version} ({})", labels.len()))
    };
    let by_version: Vec<String> = versions.0.iter().filter_map(labels).collect();
    Err(Failure::new(
        Kind::Misconfigured,
        "counting the staging labels: Secrets Manager keeps 20 over all versions of a secret, and a rotation does not fit any more",
    )
    .next_step(format!(
        "Take labels that nobody needs from versions that are neither current nor pending. Versions, and how many each has: {}.",
        by_version.join(", ")
    )))
}

/// Stores the issued credential. Returns the one that the version holds in the end: this
/// one, or that of a twin of this invocation that was quicker.
async fn store_issued(
    context: &Context<'_>,
    registration: &Registration,
    issued: &Issued,
    rotation_token: Option<&str>,
) -> Result<StoredCredential, Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let credential = StoredCredential {
        key_id: issued.key_id,
        client_secret: issued.secret.clone(),
        expires_at: issued.end,
    };
    let document = context.document.with_credential(credential.clone());
    let text = document.write()?;
    let put = clients.store.put(Put {
        secret: &secret.arn,
        version: &context.version,
        text: &text,
        labels: vec![PENDING.to_owned(), key_label(issued.key_id)],
        rotation_token,
    });
    let failure = match put.await {
        Ok(Stored::Done) => return Ok(credential),
        Ok(Stored::HasAnother) => None,
        Err(error) => Some(error),
    };
    // Stored all the same, by somebody else, or not at all: only the version tells. Where it
    // cannot be read now, the credential stays: removing it could make a stored version
    // useless, and left alone the next attempt or sweep finds it.
    let unknown = failure
        .as_ref()
        .is_none_or(|error| error.effect == Effect::Unknown);
    let held = match stored_value(context, unknown).await? {
        Some(value) => MailboxSecret::read(&value.text)?
            .credential
            .stored()
            .cloned(),
        None => None,
    };
    match held {
        Some(held) if held.key_id == issued.key_id => Ok(held),
        held => {
            warn!(key_id = %issued.key_id, "the issued credential was not stored and is removed");
            let lost = vec![issued.key_id];
            let removal = remove_orphans(clients, secret, registration, lost, context.deadline);
            if let Some(failure) = removal.await.1 {
                return Err(failure);
            }
            held.ok_or_else(|| match failure {
                Some(error) => error.failure,
                None => Failure::new(
                    Kind::Temporary,
                    "storing the pending version: it was refused, and is empty",
                ),
            })
        }
    }
}
