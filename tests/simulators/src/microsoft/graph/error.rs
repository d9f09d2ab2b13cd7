//! Graph's error document (docs/beliefs.md, Graph): `innerError`, with a date that has no zone.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use jiff::Timestamp;
use serde_json::json;

use super::Ids;

/// A refusal of Graph's.
#[derive(Debug, Clone)]
pub(super) struct GraphError {
    status: u16,
    code: &'static str,
    message: String,
    /// Seconds of `Retry-After`.
    wait: Option<i64>,
}

impl GraphError {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            wait: (status == 503).then_some(1),
        }
    }

    /// Throttled, with the words of Microsoft's own sample (graph-docs, concepts/throttling.md).
    pub(super) fn throttled(seconds: i64) -> Self {
        Self {
            wait: Some(seconds),
            ..Self::new(429, "TooManyRequests", "Please retry again later.")
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "Request_BadRequest", message)
    }

    pub(super) fn bad_token(message: &str) -> Self {
        Self::new(401, "InvalidAuthenticationToken", message)
    }

    pub(super) fn not_allowed() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    pub(super) fn concurrent(status: u16) -> Self {
        Self::new(
            status,
            "Directory_ConcurrencyViolation",
            "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.",
        )
    }

    pub(super) fn write(&self, now: Timestamp, ids: &Ids) -> Response {
        let client = ids
            .client
            .clone()
            .unwrap_or_else(|| ids.request.to_string());
        let body = json!({"error": {
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                "request-id": ids.request,
                "client-request-id": client,
            },
        }});
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = http::HeaderValue::from_static(
                r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000""#,
            );
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.wait {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
