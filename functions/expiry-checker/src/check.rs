//! One check: the list, the looks, a plan for each secret and its actions, and the report at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use shared::check_schedule::CheckSchedule;
use shared::events::{Event, EventKind, Subject, Totals, WeeklyReport};
use shared::failure::{Failure, Kind};
use shared::ids::DirectoryId;
use shared::metrics::{Run, Says};
use shared::rotation::inspection::Facts;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::call::{Check, Scope};
use crate::canary::held_back;
use crate::clients::Clients;
use crate::depth::Rules;
use crate::fleet::{self, Fleet};
use crate::lease::Lease;
use crate::looks::{Seen, Wanted, look};
use crate::news;
use crate::record::{Record, Standing};
use crate::report::{self, Tally};
use crate::task::Task;

/// So many secrets that need more than a look are dealt with at once. Most of what they wait for are calls to AWS;
/// invocations of `rotation` have a limit of their own.
const AT_ONCE: usize = 32;

/// So many deep looks are kept before what they showed is dealt with: what is kept has to fit into memory.
const KEPT: usize = 2_000;

/// Nothing is begun with less time than this: then the check continues in another invocation.
const BEGIN: Duration = Duration::from_secs(120);

/// Kept for what people hear of and the report, at the end.
const RESERVED: Duration = Duration::from_secs(60);

/// A check that goes on more often than this goes round in a circle.
const MOST_PARTS: u32 = 20;

/// So many tenants are handed on to the next part; more do not fit into an event.
const MOST_TENANTS: usize = 1_500;

pub(crate) async fn run(clients: &Clients, check: &Check, ends: Instant) -> Result<Value, Failure> {
    if !is_of_all(check) {
        return run_alone(clients, check, ends)
            .await
            .map(|done| done.answer);
    }
    if let Err(began) = Lease::take(clients, check).await {
        warn!(%began, "another check is under way; this one does nothing");
        return Ok(json!({"now": check.now, "under_way": began}));
    }
    let done = run_alone(clients, check, ends).await;
    // Its next part takes it anew.
    if !done.as_ref().is_ok_and(|done| done.continues) {
        Lease::end(clients).await;
    }
    done.map(|done| done.answer)
}

struct Done {
    answer: Value,
    continues: bool,
}

async fn run_alone(clients: &Clients, check: &Check, ends: Instant) -> Result<Done, Failure> {
    let (began, calls_before) = (Instant::now(), clients.calls());
    let rules = Rules {
        policy: &clients.settings.policy,
        interval: clients.settings.interval(),
        now: check.now,
    };
    let fleet = fleet::list(clients, check, &rules).await?;
    let mut round = Round {
        clients,
        check,
        held_back: held_back(&fleet.records, check.now),
        until: ends.checked_sub(RESERVED).unwrap_or(ends),
        tally: Tally::new(check),
        calls: 0,
        fleet,
    };
    let left = round.all(ends).await;
    let Round {
        mut tally,
        calls: of_rotation,
        ..
    } = round;
    if !check.dry_run {
        news::publish(clients, &mut tally.unwell).await;
    }
    let (outcomes, mut totals) = tally.end(check);
    let seconds = began.elapsed().as_secs_f64();
    let calls = clients.calls().saturating_sub(calls_before) + of_rotation;
    totals.seconds += seconds;
    totals.calls += calls;
    let run = Run {
        function: &clients.settings.function_name,
        time: check.now,
        part: check.part,
        says: match (is_of_all(check), left.is_empty()) {
            (false, _) => Says::Nothing,
            (true, false) => Says::Continues,
            (true, true) => Says::All,
        },
        seconds,
        calls,
    };
    run.write(&totals);
    if is_of_all(check) {
        hand_on_or_report(clients, check, &totals, &left).await?;
    }
    info!(
        checked = totals.counts.checked,
        dry_run = check.dry_run,
        part = check.part,
        time = %check.now,
        continues = !left.is_empty(),
        "the check has ended"
    );
    Ok(Done {
        answer: report::answer(check, &outcomes, &totals, &left),
        continues: !left.is_empty(),
    })
}

/// What was asked for one secret is no report of the fleet.
fn is_of_all(check: &Check) -> bool {
    !check.dry_run && check.requested().is_none()
}

/// The sum of a check in parts is published once, by the last of them.
async fn hand_on_or_report(
    clients: &Clients,
    check: &Check,
    totals: &Totals,
    left: &[DirectoryId],
) -> Result<(), Failure> {
    if check.part >= MOST_PARTS && !left.is_empty() {
        let what =
            format!("checking the fleet: it has gone on {MOST_PARTS} times, and does not again");
        return Err(Failure::new(Kind::Temporary, what).next_step(
            "Nothing to do at once: the next check begins with other tenants. If this comes again: runbook, A check that takes long.",
        ));
    }
    if !left.is_empty() {
        let left = left.iter().take(MOST_TENANTS).cloned().collect();
        let next = check.part.saturating_add(1);
        let continues = EventKind::check_continues(left, check.now, next, totals);
        return publish(clients, check, continues).await;
    }
    let report = EventKind::fleet_report(check.now, check.part, totals);
    publish(clients, check, report).await?;
    let due = |schedule: CheckSchedule| schedule.weekly_report_due(check.now);
    match clients.settings.check_schedule.and_then(due) {
        Some(week) => {
            let weekly = WeeklyReport::new(week, check.now, totals);
            publish(clients, check, EventKind::WeeklyReport(Box::new(weekly))).await
        }
        None => Ok(()),
    }
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

/// What all of one invocation goes by.
struct Round<'a> {
    clients: &'a Clients,
    check: &'a Check,
    fleet: Fleet,
    held_back: BTreeSet<usize>,
    /// Until when something may be under way.
    until: Instant,
    tally: Tally,
    /// Those that `rotation` made.
    calls: u64,
}

impl Round<'_> {
    /// Looks at all secrets that the check is of, and deals with what it finds. Returns the tenants that there was no
    /// time for.
    async fn all(&mut self, ends: Instant) -> Vec<DirectoryId> {
        let places = 0..self.fleet.records.len();
        let ours: Vec<usize> = places.filter(|at| self.is_of_this_check(*at)).collect();
        for at in &ours {
            if let Some(record) = self.fleet.records.get(*at)
                && record.standing == Standing::Replica
            {
                self.tally.add_replica(record, self.check);
            }
        }
        let mut segments = segments(&self.fleet, &ours, self.check).into_iter();
        while let Some(segment) = segments.next() {
            if ends.duration_since(Instant::now()) < BEGIN {
                let rest = segment.iter().copied().chain(segments.flatten());
                return self.left(rest);
            }
            self.deal_with(&segment).await;
        }
        Vec::new()
    }

    fn left(&self, rest: impl Iterator<Item = Wanted>) -> Vec<DirectoryId> {
        let records = rest.filter_map(|one| self.fleet.records.get(one.at));
        let tenants = fleet::tenants(records);
        if tenants.len() > MOST_TENANTS {
            warn!(
                tenants = tenants.len(),
                "there are more tenants left than the next part is told of"
            );
        }
        tenants
    }

    /// At all of them, or the one that it was requested for and those that are in the same need.
    fn is_of_this_check(&self, at: usize) -> bool {
        let Some(record) = self.fleet.records.get(at) else {
            return false;
        };
        let apps = &self.fleet.apps;
        match &self.check.scope {
            Scope::All | Scope::Tenants(_) => true,
            Scope::Requested(requested) => {
                *requested.arn == *record.arn || apps.names_a_leaked_credential(record)
            }
        }
    }

    async fn deal_with(&mut self, segment: &[Wanted]) {
        let (mut work, doubtful) = self.look(segment).await;
        if !doubtful.is_empty() {
            let (more, _) = self.look(&doubtful).await;
            work.extend(more);
        }
        let urgency = |at: usize| {
            let record = self.fleet.records.get(at)?;
            Some((record.leaked.is_empty(), record.expires_at))
        };
        work.sort_by_key(|(at, _)| urgency(*at));
        let (fleet, until) = (&self.fleet, self.until);
        let tasks = work.into_iter().filter_map(|(at, facts)| {
            let task = task(self.clients, self.check, fleet, at, &self.held_back)?;
            Some(async move { task.run(facts, until).await })
        });
        let mut tasks = stream::iter(tasks).buffer_unordered(AT_ONCE);
        while let Some(done) = tasks.next().await {
            self.tally.unwell.extend(done);
        }
        drop(tasks);
        for one in segment {
            if let Some(record) = self.fleet.records.get_mut(one.at) {
                record.listed = None;
            }
        }
    }

    /// Counts what is well, and returns what is to be dealt with, and what a light look leaves in doubt.
    async fn look(&mut self, wanted: &[Wanted]) -> (Work, Vec<Wanted>) {
        let seen = look(
            self.clients,
            &self.fleet.records,
            wanted,
            self.until,
            &mut self.calls,
        );
        let (mut work, mut doubtful) = (Work::new(), Vec::new());
        for (at, seen) in seen.await {
            let Some(record) = self.fleet.records.get(at) else {
                continue;
            };
            match seen {
                Seen::Light(Ok(listed)) if record.agrees_with(&listed) => {
                    self.tally.add_healthy(record, self.check);
                }
                Seen::Light(Err(failure)) if failure.kind == Kind::Temporary => {
                    work.push((at, Err(failure)));
                }
                Seen::Light(Ok(_) | Err(_)) => doubtful.push(Wanted { at, deep: true }),
                Seen::Deep(facts) => match *facts {
                    Ok(facts) if self.is_quiet(at, &facts) => {
                        self.tally.add_healthy(record, self.check);
                    }
                    facts => work.push((at, facts)),
                },
            }
        }
        (work, doubtful)
    }

    fn is_quiet(&self, at: usize, facts: &Facts) -> bool {
        let task = task(self.clients, self.check, &self.fleet, at, &self.held_back);
        task.is_some_and(|task| task.is_quiet(facts))
    }
}

type Work = Vec<(usize, Result<Facts, Failure>)>;

fn task<'a>(
    clients: &'a Clients,
    check: &'a Check,
    fleet: &'a Fleet,
    at: usize,
    held_back: &BTreeSet<usize>,
) -> Option<Task<'a>> {
    Some(Task {
        clients,
        check,
        fleet,
        at,
        record: fleet.records.get(at)?,
        held_back: held_back.contains(&at),
    })
}

/// What is looked at and dealt with together: whole tenants, in an order that begins elsewhere each time, so that what
/// comes last in one check does not in the next.
fn segments(fleet: &Fleet, ours: &[usize], check: &Check) -> Vec<Vec<Wanted>> {
    let looked_after = |at: &&usize| {
        let record = fleet.records.get(**at);
        record.is_some_and(|record| record.standing == Standing::LookedAfter)
    };
    let wanted = ours.iter().filter(looked_after).filter_map(|at| {
        let record = fleet.records.get(*at)?;
        let deep = record.is_deep() || check.requested().is_some() || needs_more(fleet, record);
        Some((record, Wanted { at: *at, deep }))
    });
    let mut wanted: Vec<(&Record, Wanted)> = wanted.collect();
    wanted.sort_by(|(one, _), (other, _)| one.tenant.cmp(&other.tenant));
    let tenants = wanted.chunk_by(|(one, _), (other, _)| one.tenant == other.tenant);
    let mut tenants: Vec<Vec<Wanted>> = tenants
        .map(|of_tenant| of_tenant.iter().map(|(_, wanted)| *wanted).collect())
        .collect();
    if !tenants.is_empty() {
        let hours = usize::try_from(check.now.as_second() / 3_600).unwrap_or_default();
        let begin = hours % tenants.len();
        tenants.rotate_left(begin);
    }
    let mut segments: Vec<Vec<Wanted>> = Vec::new();
    let mut kept = usize::MAX;
    for of_tenant in tenants {
        let deep = of_tenant.iter().filter(|one| one.deep).count();
        if kept.saturating_add(deep) > KEPT {
            segments.push(Vec::new());
            kept = 0;
        }
        kept += deep;
        if let Some(segment) = segments.last_mut() {
            segment.extend(of_tenant);
        }
    }
    segments
}

/// What others say of it makes a deep look worth it.
fn needs_more(fleet: &Fleet, record: &Record) -> bool {
    let contact = record.goes_along_with.as_deref();
    fleet.apps.names_a_leaked_credential(record)
        || fleet.contacts.is_asked_for_another(contact, &record.arn)
}
