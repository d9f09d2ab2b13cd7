//! AWS: who is asked, and what its refusals mean to a person at a terminal.

mod identity;
mod labels;
mod lateness;
mod mail;
mod refusals;
mod rotation;
mod throw_away;

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shared::aws::{AwsSettings, Service, classify};
use shared::failure::{Failure, Kind};
use shared::http::Client;

use crate::beliefs::Probe;
use crate::findings::Findings;
use crate::marker::Run;
use crate::pace::Pace;

pub use identity::web_identity_token;
use throw_away::Secrets;
pub use throw_away::ThrowAwaySecret;

/// An account and region of AWS.
pub struct Aws {
    /// Secrets Manager, as far as throw-away secrets go.
    pub secrets: Secrets,
    sts: aws_sdk_sts::Client,
    ses: aws_sdk_sesv2::Client,
}

impl Aws {
    /// As the settings name it.
    pub fn new(settings: &AwsSettings, http: &Client, run: Run) -> Self {
        let config = |service| settings.config(service, http);
        Self {
            secrets: Secrets::new(settings, http, run),
            sts: aws_sdk_sts::Client::new(&config(Service::Sts)),
            ses: aws_sdk_sesv2::Client::new(&config(Service::Ses)),
        }
    }

    /// Tries what a probe of AWS tries.
    pub async fn probe(
        &self,
        probe: Probe,
        pace: Pace,
        rotation_function: Option<&str>,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        match probe {
            Probe::Labels => labels::probe(self, pace, findings).await,
            Probe::Refusals => refusals::probe(self, pace, findings).await,
            Probe::Lateness => lateness::probe(self, pace, findings).await,
            Probe::Rotation => rotation::probe(self, pace, rotation_function, findings).await,
            Probe::Identity => identity::probe(self, findings).await,
            Probe::Mail => mail::probe(self, findings).await,
            Probe::NewSecrets
            | Probe::WholeRotation
            | Probe::Credentials
            | Probe::TwoSecrets
            | Probe::AtOnce
            | Probe::Ownership
            | Probe::Federation
            | Probe::RefreshToken
            | Probe::ShopCtrl => Ok(()),
        }
    }
}

/// What a service said instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its code.
    pub code: String,
    /// Its sentence.
    pub text: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, \"{}\"", self.code, self.text)
    }
}

/// Success, or a refusal that answers a question. No answer, a missing permission and old credentials answer none.
pub fn answered<T, E: ProvideErrorMetadata>(
    action: &str,
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

/// The same where only success is of use.
pub fn done<T, E: ProvideErrorMetadata>(
    action: &str,
    answer: Result<T, SdkError<E, HttpResponse>>,
) -> Result<T, Failure> {
    answered(action, answer)?.map_err(|refusal| {
        let what = format!("{action}: {}", refusal.text);
        let failure = Failure::new(Kind::Misconfigured, what).code(refusal.code);
        failure.next_step("run it again; if it stays, this is worth an issue")
    })
}
