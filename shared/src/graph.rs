//! Microsoft Graph: the requests to it, and what its refusals mean. What is asked of it has a module each: the
//! app registration, its policies, the account that signed in, the reports.

pub mod account;
pub mod application;
pub mod policies;
pub mod registrations;
pub mod reports;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use crate::failure::{Failure, Kind, sanitized_code};
use crate::http::{Client, retry_after, transient};
use crate::json;
use crate::retry::{CallError, Effect, Retry};

/// A request to Graph, with a fresh `client-request-id` (graph-docs, best-practices-concept.md).
fn authorized(
    method: Method,
    url: &str,
    token: &SecretString,
    body: Bytes,
) -> Result<Request<Bytes>, http::Error> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(method)
        .uri(url)
        .header("Authorization", bearer)
        .header("Content-Type", "application/json")
        .header("client-request-id", Uuid::new_v4().to_string())
        .body(body)
}

/// Sends a request to Graph and classifies what is not success. A status and code mean other things of a
/// person's mailbox than of an app registration: what a person has to do about them `advice` says.
async fn send(
    client: &Client,
    what: &str,
    request: Result<Request<Bytes>, http::Error>,
    advice: impl Fn(u16, &str) -> Option<&'static str>,
) -> Result<Response<Bytes>, CallError> {
    let request = request.map_err(|_| {
        CallError::refused(Failure::new(
            Kind::Misconfigured,
            format!("{what}: the request could not be built"),
        ))
    })?;
    let response = client
        .send(request)
        .await
        .map_err(|error| error.while_doing(what))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let mut error = refusal(what, &response);
    let code = error.failure.code.as_deref().unwrap_or_default();
    if let Some(next_step) = advice(response.status().as_u16(), code) {
        error.failure = error.failure.next_step(next_step);
    }
    Err(error)
}

fn parsed<'a, T: Deserialize<'a>>(
    what: &str,
    response: &'a Response<Bytes>,
) -> Result<T, CallError> {
    json::read_answer(response.body())
        .map_err(|problem| unreadable(what, response.status().as_u16(), &problem))
}

fn unreadable(what: &str, status: u16, problem: &str) -> CallError {
    CallError {
        effect: Effect::Unknown,
        retry: Retry::Backoff,
        status: Some(status),
        failure: Failure::new(
            Kind::Temporary,
            format!("{what}: answered {status}, but not in Graph's form: {problem}"),
        ),
    }
}

/// Our name for the one refusal that only its message tells from others (vault-plugin-secrets-azure
/// reads it in the same way).
const NO_SUCH_PASSWORD: &str = "NoPasswordCredentialFound";

/// The refusal of addPassword at the limit of the registration's size.
const OBJECT_FULL: &str = "ObjectSizeLimit";

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

fn refusal(what: &str, response: &Response<Bytes>) -> CallError {
    let status = response.status().as_u16();
    let detail = serde_json::from_slice::<ErrorBody>(response.body())
        .map(|body| body.error)
        .unwrap_or(ErrorDetail {
            code: String::new(),
            message: String::new(),
        });
    let code = if detail
        .message
        .contains("No password credential found with keyId")
    {
        NO_SUCH_PASSWORD.to_owned()
    } else if detail
        .message
        .contains("size of the object has exceeded its limit")
    {
        OBJECT_FULL.to_owned()
    } else {
        sanitized_code(&detail.code)
    };
    let soon = Retry::transient(retry_after(response));
    // Graph refuses concurrent writes with 409, 503 or 400: the code tells (nais/azurerator#448,
    // Azure/azure-cli#23081). Nothing was done then.
    let (kind, retry, effect) = if code == "Directory_ConcurrencyViolation" {
        (Kind::Temporary, soon, Effect::None)
    } else if let Some(effect) = transient(status) {
        (Kind::Temporary, soon, effect)
    } else if status == 401 {
        // Every token here was fetched in this invocation. Graph refuses good ones now and then
        // (microsoftgraph/msgraph-sdk-dotnet-core#222, microsoftgraph/msgraph-sdk-java#639).
        (Kind::Misconfigured, Retry::Once, Effect::None)
    } else {
        (Kind::Misconfigured, Retry::No, Effect::None)
    };
    let mut failure = Failure::new(kind, format!("{what}: answered {status}"));
    if !code.is_empty() {
        failure = failure.code(code);
    }
    CallError {
        effect,
        retry,
        status: Some(status),
        failure,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(status: u16, body: &str) -> CallError {
        let response = Response::builder()
            .status(status)
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        refusal("adding a client secret in Entra", &response)
    }

    #[test]
    fn a_concurrency_violation_is_transient_whatever_its_status() {
        let body = r#"{"error":{"code":"Directory_ConcurrencyViolation","message":"x",
            "innerError":{"date":"2026-03-29T13:23:55","request-id":"r"}}}"#;
        for status in [400, 409, 503] {
            let error = answered(status, body);
            assert_eq!(
                (error.effect, error.retry),
                (Effect::None, Retry::Backoff),
                "{status}"
            );
        }
    }

    #[test]
    fn what_a_5xx_did_nobody_knows_and_a_429_did_nothing() {
        assert_eq!(answered(504, "").effect, Effect::Unknown);
        assert_eq!(answered(429, "").effect, Effect::None);
        assert_eq!(answered(403, "<html>").effect, Effect::None);
    }

    #[test]
    fn a_refusal_by_policy_is_final_and_keeps_its_code() {
        let code = "CredentialTypeNotAllowedAsPerAppPolicy";
        let error = answered(
            400,
            &json!({"error": {"code": code, "message": "m"}}).to_string(),
        );
        assert_eq!(error.retry, Retry::No);
        assert!(error.has_code(code));
    }
}
