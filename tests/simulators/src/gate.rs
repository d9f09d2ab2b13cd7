//! What every call to a simulated service passes through: it is numbered, written into the journal,
//! and may be delayed, refused, cut off, or be the moment at which a function is killed.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::clock::Clock;

/// A call that reached a simulated service. Of a mail protocol it is a command with its answer, or a connection with
/// its greeting: the method is the command's first word, the address is the command without what signs in, and the
/// status is SMTP's own, else 200 or 400.
#[derive(Debug, Clone)]
pub struct Call {
    /// Position in the world's journal, from 1.
    pub number: u64,
    /// The service's name: `secretsmanager`, `entra`, `graph`, `shopctrl`, `imap`, …
    pub service: &'static str,
    /// What was asked, without ids: `PutSecretValue`, `POST applications/addPassword`, `EXAMINE`, …
    pub operation: String,
    /// The request's method.
    pub method: Method,
    /// The request's path and query as sent.
    pub uri: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The request's body.
    pub body: Bytes,
    /// The answer's status, once there was one.
    pub status: Option<u16>,
    /// The answer's body, once there was one.
    pub answer: Bytes,
}

/// What is done to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The call is handled after this time.
    Delay(Duration),
    /// The call is handled once it is let go.
    Hold(Hold),
    /// This answer is given. With `effect` the service has done what was asked first. Of a mail protocol it is the body
    /// as it is, in which `{tag}` stands for the command's tag; the connection goes on, unless a header
    /// `Connection: close` says otherwise.
    Answer {
        /// Whether the call takes effect.
        effect: bool,
        /// Status given instead of the service's own.
        status: u16,
        /// Headers given instead of the service's own.
        headers: Vec<(String, String)>,
        /// Body given instead of the service's own.
        body: String,
    },
    /// The connection is reset.
    Reset {
        /// Whether the call takes effect.
        effect: bool,
    },
    /// No answer ever comes.
    Hang {
        /// Whether the call takes effect.
        effect: bool,
    },
    /// The service's own answer, cut in half while `Content-Length` still promises all of it.
    CutOff,
    /// The service's own answer, its JSON changed by this: a form that public reports show, or that no page rules
    /// out.
    Odd(fn(&mut serde_json::Value)),
    /// The call takes effect and its answer is this text with status 200.
    NotJson,
    /// This text again and again, for as long as the other side takes it. Of mail protocols only: other services reset
    /// the connection.
    Endless(String),
    /// The world's kill switch is pulled, and no answer is given.
    Kill {
        /// Whether the call takes effect before.
        effect: bool,
    },
}

impl Fault {
    /// This answer instead of the mail server's own, which does nothing.
    #[must_use]
    pub fn says(answer: &str) -> Self {
        Self::Answer {
            effect: false,
            status: 200,
            headers: Vec::new(),
            body: answer.to_owned(),
        }
    }
}

/// Calls that are kept waiting together: how a test sees that they are under way at the same time, whatever the time.
#[derive(Debug, Clone)]
pub struct Hold(Arc<watch::Sender<Held>>);

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    calls: usize,
    let_go: bool,
}

impl Default for Hold {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Held::default())))
    }
}

impl Hold {
    /// Waits until so many calls have come, those that were let go included.
    pub async fn reached(&self, calls: usize) {
        self.until(|held| held.calls >= calls).await;
    }

    /// How many calls have come.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    /// Lets those go that wait, and those that come.
    pub fn let_go(&self) {
        self.0.send_modify(|held| held.let_go = true);
    }

    pub(crate) async fn pass(&self) {
        self.0.send_modify(|held| held.calls += 1);
        self.until(|held| held.let_go).await;
    }

    async fn until(&self, is_so: impl FnMut(&Held) -> bool) {
        // It ends with its sender, which is here.
        let _ = self.0.subscribe().wait_for(is_so).await;
    }
}

/// Which calls a fault is planned for: the next one, where nothing else is said.
#[derive(Debug, Clone)]
pub struct Calls {
    service: String,
    operation: String,
    skip: u32,
    times: u32,
}

impl Calls {
    /// Of this operation (`*` for any) at this service (`*` for any).
    #[must_use]
    pub fn of(service: &str, operation: &str) -> Self {
        Self {
            service: service.to_owned(),
            operation: operation.to_owned(),
            skip: 0,
            times: 1,
        }
    }

    /// So many of them are left untouched before.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// So many of them.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn include(&self, call: &Call) -> bool {
        (self.service == "*" || self.service == call.service)
            && (self.operation == "*" || self.operation == call.operation)
    }
}

#[derive(Debug)]
struct Planned {
    calls: Calls,
    fault: Fault,
}

type KillSwitch = Box<dyn Fn() + Send + Sync>;
type Watcher = Box<dyn Fn(&Call) + Send + Sync>;
type Director = Box<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

/// The world's journal and its plan of faults.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    kill_switch: Mutex<Option<KillSwitch>>,
    watchers: Mutex<Vec<Watcher>>,
    director: Mutex<Option<Director>>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    /// Calls by service and operation, where calls are counted and not kept.
    counted: Option<BTreeMap<(&'static str, String), u64>>,
    planned: Vec<Planned>,
    by_number: HashMap<u64, Fault>,
}

impl State {
    fn next_number(&self) -> u64 {
        let counted: u64 = self.counted.iter().flat_map(BTreeMap::values).sum();
        counted + self.calls.len() as u64 + 1
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// The connection is to be dropped without an answer.
#[derive(Debug)]
pub struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the simulated service reset the connection")
    }
}

impl std::error::Error for Dropped {}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans `fault` for the next call of `operation` (`*` for any) at `service` (`*` for any).
    pub fn fail_next(&self, service: &str, operation: &str, fault: Fault) {
        self.fail(Calls::of(service, operation), fault);
    }

    /// Plans `fault` for these calls.
    pub fn fail(&self, calls: Calls, fault: Fault) {
        self.state().planned.push(Planned { calls, fault });
    }

    /// Plans `fault` for the call that will have this number in the journal.
    pub fn fail_number(&self, number: u64, fault: Fault) {
        self.state().by_number.insert(number, fault);
    }

    /// Forgets all planned faults.
    pub fn heal(&self) {
        let mut state = self.state();
        state.planned.clear();
        state.by_number.clear();
    }

    /// What [`Fault::Kill`] does: normally ends the function processes with SIGKILL.
    pub fn set_kill_switch(&self, kill: impl Fn() + Send + Sync + 'static) {
        *self
            .kill_switch
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Box::new(kill));
    }

    /// Asks `director` at each call, before it is handled, what is to be done to it: for plans that
    /// hang on more than the call's name. [`Gate::heal`] does not touch it.
    pub fn direct(&self, director: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        *self.director.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(director));
    }

    /// Calls `watcher` after each answered call.
    pub fn watch(&self, watcher: impl Fn(&Call) + Send + Sync + 'static) {
        self.watchers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(watcher));
    }

    /// From now on calls are counted and not kept, and nobody who watches is told: for more of them than a journal can
    /// hold. [`Gate::fail_number`] counts from here.
    pub fn count_only(&self) {
        let mut state = self.state();
        state.calls = Vec::new();
        state.counted = Some(BTreeMap::new());
    }

    /// How many calls of each `service operation` there were since [`Gate::count_only`] or [`Gate::clear`].
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let state = self.state();
        let counted = state.counted.iter().flatten();
        counted
            .map(|((service, operation), count)| (format!("{service} {operation}"), *count))
            .collect()
    }

    /// All calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// `service operation` of each call so far, in order.
    #[must_use]
    pub fn operations(&self) -> Vec<String> {
        self.state()
            .calls
            .iter()
            .map(|call| format!("{} {}", call.service, call.operation))
            .collect()
    }

    /// Empties the journal; numbers start again from 1.
    pub fn clear(&self) {
        let mut state = self.state();
        state.calls.clear();
        if let Some(counted) = &mut state.counted {
            counted.clear();
        }
    }

    fn directed(&self, call: &Call) -> Option<Fault> {
        let director = self.director.lock().unwrap_or_else(PoisonError::into_inner);
        director.as_ref().and_then(|director| director(call))
    }

    pub(crate) fn note(&self, call: Call) -> (u64, Option<Fault>) {
        let directed = self.directed(&call);
        let mut state = self.state();
        let number = state.next_number();
        let mut fault = directed.or_else(|| state.by_number.remove(&number));
        if fault.is_none() {
            let mut planned = state.planned.iter_mut();
            if let Some(planned) = planned.find(|planned| planned.calls.include(&call)) {
                if planned.calls.skip > 0 {
                    planned.calls.skip -= 1;
                } else {
                    planned.calls.times -= 1;
                    fault = Some(planned.fault.clone());
                }
            }
            state.planned.retain(|planned| planned.calls.times > 0);
        }
        match &mut state.counted {
            Some(counted) => *counted.entry((call.service, call.operation)).or_default() += 1,
            None => state.calls.push(Call { number, ..call }),
        }
        (number, fault)
    }

    pub(crate) fn answered(&self, number: u64, status: StatusCode, answer: &Bytes) {
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let call = {
            let mut state = self.state();
            let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
            let Some(call) = state.calls.get_mut(at) else {
                return;
            };
            call.status = Some(status.as_u16());
            call.answer = answer.clone();
            (!watchers.is_empty()).then(|| call.clone())
        };
        if let Some(call) = call {
            for watcher in watchers.iter() {
                watcher(&call);
            }
        }
    }

    pub(crate) fn kill(&self) {
        let switch = self
            .kill_switch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(kill) = switch.as_ref() {
            kill();
        }
    }
}

/// A simulated service: its routes, behind the world's gate.
#[derive(Clone)]
pub struct Service {
    /// The service's name in the journal.
    pub name: &'static str,
    /// Names the operation of a request, without ids in it.
    pub operation: fn(&Request<Bytes>) -> String,
    /// The routes.
    pub router: Router,
    /// The world's gate.
    pub gate: Arc<Gate>,
    /// The world's clock, which the `Date` header of every answer shows.
    pub clock: Arc<Clock>,
}

impl Service {
    /// Handles one request: the seam for in-process tests, and what [`serve`](crate::serve::serve) calls.
    ///
    /// # Errors
    /// [`Dropped`] when a fault resets the connection.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        // Opens a connection, and asks for nothing.
        let is_aws = self.name == "secretsmanager";
        if is_aws && request.method() == Method::HEAD && request.uri().path() == "/" {
            return Ok(Response::new(Bytes::new()));
        }
        let (number, fault) = self.gate.note(Call {
            number: 0,
            service: self.name,
            operation: (self.operation)(&request),
            method: request.method().clone(),
            uri: request.uri().to_string(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            status: None,
            answer: Bytes::new(),
        });
        let response = self.faulty(request, fault).await?;
        self.gate
            .answered(number, response.status(), response.body());
        Ok(response)
    }

    async fn faulty(
        &self,
        request: Request<Bytes>,
        fault: Option<Fault>,
    ) -> Result<Response<Bytes>, Dropped> {
        match fault {
            None => Ok(self.handle(request).await),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(self.handle(request).await)
            }
            Some(Fault::Answer {
                effect,
                status,
                headers,
                body,
            }) => {
                if effect {
                    self.handle(request).await;
                }
                let mut response = Response::new(Bytes::from(body));
                *response.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                for (name, value) in headers {
                    if let (Ok(name), Ok(value)) = (
                        http::HeaderName::try_from(name),
                        http::HeaderValue::try_from(value),
                    ) {
                        response.headers_mut().insert(name, value);
                    }
                }
                self.date(&mut response);
                Ok(response)
            }
            Some(Fault::Hold(hold)) => {
                hold.pass().await;
                Ok(self.handle(request).await)
            }
            Some(Fault::Reset { effect }) => {
                if effect {
                    self.handle(request).await;
                }
                Err(Dropped)
            }
            Some(Fault::Endless(_)) => Err(Dropped),
            Some(Fault::Hang { effect }) => {
                if effect {
                    self.handle(request).await;
                }
                std::future::pending().await
            }
            Some(Fault::CutOff) => {
                let mut response = self.handle(request).await;
                let promised = response.body().len().max(2);
                let half = response.body().slice(..response.body().len() / 2);
                *response.body_mut() = half;
                response
                    .headers_mut()
                    .insert(http::header::CONTENT_LENGTH, promised.into());
                Ok(response)
            }
            Some(Fault::Odd(change)) => {
                let mut response = self.handle(request).await;
                if let Ok(mut answer) = serde_json::from_slice(response.body()) {
                    change(&mut answer);
                    *response.body_mut() = Bytes::from(answer.to_string());
                }
                Ok(response)
            }
            Some(Fault::NotJson) => {
                let mut response = self.handle(request).await;
                *response.status_mut() = StatusCode::OK;
                *response.body_mut() = Bytes::from_static(b"<html>Gateway</html>");
                Ok(response)
            }
            Some(Fault::Kill { effect }) => {
                if effect {
                    self.handle(request).await;
                }
                self.gate.kill();
                Err(Dropped)
            }
        }
    }

    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request = request.map(Body::from);
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap_or_else(|never: Infallible| match never {});
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let mut response = Response::from_parts(parts, body);
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        self.date(&mut response);
        response
    }

    fn date(&self, response: &mut Response<Bytes>) {
        if let Ok(date) = http::HeaderValue::try_from(self.clock.http_date()) {
            response.headers_mut().insert(http::header::DATE, date);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    #[tokio::test]
    async fn calls_can_be_counted_in_place_of_kept_and_are_numbered_and_faulted_all_the_same() {
        let gate = Arc::new(Gate::default());
        let service = Service {
            name: "test",
            operation: |request| request.uri().path().to_owned(),
            router: Router::new().route("/{*any}", get(|| async { "ok" })),
            gate: Arc::clone(&gate),
            clock: Arc::new(Clock::starting_at(jiff::Timestamp::UNIX_EPOCH)),
        };
        let call = async |path: &str| {
            let request = Request::get(path).body(Bytes::new()).unwrap();
            service.call(request).await
        };
        call("/before").await.unwrap();
        gate.count_only();
        gate.fail_number(3, Fault::Reset { effect: true });
        let mut answered = Vec::new();
        for path in ["/a", "/b", "/a", "/a"] {
            answered.push(call(path).await.is_ok());
        }
        assert_eq!(answered, [true, true, false, true]);
        let counts: Vec<(String, u64)> = gate.counts().into_iter().collect();
        assert_eq!(
            counts,
            [("test /a".to_owned(), 3), ("test /b".to_owned(), 1)]
        );
        assert!(gate.calls().is_empty());
    }
}
