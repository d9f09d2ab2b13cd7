//! `POST /reveal`: shows the pending client secret to whom the mailbox document allows it, right after
//! a sign-in, and publishes an event each time, and of each refusal.

use jiff::Timestamp;
use shared::entra::refusal::OAuthEndpoint;
use shared::entra::token::{ClientProof, TokenEndpoint, TokenError};
use shared::events::EventKind;
use shared::ids::ConnectionId;
use shared::retry::Deadline;
use tracing::{info, warn};

use crate::clients::Clients;
use crate::hand_over::context::HandOverContext;
use crate::hand_over::reveal::{NotRevealed, refusal};
use crate::hand_over::statement;
use crate::hand_over::task::{Task, TaskKind, place_of, tasks};
use crate::message::{Button, Message};
use crate::outcome::Outcome;
use crate::pages::task::{self, SecretField};
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::session::signed_in::SignedIn;
use crate::{load, shopctrl};

pub(crate) async fn respond(
    clients: &Clients,
    request: &Request,
    deadline: Deadline,
    now: Timestamp,
) -> RouteResult {
    let key = load::ticket_key(clients).await?;
    let session = SignedIn::open_for_form(request, &key, now);
    let mut context = load::hand_over_of_any_account(clients, session, &key, now).await?;
    if let Some(reason) = refusal(&context, now) {
        publish_refusal(clients, &context, reason, now).await?;
        return Err(refused(&context, reason));
    }
    match application_permissions(clients, &context).await {
        Ok(None) => {}
        Ok(Some(reason)) => {
            publish_refusal(clients, &context, reason, now).await?;
            return Err(refused(&context, reason));
        }
        Err(message) => {
            publish_refusal(clients, &context, NotRevealed::NotChecked, now).await?;
            return Err(message.with_button(Button::BackToHandOver));
        }
    }
    let (at, connection) = place_to_enter(&context, request).ok_or(Outcome::NoSuchConnection)?;
    publish_reveal(clients, &context, connection, now).await?;
    context.session.revealed = true;
    let cookie = context.session.cookie(&key)?;
    let tasks = tasks(&context);
    let observations = if tasks.get(at).is_some_and(Task::has_failed) {
        shopctrl::observe(clients, &tasks, deadline, now).await
    } else {
        Vec::new()
    };
    let secret = SecretField::Shown(&context.credential.client_secret);
    let page = task::page(&context, &tasks, at, &observations, &secret);
    Ok(Response::page(page).with_cookie(cookie))
}

/// The connection that the form names, where the secret is to be entered, and the place of its task.
fn place_to_enter(context: &HandOverContext, request: &Request) -> Option<(usize, ConnectionId)> {
    let id = request.form(statement::CONNECTION)?;
    let tasks = tasks(context);
    let at = place_of(&tasks, &id)?;
    let task = tasks.get(at)?;
    match task.kind {
        TaskKind::EnterSecret { .. } => Some((at, task.connection.id.clone())),
        TaskKind::Authorize { .. } => None,
    }
}

fn refused(context: &HandOverContext, reason: NotRevealed) -> Message {
    let ticket = &context.session.ticket;
    let button = match reason {
        NotRevealed::AnotherAccount => Button::sign_in_as_another(ticket),
        NotRevealed::OldSignIn => Button::sign_in(ticket),
        NotRevealed::NotPending
        | NotRevealed::NotInRevealTo
        | NotRevealed::RotatorIsTheApp
        | NotRevealed::ApplicationPermissions
        | NotRevealed::NotChecked => Button::BackToHandOver,
    };
    let expected = context.sign_in_name();
    Message::from(Outcome::RevealRefused { reason, expected }).with_button(button)
}

/// Published before the secret is shown: what is not published must not have been seen.
async fn publish_reveal(
    clients: &Clients,
    context: &HandOverContext,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<(), Message> {
    let key_id = context.credential.key_id;
    let event = context.event(EventKind::ClientSecretRevealed {
        key_id,
        connection: connection.clone(),
        by: context.session.oid.clone(),
        at: now,
    });
    clients.events.publish(&[event]).await?;
    info!(%key_id, %connection, outcome = "revealed", "the secret is shown");
    Ok(())
}

async fn publish_refusal(
    clients: &Clients,
    context: &HandOverContext,
    reason: NotRevealed,
    now: Timestamp,
) -> Result<(), Message> {
    let name = reason.name();
    if reason.is_misconfigured() {
        warn!(reason = name, "the secret is not shown: misconfigured");
    } else {
        info!(reason = name, "the secret is not shown");
    }
    let event = context.event(EventKind::RevealRefused {
        key_id: context.credential.key_id,
        by: context.session.oid.clone(),
        at: now,
        reason: name.to_owned(),
    });
    Ok(clients.events.publish(&[event]).await?)
}

/// What Entra says that the secret opens: an app-only token carries the application
/// permissions that were granted to the app (entra-docs, access-token-claims-reference.md:
/// `roles`, and `wids` for directory roles), those of its own resource: Graph's and Exchange's are
/// looked at, the two that open mailboxes. A token that cannot be read counts as not checked.
async fn application_permissions(
    clients: &Clients,
    context: &HandOverContext,
) -> Result<Option<NotRevealed>, Message> {
    let secret = context.credential.client_secret.clone();
    let app = clients.settings.app(&context.document);
    let exchange = app.endpoints.outlook_scope(".default");
    let endpoint = TokenEndpoint::new(clients.http.clone(), app, ClientProof::Secret(secret));
    let (graph, exchange) =
        tokio::join!(endpoint.client_credentials(), endpoint.app_only(exchange));
    let mut results = vec![graph];
    match &exchange {
        // Entra gives the app no token for Exchange at all.
        Err(TokenError::AppRefused(..)) => {}
        Ok(_)
        | Err(TokenError::Call(_) | TokenError::ClientRefused(_) | TokenError::PersonNeeded(_)) => {
            results.push(exchange)
        }
    }
    for result in results {
        let tokens = result.map_err(|error| match error {
            TokenError::ClientRefused(refusal)
            | TokenError::PersonNeeded(refusal)
            | TokenError::AppRefused(refusal, _) => {
                Message::refused(&refusal, OAuthEndpoint::Token, context.sign_in_name())
            }
            TokenError::Call(error) => error.into(),
        })?;
        match tokens.has_application_permissions() {
            Some(false) => {}
            Some(true) => return Ok(Some(NotRevealed::ApplicationPermissions)),
            None => return Ok(Some(NotRevealed::NotChecked)),
        }
    }
    Ok(None)
}
