//! The mailboxes of a document, proved with their owners' stored grants.

use shared::credential::ClientSecret;
use shared::entra::token::Tokens;
use shared::failure::Failure;
use shared::grants::consents::{Grant, Grants};
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, Direction, Proof, Protocol};
use tracing::{info, warn};

use super::grant::{Keep, NotRedeemed, Redeemer, store_redeemed};
use super::opening::{Broken, open};
use super::round_trip::{Trip, round_trip};
use crate::ask_person::Need;
use crate::context::Context;

/// Redeems every mailbox's grant with this client secret of its app, which touches no mailbox; returns the sign-ins
/// that only an owner can make.
pub(crate) async fn redeem_grants(
    context: &Context<'_>,
    secret: &ClientSecret,
    grants: &Grants,
) -> Result<Vec<Need>, Failure> {
    let redeem = async |mailbox: &MailboxAddress| {
        redeem_grant(context, secret, grants, mailbox, Keep::WhereOld).await?;
        info!(%mailbox, "the client secret redeems the grant");
        Ok(())
    };
    of_each_mailbox(context, redeem).await
}

/// Proves every mailbox with this client secret of its app; returns the sign-ins that only an owner can make.
pub(crate) async fn prove_mailboxes(
    context: &Context<'_>,
    secret: &ClientSecret,
    grants: &Grants,
    trip: Trip,
) -> Result<Vec<Need>, Failure> {
    let prove = async |mailbox: &MailboxAddress| {
        prove_mailbox(context, secret, grants, mailbox, trip).await?;
        info!(%mailbox, by_scope_alone = %by_scope_alone(context, mailbox), "the mailbox works with the grant");
        Ok(())
    };
    of_each_mailbox(context, prove).await
}

async fn of_each_mailbox(
    context: &Context<'_>,
    act: impl AsyncFn(&MailboxAddress) -> Result<(), NotRedeemed>,
) -> Result<Vec<Need>, Failure> {
    let act = &act;
    let all = context.document.probed_mailboxes().into_iter();
    let all = all.map(async |mailbox| (mailbox, act(mailbox).await));
    let mut needs = Vec::new();
    let mut failure = None;
    for (mailbox, done) in futures_util::future::join_all(all).await {
        match done {
            Ok(()) => {}
            Err(NotRedeemed::OwnerNeeded(reason)) => needs.push(Need::SignIn {
                mailbox: mailbox.clone(),
                reason,
            }),
            Err(NotRedeemed::Unusable(_, error) | NotRedeemed::Failed(error)) => {
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(failure) if needs.is_empty() => Err(failure),
        _ => Ok(needs),
    }
}

/// Redeems a stored grant for all that its mailbox's connections need, and stores its replacement where it has grown
/// old.
pub(crate) async fn redeem_grant(
    context: &Context<'_>,
    secret: &ClientSecret,
    grants: &Grants,
    mailbox: &MailboxAddress,
    keep: Keep,
) -> Result<(), NotRedeemed> {
    let grant = grant_of(grants, mailbox)?;
    let redeemer = redeemer(context, secret, mailbox, grant);
    for connections in redeemer.by_resource() {
        redeem_and_store(context, &redeemer, &connections, keep).await?;
    }
    Ok(())
}

async fn redeem_and_store(
    context: &Context<'_>,
    redeemer: &Redeemer<'_>,
    connections: &[&Connection],
    keep: Keep,
) -> Result<Tokens, NotRedeemed> {
    let tokens = redeemer.tokens(connections, &context.deadline).await?;
    let Redeemer { mailbox, grant, .. } = redeemer;
    let stored = store_redeemed(context, mailbox, grant, &tokens, keep).await;
    stored.map_err(NotRedeemed::Failed)?;
    Ok(tokens)
}

/// Redeems it, and opens the mailbox the way that each of its connections does.
async fn prove_mailbox(
    context: &Context<'_>,
    secret: &ClientSecret,
    grants: &Grants,
    mailbox: &MailboxAddress,
    trip: Trip,
) -> Result<(), NotRedeemed> {
    let grant = grant_of(grants, mailbox)?;
    let redeemer = &redeemer(context, secret, mailbox, grant);
    // The waits for one resource are none of the other's.
    let proofs = redeemer.by_resource().into_iter().map(async |connections| {
        let tokens = redeem_and_store(context, redeemer, &connections, Keep::WhereOld).await?;
        let broken = open(
            context.clients,
            &context.document,
            &tokens,
            &connections,
            &context.deadline,
        );
        match first(broken.await) {
            Some(failure) => Err(NotRedeemed::Failed(failure)),
            None => Ok((connections, tokens)),
        }
    });
    let (mut proved, mut worst) = (Vec::new(), None);
    for proof in futures_util::future::join_all(proofs).await {
        match proof {
            Ok(of_resource) => proved.push(of_resource),
            // Where its owner has to sign in, that is asked for, whatever else there is.
            Err(NotRedeemed::OwnerNeeded(reason)) => {
                worst = Some(NotRedeemed::OwnerNeeded(reason));
            }
            Err(error) => worst = worst.or(Some(error)),
        }
    }
    if let Some(worst) = worst {
        return Err(worst);
    }
    let proved = proved.iter().flat_map(|(connections, tokens)| {
        connections
            .iter()
            .map(move |connection| (*connection, tokens))
    });
    let proved: Vec<_> = proved.collect();
    let round_trip = round_trip(context, trip, &proved).await;
    round_trip.map_err(NotRedeemed::Failed)
}

/// The connections whose way shows nothing but the granted permission: sending by Graph, without a round trip.
fn by_scope_alone(context: &Context<'_>, mailbox: &MailboxAddress) -> String {
    let connections = context.document.connections.iter();
    let unseen = connections.filter(|c| {
        let by_graph = (c.protocol, c.direction) == (Protocol::Graph, Direction::Sending);
        c.mailbox == *mailbox && c.proof == Proof::Probe && by_graph
    });
    let ids: Vec<&str> = unseen.map(|c| c.id.as_str()).collect();
    ids.join(" ")
}

fn first(broken: Vec<Broken<'_>>) -> Option<Failure> {
    let failures = broken.into_iter().map(|broken| {
        let Connection { id, mailbox, .. } = broken.connection;
        let doing = format!("proving connection {id}: {mailbox}");
        let failure = broken.failure.while_doing(&doing);
        warn!(%failure, "a connection cannot be proved");
        failure
    });
    // Each is in the log.
    let failures: Vec<Failure> = failures.collect();
    failures.into_iter().next()
}

fn redeemer<'a>(
    context: &'a Context<'_>,
    secret: &'a ClientSecret,
    mailbox: &'a MailboxAddress,
    grant: &'a Grant,
) -> Redeemer<'a> {
    Redeemer {
        clients: context.clients,
        document: &context.document,
        secret,
        mailbox,
        grant,
    }
}

fn grant_of<'g>(grants: &'g Grants, mailbox: &MailboxAddress) -> Result<&'g Grant, NotRedeemed> {
    let grant = grants.of(mailbox);
    grant.ok_or_else(|| NotRedeemed::OwnerNeeded("no_grant".to_owned()))
}
