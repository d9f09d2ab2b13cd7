//! `rotation`: the four steps that Secrets Manager calls, and the actions that the checker asks for, and the sign-in pages.
//!
//! Each step may die anywhere and is safe to run again: what to do next is always read from the
//! labels, from Entra and from ShopCtrl, never remembered.
//!
//! `steps` and `actions` are the work, each a file. Below them, by what is worked on: `delivery` (ShopCtrl),
//! `proof` (sign-ins, mailboxes, ShopCtrl's tests), `credentials` (Entra), `preflight` (what it needs of Entra). Nothing below knows what is above.

mod actions;
mod ask_person;
mod clients;
mod context;
mod credentials;
mod delivery;
mod failures;
mod preflight;
mod proof;
mod settings;
mod steps;

use std::time::Duration;

use serde_json::{Value, json};
use shared::failure::{Failure, Kind};
use shared::function::{Environment, Function, Invoked};
use shared::http::Client;
use shared::mailbox::MailClient;
use shared::retry::Deadline;
use shared::rotation::{Call, StepCall};
use tracing::{Instrument, error, info, info_span, warn};

use clients::Clients;
pub use settings::Settings;

/// The function, with its clients made.
#[derive(Debug)]
pub struct Rotation(Clients);

impl Function for Rotation {
    type Answer = Value;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::trusting(settings.aws.limits, &settings.aws.extra_roots)?;
        let mail = MailClient::new(settings.aws.limits, &settings.aws.extra_roots)?;
        Ok(Self::over(settings, http, mail))
    }

    async fn warm_up(&self) {
        let Clients { http, settings, .. } = &self.0;
        http.open(&settings.aws.secrets_manager_url()).await;
    }

    async fn invoke(&self, invoked: Invoked) -> Result<Value, Failure> {
        self.handle(invoked.event, invoked.left).await
    }
}

impl Rotation {
    /// Makes the clients over another HTTP client.
    #[must_use]
    pub fn over(settings: Settings, http: Client, mail: MailClient) -> Self {
        Self(Clients::over(settings, http, mail))
    }

    /// Handles one invocation that has `left` until Lambda ends it.
    ///
    /// # Errors
    /// [`Failure`]; its kind is the Lambda error type.
    pub async fn handle(&self, event: Value, left: Duration) -> Result<Value, Failure> {
        let call = Call::read(&event).inspect_err(log)?;
        let span = info_span!(
            "invocation",
            step = call.name(),
            secret = call.secret_name(),
            token = call.token(),
        );
        // Time enough to say where it stands.
        let left = left.saturating_sub(failures::RESERVED);
        let request = self.0.settings.aws.limits.request.duration();
        let deadline = Deadline::within(left, request);
        run(&self.0, call, deadline).instrument(span).await
    }
}

async fn run(clients: &Clients, call: Call, deadline: Deadline) -> Result<Value, Failure> {
    let outcome = match &call {
        Call::Step(call) => step(clients, call, deadline).await,
        Call::Inspect(call) => actions::inspect(clients, call, deadline).await,
        Call::Continue(call) => go_on(clients, call, deadline).await,
        Call::Action(call) => actions::run(clients, call, deadline).await,
    };
    match &outcome {
        Ok(_) => info!("the step or action is done"),
        Err(failure) => log(failure),
    }
    outcome
}

async fn step(clients: &Clients, call: &StepCall, deadline: Deadline) -> Result<Value, Failure> {
    let outcome = steps::run(clients, call, deadline).await;
    if let Err(failure) = &outcome {
        failures::note(clients, call, failure).await;
    }
    outcome
}

/// The steps as Secrets Manager would call them: one after the other, until one fails. Each is guarded by the labels and
/// may be repeated.
async fn go_on(clients: &Clients, from: &StepCall, deadline: Deadline) -> Result<Value, Failure> {
    for of_rotation in from.step.and_after() {
        let call = StepCall {
            step: of_rotation,
            ..from.clone()
        };
        let taken = step(clients, &call, deadline).await;
        taken.map_err(|failure| failure.while_doing(of_rotation.name()))?;
    }
    Ok(json!({}))
}

fn log(failure: &Failure) {
    let kind = failure.kind.error_type();
    match failure.kind {
        Kind::WaitingForPerson | Kind::Frozen => info!(kind, %failure, "the rotation waits"),
        Kind::Temporary => warn!(kind, %failure, "it failed, and is tried again"),
        Kind::Refused | Kind::Misconfigured => {
            error!(kind, %failure, "it failed: an administrator has to act")
        }
    }
}
