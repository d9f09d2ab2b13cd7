//! The one HTTP client of a binary: AWS, Entra, Graph and ShopCtrl are all reached through it.

pub mod tls;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use jiff::Timestamp;

use crate::failure::{Failure, Kind};
use crate::period::Period;
use crate::retry::{CallError, Effect, Retry};
use tls::ExtraRoots;

/// Answers beyond this are cut off: nothing that we ask for comes near it.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Lambda freezes a function between calls, and a frozen socket is a dead one that does not know
/// it. Idle connections go before the 30 s after which the field sees them die.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// A call that got no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection could be made: the request never left.
    #[error("no connection could be made")]
    NotSent,
    /// The time ran out after the request had left.
    #[error("no answer within the time limit")]
    TimedOut,
    /// The connection ended before the whole answer was there.
    #[error("the connection ended before the answer")]
    Broken,
    /// The request itself could not be built.
    #[error("the request could not be built")]
    BadRequest,
}

impl TransportError {
    /// Whether the server may have done what was asked.
    #[must_use]
    pub fn effect(self) -> Effect {
        match self {
            Self::NotSent | Self::BadRequest => Effect::None,
            Self::TimedOut | Self::Broken => Effect::Unknown,
        }
    }

    /// The error of a call that was doing `what`.
    #[must_use]
    pub fn while_doing(self, what: &str) -> CallError {
        CallError {
            effect: self.effect(),
            retry: match self {
                Self::NotSent | Self::TimedOut | Self::Broken => Retry::Backoff,
                Self::BadRequest => Retry::No,
            },
            status: None,
            failure: Failure::new(Kind::Temporary, format!("{what}: {self}")),
        }
    }
}

/// The whole response that a [`Transport`] carries back.
pub type ResponseFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// What carries a request to its server and the whole answer back. The second of the two declared
/// seams (the first are the base addresses).
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one request, once.
    fn send(&self, request: Request<Bytes>) -> ResponseFuture<'_>;

    /// A client that shares no connection with this one, where it has any.
    fn apart(&self) -> Option<Client> {
        None
    }
}

/// A handle on the one HTTP client; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    calls: Arc<AtomicU64>,
}

impl Client {
    /// A client over another transport than the network.
    pub fn over(transport: impl Transport + 'static) -> Self {
        Self {
            transport: Arc::new(transport),
            calls: Arc::default(),
        }
    }

    /// The client over the network.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`] when TLS cannot be set up.
    pub fn new(limits: Limits) -> Result<Self, Failure> {
        Self::trusting(limits, &ExtraRoots::default())
    }

    /// The same, which trusts these authorities too.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`] when TLS cannot be set up.
    pub fn trusting(limits: Limits, extra_roots: &ExtraRoots) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(extra_roots)?)
            .connect_timeout(limits.connect.duration())
            .timeout(limits.request.duration())
            .pool_idle_timeout(POOL_IDLE)
            // A redirect would carry a secret to an address that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("shopmail/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| Failure::new(Kind::Misconfigured, "setting up the HTTP client"))?;
        Ok(Self::over(Network {
            client,
            limits,
            extra_roots: extra_roots.clone(),
        }))
    }

    /// A client with connections of its own. Graph ties reads to a replica by the connection
    /// (microsoft-graph-docs-contrib#13118): two looks over one connection are one look.
    #[must_use]
    pub fn apart(&self) -> Self {
        match self.transport.apart() {
            None => self.clone(),
            Some(apart) => Self {
                calls: Arc::clone(&self.calls),
                ..apart
            },
        }
    }

    /// Opens a connection and leaves it in the pool: in a function's init, where Lambda gives a whole
    /// processor, it costs the first call nothing. Whatever comes of it is no matter.
    pub async fn open(&self, base: &str) {
        if let Ok(request) = Request::head(format!("{base}/")).body(Bytes::new()) {
            let _ = tokio::time::timeout(OPENING, self.send(request)).await;
        }
    }

    /// Sends one request, once.
    ///
    /// # Errors
    /// [`TransportError`] when there is no whole answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.transport.send(request).await
    }

    /// How many requests it has sent, with those of its clones and of clients apart.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Lambda starts an init again that takes ten seconds; opening a connection is not worth that.
const OPENING: Duration = Duration::from_secs(1);

/// Time limits of every call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To connect.
    pub connect: Period,
    /// From the start to the end of the answer.
    pub request: Period,
}

#[derive(Debug)]
struct Network {
    client: reqwest::Client,
    limits: Limits,
    extra_roots: ExtraRoots,
}

impl Transport for Network {
    fn send(&self, request: Request<Bytes>) -> ResponseFuture<'_> {
        Box::pin(async move {
            let request =
                reqwest::Request::try_from(request).map_err(|_| TransportError::BadRequest)?;
            let mut response = self.client.execute(request).await.map_err(classify)?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.clone_from(response.headers());
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(classify)? {
                if body.len() + chunk.len() > LONGEST_ANSWER {
                    return Err(TransportError::Broken);
                }
                body.extend_from_slice(&chunk);
            }
            answer
                .body(body.freeze())
                .map_err(|_| TransportError::Broken)
        })
    }

    fn apart(&self) -> Option<Client> {
        Client::trusting(self.limits, &self.extra_roots).ok()
    }
}

fn classify(error: reqwest::Error) -> TransportError {
    if error.is_builder() {
        TransportError::BadRequest
    } else if error.is_connect() {
        TransportError::NotSent
    } else if error.is_timeout() {
        TransportError::TimedOut
    } else {
        TransportError::Broken
    }
}

/// The server's clock: its answer's `Date` header (RFC 9110, 6.6.1).
#[must_use]
pub fn date<T>(response: &Response<T>) -> Option<Timestamp> {
    let text = response.headers().get(http::header::DATE)?.to_str().ok()?;
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}

/// The longest pause that the server asks for (`Retry-After`, RFC 9110, 10.2.3): whole seconds or a date;
/// Graph's proxies send fractions too, and two headers joined to one, as `10,120`.
#[must_use]
pub fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let headers = response.headers().get_all(http::header::RETRY_AFTER);
    let texts = headers.into_iter().filter_map(|text| text.to_str().ok());
    texts.filter_map(|text| pause(text, date(response))).max()
}

fn pause(text: &str, sent: Option<Timestamp>) -> Option<Duration> {
    if let Ok(until) = jiff::fmt::rfc2822::parse(text.trim()) {
        // By the server's own clock.
        let pause = until.timestamp().duration_since(sent?);
        return Some(pause.try_into().unwrap_or_default());
    }
    let seconds = text.split(',').map(|part| part.trim().parse::<f64>());
    let pauses = seconds.filter_map(|seconds| Duration::try_from_secs_f64(seconds.ok()?).ok());
    pauses.max()
}

/// Whether a status means a transient error, and whether the request may have been carried out.
/// 429 is refused before it is acted on; of 5xx nobody can say.
#[must_use]
pub fn transient(status: u16) -> Option<Effect> {
    match status {
        429 => Some(Effect::None),
        408 | 500..=599 => Some(Effect::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_servers_clock_and_pause() {
        let response = Response::builder()
            .header("Date", "Mon, 23 Nov 2026 09:00:00 GMT")
            .header("Retry-After", "7")
            .body(())
            .unwrap();
        assert_eq!(date(&response).unwrap().to_string(), "2026-11-23T09:00:00Z");
        assert_eq!(retry_after(&response), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_pause_is_read_in_every_form_that_is_seen() {
        let asked = |values: &[&str]| {
            let response = Response::builder().header("Date", "Mon, 23 Nov 2026 09:00:00 GMT");
            let response = values.iter().fold(response, |response, value| {
                response.header("Retry-After", *value)
            });
            retry_after(&response.body(()).unwrap()).map(|pause| pause.as_secs_f64())
        };
        assert_eq!(asked(&["10,120"]), Some(120.0));
        assert_eq!(asked(&["10", "120"]), Some(120.0));
        assert_eq!(asked(&["1.5"]), Some(1.5));
        assert_eq!(asked(&["Mon, 23 Nov 2026 09:00:09 GMT"]), Some(9.0));
        // In the past.
        assert_eq!(asked(&["Mon, 23 Nov 2026 08:00:00 GMT"]), Some(0.0));
        for odd in ["", "soon", "-1", "NaN", "inf", "1e400"] {
            assert_eq!(asked(&[odd]), None, "{odd}");
        }
    }
}
