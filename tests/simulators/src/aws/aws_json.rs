//! The AWS JSON 1.1 protocol: `POST /`, the operation in `X-Amz-Target`, errors named by `__type`.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::account::is_signed;

/// An error as AWS names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// `ResourceNotFoundException`, …
    pub code: &'static str,
    /// The sentence for people.
    pub message: String,
}

impl AwsError {
    /// An error with this code and message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

/// The operation's name: what follows the dot in `X-Amz-Target`.
#[must_use]
pub fn operation(request: &Request<Bytes>) -> String {
    operation_in(request.headers()).to_owned()
}

/// The operation's name, from the headers alone.
#[must_use]
pub fn operation_in(headers: &HeaderMap) -> &str {
    headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.split_once('.'))
        .map_or("(no operation)", |(_, operation)| operation)
}

/// Refuses a request that is not signed.
///
/// # Errors
/// `MissingAuthenticationTokenException`.
pub fn require_signature(headers: &HeaderMap) -> Result<(), AwsError> {
    if is_signed(headers) {
        return Ok(());
    }
    Err(AwsError::new(
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    ))
}

/// The request's parameters.
///
/// # Errors
/// `SerializationException` when the body is not what the operation takes.
pub fn parameters<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    serde_json::from_slice(body)
        .map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

/// The answer on the wire. Every error of these services is a 400.
#[must_use]
pub fn answer(result: Result<Value, AwsError>) -> Response<Body> {
    let (status, error_type, body) = match result {
        Ok(body) => (StatusCode::OK, None, body),
        Err(AwsError { code, message }) => (
            StatusCode::BAD_REQUEST,
            Some(code),
            json!({"__type": code, "Message": message}),
        ),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    if let Some(code) = error_type {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
    }
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
