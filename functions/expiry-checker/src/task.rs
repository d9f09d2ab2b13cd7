//! One mailbox secret: what was seen of it becomes a plan, and the plan is performed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::drift::Drift;
use shared::events::{DueReason, EventKind, FleetState, MailFlow, MailboxSubject};
use shared::failure::{Failure, Kind};
use shared::ids::KeyId;
use shared::policy::{self, Verdict};
use shared::retry::{CallError, backoff};
use shared::rotation::inspection::Facts;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::Versions;
use shared::tags;
use tokio::time::Instant;
use tracing::{Instrument, info, info_span, warn};

use crate::call::{Check, Scope};
use crate::clients::Clients;
use crate::closing::{Checked, closing, is_said_by_the_promotion, only_begun};
use crate::fleet::Fleet;
use crate::news::{self, News};
use crate::perform::{Progress, note, perform};
use crate::plan::action::PlannedAction;
use crate::plan::found::Found;
use crate::plan::{Plan, plan};
use crate::preflight;
use crate::record::Record;
use crate::report::{Failed, LOOK, Outcome};
use crate::shared_apps::named_by_others;
use crate::standstill::{Standstill, standstill};

/// One secret of a check.
pub(crate) struct Task<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) check: &'a Check,
    pub(crate) fleet: &'a Fleet,
    /// Its place among the records.
    pub(crate) at: usize,
    pub(crate) record: &'a Record,
    /// Others are to be rotated before it.
    pub(crate) held_back: bool,
}

/// So many mailboxes on one app registration, or on ones that are not known yet, are asked one by one.
const MOST_NEIGHBOURS: usize = 50;

/// A promotion that does not show is looked for so often more.
const PROMOTION_LOOKS: u32 = 5;

impl Task<'_> {
    /// What there is to do by what the list shows: nothing, mostly.
    pub(crate) fn is_quiet(&self, facts: &Facts) -> bool {
        if !self.record.at_rest {
            return false;
        }
        let (found, failures) = self.found(self.record.as_listed(), Ok(facts.clone()));
        let plan = plan(&found, self.check.now);
        failures.is_empty() && plan.is_some_and(|plan| plan.is_quiet())
    }

    /// One slow secret must not cost the others their turn: what it is doing goes on in `rotation`, and the next check
    /// sees how far it came. `None` for one that is going to be deleted.
    pub(crate) async fn run(
        &self,
        facts: Result<Facts, Failure>,
        until: Instant,
    ) -> Option<(Outcome, News)> {
        let span = info_span!(
            "secret",
            secret = &*self.record.arn,
            step = "check",
            token = tracing::field::Empty
        );
        let work = Box::pin(self.check(facts)).instrument(span);
        match tokio::time::timeout_at(until, work).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let what = "checking the secret: it took longer than this check has";
                Some(self.unseen("check", Failure::new(Kind::Temporary, what)))
            }
        }
    }

    async fn check(&self, facts: Result<Facts, Failure>) -> Option<(Outcome, News)> {
        let Self { clients, check, .. } = self;
        let secret = match self.describe().await {
            Ok(secret) => secret,
            Err(failure) => return Some(self.unseen(LOOK, failure)),
        };
        if secret.is_replica() {
            let subject = MailboxSubject::new(&secret, None);
            return Some((Outcome::replica(secret.name), News::none(subject)));
        }
        let (found, failures) = self.found(secret, facts);
        if let Some(token) = found.secret.versions.in_progress() {
            tracing::Span::current().record("token", token);
        }
        let plan = plan(&found, check.now)?;
        let (mut outcome, mut progress) = self.act(&found, plan, failures).await;
        note_standstill(
            &found.secret,
            &mut outcome,
            check,
            &mut progress.news,
            clients,
        );
        let noted = progress.news.tags.iter();
        let noted = noted.map(|(key, value)| ((*key).to_owned(), value.clone()));
        progress.tags.extend(noted);
        if !check.dry_run {
            note_what_is_over(clients, &found, &outcome, &mut progress, check).await;
            // What a rotation under way may overtake is not put off to the end of the check.
            if found.secret.versions.in_progress().is_some() || progress.moved {
                news::publish_at_once(clients, &mut outcome, &mut progress.news).await;
            }
        }
        Some((outcome, progress.news))
    }

    /// The secret as it is now; right after a promotion once that shows, if it does within some seconds.
    async fn describe(&self) -> Result<SecretMetadata, Failure> {
        let requested = self.check.requested();
        let requested = requested.filter(|requested| *requested.arn == *self.record.arn);
        let promoted = requested.and_then(|requested| requested.promoted.as_deref());
        let mut looks = 1;
        loop {
            let secret = self.clients.store.describe(&self.record.arn).await?;
            let shows = promoted.is_none_or(|version| secret.versions.current() == Some(version));
            if shows || looks > PROMOTION_LOOKS {
                return Ok(secret);
            }
            tokio::time::sleep(backoff(looks)).await;
            looks += 1;
        }
    }

    /// A look that failed leaves labels and tags to decide by, a policy that cannot be read the one of the settings.
    fn found(&self, secret: SecretMetadata, facts: Result<Facts, Failure>) -> (Found, Vec<Failed>) {
        let settings = &self.clients.settings;
        let mut failures = Vec::new();
        let tag = |key: &str| secret.tags.get(key).map(String::as_str);
        let own = settings.policy.clone();
        let policy = own
            .clone()
            .with_tag(tag(policy::TAG))
            .unwrap_or_else(|failure| {
                failures.push(failure);
                own
            });
        let facts = facts.map_err(|failure| failures.push(failure)).ok();
        failures.extend(
            facts
                .iter()
                .flat_map(|facts| facts.problems.iter().cloned()),
        );
        let failures = failures.into_iter().map(|failure| Failed {
            step: LOOK,
            failure,
        });
        let contacts = &self.fleet.contacts;
        let found = Found {
            requested: self.check.requested().is_some(),
            shares_a_leaked_secret: self.fleet.apps.shares_a_leaked_secret(&secret),
            contact_is_asked: contacts.is_asked_for_another(tag(tags::CONTACT), &secret.arn),
            quarantine: settings.quarantine,
            turn: self.record.turn,
            continued: self.check.part > 1,
            secret,
            facts,
            policy,
        };
        (found, failures.collect())
    }

    /// What the others name, by what each of them says now and not by the list, which may be minutes old. `None` where
    /// one does not say, cannot be asked, where there are too many to ask, or where not all were listed.
    pub(crate) async fn named_by_others(&self, secret: &SecretMetadata) -> Option<BTreeSet<KeyId>> {
        let all_listed = match &self.check.scope {
            Scope::All | Scope::Requested(_) => true,
            Scope::Left(left) => left.without_tenant,
        };
        let neighbours = self.fleet.apps.neighbours(self.at, self.record);
        if !all_listed || neighbours.len() > MOST_NEIGHBOURS {
            return None;
        }
        let neighbours = neighbours
            .iter()
            .filter_map(|at| self.fleet.records.get(*at));
        let asked = neighbours.map(|other| self.clients.store.describe(&other.arn));
        let asked = futures_util::future::join_all(asked).await;
        let asked: Result<Vec<SecretMetadata>, CallError> = asked.into_iter().collect();
        match asked {
            Ok(described) => named_by_others(secret, &described),
            Err(error) => {
                warn!(failure = %error.failure, "another mailbox secret could not be described; nothing is removed");
                None
            }
        }
    }

    /// Of a secret that could not be looked at or dealt with.
    fn unseen(&self, step: &'static str, failure: Failure) -> (Outcome, News) {
        let listed = self.record.as_listed();
        let mut outcome = Outcome::unseen(self.record, step, failure);
        let mut news = News::none(MailboxSubject::new(&listed, None));
        note_standstill(&listed, &mut outcome, self.check, &mut news, self.clients);
        (outcome, news)
    }

    async fn act(
        &self,
        found: &Found,
        mut plan: Plan,
        failures: Vec<Failed>,
    ) -> (Outcome, Progress) {
        let Self { clients, check, .. } = self;
        if self.held_back {
            hold_back(&mut plan);
        }
        let mut outcome = Outcome {
            secret: found.secret.name.clone(),
            standing: Some(plan.standing),
            expires_at: plan.expires_at,
            rotating: found.secret.versions.in_progress().is_some(),
            is_fresh: is_fresh(found, plan.expires_at, check),
            waits_for_its_first: found
                .facts
                .as_ref()
                .is_some_and(|facts| facts.without_value)
                || found.secret.versions.current().is_none(),
            since: None,
            mail: match (&found.facts, plan.expires_at) {
                (Some(_), Some(end)) => MailFlow::until(end, check.now),
                (None, _) | (_, None) => MailFlow::NotKnown,
            },
            actions: plan.actions.iter().map(ToString::to_string).collect(),
            needs: plan.needs,
            half_done: plan.half_done,
            preflight: match check.dry_run {
                true => preflight::of_mailbox(clients, found, check.now),
                false => Vec::new(),
            },
            failures,
        };
        let not_by_itself = plan.failures.into_iter().map(|failure| Failed {
            step: "rotate",
            failure,
        });
        outcome.failures.extend(not_by_itself);
        let (mut announced, mut progress) = (true, Progress::new(found));
        for action in plan.actions.iter().filter(|_| !check.dry_run) {
            // What could not be announced is by the next check.
            if action.is_announced() && !announced {
                continue;
            }
            if action.moves_the_rotation() {
                let noted = note(clients, found, &mut progress).await;
                outcome.failures.extend(noted.err());
                // Before it, or it may be over when people hear of it.
                progress.moved = true;
                if !news::publish_at_once(clients, &mut outcome, &mut progress.news).await {
                    announced = false;
                    if action.is_announced() {
                        continue;
                    }
                }
            }
            info!(%action, "an action of the plan begins");
            // One action that fails does not keep the others.
            if let Err(failed) = perform(self, found, action, &mut progress).await {
                announced &= !matches!(action, PlannedAction::Publish(_));
                outcome.failures.push(failed);
            }
        }
        let noted = note(clients, found, &mut progress).await;
        outcome.failures.extend(noted.err());
        outcome.rotating |= progress.moved;
        let stands = |drift: &Drift| {
            let at = drift.connection.as_ref();
            !at.is_some_and(|connection| progress.mended.contains(connection))
        };
        outcome.add_drift(plan.stops_mail.into_iter().filter(stands));
        (outcome, progress)
    }
}

/// Others go before it. What has ended or leaked waits for nobody.
fn hold_back(plan: &mut Plan) {
    let waits = |action: &PlannedAction| match action {
        PlannedAction::Rotate { reason }
        | PlannedAction::Publish(EventKind::RotationDue { reason, .. }) => match reason {
            DueReason::Due | DueReason::Together => true,
            DueReason::Expired | DueReason::Emergency => false,
        },
        _ => false,
    };
    if plan.actions.iter().any(waits) {
        info!("it is due, and waits until others went through");
        plan.actions.retain(|action| !waits(action));
    }
}

fn is_fresh(found: &Found, end: Option<Timestamp>, check: &Check) -> bool {
    let start = found.facts.as_ref().and_then(|facts| facts.start);
    let verdict = end.map(|end| found.policy.verdict(check.now, start, end));
    verdict == Some(Verdict::Fresh)
}

/// What people were told is wrong and is over: they hear of that too, once.
async fn note_what_is_over(
    clients: &Clients,
    found: &Found,
    outcome: &Outcome,
    progress: &mut Progress,
    check: &Check,
) {
    let begun = |secret: &SecretMetadata| only_begun(secret, &progress.published, check.now);
    let closing = |tags: &BTreeMap<String, String>, versions: &Versions| {
        let secret = SecretMetadata {
            versions: versions.clone(),
            ..found.secret.clone()
        };
        let checked = Checked {
            secret: &secret,
            facts: found.facts.as_ref(),
            tags,
            drift: &progress.drift,
            mended: &progress.mended,
            at_rest: outcome.state() == FleetState::Healthy,
        };
        match check.requested().is_some() || is_said_by_the_promotion(&checked) {
            true => begun(&secret),
            false => closing(&checked, check.now),
        }
    };
    let mut closed = closing(&progress.tags, &found.secret.versions);
    if !closed.tags.is_empty() {
        // Only what still stands so: a rotation may have gone on meanwhile, and says itself what it closes.
        closed = match clients.store.describe(&found.secret.arn).await {
            Ok(secret) if secret.versions.current() == found.secret.versions.current() => {
                let mut tags = secret.tags;
                let noted = progress.news.tags.iter();
                tags.extend(noted.map(|(key, value)| ((*key).to_owned(), value.clone())));
                closing(&tags, &secret.versions)
            }
            // What this check publishes stands beside what was noted meanwhile.
            Ok(secret) => begun(&secret),
            Err(error) => {
                warn!(failure = %error.failure, "what is over is looked at by the next check");
                begun(&found.secret)
            }
        };
    }
    progress.news.events.extend(closed.events);
    progress.news.tags.extend(closed.tags);
}

/// A mailbox that has not been in order for a day reaches a person, whatever the cause.
fn note_standstill(
    secret: &SecretMetadata,
    outcome: &mut Outcome,
    check: &Check,
    news: &mut News,
    clients: &Clients,
) {
    for failed in &outcome.failures {
        let failure = &failed.failure;
        match failure.kind {
            Kind::WaitingForPerson | Kind::Frozen => {}
            Kind::Temporary | Kind::Refused | Kind::Misconfigured => {
                let (kind, failed_step) = (failure.kind.error_type(), failed.step);
                warn!(kind, failed_step, %failure, "something failed for this mailbox secret");
            }
        }
    }
    if check.requested().is_some() {
        return;
    }
    let Standstill { event, tag, since } =
        standstill(secret, outcome, check.now, clients.settings.interval());
    outcome.since = since;
    news.events.extend(event);
    news.tags.extend(tag.map(|tag| (tags::STALLED, tag)));
}
