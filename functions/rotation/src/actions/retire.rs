//! retire: removes superseded credentials whose quarantine is over, and warns of those that end while
//! ShopCtrl may use them yet.

mod old;
mod registrations;
mod retirement;
mod warn;

use jiff::Timestamp;
use shared::credential::Credential;
use shared::events::RetiredReason;
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, backoff, with_retries};
use shared::rotation::{ActionCall, Retired};
use shared::secret_store::versions::{CURRENT, Claim, retired_label};
use shared::secret_store::{SecretMetadata, SecretValue};
use shared::tags;
use shared::tags::superseded::SupersededWarnings;
use tracing::{info, warn};

use self::old::Old;
use self::registrations::{Known, Registrations};
use self::retirement::Retirement;
use self::warn::{publish_leak_kept, publish_warning};
use crate::clients::Clients;
use crate::context::{Context, is_left_alone};
use crate::credentials::removal::{is_gone, remove_credential};
use crate::credentials::superseded::{
    Owner, Superseded, Use, owner, superseded, used_since, verdict,
};
use crate::delivery::held::look_at_connections;
use crate::proof::sign_in::{says_no_such_app, signs_in};

pub(super) async fn run(
    clients: &Clients,
    call: &ActionCall,
    deadline: Deadline,
) -> Result<Retired, Failure> {
    let (secret, current) = settled_current(clients, &call.secret, deadline).await?;
    if is_left_alone(&secret) {
        return Ok(Retired::default());
    }
    let mailbox = MailboxSecret::read(&current.text)?;
    let versions = secret.clone();
    let mut superseded = superseded(&versions, &mailbox);
    if superseded.is_empty() || secret.versions.current() != Some(&current.version) {
        return Ok(Retired::default());
    }
    let held = look_at_connections(clients, &mailbox, deadline).await;
    let retirement = Retirement {
        context: Context {
            clients,
            secret,
            version: current.version,
            document: mailbox.clone(),
            deadline,
        },
        stored_at: current.created,
        held: &held,
        named_by_others: call.named_by_others.as_ref(),
    };
    // What cannot wait comes first.
    superseded.sort_by_key(|(_, version, _)| !retirement.leaked(version));
    let keys = superseded.iter().map(|(key_id, ..)| *key_id);
    let tag = versions.tags.get(tags::SUPERSEDED).map(String::as_str);
    let mut published = SupersededWarnings::read(tag, keys);
    let mut registrations = Registrations::default();
    let (mut report, mut failures) = (Retired::default(), Vec::new());
    for (key_id, version, claim) in superseded {
        let mut old = Old::new(&versions, key_id, version, claim);
        let retired = retire(&retirement, &mut old, &mut registrations, &mut published);
        // One that cannot be dealt with does not keep the others.
        match retired.await {
            Ok(Outcome::Removed) => report.removed.push(key_id),
            Ok(Outcome::Kept) => report.kept.push(key_id),
            Ok(Outcome::LetGo) => {}
            Err(failure) => failures.push(failure),
        }
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(report),
    }
}

/// The labels and the current value, of one and the same version: right after a promotion either may be
/// moments old.
async fn settled_current(
    clients: &Clients,
    secret: &str,
    deadline: Deadline,
) -> Result<(SecretMetadata, SecretValue), Failure> {
    let wait = deadline.at_most(clients.settings.label_wait.duration());
    let mut looks = 1;
    loop {
        let (described, current) = tokio::join!(
            clients.store.describe(secret),
            clients.store.value_with_label(secret, CURRENT),
        );
        let described = described?;
        let current = match is_left_alone(&described) {
            // One that is marked for deletion shows no value.
            true => current.unwrap_or_else(|_| SecretValue::none()),
            false => current?,
        };
        let agree = described.versions.current() == Some(&current.version);
        if agree || is_left_alone(&described) || !wait.sleep(backoff(looks)).await {
            return Ok((described, current));
        }
        looks += 1;
    }
}

/// What became of a superseded credential.
enum Outcome {
    Removed,
    Kept,
    /// It is none of this secret's business any more.
    LetGo,
}

async fn retire(
    run: &Retirement<'_>,
    old: &mut Old<'_>,
    registrations: &mut Registrations,
    published: &mut SupersededWarnings,
) -> Result<Outcome, Failure> {
    let clients = run.context.clients;
    old.read_document(&run.context).await?;
    let known = match registrations.of(run, old).await {
        Ok(known) => known,
        Err(failure) => return without_registration(run, old, failure).await,
    };
    let key_id = old.key_id;
    let Some(credential) = known.application.credential(key_id) else {
        return gone(run, old, &known).await;
    };
    let owner = owner(credential, &run.context.secret, old.document.as_ref());
    if old.claim == Claim::Retired {
        // A replica that lags; and should it be there indeed, it goes now.
        if owner == Owner::Us && !old.is_in_use_by_now(&run.context).await? {
            let removal = async || known.registration.remove_password(key_id).await;
            with_retries(run.context.deadline, removal).await?;
        }
        return Ok(Outcome::LetGo);
    }
    let now = known.registration.now();
    let superseded = what_is_known(run, old, &known, credential, owner).await?;
    let quarantine = clients.settings.quarantine.signed();
    let Some(reason) = verdict(superseded, now, quarantine) else {
        match owner {
            Owner::Us | Owner::NamedOnly if old.claim != Claim::Released => {
                publish_warning(run, superseded, now, published).await?;
            }
            Owner::Us | Owner::NamedOnly | Owner::SomebodyElse | Owner::NotKnown => {}
        }
        return Ok(Outcome::Kept);
    };
    if owner != Owner::Us {
        let outcome = if superseded.has_ended(now) || owner == Owner::SomebodyElse {
            info!(%key_id, "let go of a credential that is not known to be ours");
            run.publish_over(key_id).await?;
            old.forget(&run.context).await?;
            Outcome::LetGo
        } else {
            info!(%key_id, "nothing ties this credential to its version's value; it is kept to its end");
            Outcome::Kept
        };
        publish_leak_kept(run, superseded, now, published).await?;
        return Ok(outcome);
    }
    let cannot_wait = superseded.leaked || superseded.has_ended(now);
    // Somebody may have made the version current again since.
    if old.is_in_use_by_now(&run.context).await? {
        return Ok(Outcome::Kept);
    }
    old.release(&run.context, cannot_wait).await?;
    if run.may_be_named_by_others(key_id) {
        info!(%key_id, "another mailbox secret may name this credential; it is kept");
        publish_leak_kept(run, superseded, now, published).await?;
        return Ok(Outcome::Kept);
    }
    let deadline = run.context.deadline;
    remove_credential(clients, &known.registration, key_id, deadline).await?;
    info!(%key_id, "retired a superseded credential");
    run.publish_retired(key_id, reason).await?;
    // After the event: a kill between the two repeats it.
    let label = retired_label(key_id);
    old.relabel(&run.context, label, cannot_wait).await?;
    Ok(Outcome::Removed)
}

/// Where the app registration cannot be looked at: gone with all its credentials, if Graph does not find it
/// and Entra knows no such app either.
async fn without_registration(
    run: &Retirement<'_>,
    old: &Old<'_>,
    failure: Failure,
) -> Result<Outcome, Failure> {
    let Some(document) = old.document.as_ref().filter(|_| says_no_such_app(&failure)) else {
        return Err(failure);
    };
    let Some(stored) = document.credential.stored() else {
        // Whether its value signs in nobody can try, and it was never to be removed here.
        old.forget(&run.context).await?;
        return Ok(Outcome::LetGo);
    };
    let secret = &stored.client_secret;
    match signs_in(run.context.clients, document, secret, run.context.deadline).await {
        Err(refused) if says_no_such_app(&refused) => {
            if old.claim != Claim::Retired {
                let reason = RetiredReason::AlreadyGone;
                run.publish_retired(old.key_id, reason).await?;
            }
            old.forget(&run.context).await?;
            Ok(Outcome::Removed)
        }
        Ok(_) | Err(_) => Err(failure),
    }
}

/// A credential that Graph does not list: removed by an earlier run or by a person, unless its value
/// still signs in: a secret of the service principal does, and no app registration lists it.
async fn gone(run: &Retirement<'_>, old: &Old<'_>, known: &Known) -> Result<Outcome, Failure> {
    let Context {
        clients,
        secret,
        deadline,
        ..
    } = &run.context;
    let key_id = old.key_id;
    if !is_gone(clients, &known.registration, key_id, *deadline).await? {
        return Ok(Outcome::Kept);
    }
    if old.claim != Claim::Retired {
        // Another run may have removed it meanwhile, and published that.
        let versions = clients.store.describe(&secret.arn).await?.versions;
        let claim = versions.claims().get(&(key_id, old.version)).copied();
        if claim.is_none_or(|claim| claim > old.claim) {
            return Ok(Outcome::Kept);
        }
        let leaked = run.leaked(old.version);
        let stored = old
            .document
            .as_ref()
            .map(|document| (document, document.credential.stored()));
        let reason = match (stored, old.claim) {
            // Without its document nobody can tell whether its value signs in.
            (None, Claim::Holds | Claim::Superseded(_)) => return Ok(Outcome::Kept),
            (Some((document, Some(stored))), _)
                if signs_in(clients, document, &stored.client_secret, *deadline).await? =>
            {
                warn!(%key_id, "the app registration does not list this credential, and its value signs in; it is kept");
                return Ok(Outcome::Kept);
            }
            (_, Claim::Released) if leaked => RetiredReason::Emergency,
            (_, Claim::Released) => RetiredReason::QuarantineOver,
            _ => RetiredReason::AlreadyGone,
        };
        run.publish_retired(key_id, reason).await?;
    }
    old.forget(&run.context).await?;
    Ok(Outcome::Removed)
}

async fn what_is_known<'c>(
    run: &Retirement<'_>,
    old: &mut Old<'_>,
    known: &Known,
    credential: &'c Credential,
    owner: Owner,
) -> Result<Superseded<'c>, Failure> {
    let now = known.registration.now();
    let leaked = run.leaked(old.version);
    let (since, used) = match old.claim {
        // All this was looked at before it was released.
        Claim::Released => (Timestamp::MIN, Use::NotSince),
        Claim::Holds | Claim::Superseded(_) | Claim::Retired => {
            let since = match old.since(run, credential) {
                Some(since) => since,
                None => {
                    let ended = credential.end.is_some_and(|end| end <= now);
                    old.label_superseded(&run.context, now, ended || leaked)
                        .await?;
                    now
                }
            };
            (since, use_since(known, old.key_id, since).await)
        }
    };
    let document = &run.context.document;
    Ok(Superseded {
        credential,
        since,
        leaked,
        held: old.has_the_value_of(document)
            || run.held.iter().any(|held| held.may_hold(old.key_id)),
        attended: document.has_attended(),
        owner,
        used,
        frozen: run.context.clients.is_frozen(&run.context.secret, now),
    })
}

async fn use_since(known: &Known, key_id: KeyId, since: Timestamp) -> Use {
    match known.registration.last_used(key_id).await {
        Ok(last_used) => used_since(last_used, since),
        Err(error) => {
            info!(failure = %error.failure, "Entra's report of the credential's use cannot be read");
            Use::Unknown
        }
    }
}
