//! What each route does, one file a route.

mod attest;
mod authorize;
mod calendar;
mod callback;
mod ended;
mod handover;
mod reveal;
mod start;
mod ticket;

use jiff::Timestamp;
use shared::retry::Deadline;

use crate::clients::Clients;
use crate::outcome::Outcome;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::route::{NoRoute, Route};

pub(crate) async fn respond(
    clients: &Clients,
    request: &Request,
    deadline: Deadline,
    now: Timestamp,
) -> RouteResult {
    let route = Route::of(&request.method, &request.path).map_err(|none| match none {
        NoRoute::Path => Outcome::NoSuchPage,
        NoRoute::Method { allow } => Outcome::WrongMethod { allow },
    })?;
    match route {
        Route::Start => start::respond(clients, request, now).await,
        Route::Authorize => authorize::respond(clients, request, now).await,
        Route::Callback => callback::respond(clients, request, deadline, now).await,
        Route::Attestation => handover::respond(clients, request, deadline, now).await,
        Route::Reveal => reveal::respond(clients, request, deadline, now).await,
        Route::Attest => attest::respond(clients, request, deadline, now).await,
        // Somebody pressed Enter in the address bar, or the browser opened the tab again.
        Route::ReopenedReveal | Route::ReopenedAttest => {
            let hand_over = clients.settings.url(Route::Attestation);
            Ok(Response::redirect(hand_over))
        }
        Route::Calendar => calendar::respond(clients, request, now).await,
        Route::Ended => ended::respond(clients, request, now).await,
        Route::Ticket => ticket::respond(clients, request, now).await,
    }
}
