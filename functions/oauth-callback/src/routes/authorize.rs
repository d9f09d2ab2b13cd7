//! `GET /authorize?ticket=…`: from the link to Microsoft's sign-in page. Changes nothing.

use jiff::Timestamp;
use shared::entra::sign_in::{AuthorizationRequest, authorize_url, scopes};
use tracing::info;

use crate::clients::Clients;
use crate::link::{self, Link};
use crate::load;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::session::sign_in::SignInSession;

pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    let Link { text, key, ticket } = link::open(clients, request, now).await?;
    let mailbox = load::bound_version(clients, &ticket).await?.document;
    let app = clients.settings.app(&mailbox);
    let session = SignInSession::begin(text)?;
    let location = authorize_url(&AuthorizationRequest {
        app: &app,
        redirect_uri: &clients.settings.redirect_uri(),
        scopes: &scopes(&app, &mailbox.connections, &ticket.mailbox),
        name: &mailbox.sign_in_name(&ticket.mailbox),
        secrets: &session.secrets,
        // After another account's sign-in Microsoft would take that one again.
        anew: request.query("anew").is_some(),
    })?;
    info!(mailbox = %ticket.mailbox, "the person is led to Microsoft's sign-in");
    Ok(Response::redirect(location).with_cookie(session.cookie(&key, now)?))
}
