//! `GET /calendar`: the dates of a finished hand-over as a file.

use jiff::Timestamp;

use crate::clients::Clients;
use crate::hand_over::calendar;
use crate::load;
use crate::outcome::Outcome;
use crate::pages::words;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::session::signed_in::SignedIn;

pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    let key = load::ticket_key(clients).await?;
    let session = SignedIn::open(request, &key, now);
    let context = load::owners_hand_over(clients, session, &key, now).await?;
    if !context.promoted() {
        return Err(Outcome::NotDone.into());
    }
    let renewal = context.renewal(&clients.settings.policy)?;
    let ends = context.credential.expires_at;
    let entries = words::calendar::entries(&context.ticket, ends, renewal);
    Ok(Response::calendar(calendar::file(&entries, now)))
}
