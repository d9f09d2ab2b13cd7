//! The Runtime API of one process (`2018-06-01`): it takes its next invocation here and gives the
//! answer back. The machine's clock counts, because the function's deadline is real.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State as Shared};
use axum::response::Json;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// "6 MB each for request and response" (Lambda quotas).
const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

/// What the function says of an invocation: its answer, or its error.
pub(super) type Answer = Result<Value, Value>;

/// One event on its way to the process.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) function_arn: String,
    pub(super) payload: String,
    pub(super) timeout: Duration,
    pub(super) reply: oneshot::Sender<Answer>,
}

#[derive(Debug)]
pub(super) struct RuntimeApi {
    send: mpsc::UnboundedSender<Invocation>,
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
    /// The process has asked for an event, so its init is over.
    ready: watch::Sender<bool>,
    init_error: Mutex<Option<Value>>,
    taken: Notify,
}

impl RuntimeApi {
    pub(super) fn new() -> Arc<Self> {
        let (send, next) = mpsc::unbounded_channel();
        Arc::new(Self {
            send,
            next: tokio::sync::Mutex::new(next),
            current: Mutex::default(),
            ready: watch::Sender::new(false),
            init_error: Mutex::default(),
            taken: Notify::new(),
        })
    }

    pub(super) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(MAX_PAYLOAD))
            .with_state(Arc::clone(self))
    }

    /// Hands over an event; the process takes it when it asks.
    pub(super) fn offer(&self, invocation: Invocation) {
        // The receiver lives as long as self.
        let _ = self.send.send(invocation);
    }

    /// Waits until the process has asked for its first event.
    pub(super) async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as self.
        let _ = ready.wait_for(|&ready| ready).await;
    }

    /// Waits until the process has taken the event that was offered.
    pub(super) async fn taken(&self) {
        self.taken.notified().await;
    }

    pub(super) fn take_init_error(&self) -> Option<Value> {
        self.init_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn answer(&self, id: &str, answer: Answer) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match current.take() {
            Some((current_id, reply)) if current_id == id => {
                // After a timeout nobody waits any more.
                let _ = reply.send(answer);
                true
            }
            other => {
                *current = other;
                false
            }
        }
    }
}

async fn next(Shared(api): Shared<Arc<RuntimeApi>>) -> Response<Body> {
    api.ready.send_replace(true);
    let Some(invocation) = api.next.lock().await.recv().await else {
        return Response::new(Body::empty());
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "Lambda tells the deadline by the machine's clock"
    )]
    let deadline = Timestamp::now()
        .as_millisecond()
        .saturating_add(i64::try_from(invocation.timeout.as_millis()).unwrap_or(i64::MAX));
    let response = Response::builder()
        .header("Content-Type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &invocation.request_id)
        .header("Lambda-Runtime-Deadline-Ms", deadline)
        .header(
            "Lambda-Runtime-Invoked-Function-Arn",
            &invocation.function_arn,
        )
        .header("Lambda-Runtime-Trace-Id", trace_id(&invocation.request_id))
        .body(Body::from(invocation.payload))
        .unwrap_or_default();
    *api.current.lock().unwrap_or_else(PoisonError::into_inner) =
        Some((invocation.request_id, invocation.reply));
    api.taken.notify_one();
    response
}

async fn response(
    Shared(api): Shared<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let answer = match serde_json::from_slice(&body) {
        Ok(payload) => Ok(payload),
        Err(_) if body.is_empty() => Ok(Value::Null),
        Err(error) => Err(json!({
            "errorType": "Runtime.MarshalError",
            "errorMessage": format!("The function's answer is not JSON: {error}"),
        })),
    };
    accepted(api.answer(&id, answer))
}

async fn error(
    Shared(api): Shared<Arc<RuntimeApi>>,
    Path(id): Path<String>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    accepted(api.answer(&id, Err(error_object(&body))))
}

async fn init_error(
    Shared(api): Shared<Arc<RuntimeApi>>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    *api.init_error
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(error_object(&body));
    accepted(true)
}

fn error_object(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| json!({"errorMessage": String::from_utf8_lossy(body)}))
}

fn accepted(accepted: bool) -> (StatusCode, Json<Value>) {
    match accepted {
        true => (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))),
        false => (
            StatusCode::BAD_REQUEST,
            Json(json!({"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"})),
        ),
    }
}

fn trace_id(request_id: &str) -> String {
    let hex: String = request_id.chars().filter(char::is_ascii_hexdigit).collect();
    let (time, random) = hex.split_at_checked(8).unwrap_or(("00000000", &hex));
    format!("Root=1-{time}-{random};Parent=0000000000000000;Sampled=0")
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn call(api: &Arc<RuntimeApi>, method: &str, path: &str, body: &str) -> Response<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/2018-06-01/runtime/{path}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let (parts, body) = api.router().oneshot(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn an_event_goes_out_with_its_headers_and_its_answer_comes_back() {
        let api = RuntimeApi::new();
        let (reply, answer) = oneshot::channel();
        #[expect(
            clippy::disallowed_methods,
            reason = "Lambda tells the deadline by the machine's clock"
        )]
        let before = Timestamp::now().as_millisecond();
        api.offer(Invocation {
            request_id: "00000000-0000-4000-8000-000000000001".to_owned(),
            function_arn: "arn:function".to_owned(),
            payload: r#"{"Step":"createSecret"}"#.to_owned(),
            timeout: Duration::from_secs(3),
            reply,
        });
        let event = call(&api, "GET", "invocation/next", "").await;
        let id = event.headers()["lambda-runtime-aws-request-id"]
            .to_str()
            .unwrap();
        let deadline = event.headers()["lambda-runtime-deadline-ms"]
            .to_str()
            .unwrap();
        assert!(deadline.parse::<i64>().unwrap() >= before + 3000);
        assert_eq!(
            event.headers()["lambda-runtime-invoked-function-arn"],
            "arn:function"
        );
        assert_eq!(event.body().as_ref(), br#"{"Step":"createSecret"}"#);
        let wrong = call(&api, "POST", "invocation/other/response", "{}").await;
        assert_eq!(wrong.status(), 400);
        let right = call(
            &api,
            "POST",
            &format!("invocation/{id}/error"),
            r#"{"errorType":"Frozen"}"#,
        )
        .await;
        assert_eq!(right.status(), 202);
        assert_eq!(answer.await.unwrap(), Err(json!({"errorType": "Frozen"})));
        let again = call(&api, "POST", &format!("invocation/{id}/response"), "{}").await;
        assert_eq!(again.status(), 400, "it has been answered");
    }
}
