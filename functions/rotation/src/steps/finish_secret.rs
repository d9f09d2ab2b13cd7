//! finishSecret: promotes the pending version, once every connection is seen to hold it.

use jiff::Timestamp;
use shared::events::{EventKind, OpenTrouble, Trouble};
use shared::failure::{Failure, Kind};
use shared::ids::KeyId;
use shared::mailbox_secret::{Delivery, MailboxSecret, StoredCredential};
use shared::retry::{Deadline, backoff, with_retries};
use shared::rotation::StepCall;
use shared::secret_store::versions::{CURRENT, PREVIOUS, PROVED, key_label};
use shared::secret_store::{LabelSwap, MoveLabel};
use shared::tags;
use shared::tags::open_troubles::{OpenTroubles, published};
use shared::tags::seen_drift::SeenDrift;
use shared::tags::state::State;
use tracing::info;

use super::begin::{self, FinishSecret};
use super::beside::{self, Beside, Companion};
use crate::clients::Clients;
use crate::context::Context;

pub(super) async fn run(
    clients: &Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<(), Failure> {
    match begin::finish_secret(clients, call, deadline).await? {
        FinishSecret::Stored(stored) => {
            let context = &stored.context;
            let beside = stored.beside(Companion::IfAttended).await?;
            refuse_unproved(context).await?;
            refuse_undelivered(context, &beside, stored.credential.key_id).await?;
            let was = promote(context).await?;
            publish_rotated(
                context,
                &stored.credential,
                stored.stored_at,
                was.as_deref(),
            )
            .await
        }
        // By hand it was perhaps delivered to nobody: then it is published once it was.
        FinishSecret::Unpublished {
            context,
            credential,
            stored_at,
        } => {
            let beside = beside::read(&context, Companion::IfAttended).await?;
            refuse_undelivered(&context, &beside, credential.key_id).await?;
            publish_rotated(&context, &credential, stored_at, None).await
        }
        FinishSecret::Done => Ok(()),
    }
}

/// The proof that testSecret recorded on the version; its label may be moments late.
async fn refuse_unproved(context: &Context<'_>) -> Result<(), Failure> {
    let Context {
        clients,
        secret,
        version,
        ..
    } = context;
    let wait = clients.settings.label_wait.duration();
    let wait = context.deadline.at_most(wait);
    let mut proved = secret.versions.has(version, PROVED);
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
        let versions = clients.store.describe(&secret.arn).await?.versions;
        proved = versions.has(version, PROVED);
    }
    Ok(())
}

/// The last look before the promotion: what was proved in an earlier invocation may have been
/// changed since, and a direction that holds another secret must never turn green.
async fn refuse_undelivered(
    context: &Context<'_>,
    beside: &Beside<'_>,
    key_id: KeyId,
) -> Result<(), Failure> {
    let Context {
        version,
        document,
        deadline,
        ..
    } = context;
    let looks = document.connections.iter().map(async |connection| {
        let id = &connection.id;
        let delivered = match connection.delivery {
            Delivery::Api => {
                let shopctrl = beside.logins.shopctrl(connection)?;
                let held = with_retries(*deadline, async || shopctrl.connection(connection).await);
                held.await?.has(key_id)
            }
            Delivery::Attended => beside.grants()?.attestations.attested(version, id),
        };
        if delivered {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Temporary,
            format!("promoting: connection {id} does not hold the new secret"),
        )
        .next_step("Nothing to do: the rotation is tried again from its delivery."))
    });
    let looks = futures_util::future::join_all(looks).await;
    looks.into_iter().collect()
}

/// Moves AWSCURRENT, if it still is where it was described. Returns the version that had it.
async fn promote(context: &Context<'_>) -> Result<Option<String>, Failure> {
    let Context {
        clients,
        secret,
        version,
        ..
    } = context;
    let was = secret.versions.current();
    let promote = MoveLabel {
        secret: &secret.arn,
        label: CURRENT,
        to: Some(version),
        from: was,
    };
    if clients.store.swap_label(promote).await? == LabelSwap::Lost {
        return Err(Failure::new(
            Kind::Temporary,
            "promoting: AWSCURRENT was moved by somebody else meanwhile",
        ));
    }
    Ok(was.map(str::to_owned))
}

/// Events first, the tag that says so last: what a kill swallows is published by the next run.
async fn publish_rotated(
    context: &Context<'_>,
    credential: &StoredCredential,
    stored_at: Option<Timestamp>,
    was: Option<&str>,
) -> Result<(), Failure> {
    let Context {
        clients,
        secret,
        version,
        document,
        deadline,
    } = context;
    // After the promotion the version before has AWSPREVIOUS.
    let previous = was.or_else(|| secret.versions.with_label(PREVIOUS));
    let previous_key_id = match previous {
        Some(previous) => key_of(context, previous).await?,
        None => None,
    };
    let rotated = context.event(EventKind::ClientSecretRotated {
        key_id: credential.key_id,
        previous_key_id,
        expires_at: credential.expires_at,
        closes: closes(context, previous),
    });
    // The promotion stands, and is published, whatever becomes of a label; without the tag both are done again.
    let rotated = [rotated];
    let (kept, published) = tokio::join!(
        keep_label(context, previous.zip(previous_key_id)),
        clients.events.publish(&rotated),
    );
    published?;
    kept?;
    let emergency = secret.tags.get(tags::EMERGENCY).map(String::as_str);
    if emergency.is_some() && emergency == previous {
        // The leaked credential goes at once, unless another secret uses it: the checker knows.
        let time = clients.registration(document, *deadline).await?.now();
        let requested = context.event(EventKind::CheckRequested { time });
        clients.events.publish(&[requested]).await?;
    }
    let mut green = vec![
        (tags::EXPIRES_AT, credential.expires_at.to_string()),
        (tags::STATE, State::Rotated.to_string()),
        (tags::ROTATED_VERSION, version.clone()),
        (tags::OPEN, OpenTroubles::none(version).to_string()),
    ];
    // It is said to be over, and begins anew.
    let stalled = secret.tags.contains_key(tags::STALLED);
    green.extend(stalled.then(|| (tags::STALLED, tags::NONE.to_owned())));
    green.extend(stored_at.map(|at| (tags::ISSUED_AT, at.to_string())));
    if was.is_some() {
        // A promotion mends whatever was found: should it come back, it is published again.
        green.push((tags::DRIFT, SeenDrift::none_since(version).to_string()));
    }
    clients.store.tag(&secret.arn, &green).await?;
    info!(key_id = %credential.key_id, expires_at = %credential.expires_at, "the new client secret is the current one");
    Ok(())
}

/// What people were told is wrong while the version before was current.
fn closes(context: &Context<'_>, previous: Option<&str>) -> Vec<OpenTrouble> {
    let Context {
        secret,
        version,
        document,
        ..
    } = context;
    let ids: Vec<_> = document.connections.iter().map(|c| c.id.clone()).collect();
    let open = OpenTroubles::read(secret.tags.get(tags::OPEN).map(String::as_str));
    // By a promotion that was published already, as after a kill.
    if open.version() == version {
        return Vec::new();
    }
    let mut closes = open.all(&ids);
    // A schedule is what it was.
    closes.retain(|open| !open.trouble.is_of_the_backstop());
    let state = State::read(secret.tags.get(tags::STATE).map(String::as_str));
    // Nobody enters a secret unasked, also where a kill kept that from being noted.
    let waited =
        document.has_attended() || state.is_some_and(|state| state.asked(version).is_some());
    let mut noted = published(&secret.tags, &secret.versions, previous.unwrap_or_default());
    if waited {
        noted.insert(Trouble::WaitingForPerson);
    }
    noted.retain(|trouble| !open.has(trouble));
    let noted = noted.into_iter().map(|trouble| OpenTrouble {
        trouble,
        since: None,
    });
    closes.extend(noted);
    closes
}

/// The credential of the version before.
async fn key_of(context: &Context<'_>, previous: &str) -> Result<Option<KeyId>, Failure> {
    let Context {
        clients, secret, ..
    } = context;
    if let Some(key_id) = secret.versions.keys_of(previous).first() {
        return Ok(Some(*key_id));
    }
    let value = clients.store.value_of(&secret.arn, previous).await?;
    let document = value.and_then(|value| MailboxSecret::read(&value.text).ok());
    Ok(document.and_then(|document| document.credential.key_id()))
}

/// Keeps the label by which the version before is retired. That it stays there as AWSCURRENT moves away
/// was seen (recorded in localstack's tests), and is documented nowhere.
async fn keep_label(context: &Context<'_>, previous: Option<(&str, KeyId)>) -> Result<(), Failure> {
    let Some((previous, key_id)) = previous else {
        return Ok(());
    };
    let Context {
        clients, secret, ..
    } = context;
    let labelled = !secret.versions.keys_of(previous).is_empty();
    // Whether these labels were described after the promotion.
    let after = secret.versions.has(previous, PREVIOUS);
    // Without a label before, it was not adopted, and for a reason.
    if labelled != after {
        let label = key_label(key_id);
        clients
            .store
            .set_label(&secret.arn, &label, previous)
            .await?;
    }
    Ok(())
}
