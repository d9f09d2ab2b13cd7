//! `expiry-checker`: looks at every mailbox secret, decides what is due, reminds, starts
//! rotations, and has `rotation` probe, sweep and retire.
//!
//! It reads no secret value: labels and tags from Secrets Manager, the rest through `rotation`.

mod call;
mod fleet;
mod perform;
mod plan;
mod report;
mod rotation_function;
mod settings;
mod standstill;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use shared::clock;
use shared::drift::Drift;
use shared::event_bus::EventBus;
use shared::events::{Event, EventKind, Subject};
use shared::failure::{Failure, Kind};
use shared::function::{Environment, Function, Invoked};
use shared::http::{Client, Limits};
use shared::ids::KeyId;
use shared::policy;
use shared::retry::{CallError, backoff};
use shared::secret_store::{SecretMetadata, SecretStore};
use shared::tags;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use call::{Check, Requested};
use fleet::Fleet;
use perform::Mended;
use plan::{Action, Found, Plan, plan};
use report::{Failed, Outcome};
use rotation_function::RotationFunction;
pub use settings::Settings;
use standstill::Standstill;

/// The function, with its clients made.
#[derive(Debug)]
pub struct ExpiryChecker {
    settings: Settings,
    http: Client,
    store: SecretStore,
    events: EventBus,
    rotation: RotationFunction,
}

/// So many secrets are looked at side by side: `rotation` runs once for each.
const SIDE_BY_SIDE: usize = 8;

/// A round of secrets is not begun with less time than this: then the check continues in another
/// invocation.
const ROUND: Duration = Duration::from_secs(120);

/// Kept for the report at the end.
const LAST_WORDS: Duration = Duration::from_secs(20);

impl Function for ExpiryChecker {
    type Answer = Value;

    fn from_environment(environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::read(environment)?;
        let http = Client::new(settings.aws.limits)?;
        // A step of a rotation takes minutes, and its answer comes at its end.
        let patient = Client::new(Limits {
            request: settings.invoke_timeout,
            ..settings.aws.limits
        })?;
        Ok(Self::over(settings, &http, &patient))
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

impl ExpiryChecker {
    /// Makes the clients over other HTTP clients.
    #[must_use]
    pub fn over(settings: Settings, http: &Client, patient: &Client) -> Self {
        let function = settings.rotation_function.clone();
        Self {
            store: SecretStore::new(&settings.aws, http),
            events: EventBus::new(&settings.aws, http, settings.event_bus.clone()),
            rotation: RotationFunction::new(&settings.aws, patient, function),
            http: http.clone(),
            settings,
        }
    }

    /// Handles one invocation that has `left` until Lambda ends it.
    ///
    /// # Errors
    /// [`Failure`] when the fleet could not be listed or the report not be told. What goes wrong
    /// with one secret is in the report and does not stop the others.
    pub async fn handle(&self, event: Value, left: Duration) -> Result<Value, Failure> {
        let ends = Instant::now() + left;
        let outcome = async {
            let check = Check::read(&event, clock::machine())?;
            Box::pin(self.check(&check, ends)).await
        };
        outcome.await.inspect_err(|failure: &Failure| {
            error!(kind = failure.kind.error_type(), %failure, "the check failed");
        })
    }

    async fn check(&self, check: &Check, ends: Instant) -> Result<Value, Failure> {
        let listed = self.store.list(tags::MANAGED, "mailbox").await?;
        let fleet = Fleet::new(&listed);
        let mut secrets: Vec<&SecretMetadata> = listed
            .iter()
            .filter(|secret| !secret.deleted && check.is_of(secret, &fleet))
            .collect();
        secrets.sort_by(|one, other| one.arn.cmp(&other.arn));
        let mut outcomes = Vec::new();
        let mut last: Option<&str> = None;
        let mut continues_after = None;
        for round in secrets.chunks(SIDE_BY_SIDE) {
            if let Some(cursor) = last.filter(|_| ends.duration_since(Instant::now()) < ROUND) {
                self.continue_later(check, cursor).await?;
                continues_after = Some(cursor.to_owned());
                break;
            }
            let round_of = round
                .iter()
                .map(|secret| self.check_in_time(secret, &fleet, check, ends));
            outcomes.extend(
                futures_util::future::join_all(round_of)
                    .await
                    .into_iter()
                    .flatten(),
            );
            last = round.last().map(|secret| secret.arn.as_str());
        }
        // What was asked for one secret is no report of the fleet.
        if !check.dry_run && check.only.is_none() {
            self.events
                .publish(&[report::report(check, &outcomes)])
                .await?;
        }
        info!(checked = outcomes.len(), dry_run = check.dry_run, "checked");
        Ok(report::answer(check, &outcomes, continues_after))
    }

    async fn continue_later(&self, check: &Check, cursor: &str) -> Result<(), Failure> {
        let event = Event {
            subject: Subject::Fleet(check.now),
            token: None,
            kind: EventKind::CheckContinues {
                cursor: cursor.to_owned(),
                time: check.now,
            },
        };
        if check.dry_run {
            return Ok(());
        }
        self.events.publish(&[event]).await
    }

    /// One slow secret must not cost the others their turn: what it is doing goes on in `rotation`,
    /// and the next check sees how far it came.
    async fn check_in_time(
        &self,
        listed: &SecretMetadata,
        fleet: &Fleet,
        check: &Check,
        ends: Instant,
    ) -> Option<Outcome> {
        if listed.is_replica() {
            return Some(Outcome::replica(listed));
        }
        let until = ends.checked_sub(LAST_WORDS).unwrap_or(ends);
        let work = self.check_secret(listed, fleet, check);
        match tokio::time::timeout_at(until, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let what = "checking the secret: it took longer than this check has";
                let outcome = Outcome::unseen(listed, Failure::new(Kind::Temporary, what));
                let half = ends.checked_sub(LAST_WORDS / 2).unwrap_or(ends);
                let told = self.tell_if_stalled(listed, &outcome, check);
                if tokio::time::timeout_at(half, told).await.is_err() {
                    warn!(secret = %listed.arn, "nothing could be told of it in time");
                }
                Some(outcome)
            }
        }
    }

    /// One secret: look, decide, act. `None` for one that is going to be deleted.
    async fn check_secret(
        &self,
        listed: &SecretMetadata,
        fleet: &Fleet,
        check: &Check,
    ) -> Option<Outcome> {
        let span = info_span!(
            "secret",
            secret = listed.arn,
            step = "check",
            token = tracing::field::Empty
        );
        let work = async {
            let (found, failures) = match self.look(&listed.arn, fleet, check).await {
                Ok(looked) => looked,
                Err(failure) => {
                    let outcome = Outcome::unseen(listed, failure);
                    self.tell_if_stalled(listed, &outcome, check).await;
                    return Some(outcome);
                }
            };
            if found.secret.is_replica() {
                return Some(Outcome::replica(&found.secret));
            }
            if let Some(token) = found.secret.versions.in_progress() {
                tracing::Span::current().record("token", token);
            }
            let plan = plan(&found, check.now)?;
            let outcome = self.act(&found, plan, failures, check).await;
            self.tell_if_stalled(&found.secret, &outcome, check).await;
            Some(outcome)
        };
        Box::pin(work).instrument(span).await
    }

    async fn act(
        &self,
        found: &Found,
        plan: Plan,
        failures: Vec<Failed>,
        check: &Check,
    ) -> Outcome {
        let mut outcome = Outcome {
            secret: found.secret.name.clone(),
            standing: Some(plan.standing),
            expires_at: plan.expires_at,
            contact: plan.contact,
            actions: plan.actions.iter().map(ToString::to_string).collect(),
            failures,
        };
        let not_by_itself = plan.failures.into_iter().map(|failure| Failed {
            step: "rotate",
            failure,
        });
        outcome.failures.extend(not_by_itself);
        let (mut all_told, mut mended) = (true, Mended::new());
        for action in plan.actions.iter().filter(|_| !check.dry_run) {
            // What could not be told is told by the next check.
            if action.follows_what_was_told() && !all_told {
                continue;
            }
            info!(%action, "acting");
            // One action that fails does not keep the others.
            if let Err(failed) = self.perform(found, action, &mut mended).await {
                all_told &= !matches!(action, Action::Tell(_));
                outcome.failures.push(failed);
            }
        }
        let stands = |drift: &Drift| {
            let at = drift.connection.as_ref();
            !at.is_some_and(|connection| mended.contains(connection))
        };
        outcome.add_drift(plan.stops_mail.into_iter().filter(stands));
        outcome
    }

    /// A mailbox that has not been in order for a day reaches a person, whatever the cause.
    async fn tell_if_stalled(&self, secret: &SecretMetadata, outcome: &Outcome, check: &Check) {
        for failed in &outcome.failures {
            let failure = &failed.failure;
            match failure.kind {
                Kind::WaitingForPerson | Kind::Frozen => {}
                Kind::Temporary | Kind::Refused | Kind::Misconfigured => {
                    warn!(kind = failure.kind.error_type(), %failure, "failed for this secret");
                }
            }
        }
        if check.dry_run || check.only.is_some() {
            return;
        }
        let Standstill { event, tag } = standstill::standstill(secret, outcome, check.now);
        if let Some(event) = event
            && let Err(failure) = self.tell(secret, event).await
        {
            error!(%failure, "could not tell that the mailbox has stood still for a day");
            return;
        }
        if let Some(tag) = tag
            && let Err(failure) = self.note(&secret.arn, tags::STALLED, tag).await
        {
            warn!(%failure, "could not note since when the mailbox has stood still");
        }
    }

    /// What there is, and what could not be learned: a probe that fails leaves labels and tags to
    /// decide by, a policy that cannot be read the one of the settings.
    async fn look(
        &self,
        arn: &str,
        fleet: &Fleet,
        check: &Check,
    ) -> Result<(Found, Vec<Failed>), Failure> {
        let promoted = check.only.as_ref().filter(|only| only.arn == arn);
        let promoted = promoted.and_then(|only| only.promoted.as_deref());
        let secret = self.described(arn, promoted);
        let (secret, probe) = tokio::join!(secret, self.rotation.probe(arn));
        let secret = secret?;
        let mut failures = Vec::new();
        let tag = secret.tags.get(policy::TAG).map(String::as_str);
        let own = self.settings.policy.clone();
        let policy = own.clone().with_tag(tag).unwrap_or_else(|failure| {
            failures.push(failure);
            own
        });
        let probe = probe.map_err(|failure| failures.push(failure)).ok();
        let problems = probe.iter().flat_map(|probe| &probe.problems);
        failures.extend(problems.map(|problem| Failure::read(Kind::Temporary, problem)));
        let failures = failures.into_iter().map(|failure| Failed {
            step: "probe",
            failure,
        });
        let failures = failures.collect();
        let found = Found {
            named_by_others: self.named_by_others(&secret, fleet).await,
            requested: check.only.is_some(),
            shares_a_leaked_secret: fleet.shares_a_leaked_secret(&secret),
            secret,
            probe,
            policy,
        };
        Ok((found, failures))
    }
}

impl ExpiryChecker {
    /// The secret; right after a promotion once that shows, if it does within some seconds.
    async fn described(
        &self,
        arn: &str,
        promoted: Option<&str>,
    ) -> Result<SecretMetadata, Failure> {
        let mut looks = 1;
        loop {
            let secret = self.store.describe(arn).await?;
            let shows = promoted.is_none_or(|version| secret.versions.current() == Some(version));
            if shows || looks > PROMOTION_LOOKS {
                return Ok(secret);
            }
            tokio::time::sleep(backoff(looks)).await;
            looks += 1;
        }
    }

    /// What the others name, by what each of them says now and not by the list, which may be minutes old.
    /// `None` where one does not say, cannot be asked, or where there are too many to ask.
    async fn named_by_others(
        &self,
        secret: &SecretMetadata,
        fleet: &Fleet,
    ) -> Option<BTreeSet<KeyId>> {
        let neighbours = fleet.neighbours(secret);
        if neighbours.len() > MOST_NEIGHBOURS {
            return None;
        }
        let asked = neighbours
            .iter()
            .map(|other| self.store.describe(&other.arn));
        let asked = futures_util::future::join_all(asked).await;
        let asked: Result<Vec<SecretMetadata>, CallError> = asked.into_iter().collect();
        match asked {
            Ok(described) => Fleet::new(&described).named_by_others(secret),
            Err(error) => {
                warn!(failure = %error.failure, "a neighbour could not be asked; nothing is removed");
                None
            }
        }
    }
}

/// A promotion that does not show is looked for so often more.
const PROMOTION_LOOKS: u32 = 5;
/// So many mailboxes on one app registration, or on ones that are not known yet, are asked one by one.
const MOST_NEIGHBOURS: usize = 50;

impl Check {
    /// Whether this check looks at a secret: at all of them, those behind the cursor, or the one that it was
    /// requested for and those that are in the same need.
    fn is_of(&self, secret: &SecretMetadata, fleet: &Fleet) -> bool {
        let behind = |cursor: &String| secret.arn > *cursor;
        let asked =
            |only: &Requested| secret.arn == only.arn || fleet.names_a_leaked_credential(secret);
        self.cursor.as_ref().is_none_or(behind) && self.only.as_ref().is_none_or(asked)
    }
}
