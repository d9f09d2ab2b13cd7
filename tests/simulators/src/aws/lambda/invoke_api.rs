//! Lambda's Invoke API over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State as Shared};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Functions, NotInvoked, function_name, invoke_asynchronously};
use crate::aws::account::is_signed;
use crate::clock::Clock;
use crate::gate::{Gate, Service};

/// The HTTP API, `lambda` in the journal. The operation is `Invoke` and the function's name.
#[must_use]
pub fn service(functions: Arc<dyn Functions>, gate: Arc<Gate>, clock: Arc<Clock>) -> Service {
    let path = "/2015-03-31/functions/{function}/invocations";
    Service {
        name: "lambda",
        operation,
        router: Router::new()
            .route(path, post(invoke))
            .with_state(functions),
        gate,
        clock,
    }
}

fn operation(request: &Request<Bytes>) -> String {
    let function = request.uri().path().split('/').nth(3).unwrap_or_default();
    let decoded = decode(function);
    format!("Invoke {}", function_name(&decoded))
}

/// A path segment without its percent-encoding.
fn decode(segment: &str) -> String {
    // A form's decoder takes `+` for a space, which a path does not.
    let form = format!("s={}", segment.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

async fn invoke(
    Shared(functions): Shared<Arc<dyn Functions>>,
    Path(function): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !is_signed(&headers) {
        let message = "Missing Authentication Token";
        return refusal(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            message,
        );
    }
    let payload: Value = match serde_json::from_slice(&body) {
        Ok(payload) => payload,
        Err(_) if body.is_empty() => json!({}),
        Err(error) => {
            let message = format!("Could not parse request body into json: {error}");
            let status = StatusCode::BAD_REQUEST;
            return refusal(status, "InvalidRequestContentException", &message);
        }
    };
    let kind = headers.get("x-amz-invocation-type");
    match kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("RequestResponse")
    {
        "RequestResponse" => invoke_and_wait(functions, function, payload).await,
        "Event" => invoke_later(functions, function, payload),
        other => {
            let message = format!("Not simulated: {other}");
            refusal(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                &message,
            )
        }
    }
}

async fn invoke_and_wait(
    functions: Arc<dyn Functions>,
    function: String,
    payload: Value,
) -> Response<Body> {
    let result = match functions.call(function, payload).await {
        Ok(result) => result,
        Err(refused) => return not_invoked(&refused),
    };
    let mut response = answer(StatusCode::OK, result.payload.to_string());
    let headers = response.headers_mut();
    headers.insert(
        "x-amz-executed-version",
        HeaderValue::from_static("$LATEST"),
    );
    if let Some(Ok(error)) = result.function_error.map(HeaderValue::try_from) {
        headers.insert("x-amz-function-error", error);
    }
    response
}

fn invoke_later(functions: Arc<dyn Functions>, function: String, payload: Value) -> Response<Body> {
    let name = function_name(&function).to_owned();
    if !functions.knows(&name) {
        return not_invoked(&NotInvoked::UnknownFunction(name));
    }
    // Nobody waits for what comes of it.
    tokio::spawn(invoke_asynchronously(functions, function, payload));
    answer(StatusCode::ACCEPTED, String::new())
}

fn not_invoked(refused: &NotInvoked) -> Response<Body> {
    let message = refused.to_string();
    match refused {
        NotInvoked::UnknownFunction(_) => {
            refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message)
        }
        // `message` has a small letter in this one (botocore, lambda `service-2.json`).
        NotInvoked::TooManyRequests => {
            let body = json!({
                "Reason": "ConcurrentInvocationLimitExceeded", "Type": "User", "message": message,
            });
            named(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequestsException",
                &body,
            )
        }
    }
}

fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response<Body> {
    named(status, code, &json!({"Type": "User", "Message": message}))
}

fn named(status: StatusCode, code: &'static str, body: &Value) -> Response<Body> {
    let mut response = answer(status, body.to_string());
    let code = HeaderValue::from_static(code);
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}

fn answer(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if let Ok(id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::lambda::{Function, LambdaHost};

    #[tokio::test]
    async fn the_journal_has_the_functions_name_and_the_answer_its_error() {
        let host = LambdaHost::new();
        host.register(Function::new("rotation", "/bin/false"));
        let clock = Arc::new(Clock::starting_at("2027-01-01T00:00:00Z".parse().unwrap()));
        let concurrency = Arc::clone(host.concurrency());
        let service = service(host, Arc::default(), clock);
        let call = async |function: &str, kind: &str| {
            let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
                .header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=A/20270101/x/y/z",
                )
                .header("x-amz-invocation-type", kind)
                .body(Bytes::from("{}"))
                .unwrap();
            service.call(request).await.unwrap()
        };
        let arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Arotation";
        let failed = call(arn, "RequestResponse").await;
        assert_eq!(failed.status(), 200);
        assert_eq!(failed.headers()["x-amz-function-error"], "Unhandled");
        assert_eq!(call("rotation", "Event").await.status(), 202);
        let missing = call("nobody", "Event").await;
        assert_eq!(missing.status(), 404);
        assert_eq!(
            missing.headers()["x-amzn-errortype"],
            "ResourceNotFoundException"
        );
        assert_eq!(
            service.gate.operations(),
            [
                "lambda Invoke rotation",
                "lambda Invoke rotation",
                "lambda Invoke nobody"
            ]
        );
        concurrency.settled().await;
        concurrency.set_limit(Some(0));
        let refused = call(arn, "RequestResponse").await;
        assert_eq!(refused.status(), 429);
        assert_eq!(
            refused.headers()["x-amzn-errortype"],
            "TooManyRequestsException"
        );
        let why: Value = serde_json::from_slice(refused.body()).unwrap();
        assert_eq!(why["Reason"], "ConcurrentInvocationLimitExceeded");
        assert_eq!(call("rotation", "Event").await.status(), 202, "it waits");
    }
}
