//! `POST /ticket`: has the link sent anew to the contact in place of one that does not work any more. Whoever asks never
//! gets one itself, and `rotation` limits how often it is sent.

use jiff::Timestamp;
use shared::rotation::AskedAgain;
use shared::ticket::{Refused, TicketKey};
use tracing::info;

use crate::clients::Clients;
use crate::message::{Button, Message};
use crate::outcome::Outcome;
use crate::request::Request;
use crate::response::RouteResult;
use crate::session::ended;
use crate::{link, load};

pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    let text = request.form("ticket").unwrap_or_default();
    // No page of ours posts what this refuses.
    link::may_be_ours(&text, now)?;
    let key = load::ticket_key(clients).await?;
    let result = ask(clients, &text, &key, now)
        .await
        .map_or_else(Err, |o| Err(o.into()));
    Ok(ended::redirect(clients, result, request, &key, now)?)
}

async fn ask(
    clients: &Clients,
    text: &str,
    key: &TicketKey,
    now: Timestamp,
) -> Result<Outcome, Message> {
    let (ticket, ended) = match load::verify(clients, key, text, now).await? {
        Ok(ticket) => (ticket, false),
        Err(Refused::Expired(ticket)) => (ticket, true),
        Err(Refused::OtherKey) => return Err(Outcome::OtherKey.into()),
        Err(Refused::Invalid) => return Err(Outcome::InvalidTicket.into()),
    };
    let secret = clients.store.describe(&ticket.secret).await?;
    match load::still_to_do(&secret, &ticket) {
        Ok(()) if !ended => {
            let button = Button::sign_in(text);
            return Err(Message::from(Outcome::GoodTicket).with_button(button));
        }
        // Another rotation may wait by now.
        Ok(()) | Err(Outcome::Superseded) => {}
        Err(outcome) => return Err(outcome.into()),
    }
    if !secret.rotation_enabled {
        return Err(Outcome::RotationOff.into());
    }
    info!(ended, "a new link is asked for");
    Ok(match clients.rotation.ask(&secret.arn).await? {
        AskedAgain::Sent(_) => Outcome::NewLink,
        AskedAgain::NotBefore(at) => Outcome::AskedShortlyBefore { again: at },
        AskedAgain::NobodyWaitedFor => Outcome::NobodyWaitedFor,
    })
}
