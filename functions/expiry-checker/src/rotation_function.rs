//! The rotation function, invoked: the only way in which the checker learns of Entra and ShopCtrl.

use std::collections::BTreeSet;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::aws::{AwsSettings, Service, classify, was_not_carried_out};
use shared::drift::Drift;
use shared::failure::{Failure, Kind, sanitized_code};
use shared::http;
use shared::ids::{DirectoryId, KeyId, MailboxAddress};
use shared::retry::backoff;

/// The rotation function.
#[derive(Debug, Clone)]
pub struct RotationFunction {
    client: Client,
    name: String,
}

/// What `probe` saw; what it could not see is left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Probe {
    /// The version that was current then.
    pub version: String,
    /// Whether a rotation issued it.
    pub issued_here: bool,
    /// When its credential was made.
    pub start: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The accounts whose mail may stand still.
    #[serde(default)]
    pub mailboxes: Vec<MailboxAddress>,
    /// The tenant of the app registration.
    pub tenant_id: Option<DirectoryId>,
    /// Its client id.
    pub client_id: Option<DirectoryId>,
    /// Whether a person delivers to some connection.
    pub attended: bool,
    /// What is not as it was left.
    pub drift: Vec<Drift>,
    /// What could not be looked at.
    pub problems: Vec<String>,
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

    /// `sweep` or `retire`, with the credentials that other secrets name, where that is known.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn act(
        &self,
        action: &str,
        secret: &str,
        named_by_others: Option<&BTreeSet<KeyId>>,
    ) -> Result<Value, Failure> {
        let event = json!({
            "Action": action, "SecretId": secret, "NamedByOthers": named_by_others,
        });
        self.invoke(event).await
    }

    /// Looks at a mailbox secret's world.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn probe(&self, secret: &str) -> Result<Probe, Failure> {
        let event = json!({ "Action": "probe", "SecretId": secret });
        let answer = self.invoke(event).await?;
        serde_json::from_value(answer).map_err(|_| {
            Failure::new(
                Kind::Misconfigured,
                "asking rotation to probe: its answer cannot be read",
            )
            .next_step("Deploy the functions of one release together.")
        })
    }

    /// A step of a rotation, with its own token.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn step(&self, step: &str, secret: &str, token: &str) -> Result<Value, Failure> {
        let event = json!({ "Step": step, "SecretId": secret, "ClientRequestToken": token });
        self.invoke(event).await
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
        // Our own function's words, with its next step. They hold neither secrets nor foreign text.
        Some(kind) => Failure::read(kind, &error.error_message).while_doing("rotation"),
        // It died: out of time, out of memory, a panic.
        None => Failure::new(Kind::Temporary, format!("{what}: it died"))
            .code(sanitized_code(&error.error_type)),
    }
}
