//! AWS: who is asked, and what its refusals mean to a person at a terminal.

pub mod identity;
pub mod labels;
pub mod lateness;
pub mod mail;
pub mod refusals;
pub mod rotation;
mod throw_away;

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared::aws::{AwsSettings, Service, classify};
use shared::failure::{Failure, Kind};
use shared::http::Client;

use crate::marker::Run;
use throw_away::Secrets;
pub use throw_away::ThrowAwaySecret;

/// An account and region of AWS.
pub struct Aws {
    pub secrets: Secrets,
    sts: aws_sdk_sts::Client,
    ses: aws_sdk_sesv2::Client,
}

impl Aws {
    pub fn new(settings: &AwsSettings, http: &Client, run: Run) -> Self {
        let config = |service| settings.config(service, http);
        Self {
            secrets: Secrets::new(settings, http, run),
            sts: aws_sdk_sts::Client::new(&config(Service::Sts)),
            ses: aws_sdk_sesv2::Client::new(&config(Service::Ses)),
        }
    }
}

/// What a service said instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    action: &'static str,
    pub code: String,
    pub text: String,
}

/// Where only success is of use.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let what = format!("{}: {}", refusal.action, refusal.text);
        let failure = Self::new(Kind::Misconfigured, what).code(refusal.code);
        failure.next_step("run it again; if it stays, this is worth an issue")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, \"{}\"", self.code, self.text)
    }
}

/// Success, or a refusal that answers a question. No answer, a missing permission and old credentials answer none.
fn answered<T, E: ProvideErrorMetadata>(
    action: &'static str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Result<T, Refusal>, Failure> {
    let error = match answer {
        Ok(value) => return Ok(Ok(value)),
        Err(error) => error,
    };
    let failure = classify(action, &error).failure;
    let code = failure.code.clone().unwrap_or_default();
    if code.starts_with("AccessDenied") {
        // AWS says who may not do what.
        let said = error.as_service_error().and_then(|said| said.message());
        let what = format!("{action}: {}", said.unwrap_or("no access"));
        return Err(for_a_person(action, Failure { what, ..failure }));
    }
    let of_service = error
        .as_service_error()
        .filter(|_| failure.kind == Kind::Misconfigured);
    match of_service {
        Some(said) => Ok(Err(Refusal {
            action,
            code,
            text: said.message().unwrap_or_default().to_owned(),
        })),
        None => Err(for_a_person(action, failure)),
    }
}

/// A failure with what somebody at a terminal does about it: no function's role is meant here.
fn for_a_person(action: &str, failure: Failure) -> Failure {
    let code = failure.code.as_deref().unwrap_or_default();
    if code.starts_with("AccessDenied") {
        let next_step =
            format!("give your sign-in at AWS {action} (docs/first-hour.md has the policy)");
        return failure.next_step(next_step);
    }
    failure.next_step("run it again; if it stays, get new credentials of AWS")
}

fn done<T, E: ProvideErrorMetadata>(
    action: &'static str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<T, Failure> {
    Ok(answered(action, answer)??)
}
