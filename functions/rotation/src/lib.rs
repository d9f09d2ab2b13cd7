//! `rotation`, the hands: the four steps that Secrets Manager calls, and the three actions that the
//! checker asks for.
//!
//! Each step may die anywhere and is safe to run again: what to do next is always read from the
//! labels, from Entra and from ShopCtrl, never remembered.

mod begin;
mod call;
mod configuration_test;
mod connections;
mod create_secret;
mod credentials;
mod failed;
mod finish_secret;
mod held;
mod orphans;
mod permission;
mod person;
mod probe;
mod redeliver;
mod retire;
mod set_secret;
mod settings;
mod sign_in;
mod superseded;
mod sweep;
mod test_secret;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::companion::CompanionStore;
use shared::credential::{Credential, IssuedBy, Marker};
use shared::entra::App;
use shared::entra::rotator::Rotators;
use shared::entra::token::Tokens;
use shared::event_bus::EventBus;
use shared::events::{Event, EventKind, Subject};
use shared::failure::{Failure, Kind};
use shared::function::{Environment, Function, Invoked};
use shared::graph::application::Registration;
use shared::http::Client;
use shared::mailbox_secret::MailboxSecret;
use shared::policy::{self, Policy};
use shared::retry::Deadline;
use shared::secret_store::{SecretMetadata, SecretStore};
use tracing::{Instrument, error, info, info_span, warn};

use call::{Action, ActionCall, Call, Step, StepCall};
pub use settings::Settings;

/// The function, with its clients made.
#[derive(Debug)]
pub struct Rotation {
    settings: Settings,
    http: Client,
    store: SecretStore,
    events: EventBus,
    rotators: Rotators,
    grants_writer: tokio::sync::Mutex<()>,
}

/// What one invocation carries along.
struct Invocation {
    secret: SecretMetadata,
    token: String,
    rotation_token: Option<String>,
    deadline: Deadline,
}

impl Function for Rotation {
    type Answer = Value;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::new(settings.aws.limits)?;
        Ok(Self::over(settings, http))
    }

    async fn warm_up(&self) {
        self.http
            .open(&self.settings.aws.secrets_manager_url())
            .await;
    }

    async fn invoke(&self, invoked: Invoked) -> Result<Value, Failure> {
        self.handle(invoked.event, invoked.left).await
    }
}

impl Rotation {
    /// Makes the clients over another HTTP client.
    #[must_use]
    pub fn over(settings: Settings, http: Client) -> Self {
        let store = SecretStore::new(&settings.aws, &http);
        let events = EventBus::new(&settings.aws, &http, settings.event_bus.clone());
        let rotators = Rotators::new(
            http.clone(),
            settings.microsoft.clone(),
            store.clone(),
            &settings.aws,
        );
        Self {
            settings,
            http,
            store,
            events,
            rotators,
            grants_writer: tokio::sync::Mutex::new(()),
        }
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
        let left = left.saturating_sub(failed::LAST_WORDS);
        let deadline = Deadline::within(left, self.settings.aws.limits.request.duration());
        self.run(call, deadline).instrument(span).await
    }

    async fn run(&self, call: Call, deadline: Deadline) -> Result<Value, Failure> {
        let outcome = match &call {
            Call::Step(call) => self.step(call, deadline).await,
            Call::Action(call) => self.action(call, deadline).await,
        };
        match &outcome {
            Ok(_) => info!("done"),
            Err(failure) => {
                log(failure);
                self.note_failure(&call, failure).await;
            }
        }
        outcome
    }

    async fn step(&self, call: &StepCall, deadline: Deadline) -> Result<Value, Failure> {
        match call.step {
            Step::Create => Box::pin(self.create_secret(call, deadline)).await,
            Step::Set => Box::pin(self.set_secret(call, deadline)).await,
            Step::Test => Box::pin(self.test_secret(call, deadline)).await,
            Step::Finish => Box::pin(self.finish_secret(call, deadline)).await,
        }?;
        Ok(json!({}))
    }

    async fn action(&self, call: &ActionCall, deadline: Deadline) -> Result<Value, Failure> {
        match call.action {
            Action::Probe => Box::pin(self.probe(&call.secret, deadline)).await,
            Action::Sweep => Box::pin(self.sweep(call, deadline)).await,
            Action::Retire => Box::pin(self.retire(call, deadline)).await,
        }
    }

    fn app(&self, mailbox: &MailboxSecret) -> App {
        App {
            endpoints: self.settings.microsoft.endpoints(mailbox.cloud),
            tenant: mailbox.tenant_id.clone(),
            client_id: mailbox.client_id.clone(),
        }
    }

    fn registration(&self, app: &App, tokens: &Tokens) -> Registration {
        Registration::new(self.http.clone(), app.clone(), tokens.clone())
    }

    fn policy(&self, secret: &SecretMetadata) -> Result<Policy, Failure> {
        let tag = secret.tags.get(policy::TAG).map(String::as_str);
        self.settings.policy.clone().with_tag(tag)
    }

    /// Whether nothing that worked may be taken away now. A policy that cannot be read might say so; the
    /// checker reports it.
    fn is_frozen(&self, secret: &SecretMetadata, now: Timestamp) -> bool {
        let policy = self.policy(secret);
        policy.map_or(true, |policy| policy.is_frozen(now))
    }

    fn companion(&self, secret: &SecretMetadata) -> CompanionStore {
        CompanionStore::of(&self.store, &secret.name)
    }
}

impl Invocation {
    fn marker(&self) -> Marker {
        Marker::new(&self.secret.arn, &self.token)
    }

    /// Whether this rotation issued the credential.
    fn issued(&self, credential: &Credential) -> bool {
        let by_this = |marker: Marker| {
            marker.issued_by(&self.secret.arn) == IssuedBy::This && marker.token == self.token
        };
        credential.marker().is_some_and(by_this)
    }

    fn event(&self, kind: EventKind) -> Event {
        event(&self.secret, Some(&self.token), kind)
    }
}

/// Whether the actions leave the secret as it is: it is somebody else's, or goes, or its rotation was switched
/// off, by which whoever did it means "stop everything".
fn is_left_alone(secret: &SecretMetadata) -> bool {
    secret.is_replica() || secret.deleted || !secret.rotation_enabled
}

fn event(secret: &SecretMetadata, token: Option<&str>, kind: EventKind) -> Event {
    Event {
        subject: Subject::Secret {
            name: secret.name.clone(),
            arn: secret.arn.clone(),
        },
        token: token.map(str::to_owned),
        kind,
    }
}

fn log(failure: &Failure) {
    let kind = failure.kind.error_type();
    match failure.kind {
        Kind::WaitingForPerson | Kind::Frozen => info!(kind, %failure, "standing still"),
        Kind::Temporary => warn!(kind, %failure, "failed for now"),
        Kind::Refused | Kind::Misconfigured => error!(kind, %failure, "failed"),
    }
}
