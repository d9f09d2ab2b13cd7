//! One check: every secret in its turn, side by side, and the report at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use shared::check_schedule::CheckSchedule;
use shared::drift::Drift;
use shared::events::{
    Event, EventKind, FleetState, MailFlow, MailboxSubject, Subject, Totals, WeeklyReport,
};
use shared::failure::{Failure, Kind};
use shared::metrics::{Run, Says};
use shared::policy::Verdict;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::Versions;
use shared::tags;
use tokio::time::Instant;
use tracing::{Instrument, info, info_span, warn};

use crate::call::{Check, Requested};
use crate::clients::Clients;
use crate::closing::{Checked, closing, is_said_by_the_promotion, only_begun};
use crate::contacts::Contacts;
use crate::look::{Others, look};
use crate::news::{self, News};
use crate::perform::{Progress, perform};
use crate::plan::action::PlannedAction;
use crate::plan::found::Found;
use crate::plan::{Plan, plan};
use crate::report::{self, Failed, Outcome};
use crate::shared_apps::SharedApps;
use crate::standstill::{Standstill, standstill};

/// So many secrets are looked at side by side: `rotation` runs once for each.
const SIDE_BY_SIDE: usize = 8;

/// A round of secrets is not begun with less time than this: then the check continues in another
/// invocation.
const ROUND: Duration = Duration::from_secs(120);

/// Kept for what people hear of and the report, at the end.
const RESERVED: Duration = Duration::from_secs(60);

pub(crate) async fn run(clients: &Clients, check: &Check, ends: Instant) -> Result<Value, Failure> {
    let (began, calls_before) = (Instant::now(), clients.calls());
    let listed = clients.store.list(tags::MANAGED, "mailbox").await?;
    let apps = SharedApps::new(&listed);
    let contacts = Contacts::asked(&listed, &clients.settings.policy, check.now);
    let others = Others {
        apps: &apps,
        contacts: &contacts,
    };
    let mut secrets: Vec<&SecretMetadata> = listed
        .iter()
        .filter(|secret| !secret.deleted && is_of(check, secret, &apps))
        .collect();
    secrets.sort_by(|one, other| one.arn.cmp(&other.arn));
    let mut checked: Vec<(Outcome, News)> = Vec::new();
    let mut last: Option<&str> = None;
    let mut continues_after: Option<String> = None;
    for round in secrets.chunks(SIDE_BY_SIDE) {
        if let Some(cursor) = last.filter(|_| ends.duration_since(Instant::now()) < ROUND) {
            continues_after = Some(cursor.to_owned());
            break;
        }
        let checks = round
            .iter()
            .map(|secret| check_in_time(clients, secret, others, check, ends));
        let round_checked = futures_util::future::join_all(checks).await;
        checked.extend(round_checked.into_iter().flatten());
        last = round.last().map(|secret| secret.arn.as_str());
    }
    if !check.dry_run {
        news::publish(clients, &mut checked).await;
    }
    let outcomes: Vec<Outcome> = checked.into_iter().map(|(outcome, _)| outcome).collect();
    let mut totals = check.so_far.clone();
    for outcome in &outcomes {
        totals.add(outcome.looked(), check.now);
    }
    let (seconds, calls) = (
        began.elapsed().as_secs_f64(),
        clients.calls().saturating_sub(calls_before),
    );
    totals.seconds += seconds;
    totals.calls += calls;
    // What was asked for one secret is no report of the fleet.
    let is_of_all = !check.dry_run && check.only.is_none();
    let run = Run {
        function: &clients.settings.function_name,
        time: check.now,
        part: check.part,
        says: match (is_of_all, &continues_after) {
            (false, _) => Says::Nothing,
            (true, Some(_)) => Says::Continues,
            (true, None) => Says::All,
        },
        seconds,
        calls,
    };
    run.write(&totals);
    if is_of_all {
        hand_on_or_report(clients, check, &totals, continues_after.as_deref()).await?;
    }
    info!(
        checked = outcomes.len(),
        dry_run = check.dry_run,
        part = check.part,
        time = %check.now,
        continues = continues_after.is_some(),
        "the check has ended"
    );
    Ok(report::answer(check, &outcomes, continues_after))
}

/// Whether a check looks at a secret: at all of them, those behind the cursor, or the one that it was
/// requested for and those that are in the same need.
fn is_of(check: &Check, secret: &SecretMetadata, apps: &SharedApps) -> bool {
    let behind = |cursor: &String| secret.arn > *cursor;
    let asked = |only: &Requested| secret.arn == only.arn || apps.names_a_leaked_credential(secret);
    check.cursor.as_ref().is_none_or(behind) && check.only.as_ref().is_none_or(asked)
}

/// The sum of a check in parts is published once, by the last of them.
async fn hand_on_or_report(
    clients: &Clients,
    check: &Check,
    totals: &Totals,
    continues_after: Option<&str>,
) -> Result<(), Failure> {
    let now = check.now;
    if let Some(cursor) = continues_after {
        let (cursor, next) = (cursor.to_owned(), check.part.saturating_add(1));
        let continues = EventKind::check_continues(cursor, now, next, totals);
        return publish(clients, check, continues).await;
    }
    let report = EventKind::fleet_report(now, check.part, totals);
    publish(clients, check, report).await?;
    let schedule = clients.settings.check_schedule;
    let Some(week) = schedule.and_then(|schedule| schedule.weekly_report_due(now)) else {
        return Ok(());
    };
    let weekly = WeeklyReport::new(week, now, totals);
    publish(clients, check, EventKind::WeeklyReport(Box::new(weekly))).await
}

/// In a call of its own: a report may take all that one holds (EventBridge quotas, "PutEvents entry size").
async fn publish(clients: &Clients, check: &Check, kind: EventKind) -> Result<(), Failure> {
    let event = Event {
        subject: Subject::Fleet(check.now),
        token: None,
        kind,
    };
    clients.events.publish(&[event]).await
}

/// One slow secret must not cost the others their turn: what it is doing goes on in `rotation`,
/// and the next check sees how far it came.
async fn check_in_time(
    clients: &Clients,
    listed: &SecretMetadata,
    others: Others<'_>,
    check: &Check,
    ends: Instant,
) -> Option<(Outcome, News)> {
    let subject = || MailboxSubject::new(listed, None);
    if listed.is_replica() {
        return Some((Outcome::replica(listed), News::none(subject())));
    }
    let until = ends.checked_sub(RESERVED).unwrap_or(ends);
    let work = check_secret(clients, listed, others, check);
    match tokio::time::timeout_at(until, work).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let what = "checking the secret: it took longer than this check has";
            let mut outcome = Outcome::unseen(listed, Failure::new(Kind::Temporary, what));
            let mut news = News::none(subject());
            note_standstill(clients, listed, &mut outcome, check, &mut news);
            Some((outcome, news))
        }
    }
}

/// One secret: look, decide, act. `None` for one that is going to be deleted.
async fn check_secret(
    clients: &Clients,
    listed: &SecretMetadata,
    others: Others<'_>,
    check: &Check,
) -> Option<(Outcome, News)> {
    let span = info_span!(
        "secret",
        secret = listed.arn,
        step = "check",
        token = tracing::field::Empty
    );
    let work = async {
        let (found, failures) = match look(clients, &listed.arn, others, check).await {
            Ok(looked) => looked,
            Err(failure) => {
                let mut outcome = Outcome::unseen(listed, failure);
                let mut news = News::none(MailboxSubject::new(listed, None));
                note_standstill(clients, listed, &mut outcome, check, &mut news);
                return Some((outcome, news));
            }
        };
        let subject = found.subject();
        if found.secret.is_replica() {
            return Some((Outcome::replica(&found.secret), News::none(subject)));
        }
        if let Some(token) = found.secret.versions.in_progress() {
            tracing::Span::current().record("token", token);
        }
        let plan = plan(&found, check.now)?;
        let (mut outcome, mut progress) = act(clients, &found, plan, failures, check).await;
        let news = &mut progress.news;
        note_standstill(clients, &found.secret, &mut outcome, check, news);
        let noted = news.tags.iter();
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
    };
    Box::pin(work).instrument(span).await
}

async fn act(
    clients: &Clients,
    found: &Found,
    plan: Plan,
    failures: Vec<Failed>,
    check: &Check,
) -> (Outcome, Progress) {
    let mut outcome = Outcome {
        secret: found.secret.name.clone(),
        standing: Some(plan.standing),
        expires_at: plan.expires_at,
        rotating: found.secret.versions.in_progress().is_some(),
        is_fresh: is_fresh(found, plan.expires_at, check),
        waits_for_its_first: found
            .probe
            .as_ref()
            .is_some_and(|probe| probe.without_value)
            || found.secret.versions.current().is_none(),
        since: None,
        out_of_reach: None,
        mail: match (&found.probe, plan.expires_at) {
            (Some(_), Some(end)) => MailFlow::until(end, check.now),
            (None, _) | (_, None) => MailFlow::NotKnown,
        },
        actions: plan.actions.iter().map(ToString::to_string).collect(),
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
        if let Err(failed) = perform(clients, found, action, &mut progress).await {
            announced &= !matches!(action, PlannedAction::Publish(_));
            outcome.failures.push(failed);
        }
    }
    outcome.rotating |= progress.moved;
    let stands = |drift: &Drift| {
        let at = drift.connection.as_ref();
        !at.is_some_and(|connection| progress.mended.contains(connection))
    };
    outcome.add_drift(plan.stops_mail.into_iter().filter(stands));
    (outcome, progress)
}

fn is_fresh(found: &Found, end: Option<Timestamp>, check: &Check) -> bool {
    let start = found.probe.as_ref().and_then(|probe| probe.start);
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
            probe: found.probe.as_ref(),
            tags,
            drift: &progress.drift,
            mended: &progress.mended,
            at_rest: outcome.state() == FleetState::Healthy,
        };
        match check.only.is_some() || is_said_by_the_promotion(&checked) {
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
    clients: &Clients,
    secret: &SecretMetadata,
    outcome: &mut Outcome,
    check: &Check,
    news: &mut News,
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
    if check.only.is_some() {
        return;
    }
    let schedule = clients.settings.check_schedule;
    let interval = schedule.and_then(CheckSchedule::interval);
    let Standstill { event, tag, since } = standstill(secret, outcome, check.now, interval);
    outcome.since = since;
    news.events.extend(event);
    news.tags.extend(tag.map(|tag| (tags::STALLED, tag)));
}
