//! A function of ours, invoked by another one.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::aws::{AwsSettings, Service, classify, was_not_carried_out};
use crate::failure::{Failure, Kind, sanitized_code};
use crate::http;
use crate::period::Period;
use crate::retry::backoff;

/// The function.
#[derive(Debug, Clone)]
pub(crate) struct LambdaFunction {
    client: Client,
    /// As our messages call it.
    called: &'static str,
    /// Its name or ARN.
    name: String,
    slot_wait: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionError {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

/// The longest pauses before an invocation is asked for again are those before a fifth attempt, some seconds.
const MOST_PATIENT: u32 = 5;

impl LambdaFunction {
    pub(crate) fn new(
        settings: &AwsSettings,
        http: &http::Client,
        called: &'static str,
        name: String,
        slot_wait: Period,
    ) -> Self {
        let config = settings.config(Service::Lambda, http);
        Self {
            client: Client::new(&config),
            called,
            name,
            slot_wait: slot_wait.duration(),
        }
    }

    fn invoking(&self) -> String {
        format!("invoking the {} function", self.called)
    }

    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, Failure> {
        let answer = self.send(event, InvocationType::RequestResponse).await?;
        let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        if answer.function_error().is_none() {
            return serde_json::from_slice(payload).map_err(|_| {
                let what = format!("{}: its answer cannot be read", self.invoking());
                Failure::new(Kind::Temporary, what)
            });
        }
        let error: FunctionError = serde_json::from_slice(payload).unwrap_or(FunctionError {
            error_type: String::new(),
            error_message: String::new(),
        });
        Err(self.read_error(&error))
    }

    /// What comes of it nobody waits for.
    pub(crate) async fn invoke_later(&self, event: Value) -> Result<(), Failure> {
        self.send(event, InvocationType::Event).await.map(drop)
    }

    async fn send(&self, event: Value, kind: InvocationType) -> Result<InvokeOutput, Failure> {
        let request = self.client.invoke().function_name(&self.name);
        let request = request.invocation_type(kind);
        let request = request.payload(Blob::new(event.to_string()));
        let ends = Instant::now() + self.slot_wait;
        let mut attempt = 1;
        loop {
            match request.clone().send().await {
                Ok(answer) => return Ok(answer),
                // Another check, or rotations, may use up the account's concurrency.
                Err(error) if was_not_carried_out(&error) && Instant::now() < ends => {
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt = MOST_PATIENT.min(attempt + 1);
                }
                Err(error) => return Err(classify(&self.invoking(), &error).failure),
            }
        }
    }

    /// The failure that it reported, of the kind that it reported.
    fn read_error(&self, error: &FunctionError) -> Failure {
        let kinds = [
            Kind::Temporary,
            Kind::WaitingForPerson,
            Kind::Frozen,
            Kind::Refused,
            Kind::Misconfigured,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| kind.error_type() == error.error_type);
        match kind {
            // Our own function's words, with its next step. They hold neither secrets nor untrusted text.
            Some(kind) => Failure::read(kind, &error.error_message).while_doing(self.called),
            // It died: out of time, out of memory, a panic.
            None => Failure::new(Kind::Temporary, format!("{}: it died", self.invoking()))
                .code(sanitized_code(&error.error_type)),
        }
    }
}
