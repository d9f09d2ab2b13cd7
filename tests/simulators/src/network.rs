//! The services reached without sockets: a request goes to the one whose host it names.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response, Uri};

use crate::aws::lambda::in_process::living;
use crate::gate::{Dropped, Service};

/// The services by their hosts.
#[derive(Default)]
pub struct Network(BTreeMap<String, Service>);

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

/// Why a request has no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Nobody is there.
    NoSuchHost,
    /// The connection ended before the whole answer was there.
    Broken,
}

impl Network {
    /// Puts `service` at `host`.
    pub fn add(&mut self, host: &str, service: Service) {
        self.0.insert(host.to_owned(), service);
    }

    /// Sends a request with an absolute address.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unanswered> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let service = self.0.get(&host).ok_or(Unanswered::NoSuchHost)?;
        let answer = living(service.call(as_sent(request, &host))).await;
        let answer = answer.map_err(|Dropped| Unanswered::Broken)?;
        // Services give the length only of an answer that they cut off.
        let promised = answer.headers().get(CONTENT_LENGTH);
        let promised = promised.and_then(|length| length.to_str().ok()?.parse().ok());
        if promised.is_some_and(|promised: usize| promised > answer.body().len()) {
            return Err(Unanswered::Broken);
        }
        Ok(answer)
    }
}

/// The request as it arrives over HTTP/1.1.
fn as_sent(mut request: Request<Bytes>, host: &str) -> Request<Bytes> {
    let path = request.uri().path_and_query().map(|path| path.as_str());
    let uri = path.unwrap_or("/").parse::<Uri>();
    *request.uri_mut() = uri.unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers_mut().insert(HOST, host);
    }
    request
}
