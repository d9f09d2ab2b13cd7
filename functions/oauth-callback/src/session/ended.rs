//! How a sign-in, or a request for a link, ended: kept for its page, which can be loaded again. The address that the
//! request was sent to cannot: a code works once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::failure::Failure;
use shared::ticket::TicketKey;
use subtle::ConstantTimeEq;

use super::sealed_cookie::Cookie;
use super::sign_in;
use crate::clients::Clients;
use crate::message::Message;
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::route::Route;

const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

pub(crate) const COOKIE: Cookie = Cookie {
    name: "__Host-shopmail-ended",
    max_age: LIFETIME.as_secs(),
};

/// How it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub message: Message,
    /// Of the request that ended so: the log has its lines under it.
    pub reference: String,
    /// Of the sign-in, where it was one.
    state: Option<String>,
    until: i64,
}

impl Ended {
    /// Opens it among the request's cookies.
    #[must_use]
    pub fn open(request: &Request, key: &TicketKey, now: Timestamp) -> Option<Self> {
        let ended: Self = COOKIE.open(&request.cookies, key)?;
        (ended.until > now.as_second()).then_some(ended)
    }

    /// Whether it is the end of the sign-in that this request comes back from, once more.
    #[must_use]
    pub fn is_of(&self, request: &Request) -> bool {
        let same = |state: &String| {
            let given = request.query("state");
            given.is_some_and(|given| given.as_bytes().ct_eq(state.as_bytes()).into())
        };
        self.state.as_ref().is_some_and(same)
    }
}

/// Leads from a message to the address of its page.
pub(crate) fn redirect(
    clients: &Clients,
    result: RouteResult,
    request: &Request,
    key: &TicketKey,
    now: Timestamp,
) -> Result<Response, Failure> {
    let message = match result {
        Ok(response) => return Ok(response),
        Err(message) => message,
    };
    crate::log(&message.outcome);
    let ends_sign_in = message.ends_sign_in;
    let ended = Ended {
        message,
        reference: request.reference.clone(),
        state: request.query("state"),
        until: now.as_second() + LIFETIME.as_secs(),
    };
    let response = Response::redirect(clients.settings.url(Route::Ended));
    let response = response.with_cookie(COOKIE.seal(key, &ended)?);
    Ok(match ends_sign_in {
        true => response.with_cookie(sign_in::COOKIE.end()),
        false => response,
    })
}
