//! One check: the list, the looks, a plan for each secret and its actions, and the report at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use shared::check_schedule::CheckSchedule;
use shared::events::{Event, EventKind, Left, Subject, Totals, WeeklyReport};
use shared::failure::{Failure, Kind};
use shared::ids::DirectoryId;
use shared::metrics::{Run, Says};
use shared::rotation::inspection::Facts;
use shared::short_hash::short_hash;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::answer::answer;
use crate::call::{Check, Scope};
use crate::canary::{due_all, held_back};
use crate::clients::{Clients, TAGS_APART};
use crate::depth::Rules;
use crate::fleet::{self, Fleet};
use crate::lease::Lease;
use crate::looks::{Seen, Wanted, look};
use crate::news::{self, News};
use crate::preflight;
use crate::record::{Record, Standing};
use crate::report::{Outcome, Tally};
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
        // A dry run looks deeply at all of them: at rest, little of what a rotation needs is looked at.
        interval: clients.settings.interval().filter(|_| !check.dry_run),
        now: check.now,
    };
    let fleet = fleet::list(clients, check, &rules).await?;
    let mut round = Round {
        clients,
        check,
        held_back: match &check.scope {
            // It sees not all of them, and goes by what the first part saw.
            Scope::Left(left) => due_all(&fleet.records, left.rotations_wait),
            Scope::All | Scope::Requested(_) => held_back(&fleet.records, check.now),
        },
        ends,
        length: ends.duration_since(began),
        tally: Tally::new(check),
        calls: 0,
        fleet,
    };
    let left = round.all().await;
    let Round {
        mut tally,
        calls: of_rotation,
        ..
    } = round;
    if !check.dry_run {
        news::publish(clients, &mut tally.unwell).await;
        news::publish(clients, &mut tally.again).await;
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
    let system = match check.dry_run {
        true => Some(preflight::of_system(clients).await),
        false => None,
    };
    Ok(Done {
        answer: answer(check, &outcomes, &totals, &left, system.as_deref()),
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
    left: &Left,
) -> Result<(), Failure> {
    if check.part >= MOST_PARTS && !left.is_empty() {
        let what =
            format!("checking the fleet: it has gone on {MOST_PARTS} times, and does not again");
        return Err(Failure::new(Kind::Temporary, what).next_step(
            "Nothing to do at once: the next check begins with other tenants. If this comes again: runbook, A check that takes long.",
        ));
    }
    if !left.is_empty() {
        let mut left = left.clone();
        left.tenants.truncate(MOST_TENANTS);
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
    /// When Lambda ends this invocation.
    ends: Instant,
    /// How long it may last.
    length: Duration,
    tally: Tally,
    /// Those that `rotation` made.
    calls: u64,
}

impl Round<'_> {
    /// Looks at all secrets that the check is of, and deals with what it finds. Returns what there was no time for.
    async fn all(&mut self) -> Left {
        let places = 0..self.fleet.records.len();
        let ours: Vec<usize> = places.filter(|at| self.is_of_this_check(*at)).collect();
        // They are all counted by the first part.
        for at in ours.iter().filter(|_| self.check.part == 1) {
            if let Some(record) = self.fleet.records.get(*at)
                && record.standing == Standing::Replica
            {
                self.tally.add_replica(record, self.check);
            }
        }
        let mut segments = segments(&self.fleet, &ours, self.check).into_iter();
        while let Some(segment) = segments.next() {
            let left = match self.is_late() {
                true => segment,
                false => self.deal_with(&segment).await,
            };
            if !left.is_empty() {
                return self.left(left.into_iter().chain(segments.flatten()));
            }
        }
        Left::default()
    }

    fn left(&self, wanted: impl Iterator<Item = Wanted>) -> Left {
        let records = wanted.filter_map(|one| self.fleet.records.get(one.at));
        let mut left = fleet::left(records);
        left.rotations_wait = !self.held_back.is_empty();
        if left.tenants.len() > MOST_TENANTS {
            warn!(
                tenants = left.tenants.len(),
                "there are more tenants left than the next part is told of"
            );
        }
        left
    }

    /// Until when something may be under way: what is found has to be told and noted after that.
    fn until(&self) -> Instant {
        let notes = u32::try_from(self.tally.to_be_noted()).unwrap_or(u32::MAX);
        let reserved = TAGS_APART
            .saturating_mul(notes)
            .saturating_add(RESERVED.min(self.length / 8));
        self.ends.checked_sub(reserved).unwrap_or(self.ends)
    }

    /// A function that somebody gave less time gets as far.
    fn begin(&self) -> Duration {
        BEGIN.min(self.length / 4)
    }

    fn is_late(&self) -> bool {
        self.until().duration_since(Instant::now()) < self.begin()
    }

    /// At all of them, or the one that it was requested for and those that are in the same need.
    fn is_of_this_check(&self, at: usize) -> bool {
        let Some(record) = self.fleet.records.get(at) else {
            return false;
        };
        let apps = &self.fleet.apps;
        match &self.check.scope {
            Scope::All => true,
            Scope::Left(left) => match &record.tenant {
                Some(tenant) => left.tenants.contains(tenant),
                None => left.without_tenant,
            },
            Scope::Requested(requested) => {
                *requested.arn == *record.arn || apps.names_a_leaked_credential(record)
            }
        }
    }

    /// Returns what there was no time for.
    async fn deal_with(&mut self, segment: &[Wanted]) -> Vec<Wanted> {
        let mut seen = self.look(segment).await;
        if !seen.doubtful.is_empty() {
            let more = self.look(&seen.doubtful).await;
            seen.work.extend(more.work);
            seen.healthy.extend(more.healthy);
        }
        let urgency = |at: usize| {
            let record = self.fleet.records.get(at)?;
            Some((record.leaked.is_empty(), record.expires_at))
        };
        seen.work.sort_by_key(|(at, _)| urgency(*at));
        let (done, left) = self.act(seen.work).await;
        // Whole tenants go on, and are counted there.
        let again: BTreeSet<&DirectoryId> =
            left.iter().filter_map(|one| self.tenant(one.at)).collect();
        let is_again = |at: usize| self.tenant(at).is_some_and(|tenant| again.contains(tenant));
        let (again, counted): (Vec<_>, Vec<_>) =
            done.into_iter().partition(|(at, _)| is_again(*at));
        let healthy: Vec<usize> = seen
            .healthy
            .into_iter()
            .filter(|at| !is_again(*at))
            .collect();
        self.tally
            .again
            .extend(again.into_iter().map(|(_, done)| done));
        self.tally
            .unwell
            .extend(counted.into_iter().map(|(_, done)| done));
        for at in healthy {
            if let Some(record) = self.fleet.records.get(at) {
                self.tally.add_healthy(record, self.check);
            }
        }
        for one in segment {
            if let Some(record) = self.fleet.records.get_mut(one.at) {
                record.listed = None;
            }
        }
        left
    }

    fn tenant(&self, at: usize) -> Option<&DirectoryId> {
        self.fleet.records.get(at)?.tenant.as_ref()
    }

    /// The most urgent first, as long as there is time to begin with one.
    async fn act(&self, work: Work) -> (Vec<(usize, (Outcome, News))>, Vec<Wanted>) {
        let (mut waiting, mut under_way) = (work.into_iter(), FuturesUnordered::new());
        let (mut done, until) = (Vec::new(), self.until());
        loop {
            while under_way.len() < AT_ONCE
                && until.duration_since(Instant::now()) >= self.begin()
                && let Some((at, facts)) = waiting.next()
            {
                let one = task(self.clients, self.check, &self.fleet, at, &self.held_back);
                under_way.push(async move {
                    let done = one?.run(facts, until).await?;
                    Some((at, done))
                });
            }
            match under_way.next().await {
                Some(ended) => done.extend(ended),
                None => break,
            }
        }
        let left = waiting.map(|(at, _)| Wanted { at, deep: true });
        (done, left.collect())
    }

    async fn look(&mut self, wanted: &[Wanted]) -> SeenOfAll {
        let until = self.until();
        let seen = look(
            self.clients,
            &self.fleet.records,
            wanted,
            until,
            &mut self.calls,
        );
        let mut all = SeenOfAll::default();
        for (at, seen) in seen.await {
            let Some(record) = self.fleet.records.get(at) else {
                continue;
            };
            match seen {
                Seen::Light {
                    listed: Ok(listed),
                    lacks: false,
                } if record.agrees_with(&listed) => all.healthy.push(at),
                Seen::Light {
                    listed: Err(failure),
                    ..
                } if failure.kind == Kind::Temporary => {
                    all.work.push((at, Err(failure)));
                }
                Seen::Light { .. } => all.doubtful.push(Wanted { at, deep: true }),
                Seen::Deep(facts) => match *facts {
                    // A dry run says of each what its rotation needs.
                    Ok(facts) if !self.check.dry_run && self.is_quiet(at, &facts) => {
                        all.healthy.push(at);
                    }
                    facts => all.work.push((at, facts)),
                },
            }
        }
        all
    }

    fn is_quiet(&self, at: usize, facts: &Facts) -> bool {
        let task = task(self.clients, self.check, &self.fleet, at, &self.held_back);
        task.is_some_and(|task| task.is_quiet(facts))
    }
}

type Work = Vec<(usize, Result<Facts, Failure>)>;

/// What the looks of a segment showed.
#[derive(Default)]
struct SeenOfAll {
    /// With nothing to do.
    healthy: Vec<usize>,
    /// To be dealt with.
    work: Work,
    /// A light look leaves them in doubt.
    doubtful: Vec<Wanted>,
}

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
        .flat_map(|of_tenant| of_tenant.chunks(KEPT))
        .map(|some| some.iter().map(|(_, wanted)| *wanted).collect())
        .collect();
    if !tenants.is_empty() {
        let hash = usize::from_str_radix(&short_hash(&check.now.to_string()), 16);
        let begin = hash.unwrap_or_default() % tenants.len();
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
