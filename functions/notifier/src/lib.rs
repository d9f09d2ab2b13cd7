//! `notifier`: turns events into mail that a person reads, and says whether such a mail would arrive. It keeps nothing
//! and may do nothing but send and look.

mod channels;
mod compose;
mod event;
#[cfg(test)]
mod every_mail;
mod invocation;
mod mail;
mod settings;
mod words;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::failure::{Failure, Kind};
use shared::function::{Environment, Function, Invoked};
use shared::http::Client;
use tracing::{error, info};

use channels::Channels;
use compose::compose;
use invocation::{Call, Invocation, Received};
pub use settings::Settings;

/// The function, with its clients made.
#[derive(Debug)]
pub struct Notifier {
    settings: Settings,
    channels: Channels,
}

impl Function for Notifier {
    type Answer = Value;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::trusting(settings.aws.limits, &settings.aws.extra_roots)?;
        Ok(Self::over(settings, &http))
    }

    /// Nobody waits for a mail to the second.
    async fn warm_up(&self) {}

    async fn invoke(&self, invoked: Invoked) -> Result<Value, Failure> {
        self.handle(&invoked.event, invoked.left).await
    }
}

impl Notifier {
    /// Makes the clients over another HTTP client.
    #[must_use]
    pub fn over(settings: Settings, http: &Client) -> Self {
        Self {
            channels: Channels::over(&settings, http),
            settings,
        }
    }

    /// Mails what an event says, or those of a batch from the queue; or answers a preflight.
    ///
    /// # Errors
    /// [`Failure`] when the single event could not be read or mailed.
    pub async fn handle(&self, event: &Value, left: Duration) -> Result<Value, Failure> {
        match Call::read(event)? {
            Call::Preflight => Ok(json!(self.channels.preflight().await)),
            Call::Mail(invocation) => self.mail(invocation, left).await,
        }
    }

    /// Of a batch the answer names what was not mailed, which comes again.
    async fn mail(&self, invocation: Invocation, left: Duration) -> Result<Value, Failure> {
        let ends = Instant::now() + left.saturating_sub(RESERVED);
        let mut failed: BTreeSet<usize> = BTreeSet::new();
        let mut first_failure = None;
        for (n, received) in invocation.received.iter().enumerate() {
            if let Received::Unreadable(failure) = received {
                error!(%failure, "an event could not be read, so nobody was mailed");
                failed.insert(n);
                first_failure.get_or_insert(failure.clone());
            }
        }
        let mails = compose(&invocation, &self.settings.addresses);
        let sent = mails.len();
        for outgoing in mails {
            let sent = match Instant::now() < ends {
                true => self.channels.send(&outgoing.to, &outgoing.mail).await,
                false => Err(out_of_time()),
            };
            if let Err(failure) = sent {
                error!(kind = failure.kind.error_type(), %failure, "a mail was not sent");
                failed.extend(outgoing.of);
                first_failure.get_or_insert(failure);
            }
        }
        info!(events = invocation.received.len(), mails = sent, "mailed");
        match (invocation.message_ids, first_failure) {
            (Some(ids), _) => {
                let again = ids.iter().enumerate().filter(|(n, _)| failed.contains(n));
                let again = again.map(|(_, id)| json!({"itemIdentifier": id}));
                Ok(json!({"batchItemFailures": again.collect::<Vec<_>>()}))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Ok(json!({"mails": sent})),
        }
    }
}

/// What is not begun with so much time left comes again: one mail may try two services, each some times.
const RESERVED: Duration = Duration::from_secs(90);

fn out_of_time() -> Failure {
    Failure::new(Kind::Temporary, "mailing: this invocation has no more time")
}

fn refused(problem: &str) -> Failure {
    Failure::new(Kind::Refused, format!("reading the event: {problem}"))
}
