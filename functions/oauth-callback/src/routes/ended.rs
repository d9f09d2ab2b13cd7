//! `GET /ended`: how a sign-in, or a request for a link, ended. Changes nothing, and can be loaded again.

use jiff::Timestamp;

use crate::clients::Clients;
use crate::load;
use crate::outcome::Outcome;
use crate::pages;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::session::ended::{COOKIE, Ended};

pub(crate) async fn respond(clients: &Clients, request: &Request, now: Timestamp) -> RouteResult {
    if !COOKIE.is_among(&request.cookies) {
        return Err(Outcome::NoSignIn.into());
    }
    let key = load::ticket_key(clients).await?;
    let ended = Ended::open(request, &key, now).ok_or(Outcome::NoSignIn)?;
    let page = Response::page(pages::outcome::page(&ended.message));
    Ok(page.of_request(ended.reference))
}
