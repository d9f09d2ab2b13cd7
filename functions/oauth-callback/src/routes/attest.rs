//! `POST /attest`: records what the person says that ShopCtrl shows of a connection.

use jiff::Timestamp;
use shared::events::EventKind;
use shared::grants::GrantsStore;
use shared::grants::attestations::{Attestation, HandOverState};
use shared::mailbox_secret::Connection;
use shared::retry::Deadline;
use tracing::info;

use crate::clients::Clients;
use crate::hand_over::context::HandOverContext;
use crate::hand_over::statement;
use crate::hand_over::task::{Task, TaskKind, place_of, tasks};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::pages::words;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::route::Route;
use crate::session::signed_in::SignedIn;
use crate::{load, rotation, shopctrl};

pub(crate) async fn respond(
    clients: &Clients,
    request: &Request,
    deadline: Deadline,
    now: Timestamp,
) -> RouteResult {
    let key = load::ticket_key(clients).await?;
    let session = SignedIn::open_for_form(request, &key, now);
    let mut context = load::owners_hand_over(clients, session, &key, now).await?;
    let response = Response::redirect(clients.settings.url(Route::Attestation));
    if context.promoted() {
        return Ok(response);
    }
    let task = named(&context, request).ok_or(Outcome::NoSuchConnection)?;
    let state = request
        .form(statement::STATE)
        .and_then(|text| statement::read(&text))
        .ok_or(Outcome::NoStatement)?;
    // What is no news is not written, published or resumed a second time.
    if !task.changes_by(state) {
        return Ok(response);
    }
    let connection = task.connection.clone();
    let response = match task.kind {
        TaskKind::EnterSecret { .. } => {
            // By ShopCtrl's clock, which is the one that its mail checks go by.
            let at = shopctrl::clock(clients, &connection, deadline).await;
            let statement = Attestation {
                state,
                attested_by: context.session.oid.clone(),
                at: at.unwrap_or(now),
                evidence: words::task::evidence(state, connection.direction).to_owned(),
            };
            record(clients, &mut context, &connection, statement).await?;
            response
        }
        TaskKind::Authorize { .. } => {
            context.session.authorized.push(connection.id.to_string());
            response.with_cookie(context.session.cookie(&key)?)
        }
    };
    if tasks(&context).iter().all(Task::is_done) {
        resume_rotation(clients, &context).await;
    }
    Ok(response)
}

/// The task of the connection that the form names.
fn named<'a>(context: &'a HandOverContext, request: &Request) -> Option<Task<'a>> {
    let id = request.form(statement::CONNECTION)?;
    let mut tasks = tasks(context);
    let at = place_of(&tasks, &id)?;
    Some(tasks.swap_remove(at))
}

/// Publishes a statement and then records it, by compare-and-swap. In this order: what is recorded and not
/// published could not be published later, because the same statement would be no news.
async fn record(
    clients: &Clients,
    context: &mut HandOverContext,
    connection: &Connection,
    statement: Attestation,
) -> Result<(), Message> {
    let event = context.event(EventKind::HandOverAttested {
        connection: connection.id.clone(),
        direction: connection.direction,
        state: statement.state,
        by: statement.attested_by.clone(),
        at: statement.at,
        evidence: statement.evidence.clone(),
    });
    clients.events.publish(&[event]).await?;
    let versions = &context.secret.versions;
    let live = [versions.current(), versions.in_progress()];
    let token = context.ticket.version.clone();
    GrantsStore::of(&clients.store, &context.secret.name)
        .update(|grants_document| {
            let attestations = &mut grants_document.attestations;
            // What was said of rotations that are over is in their events.
            attestations.retain(|other| other == token || live.contains(&Some(other)));
            attestations.set(&token, &connection.id, statement.clone());
        })
        .await?;
    let state: HandOverState = statement.state;
    let attestations = &mut context.grants_document.attestations;
    attestations.set(&token, &connection.id, statement);
    info!(connection = %connection.id, ?state, "a person's statement is recorded");
    Ok(())
}

async fn resume_rotation(clients: &Clients, context: &HandOverContext) {
    let Some(token) = context.secret.versions.in_progress() else {
        return;
    };
    if !context.secret.rotation_enabled {
        // RotateSecret would switch it on again (its API reference), which is whoever's who switched it off.
        info!("rotation is off: it is not resumed");
        return;
    }
    rotation::resume(&clients.store, &context.secret, token).await;
}
