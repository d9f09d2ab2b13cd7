//! How an attempt at a step failed: noted for the checker, which hears of no attempt of Secrets Manager's,
//! and published where only an administrator can mend it: when it appears and when it changes, and not at each
//! of the attempts. What stays is published again by the checker, as a rotation that stands still.

use std::time::Duration;

use jiff::Timestamp;
use shared::clock;
use shared::events::{Event, EventKind, MailFlow, MailboxSubject, Subject};
use shared::failure::{Failure, Kind};
use shared::rotation::{Step, StepCall, secret_name};
use shared::secret_store::SecretMetadata;
use shared::tags;
use shared::tags::last_failure::{self, LastFailure};
use shared::tags::published_failures::{FailedBy, PublishedFailures};
use tracing::warn;

use crate::clients::Clients;

/// An attempt at a step that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed<'a> {
    pub(crate) step: Step,
    pub(crate) token: &'a str,
    pub(crate) failure: &'a Failure,
}

/// Kept free at the end of each invocation, for what is said here.
pub(crate) const RESERVED: Duration = Duration::from_secs(5);

/// Notes a step that failed, and publishes it where it wants an administrator.
pub(crate) async fn note(clients: &Clients, call: &StepCall, failure: &Failure) {
    if !wants_a_note(failure.kind) {
        return;
    }
    let failed = Failed {
        step: call.step,
        token: &call.token,
        failure,
    };
    match tokio::time::timeout(RESERVED, note_in_time(clients, call, failed)).await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => warn!(%failure, "the step's failure could not be noted or published"),
        Err(_) => warn!("the step's failure could not be noted or published in time"),
    }
}

async fn note_in_time(
    clients: &Clients,
    call: &StepCall,
    failed: Failed<'_>,
) -> Result<(), Failure> {
    let wants_administrator = failed.failure.kind == Kind::Misconfigured;
    let secret = match clients.store.describe(&call.secret).await {
        Ok(secret) => secret,
        // Nobody knows whether it was published.
        Err(_) if wants_administrator => {
            let subject = MailboxSubject {
                name: secret_name(&call.secret).to_owned(),
                arn: call.secret.clone(),
                shop: None,
                mailboxes: Vec::new(),
                contact: None,
            };
            let event = failed.event(subject, None);
            return clients.events.publish(&[event]).await;
        }
        Err(error) => return Err(error.failure),
    };
    if wants_administrator {
        publish_failure(clients, &secret, failed).await?;
    }
    let note = LastFailure::new(failed.token, failed.step.name(), failed.failure).to_string();
    let known = secret.tags.get(tags::LAST_FAILURE) == Some(&note);
    let ours = secret.versions.in_progress() == Some(failed.token) && !secret.is_replica();
    if ours && !known {
        let next_step = last_failure::next_step(failed.failure);
        let noted = [
            (tags::LAST_FAILURE, note),
            (tags::LAST_NEXT_STEP, next_step),
        ];
        clients.store.tag(&secret.arn, &noted).await?;
    }
    Ok(())
}

/// Publishes a failure, unless it was published while this secret's version was current.
pub(crate) async fn publish_failure(
    clients: &Clients,
    secret: &SecretMetadata,
    failed: Failed<'_>,
) -> Result<(), Failure> {
    let current = secret.versions.current().unwrap_or_default();
    let tag = secret
        .tags
        .get(tags::PUBLISHED_FAILURES)
        .map(String::as_str);
    let mut published = PublishedFailures::read(tag, current);
    // A version that a rotation tests has the label of its credential.
    let issued = !secret.versions.keys_of(failed.token).is_empty();
    let by = match failed.step {
        Step::TestSecret if !issued => FailedBy::ConfigurationTest,
        Step::CreateSecret | Step::SetSecret | Step::TestSecret | Step::FinishSecret => {
            FailedBy::Rotation
        }
    };
    if !published.add(by, failed.step.name(), failed.failure) {
        return Ok(());
    }
    let end = secret.tags.get(tags::EXPIRES_AT);
    let end = end.and_then(|end| end.parse().ok());
    let mut event = failed.event(MailboxSubject::new(secret, None), end);
    if by == FailedBy::ConfigurationTest
        && let EventKind::RotationFailed { mail, .. } = &mut event.kind
    {
        // It may be the current client secret that fails.
        *mail = MailFlow::NotKnown;
    }
    clients.events.publish(&[event]).await?;
    // Marked after it was published: a kill between the two repeats it, and never swallows it.
    if !secret.is_replica() {
        let tag = (tags::PUBLISHED_FAILURES, published.to_string());
        clients.store.tag(&secret.arn, &[tag]).await?;
    }
    Ok(())
}

fn wants_a_note(kind: Kind) -> bool {
    match kind {
        Kind::Temporary | Kind::Misconfigured => true,
        // A person has been asked; a freeze ends by itself; the call was none of a rotation's.
        Kind::WaitingForPerson | Kind::Frozen | Kind::Refused => false,
    }
}

impl Failed<'_> {
    /// `end` is when the current client secret ends.
    fn event(&self, subject: MailboxSubject, end: Option<Timestamp>) -> Event {
        let until = |end| MailFlow::until(end, clock::machine());
        Event {
            subject: Subject::Secret(subject),
            token: Some(self.token.to_owned()),
            kind: EventKind::RotationFailed {
                step: self.step.to_string(),
                error_type: self.failure.kind.error_type().to_owned(),
                what: self.failure.what.clone(),
                code: self.failure.code.clone(),
                half_done: self.failure.half_done,
                next_step: self.failure.next_step.clone(),
                mail: end.map_or(MailFlow::NotKnown, until),
                expires_at: end,
            },
        }
    }
}
