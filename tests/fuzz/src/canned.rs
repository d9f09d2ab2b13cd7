//! Answers that are there at once, in place of the network.

use std::fmt;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use shared::http::{Client, ResponseFuture, Transport};

/// An answer as the corpus has it: the status, headers, an empty line, the body.
#[derive(Debug, Clone)]
pub struct Canned {
    pub status: u16,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

impl Canned {
    /// Reads an answer; `None` where it could not come from a server.
    pub fn read(data: &[u8]) -> Option<Self> {
        let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, &b""[..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n');
        let status = StatusCode::from_bytes(lines.next()?).ok()?;
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
            Some((name, value))
        };
        Some(Self {
            status: status.as_u16(),
            headers: lines.filter_map(header).collect(),
            body: body.to_owned(),
        })
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// The same answer with another body.
    pub fn saying(&self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self.clone()
        }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        response.headers_mut().extend(self.headers);
        response
    }
}

struct Answering<F>(F);

impl<F> fmt::Debug for Answering<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering")
    }
}

impl<F: Fn(&Request<Bytes>) -> Canned + Send + Sync> Transport for Answering<F> {
    fn send(&self, request: Request<Bytes>) -> ResponseFuture<'_> {
        let response = (self.0)(&request).response();
        Box::pin(async move { Ok(response) })
    }
}

/// A client that gets its answers from `answer`.
pub fn answering(answer: impl Fn(&Request<Bytes>) -> Canned + Send + Sync + 'static) -> Client {
    Client::over(Answering(answer))
}

/// What comes of a call whose answer is there at once.
pub fn at_once<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("the answer was there")
}
