//! `GET /start?ticket=…`: the first screen of a hand-over. Says what is asked and why; changes nothing.

use jiff::Timestamp;
use shared::mailbox_secret::MailboxSecret;
use shared::secret_store::versions::CURRENT;
use shared::tags;

use crate::clients::Clients;
use crate::link::{self, Link};
use crate::load::{self, BoundVersion};
use crate::pages::start::{Start, page};
use crate::request::Request;
use crate::response::{Response, RouteResult};

pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    let Link { text, ticket, .. } = link::open(clients, request, now).await?;
    let (bound, current) = tokio::join!(
        load::bound_version(clients, &ticket, &text),
        clients.store.value_with_label(&ticket.secret, CURRENT),
    );
    let BoundVersion {
        secret, document, ..
    } = bound?;
    let current = MailboxSecret::read(&current?.text)?;
    let ends = current.credential.end(secret.tags.get(tags::EXPIRES_AT));
    Ok(Response::page(page(&Start {
        ticket: &ticket,
        text: &text,
        document: &document,
        ends,
        ended: ends.is_some_and(|ends| ends <= now),
        callback_url: clients.settings.callback_url.as_str(),
    })))
}
