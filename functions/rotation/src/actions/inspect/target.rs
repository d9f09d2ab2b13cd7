//! What is looked at side by side and must not hold up the rest: a tenant, or a host of ShopCtrl's. It has its own time,
//! pauses when it asks for that, and is left alone once it does not answer twice in a row.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::credential::ClientSecret;
use shared::entra::token::TokenError;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::out_of_reach::OutOfReach;
use shared::retry::{CallError, Retry, backoff};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::info;

use crate::clients::Clients;

/// The time that a target has for one look, and that it has more for each secret with calls of its own: two calls
/// without an answer fit in.
const TIME: Duration = Duration::from_secs(24);
const FOR_EACH: Duration = Duration::from_millis(250);

/// So many calls are under way at once.
const AT_ONCE: usize = 16;

/// So many calls in a row without an answer end the look.
const SILENT: u32 = 2;

/// At most this many attempts at one call.
const ATTEMPTS: u32 = 4;

/// The calls in a row that had no answer; those that were under way together count as one.
#[derive(Default)]
struct Silence {
    calls: u32,
    last: Option<Instant>,
}

pub(super) struct Target {
    of: OutOfReach,
    ends: Instant,
    slots: Semaphore,
    silence: Mutex<Silence>,
    /// Until when it asked not to be called: 429 with `Retry-After` slows all that is asked of it, and nothing else.
    pauses_until: Mutex<Option<Instant>>,
}

impl Silence {
    fn add(&mut self, began: Instant) {
        if self.last.is_none_or(|last| began >= last) {
            self.calls += 1;
            self.last = Some(Instant::now());
        }
    }
}

/// A mail server is called after Entra, and keeps who is refused waiting for seconds, twice: nine were seen
/// (email-oauth2-proxy#244).
const MAIL_SERVER_TIME: Duration = Duration::from_secs(90);
const FOR_EACH_MAILBOX: Duration = Duration::from_millis(1_250);

impl Target {
    pub(super) fn new(of: OutOfReach, secrets: usize) -> Self {
        Self::within(of, TIME, FOR_EACH, secrets)
    }

    pub(super) fn of_mail_server(host: String, connections: usize) -> Self {
        let of = OutOfReach::MailServer(host);
        Self::within(of, MAIL_SERVER_TIME, FOR_EACH_MAILBOX, connections)
    }

    fn within(of: OutOfReach, time: Duration, for_each: Duration, number: usize) -> Self {
        let more = for_each.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        Self {
            of,
            ends: Instant::now() + time + more,
            slots: Semaphore::new(AT_ONCE),
            silence: Mutex::default(),
            pauses_until: Mutex::default(),
        }
    }

    /// Calls until it succeeds, the error is final, or the target's time or attempts are used up. Only for calls that
    /// may safely be made twice. What may pass says what is out of reach.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        let called = self.call_for_a_while(call).await;
        called.map_err(|failure| match failure.kind {
            Kind::Temporary => failure.out_of_reach(self.of.clone()),
            Kind::Refused | Kind::Misconfigured | Kind::WaitingForPerson | Kind::Frozen => failure,
        })
    }

    async fn call_for_a_while<T>(
        &self,
        mut call: impl AsyncFnMut() -> Result<T, CallError>,
    ) -> Result<T, Failure> {
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(self.does_not_answer());
        };
        let mut attempt = 1;
        let mut meant = false;
        loop {
            if !self.may_be_called().await {
                return Err(self.does_not_answer());
            }
            let began = Instant::now();
            let error = match call().await {
                Ok(value) => {
                    *self.silence() = Silence::default();
                    return Ok(value);
                }
                Err(error) => error,
            };
            info!(attempt, target = %self.of, failure = %error.failure, "a call of a look failed");
            match error.status {
                Some(_) => *self.silence() = Silence::default(),
                None if error.retry == Retry::Backoff => self.silence().add(began),
                None => {}
            }
            let pause = match error.retry {
                Retry::No => return Err(error.failure),
                Retry::Once if meant => return Err(error.failure),
                Retry::Once => backoff(3),
                Retry::Backoff => backoff(attempt),
                Retry::After(pause) => {
                    self.pause(pause);
                    pause
                }
            };
            meant = error.retry == Retry::Once;
            let over = Instant::now() + pause >= self.ends;
            if attempt >= ATTEMPTS || over || self.is_silent() {
                return Err(match error.status {
                    Some(_) => error.failure,
                    None => self.does_not_answer(),
                });
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Whether Entra takes this client secret of the document's app.
    pub(super) async fn signs_in(
        &self,
        clients: &Clients,
        mailbox: &MailboxSecret,
        secret: &ClientSecret,
    ) -> Result<bool, Failure> {
        let endpoint = clients.token_endpoint(mailbox, secret);
        let mut refused = false;
        let tokens = self.call(async || {
            endpoint.client_credentials().await.map_err(|error| {
                refused = matches!(&error, TokenError::ClientRefused(_));
                error.into_call_error("signing in with the current client secret")
            })
        });
        match tokens.await {
            Ok(_) => Ok(true),
            Err(_) if refused => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn is_silent(&self) -> bool {
        self.silence().calls >= SILENT
    }

    fn silence(&self) -> MutexGuard<'_, Silence> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When its time is over.
    pub(super) fn ends(&self) -> Instant {
        self.ends
    }

    /// Waits for a pause that the target asked for; false where it is not to be called any more in this look.
    async fn may_be_called(&self) -> bool {
        let pauses_until = *self
            .pauses_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = pauses_until {
            if until >= self.ends {
                return false;
            }
            tokio::time::sleep_until(until).await;
        }
        !self.is_silent() && Instant::now() < self.ends
    }

    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut pauses_until = self
            .pauses_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *pauses_until = (*pauses_until).max(Some(until));
    }

    /// The same words for all that is behind it: one cause is one mail.
    fn does_not_answer(&self) -> Failure {
        Failure::new(
            Kind::Temporary,
            format!("looking at {}: no answer", self.of),
        )
    }
}
