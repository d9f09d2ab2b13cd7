//! A pending version that can never be promoted: it gives up AWSPENDING, and the next check rotates anew.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::rotation::Step;
use shared::secret_store::versions::{CURRENT, PENDING};
use tracing::warn;

use super::begin::Stored;
use crate::context::Context;
use crate::credentials::removal::is_gone;
use crate::delivery::put_back::{Mends, put_back};
use crate::failures::{Failed, publish_failure};

/// A secret that Entra refuses to the end of the wait has not arrived yet, or it is gone (somebody
/// deleted the credential), or it has ended while a person was waited for. In the last two cases
/// the version can never be promoted, and gives up. Returns what there is to say of it.
pub(super) async fn give_up_if_dead(stored: &Stored<'_>, refused: Failure) -> Failure {
    let context = &stored.context;
    let look = async {
        let value = context
            .clients
            .store
            .value_with_label(&context.secret.arn, CURRENT);
        let value = value.await?;
        let current = MailboxSecret::read(&value.text)?;
        let dead = is_dead(stored, &current).await?;
        Ok::<_, Failure>(dead.map(|now| (now, value.version, current)))
    };
    match look.await {
        Ok(None) => refused,
        Ok(Some((now, version, current))) => match give_up(stored, now, version, current).await {
            Ok(failure) | Err(failure) => failure,
        },
        Err(looking) => {
            warn!(failure = %looking, "could not look whether the credential is still there");
            refused
        }
    }
}

/// Entra's clock, where the pending credential is dead.
async fn is_dead(
    stored: &Stored<'_>,
    current: &MailboxSecret,
) -> Result<Option<Timestamp>, Failure> {
    let Context {
        clients,
        document: pending,
        deadline,
        ..
    } = &stored.context;
    let credential = &stored.credential;
    let registration = clients.registration_through(pending, current, *deadline);
    let registration = registration.await?;
    let now = registration.now();
    if credential.expires_at <= now {
        return Ok(Some(now));
    }
    let gone = is_gone(clients, &registration, credential.key_id, *deadline).await?;
    Ok(gone.then_some(now))
}

/// Connections that took the dead secret get the current one back; then the version gives up
/// AWSPENDING, and the next check starts a new rotation.
async fn give_up(
    stored: &Stored<'_>,
    now: Timestamp,
    version: String,
    document: MailboxSecret,
) -> Result<Failure, Failure> {
    let context = &stored.context;
    let Context {
        clients,
        secret,
        version: pending,
        deadline,
        ..
    } = context;
    let of_current = Context {
        clients,
        secret: secret.clone(),
        document,
        version,
        deadline: *deadline,
    };
    // What cannot be put back now is delivered again by the next rotation or sweep.
    let mends = Mends::Only(stored.credential.key_id);
    if let Some(before) = of_current.document.credential.stored() {
        match put_back(&of_current, before, now, Some(pending), &mends).await {
            Ok(done) if done.needs.is_empty() => {}
            Ok(_) => warn!("a connection was not put back: it wants a person's sign-in"),
            Err(failure) => warn!(%failure, "a connection was not put back"),
        }
    }
    let gone = Failure::new(
        Kind::Temporary,
        "delivering: the new credential is no longer valid in Entra, and its version gives up",
    )
    .next_step("Nothing to do: the next check starts a new rotation.");
    let failed = Failed {
        step: Step::SetSecret,
        token: pending,
        failure: &gone,
    };
    publish_failure(clients, secret, failed).await?;
    // Its `key-` label stays: `retire` removes what Entra may still show of the credential.
    give_way(context).await?;
    Ok(gone)
}

/// The version is not pending any more, and the next check may start another rotation.
pub(super) async fn give_way(context: &Context<'_>) -> Result<(), Failure> {
    let (secret, version) = (&context.secret.arn, &context.version);
    let store = &context.clients.store;
    store.drop_label(secret, PENDING, version).await?;
    Ok(())
}
