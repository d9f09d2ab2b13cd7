//! The mailboxes of a document, proved with their owners' stored grants.

use jiff::Timestamp;
use shared::credential::ClientSecret;
use shared::entra::sign_in::connection_scope;
use shared::entra::token::{TokenError, Tokens};
use shared::failure::{Failure, Kind};
use shared::grants::consents::{Grant, Grants};
use shared::graph::account;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, Direction, Proof, Protocol};
use shared::retry::{Retry, with_retries};
use tracing::info;

use crate::ask_person::Need;
use crate::context::Context;

/// Why a mailbox was not proved.
pub(crate) enum Unproved {
    /// Its owner has to sign in; with Entra's code, or `no_grant`.
    OwnerNeeded(String),
    /// Anything else.
    Failed(Failure),
}

/// Redeems every mailbox's grant with this client secret of its app, which touches no mailbox; returns the sign-ins
/// that only an owner can make.
pub(crate) async fn redeem_grants(
    context: &Context<'_>,
    secret: &ClientSecret,
    grants: &Grants,
) -> Result<Vec<Need>, Failure> {
    let redeem = async |mailbox: &MailboxAddress| {
        let grant = grant_of(grants, mailbox)?;
        for connections in by_resource(context, mailbox) {
            tokens(context, secret, mailbox, grant, &connections).await?;
        }
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
) -> Result<Vec<Need>, Failure> {
    let prove = async |mailbox: &MailboxAddress| {
        prove_mailbox(context, secret, grants, mailbox).await?;
        info!(%mailbox, "the mailbox works with the grant");
        Ok(())
    };
    of_each_mailbox(context, prove).await
}

async fn of_each_mailbox(
    context: &Context<'_>,
    act: impl AsyncFn(&MailboxAddress) -> Result<(), Unproved>,
) -> Result<Vec<Need>, Failure> {
    let act = &act;
    let all = context.document.probed_mailboxes().into_iter();
    let all = all.map(async |mailbox| (mailbox, act(mailbox).await));
    let mut needs = Vec::new();
    let mut failure = None;
    for (mailbox, done) in futures_util::future::join_all(all).await {
        match done {
            Ok(()) => {}
            Err(Unproved::OwnerNeeded(reason)) => needs.push(Need::SignIn {
                mailbox: mailbox.clone(),
                reason,
            }),
            Err(Unproved::Failed(error)) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if needs.is_empty() => Err(failure),
        _ => Ok(needs),
    }
}

pub(crate) async fn prove_mailbox(
    context: &Context<'_>,
    secret: &ClientSecret,
    grants: &Grants,
    mailbox: &MailboxAddress,
) -> Result<(), Unproved> {
    let grant = grant_of(grants, mailbox)?;
    for connections in by_resource(context, mailbox) {
        prove_with_grant(context, secret, mailbox, grant, &connections).await?;
    }
    Ok(())
}

fn grant_of<'g>(grants: &'g Grants, mailbox: &MailboxAddress) -> Result<&'g Grant, Unproved> {
    let grant = grants.of(mailbox);
    grant.ok_or_else(|| Unproved::OwnerNeeded("no_grant".to_owned()))
}

/// The probed connections of a mailbox. One token request names one resource: Graph's scopes and the mail protocols'
/// apart.
fn by_resource<'c>(context: &'c Context<'_>, mailbox: &MailboxAddress) -> Vec<Vec<&'c Connection>> {
    let of_mailbox = |c: &&Connection| c.mailbox == *mailbox && c.proof == Proof::Probe;
    let (by_graph, by_protocol): (Vec<_>, Vec<_>) = context
        .document
        .connections
        .iter()
        .filter(of_mailbox)
        .partition(|c| c.protocol == Protocol::Graph);
    let mut all = vec![by_graph, by_protocol];
    all.retain(|connections| !connections.is_empty());
    all
}

/// The tokens that serve these connections, which are of one resource.
async fn tokens(
    context: &Context<'_>,
    secret: &ClientSecret,
    mailbox: &MailboxAddress,
    grant: &Grant,
    connections: &[&Connection],
) -> Result<Tokens, Unproved> {
    let app = context.clients.app(&context.document);
    let mut scopes = vec!["openid".to_owned(), "offline_access".to_owned()];
    for connection in connections {
        let scope = connection_scope(&app, connection);
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    let tokens = redeem(context, secret, mailbox, grant, &scopes).await?;
    for connection in connections {
        let scope = connection_scope(&app, connection);
        if !tokens.grants(&scope) {
            return Err(Unproved::OwnerNeeded("consent_required".to_owned()));
        }
    }
    Ok(tokens)
}

async fn prove_with_grant(
    context: &Context<'_>,
    secret: &ClientSecret,
    mailbox: &MailboxAddress,
    grant: &Grant,
    connections: &[&Connection],
) -> Result<(), Unproved> {
    let clients = context.clients;
    let app = clients.app(&context.document);
    let tokens = tokens(context, secret, mailbox, grant, connections).await?;
    let reads =
        |c: &&&Connection| c.protocol == Protocol::Graph && c.direction == Direction::Receiving;
    if connections.iter().any(|c| reads(&c)) {
        let opened = with_retries(context.deadline, async || {
            account::open_inbox(&clients.http, &app.endpoints, &tokens.access).await
        });
        let opened = opened.await;
        opened.map_err(|error| Unproved::Failed(error.failure.while_doing(mailbox.as_str())))?;
    }
    Ok(())
}

/// Redeems a stored grant, and stores its replacement where it has grown old.
async fn redeem(
    context: &Context<'_>,
    secret: &ClientSecret,
    mailbox: &MailboxAddress,
    grant: &Grant,
    scopes: &[String],
) -> Result<Tokens, Unproved> {
    let endpoint = context.clients.token_endpoint(&context.document, secret);
    let mut owner_needed = None;
    let tokens = with_retries(context.deadline, async || {
        let tokens = endpoint.refresh(&grant.refresh_token, scopes).await;
        tokens.map_err(|error| {
            if let TokenError::PersonNeeded(error) = &error {
                owner_needed = Some(error.code());
            }
            // A replica that lags: the secret has signed in a moment ago.
            let lags = matches!(error, TokenError::ClientRefused(_));
            let mut error = error.into_call_error("redeeming the stored grant");
            if lags {
                error.retry = Retry::Backoff;
                error.failure.kind = Kind::Temporary;
            }
            error
        })
    })
    .await;
    let tokens = match (tokens, owner_needed) {
        (Ok(tokens), _) => tokens,
        (Err(_), Some(code)) => return Err(Unproved::OwnerNeeded(code)),
        (Err(error), None) => return Err(Unproved::Failed(error.failure)),
    };
    // The one that was redeemed stays good for 90 days from when it was given (docs/beliefs.md): what comes of it is
    // stored once in a while, and not at each proof.
    let every = context.clients.settings.redeem_every.signed();
    let before = tokens.now.checked_sub(every).unwrap_or(Timestamp::MIN);
    if let Some(refresh_token) = &tokens.refresh
        && grant.redeemed_at < before
    {
        let redeemed = Grant {
            refresh_token: refresh_token.clone(),
            redeemed_at: tokens.now,
            ..grant.clone()
        };
        let stored = store_redeemed(context, mailbox, &redeemed);
        stored.await.map_err(Unproved::Failed)?;
    }
    Ok(tokens)
}

async fn store_redeemed(
    context: &Context<'_>,
    mailbox: &MailboxAddress,
    redeemed: &Grant,
) -> Result<(), Failure> {
    let clients = context.clients;
    let _one_writer = clients.grants_writer.lock().await;
    let store = clients.grants(&context.secret);
    let stored = store.update(|grants_document| {
        let grants = &mut grants_document.grants;
        // A sign-in that came meanwhile brought a newer one.
        let newer = grants
            .of(mailbox)
            .is_some_and(|g| g.redeemed_at > redeemed.redeemed_at);
        if !newer {
            grants.set(mailbox, redeemed.clone());
        }
    });
    stored.await
}
