//! Calls the service as an SDK does, for the tests of this module.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use serde_json::Value;

use super::SecretsManager;
use crate::clock::Clock;
use crate::gate::{Gate, Service};

pub(super) struct Client {
    pub(super) clock: Arc<Clock>,
    pub(super) gate: Arc<Gate>,
    pub(super) manager: Arc<SecretsManager>,
    service: Service,
}

impl Client {
    pub(super) fn new() -> Self {
        let epoch: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let clock = Arc::new(Clock::starting_at(epoch));
        let gate = Arc::new(Gate::default());
        let manager = SecretsManager::new(Arc::clone(&clock), 1);
        let service = manager.service(Arc::clone(&gate));
        Self {
            clock,
            gate,
            manager,
            service,
        }
    }

    /// The answer, or the error's type as the header and the body agree on it.
    pub(super) async fn call(&self, operation: &str, body: Value) -> Result<Value, String> {
        let request = Request::post("/")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=A/20270101/x/y/z",
            )
            .body(Bytes::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Value, String> {
        let response = self.service.call(request).await.unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        if response.status() == 200 {
            return Ok(body);
        }
        assert_eq!(response.status(), 400);
        let error_type = response.headers()["x-amzn-errortype"].to_str().unwrap();
        assert_eq!(error_type, body["__type"]);
        assert!(body["Message"].is_string());
        Err(body["__type"].as_str().unwrap().to_owned())
    }
}
