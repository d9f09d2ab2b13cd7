//! The rotation function, invoked: by the checker, which learns of Entra and ShopCtrl in no other way, and by the
//! sign-in pages.

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::aws::{AwsSettings, Service, classify, was_not_carried_out};
use crate::failure::{Failure, Kind, sanitized_code};
use crate::http;
use crate::ids::KeyId;
use crate::period::Period;
use crate::retry::backoff;
use crate::rotation::inspection::{Inspect, Inspected};
use crate::rotation::{Action, ActionCall, AskedAgain, Retired, Step, StepCall, Swept};

/// The rotation function.
#[derive(Debug, Clone)]
pub struct RotationFunction {
    client: Client,
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

impl RotationFunction {
    /// The function with this name or ARN. An invocation that was not carried out, because the account's slots are in
    /// use, is asked for again for `slot_wait`: one is free once another invocation has ended.
    #[must_use]
    pub fn new(
        settings: &AwsSettings,
        http: &http::Client,
        name: String,
        slot_wait: Period,
    ) -> Self {
        let config = settings.config(Service::Lambda, http);
        Self {
            client: Client::new(&config),
            name,
            slot_wait: slot_wait.duration(),
        }
    }

    /// Looks at many secrets.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn inspect(&self, inspect: &Inspect) -> Result<Inspected, Failure> {
        let answer = self.invoke(inspect.event()).await?;
        read("inspect", answer)
    }

    /// Has the steps of a rotation taken from this one to the last, and does not wait for what takes minutes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn continue_later(
        &self,
        first: Step,
        secret: &str,
        token: &str,
    ) -> Result<(), Failure> {
        let call = step_call(first, secret, token);
        let event = call.continue_event();
        self.send(event, InvocationType::Event).await.map(drop)
    }

    /// Puts in order what was left behind. Credentials that other secrets name are left, where that is known;
    /// else all are.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn sweep(
        &self,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Swept, Failure> {
        self.act(Action::Sweep, secret, named_by_others).await
    }

    /// Removes superseded credentials, but for those that other secrets name.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn retire(
        &self,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Retired, Failure> {
        self.act(Action::Retire, secret, named_by_others).await
    }

    /// Sends the link anew of what a person is waited for.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask(&self, secret: &str) -> Result<AskedAgain, Failure> {
        self.act(Action::Ask, secret, None).await
    }

    async fn act<Report: DeserializeOwned>(
        &self,
        action: Action,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Report, Failure> {
        let call = ActionCall {
            action,
            secret: secret.to_owned(),
            named_by_others: named_by_others.cloned(),
        };
        let answer = self.invoke(call.event()).await?;
        read(action.name(), answer)
    }

    /// A step of a rotation, with its own token.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn step(&self, step: Step, secret: &str, token: &str) -> Result<(), Failure> {
        let call = step_call(step, secret, token);
        self.invoke(call.event()).await.map(drop)
    }

    async fn invoke(&self, event: Value) -> Result<Value, Failure> {
        let answer = self.send(event, InvocationType::RequestResponse).await?;
        let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        if answer.function_error().is_none() {
            return serde_json::from_slice(payload).map_err(|_| {
                Failure::new(
                    Kind::Temporary,
                    format!("{INVOKING}: its answer cannot be read"),
                )
            });
        }
        let error: FunctionError = serde_json::from_slice(payload).unwrap_or(FunctionError {
            error_type: String::new(),
            error_message: String::new(),
        });
        Err(read_error(&error))
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
                Err(error) => return Err(classify(INVOKING, &error).failure),
            }
        }
    }
}

const INVOKING: &str = "invoking the rotation function";

fn step_call(step: Step, secret: &str, token: &str) -> StepCall {
    StepCall {
        step,
        secret: secret.to_owned(),
        token: token.to_owned(),
        rotation_token: None,
    }
}

fn read<Report: DeserializeOwned>(name: &str, answer: Value) -> Result<Report, Failure> {
    serde_json::from_value(answer).map_err(|_| {
        Failure::new(
            Kind::Misconfigured,
            format!("asking rotation to {name}: its answer cannot be read"),
        )
        .next_step("Deploy the functions of one release together.")
    })
}

/// The failure that `rotation` reported, of the kind that it reported.
fn read_error(error: &FunctionError) -> Failure {
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
        Some(kind) => Failure::read(kind, &error.error_message).while_doing("rotation"),
        // It died: out of time, out of memory, a panic.
        None => Failure::new(Kind::Temporary, format!("{INVOKING}: it died"))
            .code(sanitized_code(&error.error_type)),
    }
}
