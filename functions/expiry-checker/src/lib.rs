//! `expiry-checker`: looks at every mailbox secret, decides what is due, reminds, starts
//! rotations, and has `rotation` inspect, sweep and retire.
//!
//! It reads no secret value: labels and tags from Secrets Manager, the rest through `rotation`.

mod answer;
mod call;
mod canary;
mod check;
mod clients;
mod closing;
mod contacts;
mod depth;
mod fleet;
mod lease;
mod looks;
mod news;
mod pace;
mod perform;
mod plan;
mod preflight;
mod record;
mod report;
#[cfg(test)]
mod samples;
mod settings;
mod shared_apps;
mod standstill;
mod task;

use std::time::Duration;

use serde_json::Value;
use shared::clock;
use shared::failure::Failure;
use shared::function::{Environment, Function, Invoked};
use shared::http::{Client, Limits};
use tokio::time::Instant;
use tracing::error;

use call::Check;
use clients::Clients;
pub use settings::Settings;

/// The function, with its clients made.
#[derive(Debug)]
pub struct ExpiryChecker(Clients);

impl Function for ExpiryChecker {
    type Answer = Value;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::trusting(settings.aws.limits, &settings.aws.extra_roots)?;
        // A step of a rotation takes minutes, and its answer comes at its end.
        let limits = Limits {
            request: settings.invoke_timeout,
            ..settings.aws.limits
        };
        let patient = Client::trusting(limits, &settings.aws.extra_roots)?;
        Ok(Self::over(settings, &http, &patient))
    }

    async fn warm_up(&self) {
        let Clients { http, settings, .. } = &self.0;
        http.open(&settings.aws.secrets_manager_url()).await;
    }

    async fn invoke(&self, invoked: Invoked) -> Result<Value, Failure> {
        self.handle(invoked.event, invoked.left).await
    }
}

impl ExpiryChecker {
    /// Makes the clients over other HTTP clients.
    #[must_use]
    pub fn over(settings: Settings, http: &Client, patient: &Client) -> Self {
        Self(Clients::over(settings, http, patient))
    }

    /// Handles one invocation that has `left` until Lambda ends it.
    ///
    /// # Errors
    /// [`Failure`] when the fleet could not be listed or the report not be published. What goes wrong
    /// with one secret is in the report and does not stop the others.
    pub async fn handle(&self, event: Value, left: Duration) -> Result<Value, Failure> {
        let ends = Instant::now() + left;
        let outcome = async {
            let check = Check::read(&event, clock::machine())?;
            Box::pin(check::run(&self.0, &check, ends)).await
        };
        outcome.await.inspect_err(|failure: &Failure| {
            error!(kind = failure.kind.error_type(), %failure, "the check failed");
        })
    }
}
