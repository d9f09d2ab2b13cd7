//! `POST /ticket`: an expired link has a new one sent to the contact; it never gets one itself.

use jiff::Timestamp;
use shared::ticket::{Purpose, Refused};
use tracing::info;

use crate::clients::Clients;
use crate::load;
use crate::message::{Button, Message};
use crate::outcome::Outcome;
use crate::request::Request;
use crate::response::RouteResult;

/// What asked before is run again: the rotation that waits, or the configuration test. It stops at
/// the person again and asks anew, which it does once for each link that has expired. So a flood of
/// requests brings one message.
pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    let text = request.form("ticket").unwrap_or_default();
    let key = load::ticket_key(clients).await?;
    let ticket = match key.verify(&text, now) {
        Err(Refused::Expired(ticket)) => ticket,
        Err(Refused::Invalid) => return Err(Outcome::InvalidTicket.into()),
        Ok(_) => {
            let button = Button::sign_in(&text);
            return Err(Message::from(Outcome::GoodTicket).with_button(button));
        }
    };
    let secret = load::bound_version(clients, &ticket).await?.secret;
    if !secret.rotation_enabled {
        return Err(Outcome::RotationOff.into());
    }
    match ticket.purpose {
        Purpose::Rotate => {
            let token = Some(ticket.version.as_str());
            clients.store.rotate(&secret.arn, token).await?;
        }
        // The configuration test asks for a grant that is missing, as it did at onboarding.
        Purpose::Connect => clients.store.test_rotation(&secret.arn).await?,
    }
    info!("a new link was asked for");
    Err(Outcome::NewLink.into())
}
