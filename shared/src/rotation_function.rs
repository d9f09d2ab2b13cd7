//! The rotation function, invoked: by the checker, which learns of Entra and ShopCtrl in no other way, and by the
//! sign-in pages.

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::{AwsSettings, Service, classify, was_not_carried_out};
use crate::failure::{Failure, Kind, sanitized_code};
use crate::http;
use crate::ids::KeyId;
use crate::retry::backoff;
use crate::rotation::{Action, ActionCall, AskedAgain, Probe, Retired, Step, StepCall, Swept};

/// The rotation function.
#[derive(Debug, Clone)]
pub struct RotationFunction {
    client: Client,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionError {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

/// Attempts at an invocation that was not carried out.
const INVOCATIONS: u32 = 4;

impl RotationFunction {
    /// The function with this name or ARN.
    #[must_use]
    pub fn new(settings: &AwsSettings, http: &http::Client, name: String) -> Self {
        let config = settings.config(Service::Lambda, http);
        Self {
            client: Client::new(&config),
            name,
        }
    }

    /// Looks at a mailbox secret's world.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn probe(&self, secret: &str) -> Result<Probe, Failure> {
        self.act(Action::Probe, secret, None).await
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
        let report = self.invoke(call.event()).await?;
        serde_json::from_value(report).map_err(|_| {
            let name = action.name();
            Failure::new(
                Kind::Misconfigured,
                format!("asking rotation to {name}: its answer cannot be read"),
            )
            .next_step("Deploy the functions of one release together.")
        })
    }

    /// A step of a rotation, with its own token.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn step(&self, step: Step, secret: &str, token: &str) -> Result<(), Failure> {
        let call = StepCall {
            step,
            secret: secret.to_owned(),
            token: token.to_owned(),
            rotation_token: None,
        };
        self.invoke(call.event()).await.map(drop)
    }

    async fn invoke(&self, event: Value) -> Result<Value, Failure> {
        let what = "invoking the rotation function";
        let request = self.client.invoke().function_name(&self.name);
        let request = request.payload(Blob::new(event.to_string()));
        let mut attempt = 1;
        let answer = loop {
            match request.clone().send().await {
                Ok(answer) => break answer,
                // Another check, or rotations, may use up the function's concurrency.
                Err(error) if attempt < INVOCATIONS && was_not_carried_out(&error) => {
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(classify(what, &error).failure),
            }
        };
        let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        if answer.function_error().is_none() {
            return serde_json::from_slice(payload).map_err(|_| {
                Failure::new(
                    Kind::Temporary,
                    format!("{what}: its answer cannot be read"),
                )
            });
        }
        let error: FunctionError = serde_json::from_slice(payload).unwrap_or(FunctionError {
            error_type: String::new(),
            error_message: String::new(),
        });
        Err(read_error(what, &error))
    }
}

/// The failure that `rotation` reported, of the kind that it reported.
fn read_error(what: &str, error: &FunctionError) -> Failure {
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
        None => Failure::new(Kind::Temporary, format!("{what}: it died"))
            .code(sanitized_code(&error.error_type)),
    }
}
