//! `GET /authorize?ticket=…`: from the link to Microsoft's sign-in page. Changes nothing.

use jiff::Timestamp;
use shared::entra::sign_in::{AuthorizationRequest, authorize_url, scopes};
use shared::failure::Failure;
use shared::grants::GrantsStore;
use shared::mailbox_secret::MailboxSecret;
use shared::secret_store::SecretMetadata;
use shared::ticket::Ticket;
use tracing::info;

use crate::clients::Clients;
use crate::hand_over::reveal;
use crate::link::{self, Link};
use crate::load::{self, BoundVersion};
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::session::sign_in::SignInSession;

pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    let Link { text, key, ticket } = link::open(clients, request, now).await?;
    let BoundVersion {
        secret,
        document: mailbox,
        ..
    } = load::bound_version(clients, &ticket, &text).await?;
    let app = clients.settings.app(&mailbox);
    // After another account's sign-in Microsoft would take that one again.
    let another = request.query("anew").is_some();
    let anew = another || a_reveal_may_follow(clients, &secret, &mailbox, &ticket).await?;
    let session = SignInSession::begin(text, anew)?;
    let location = authorize_url(&AuthorizationRequest {
        app: &app,
        redirect_uri: &clients.settings.redirect_uri(),
        scopes: &scopes(&app, &mailbox.connections, &ticket.mailbox),
        name: &mailbox.sign_in_name(&ticket.mailbox),
        secrets: &session.secrets,
        anew,
    })?;
    info!(mailbox = %ticket.mailbox, "the person is led to Microsoft's sign-in");
    Ok(Response::redirect(location).with_cookie(session.cookie(&key, now)?))
}

async fn a_reveal_may_follow(
    clients: &Clients,
    secret: &SecretMetadata,
    mailbox: &MailboxSecret,
    ticket: &Ticket,
) -> Result<bool, Failure> {
    if !reveal::may_follow(ticket, mailbox, None) {
        return Ok(false);
    }
    let grants_document = GrantsStore::of(&clients.store, &secret.name).read().await?;
    let known = grants_document.grants.of(&ticket.mailbox);
    Ok(reveal::may_follow(ticket, mailbox, known))
}
