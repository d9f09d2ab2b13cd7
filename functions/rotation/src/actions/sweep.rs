//! sweep: puts in order what was left behind. Credentials of ours whose value was never stored, versions
//! without their label, connections that hold another secret than the current one, grants that nobody
//! has used for long.

use std::collections::BTreeSet;

use shared::credential::{ClientSecret, Credential};
use shared::failure::{Failure, Kind};
use shared::graph::application::{Application, Registration};
use shared::ids::{ConnectionId, KeyId, MailboxAddress};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, with_retries};
use shared::rotation::{ActionCall, Swept};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::CURRENT;
use shared::tags;
use shared::tags::state::State;
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::ask_person::{Need, Request, ask, asked_to_sign_in};
use crate::clients::Clients;
use crate::context::{Context, is_left_alone};
use crate::credentials::adoption::adopt_current;
use crate::credentials::lost::{lost_for_good, settled};
use crate::credentials::orphans::orphans;
use crate::credentials::removal::{publish_removed, remove_orphans};
use crate::delivery::put_back::{Mends, put_back};
use crate::proof::grant::{Keep, NotRedeemed};
use crate::proof::mailboxes::redeem_grant;

pub(super) async fn run(
    clients: &Clients,
    call: &ActionCall,
    deadline: Deadline,
) -> Result<Swept, Failure> {
    let Some(mut world) = look(clients, call, deadline).await? else {
        return Ok(Swept::default());
    };
    // What fails does not keep the rest.
    let mut failures = Vec::new();
    let World {
        context,
        registration,
        application,
    } = &world;
    failures.extend(drop_leftovers(clients, &context.secret).await.err());
    let adopted = adopt_current(context, application, registration);
    failures.extend(adopted.await.err());
    let (mut needs, mut delivered) = (Vec::new(), Vec::new());
    // A rotation in progress has its own deliveries.
    if context.secret.versions.in_progress().is_none() {
        (needs, delivered) = mend(&world, &mut failures).await;
    }
    let removed = remove_lost(&mut world, call, &mut failures).await;
    let context = &world.context;
    let mut answered = false;
    if needs.is_empty() {
        if failures.is_empty() {
            answered = forget_what_was_asked(context).await?;
        }
    } else {
        let request = Request {
            purpose: Purpose::Connect,
            due_by: context.document.credential.end(None),
            half_done: None,
        };
        let now = world.registration.now();
        failures.push(ask(context, needs, request, now).await?);
    }
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(Swept {
            removed,
            delivered,
            answered,
        }),
    }
}

/// What there is, of one and the same current version.
struct World<'a> {
    /// Of the current version.
    context: Context<'a>,
    registration: Registration,
    application: Application,
}

/// `None` where nothing is to be done, or by what was read nothing may be done.
async fn look<'a>(
    clients: &'a Clients,
    call: &ActionCall,
    deadline: Deadline,
) -> Result<Option<World<'a>>, Failure> {
    let secret = clients.store.describe(&call.secret).await?;
    if is_left_alone(&secret) {
        return Ok(None);
    }
    let current = clients
        .store
        .value_with_label(&call.secret, CURRENT)
        .await?;
    let mailbox = MailboxSecret::read(&current.text)?;
    let registration = clients.registration(&mailbox, deadline).await?;
    let application = with_retries(deadline, async || registration.read().await).await?;
    // Once more: a credential that was seen and is not named now is in flight or lost.
    let secret = clients.store.describe(&call.secret).await?;
    if secret.versions.current() != Some(&current.version) {
        // Promoted meanwhile: what was read is out of date.
        return Ok(None);
    }
    Ok(Some(World {
        context: Context {
            clients,
            secret,
            version: current.version,
            document: mailbox,
            deadline,
        },
        registration,
        application,
    }))
}

/// RotateSecret takes an AWSPENDING that is left over for a rotation in progress once it is not on
/// AWSCURRENT any more; and the quarantine of a version that was superseded and is current again
/// would count from then.
async fn drop_leftovers(clients: &Clients, secret: &SecretMetadata) -> Result<(), Failure> {
    for (label, version) in secret.versions.leftovers() {
        clients
            .store
            .drop_label(&secret.arn, label, version)
            .await?;
    }
    Ok(())
}

/// The connections and the grants; returns what a person is needed for, and what was delivered.
async fn mend(world: &World<'_>, failures: &mut Vec<Failure>) -> (Vec<Need>, Vec<ConnectionId>) {
    let World {
        context,
        registration,
        application,
    } = world;
    let (mut needs, mut delivered) = (Vec::new(), Vec::new());
    // Before the first secret is issued there is nothing to give to a connection, and no grant can be redeemed.
    let Some(stored) = context.document.credential.stored() else {
        return (needs, delivered);
    };
    let mends = Mends::AllBut(issued_by_a_twin(application, &context.secret));
    match put_back(context, stored, registration.now(), None, &mends).await {
        Ok(done) => {
            needs.extend(done.needs);
            delivered = done.delivered;
        }
        Err(failure) => failures.push(failure),
    }
    match redeem_grants(context, &stored.client_secret, failures).await {
        Ok(found) => needs.extend(found),
        Err(failure) => failures.push(failure),
    }
    (needs, delivered)
}

/// What was asked outside of a rotation was done: the state says so no longer. Whether there was such.
async fn forget_what_was_asked(context: &Context<'_>) -> Result<bool, Failure> {
    let Context {
        clients,
        secret,
        version,
        document,
        ..
    } = context;
    let state = State::read(secret.tags.get(tags::STATE).map(String::as_str));
    let Some(asked) = state.as_ref().and_then(|state| state.asked(version)) else {
        return Ok(false);
    };
    let lifetime = clients.settings.ticket_lifetime.signed().as_secs();
    let asked_at = asked.at.unwrap_or(asked.until - lifetime);
    let grants = clients.grants(secret).read().await?.grants;
    // Who was asked to sign in has, since.
    let granted = |mailbox: &&MailboxAddress| {
        let redeemed_at = grants
            .of(mailbox)
            .map(|grant| grant.redeemed_at.as_second());
        let was_asked = asked.has(&asked_to_sign_in(mailbox));
        redeemed_at.is_some_and(|at| !was_asked || at >= asked_at)
    };
    if !document.probed_mailboxes().iter().all(granted) {
        return Ok(false);
    }
    let tag = (tags::STATE, State::Rotated.to_string());
    clients.store.tag(&secret.arn, &[tag]).await?;
    Ok(true)
}

/// Redeems the grants, and stores what comes of those that nobody has redeemed for long: after 90 idle days Entra lets a
/// refresh token die, and the next rotation would need its owner. The owner of one that Entra refuses is asked now.
async fn redeem_grants(
    context: &Context<'_>,
    client_secret: &ClientSecret,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Need>, Failure> {
    let Context {
        clients,
        secret,
        version,
        ..
    } = context;
    let store = clients.grants(secret);
    let grants = store.read().await?.grants;
    store.tidy().await?;
    let state = State::read(secret.tags.get(tags::STATE).map(String::as_str));
    let asked = state.as_ref().and_then(|state| state.asked(version));
    let mut needs = Vec::new();
    for address in context.document.probed_mailboxes() {
        if grants.of(address).is_none() {
            continue;
        }
        // Of one that was refused and asked for, the time of its redemption says that it is over.
        let was_asked = asked.is_some_and(|asked| asked.has(&asked_to_sign_in(address)));
        let keep = match was_asked {
            true => Keep::Always,
            false => Keep::WhereOld,
        };
        match redeem_grant(context, client_secret, &grants, address, keep).await {
            Ok(()) => info!(mailbox = %address, "redeemed the grant"),
            Err(NotRedeemed::OwnerNeeded(reason)) => needs.push(Need::Renewal {
                mailbox: address.clone(),
                reason,
                redeemed_at: grants.of(address).map(|grant| grant.redeemed_at),
            }),
            Err(NotRedeemed::Unusable(_, failure) | NotRedeemed::Failed(failure)) => {
                match failure.kind {
                    Kind::Temporary => warn!(%failure, "the grant could not be redeemed now"),
                    // One of them does not keep the others.
                    Kind::WaitingForPerson | Kind::Frozen | Kind::Refused | Kind::Misconfigured => {
                        failures.push(failure);
                    }
                }
            }
        }
    }
    Ok(needs)
}

/// What a replica of this secret issued, or the secret that this one was a replica of: connections with one of
/// these are looked after there.
fn issued_by_a_twin(application: &Application, secret: &SecretMetadata) -> BTreeSet<KeyId> {
    let by_a_twin = |credential: &&Credential| {
        let marker = credential.marker();
        marker.is_some_and(|marker| marker.is_of_a_twin(&secret.arn))
    };
    let credentials = application.credentials.iter().filter(by_a_twin);
    credentials.map(|credential| credential.key_id).collect()
}

/// After the delivery, which may take a lost credential away from a connection. Returns what was removed.
async fn remove_lost(
    world: &mut World<'_>,
    call: &ActionCall,
    failures: &mut Vec<Failure>,
) -> Vec<KeyId> {
    let World {
        context,
        registration,
        application,
    } = world;
    let Context {
        clients,
        secret,
        document: mailbox,
        deadline,
        ..
    } = context;
    let (clients, deadline) = (*clients, *deadline);
    let published = publish_removed(clients, secret, registration, application, deadline);
    failures.extend(published.await.err());
    // Without the word of the other secrets nothing is removed that one of them may name.
    let named = call.named_by_others.as_ref();
    let Some(named) = named.filter(|_| !clients.is_frozen(secret, registration.now())) else {
        return Vec::new();
    };
    let settled = settled(clients, registration.now());
    let mut orphans = orphans(application, secret, mailbox.credential.key_id(), settled);
    orphans.retain(|orphan| !named.contains(&orphan.key_id));
    match lost_for_good(clients, secret, mailbox, orphans, deadline).await {
        Ok(lost) => {
            let removal = remove_orphans(clients, secret, registration, lost, deadline);
            let (removed, failure) = removal.await;
            failures.extend(failure);
            removed
        }
        Err(failure) => {
            failures.push(failure);
            Vec::new()
        }
    }
}
