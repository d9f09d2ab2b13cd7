//! Runs one schedule in a world of its own, in virtual time, and says what is wrong.
//!
//! After the schedule the trouble ends and the checks go on. What is not as it should be then was told,
//! or is mended; what is left after the checks is handed to a person, who does what they were told to
//! do; and then all has to be whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use shared::credential::Marker;
use shared::tags;
use simulators::aws::secrets_manager::{CURRENT, Delivery, PENDING};
use simulators::browser::Browser;
use simulators::microsoft::directory::application::Credential;
use simulators::world::{InProcess, Mailbox, MailboxPlan};
use tokio::task::LocalSet;
use uuid::Uuid;

use crate::support::in_process;

use super::furnish::{add_neighbour, furnish};
use super::log::Log;
use super::moved::Moved;
use super::schedule::{Deed, Owner, Schedule, Setting, Step, Tag};
use super::standing::{
    Breach, breaches, connections, current_document, current_key, frozen, holds, is_attended,
    is_replica, keys, labels_of, named_keys, orphans, rotating, stored_value_signs_in,
};
use super::watch::{LONGEST_STEP, Watch};
use super::{ModelWorld, open, owner, person, telling};

/// Runs a schedule; `Err` says what is wrong.
pub fn run(schedule: &Schedule) -> Result<(), String> {
    run_with_log(schedule).0
}

/// Runs a schedule, and gives what the functions logged too.
pub fn run_with_log(schedule: &Schedule) -> (Result<(), String>, String) {
    let (result, log, _) = run_whole(schedule);
    (result, log)
}

/// Runs a schedule, and says of each step whether its trouble befell a call: one that comes behind the last
/// call of its step befalls none.
pub fn run_and_say_what_befell(schedule: &Schedule) -> (Result<(), String>, Vec<bool>) {
    let (result, _, befell) = run_whole(schedule);
    (result, befell)
}

fn run_whole(schedule: &Schedule) -> (Result<(), String>, String, Vec<bool>) {
    // The SDK's jitter, and ours, are the same in each run of a schedule.
    fastrand::seed(1);
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let lines = {
        let log = log.clone();
        shared::telemetry::lines(tracing::level_filters::LevelFilter::INFO, move || {
            log.clone()
        })
    };
    let (result, befell) = tracing::subscriber::with_default(lines, || {
        LocalSet::new().block_on(&runtime, async {
            let mut run = Run::begin(&schedule.setting);
            let mut befell = Vec::new();
            for step in &schedule.steps {
                befell.push(run.step(step).await);
                if run.is_wrong() {
                    return (run.wrong, befell);
                }
            }
            run.close().await;
            run.wrong.extend(telling::leaks(run.world(), &log.text()));
            (run.wrong, befell)
        })
    });
    let result = match result.is_empty() {
        true => Ok(()),
        false => Err(result.join("\n")),
    };
    (result, log.text(), befell)
}

struct Run {
    in_process: InProcess,
    mailbox: Mailbox,
    /// The other mailbox on the same app registration.
    neighbour: Option<Mailbox>,
    moved: Option<Moved>,
    watch: Arc<Mutex<Watch>>,
    /// What a check told that nothing disturbed, and when.
    told: BTreeMap<Breach, Timestamp>,
    /// What rests on Graph's list alone, and was seen by one such check: the second one tells it.
    seen_once: BTreeMap<Breach, Timestamp>,
    /// Whether Entra and Secrets Manager may show what is out of date.
    lags: bool,
    /// Whether Graph shows hints.
    hints: bool,
    wrong: Vec<String>,
}

/// Each run has the SDK's retry quota for itself: the SDK keeps one for each region.
static RUNS: AtomicU64 = AtomicU64::new(0);

impl Run {
    fn begin(setting: &Setting) -> Self {
        let begins = "2026-11-23T09:00:00Z".parse().unwrap();
        let region = format!("model-{}", RUNS.fetch_add(1, Ordering::SeqCst));
        let env = BTreeMap::from([("AWS_REGION".to_owned(), region)]);
        let in_process = ModelWorld::in_process(begins, env).unwrap();
        in_process::register(&in_process);
        let world = &in_process.world;
        world
            .shopctrl
            .set_check_interval(SignedDuration::from_secs(20));
        let plan = MailboxPlan {
            ends_in: SignedDuration::from_hours(24 * setting.days_left),
            delivery: if setting.attended { "attended" } else { "api" }.to_owned(),
            reveal_to_owner: true,
            granted: setting.granted,
            ..MailboxPlan::default()
        };
        let mailbox = world.add_mailbox(&plan).unwrap();
        let neighbour = setting
            .neighbour
            .then(|| add_neighbour(world, &mailbox, &plan));
        let moved = setting
            .moved
            .then(|| Moved::from_another_app(world, &mailbox));
        furnish(world, &mailbox, setting);
        let mut watch = Watch::over(&mailbox);
        watch.neighbour.clone_from(&neighbour);
        let watch = Arc::new(Mutex::new(watch));
        let run = Self {
            in_process,
            mailbox,
            neighbour,
            moved,
            watch,
            told: BTreeMap::new(),
            seen_once: BTreeMap::new(),
            lags: setting.lag > 0 || setting.lagging_reads > 0 || setting.late_labels > 0,
            hints: setting.hints,
            wrong: Vec::new(),
        };
        run.watch().no_room = setting.two_places && setting.foreign;
        // With the label of the current credential, a rotation has six of twenty.
        run.watch().no_labels = setting.labels_taken > 14;
        run.let_watch();
        run
    }

    /// Puts the watch between the functions and their calls.
    fn let_watch(&self) {
        let world = Arc::downgrade(&self.in_process.world);
        let watch = Arc::clone(&self.watch);
        self.world().gate.direct(move |call| {
            let world = world.upgrade()?;
            lock(&watch).befall(&world, call)
        });
        let world = Arc::downgrade(&self.in_process.world);
        let watch = Arc::clone(&self.watch);
        self.world().gate.watch(move |call| {
            if let Some(world) = world.upgrade() {
                lock(&watch).answered(&world, call);
            }
        });
    }

    fn world(&self) -> &ModelWorld {
        &self.in_process.world
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        lock(&self.watch)
    }

    fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        std::iter::once(&self.mailbox).chain(&self.neighbour)
    }

    fn is_wrong(&mut self) -> bool {
        let seen = std::mem::take(&mut self.watch().violations);
        self.wrong.extend(seen);
        !self.wrong.is_empty()
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    // === The schedule ===

    /// Returns whether the step's trouble befell a call.
    async fn step(&mut self, step: &Step) -> bool {
        let trouble = match step {
            Step::Check(trouble)
            | Step::CheckTwice(trouble)
            | Step::RotateNow(trouble)
            | Step::Reattempt(trouble)
            | Step::Owner(_, trouble) => trouble.clone(),
            Step::Wait(_) | Step::Person(_) | Step::DeliverTwice(_) => None,
        };
        let troubled = trouble.is_some();
        self.watch().begin_step(trouble);
        match step {
            Step::Check(_) if troubled => self.check().await,
            Step::Check(_) => self.undisturbed_check().await,
            Step::CheckTwice(_) => {
                let (first, second) = tokio::join!(self.world().check(), self.world().check());
                first.unwrap();
                second.unwrap();
                self.settle().await;
            }
            Step::Wait(hours) => self.wait(SignedDuration::from_hours(*hours)),
            Step::Person(deed) => {
                if matches!(deed, Deed::EditTag(Tag::Drift, _)) {
                    self.told.clear();
                    self.seen_once.clear();
                }
                self.watch().person(self.world(), *deed);
            }
            Step::RotateNow(_) => {
                drop(self.world().secrets_manager.rotate(&self.mailbox.secret));
                self.settle().await;
            }
            Step::Reattempt(_) => {
                self.world().secrets_manager.reattempt(&self.mailbox.secret);
                self.settle().await;
            }
            Step::Owner(how, _) => self.visit(*how).await,
            Step::DeliverTwice(at_once) => {
                let how = match at_once {
                    true => Delivery::TwiceAtOnce,
                    false => Delivery::TwiceInSequence,
                };
                self.world().secrets_manager.deliver_twice("*", how);
            }
        }
        let befell = troubled && self.watch().trouble_is_over();
        self.watch().begin_step(None);
        self.watch().look(self.world());
        befell
    }

    /// The owner opens the newest link, and then what Secrets Manager was asked for by that.
    async fn visit(&mut self, how: Owner) {
        let network = Arc::clone(&self.in_process.network);
        let browser = Browser::within(network);
        let said = |connection: &str, key| {
            self.watch().said.insert(connection.to_owned(), key);
        };
        owner::visit(self.world(), &self.mailbox, browser, how, said).await;
        self.settle().await;
    }

    fn wait(&self, time: SignedDuration) {
        self.world().clock.advance(time);
        self.watch().look(self.world());
    }

    async fn check(&mut self) {
        let result = self.world().check().await.unwrap();
        let broken = result.error_type() == Some("Runtime.Unknown");
        self.expect(!broken, || "the checker panicked".to_owned());
        self.settle().await;
    }

    /// Waits until Secrets Manager has done what it was asked for.
    async fn settle(&mut self) {
        let secrets: Vec<String> = self.mailboxes().map(|m| m.secret.clone()).collect();
        for secret in secrets {
            let settled = self.world().secrets_manager.settled(&secret);
            let settled = tokio::time::timeout(LONGEST_STEP, settled).await.is_ok();
            self.expect(settled, || "a rotation does not come to an end".to_owned());
        }
        let records = self.world().secrets_manager.records();
        let panicked = records.iter().any(|record| {
            let reason = record.reason.as_deref().unwrap_or_default();
            reason.contains("Runtime.Unknown")
        });
        self.expect(!panicked, || "a step panicked".to_owned());
    }

    // === What one check owes ===

    /// A check that nothing disturbs: what is not as it should be is found by it, told once, and no
    /// orphan is left.
    async fn undisturbed_check(&mut self) {
        self.watch().look(self.world());
        let replica = is_replica(self.world(), &self.mailbox);
        let before = self.watch().since.clone();
        let known: Vec<Breach> = self.told.keys().cloned().collect();
        let events = self.world().event_bridge.events().len();
        let orphans_before = orphans(self.world(), &self.mailbox);
        let silent_neighbour = self.has_a_silent_neighbour();
        let begun = self.world().clock.now();
        self.check().await;
        self.watch().look(self.world());
        self.count_checks_since_due();
        if self.lags || replica || is_replica(self.world(), &self.mailbox) {
            return;
        }
        let drifts = telling::drifts(self.world(), &self.mailbox, events);
        let now_since = self.watch().since.clone();
        self.told.retain(|breach, _| now_since.contains_key(breach));
        for (breach, since) in &before {
            let told_now = drifts.iter().any(|drift| telling::tells(drift, breach));
            let told_before = known.contains(breach);
            let again = told_now && told_before;
            self.expect(!again, || {
                format!("told again, though it stayed: {breach:?}")
            });
            let stays = now_since.get(breach) == Some(since);
            if told_now && stays {
                self.told.insert(breach.clone(), begun);
            }
            let told = told_now || told_before || self.told_since(breach, *since);
            let seen_first = breach.0 == "credential_missing"
                && self.seen_once.insert(breach.clone(), *since) != Some(*since);
            let heard = match breach.0 {
                _ if seen_first => true,
                "unreadable" => telling::reported_as_failed(self.world(), &self.mailbox),
                _ => told || !stays,
            };
            self.expect(heard, || format!("not found by the check: {breach:?}"));
        }
        let left = orphans(self.world(), &self.mailbox);
        let readable = current_document(self.world(), &self.mailbox).is_some();
        let secret = self.world().secrets_manager.snapshot(&self.mailbox.secret);
        let off = secret.is_some_and(|secret| !secret.rotation.enabled);
        let left_alone = off || silent_neighbour || frozen(self.world(), &self.mailbox);
        let stayed = !left_alone && orphans_before.iter().any(|key| left.contains(key));
        self.expect(!readable || !stayed, || {
            "an orphan is left after a check".to_owned()
        });
    }

    /// Whether another mailbox on the app does not say yet which credential it uses: nothing is removed then.
    fn has_a_silent_neighbour(&self) -> bool {
        self.neighbour.as_ref().is_some_and(|neighbour| {
            let labels = labels_of(self.world(), neighbour, CURRENT).unwrap_or_default();
            !labels.iter().any(|label| label.starts_with("key-"))
        })
    }

    /// Whether a drift was told since then, by whichever check.
    fn told_since(&self, breach: &Breach, since: Timestamp) -> bool {
        let told = self.world().event_bridge.details("Drift Found");
        told.iter().any(|detail| {
            let at: Option<Timestamp> = detail["found_at"].as_str().and_then(|t| t.parse().ok());
            let what = detail["what"].as_str().unwrap_or_default().to_owned();
            let connection = detail["connection"].as_str().map(str::to_owned);
            let whole = Timestamp::from_second(since.as_second()).unwrap_or(since);
            // A check may meet the replica that knew it first, and dates what it finds by its beginning.
            let accepted = self.watch().accepted;
            let known = match accepted.filter(|_| breach.0 == "secret_refused") {
                Some(accepted) => whole.min(accepted - SignedDuration::from_mins(1)),
                None => whole,
            };
            let ours = detail["secret"] == self.mailbox.secret.as_str();
            ours && telling::tells(&(what, connection), breach) && at.is_some_and(|at| at >= known)
        })
    }

    fn count_checks_since_due(&mut self) {
        let now = self.world().clock.now();
        for mailbox in self.mailboxes() {
            let document = current_document(self.world(), mailbox);
            let end = document.and_then(|d| d["expires_at"].as_str()?.parse::<Timestamp>().ok());
            let due = end
                .is_some_and(|end| end.duration_since(now) <= SignedDuration::from_hours(30 * 24));
            let mut watch = self.watch();
            let checks = watch.checks_since_due.entry(mailbox.shop_id).or_default();
            *checks = if due { *checks + 1 } else { 0 };
        }
    }

    // === The end ===

    async fn close(&mut self) {
        self.end_trouble();
        self.wait(SignedDuration::from_hours(6));
        self.settle().await;
        self.become_whole("after the trouble").await;
        if self.is_wrong() {
            return;
        }
        // Past the quarantine: what is superseded goes, and nothing else.
        self.wait(SignedDuration::from_hours(8 * 24));
        self.undisturbed_check().await;
        self.wait(SignedDuration::from_hours(8 * 24));
        let frozen_until_now = frozen(self.world(), &self.mailbox);
        self.become_whole("after the quarantine").await;
        if frozen_until_now && !frozen(self.world(), &self.mailbox) {
            // What waited in the freeze for its label is superseded from here on.
            self.wait(SignedDuration::from_hours(8 * 24));
            self.undisturbed_check().await;
            self.wait(SignedDuration::from_hours(8 * 24));
            self.become_whole("after the freeze").await;
        }
        // In a freeze, or where nobody can tell whether there is one, they stay.
        let frozen = frozen(self.world(), &self.mailbox);
        let kept = self.superseded();
        self.expect(frozen || kept.is_empty(), || {
            format!("superseded credentials are there after the quarantine: {kept:?}")
        });
        let moved = self.moved.clone();
        if let Some(wrong) = moved.and_then(|moved| moved.wrong(self.world())) {
            self.expect(false, || wrong.to_owned());
        }
        // Their labels stay until a later check does not see them any more.
        let gone = self.named_and_gone();
        self.undisturbed_check().await;
        let mut named = self.named_and_gone();
        named.retain(|key| gone.contains(key));
        self.expect(named.is_empty(), || {
            format!("credentials are named though they are gone: {named:?}")
        });
        let wrong = telling::wrong(self.world(), &self.mailbox, &self.watch());
        self.wrong.extend(wrong);
        let unclosed = open::wrong(self.world(), &self.mailbox, &self.watch());
        self.wrong.extend(unclosed);
        self.is_wrong();
    }

    /// By checks alone, or with a person who does what the reports say.
    async fn become_whole(&mut self, when: &str) {
        self.checks_until_nothing_moves().await;
        // What a person has mended may show what else there is to do: room first, then the sign-in.
        for _ in 0..2 {
            let lacks = !self.lacks().is_empty() || self.somebody_is_asked();
            if lacks && !self.is_wrong() {
                self.hand_to_person();
                self.visit(Owner::Helps).await;
                self.checks_until_nothing_moves().await;
            }
        }
        let lacks = self.lacks();
        self.expect(lacks.is_empty(), || format!("not whole {when}: {lacks:?}"));
    }

    /// Also outside of a rotation: whose grant Entra refuses is asked long before one needs it.
    fn somebody_is_asked(&self) -> bool {
        let secret = self.world().secrets_manager.snapshot(&self.mailbox.secret);
        let state = secret.and_then(|secret| secret.tags.get(tags::STATE).cloned());
        state.is_some_and(|state| state.starts_with("waiting:"))
    }

    fn end_trouble(&mut self) {
        self.lags = false;
        self.watch().begin_step(None);
        self.world().gate.heal();
        drop(
            self.world()
                .secrets_manager
                .promote_replica(&self.mailbox.secret),
        );
        self.world().directory.set_graph_replicas(Vec::new());
        self.world().directory.set_token_replicas(Vec::new());
        self.world().secrets_manager.configure(|settings| {
            settings.pending_lag_reads = 0;
            settings.lagging_describes = 0;
            settings.lagging_values = 0;
        });
    }

    /// The schedule goes on, every six hours.
    async fn checks_until_nothing_moves(&mut self) {
        for _ in 0..5 {
            self.undisturbed_check().await;
            let moving = rotating(self.world(), &self.mailbox) || !self.lacks().is_empty();
            self.wait(SignedDuration::from_hours(6));
            if !moving || self.is_wrong() {
                return;
            }
        }
    }

    /// What is not as it has to be when all is done.
    fn lacks(&self) -> Vec<String> {
        let (world, mailbox) = (self.world(), &self.mailbox);
        let found = breaches(world, mailbox);
        let mut lacks: Vec<String> = found
            .iter()
            .map(|breach| match breach {
                (what, None) => (*what).to_owned(),
                (what, Some(connection)) => format!("{what} {connection}"),
            })
            .collect();
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        if let Some(pending) = secret.unfinished_rotation() {
            lacks.push(format!("{PENDING} on {:?}", pending.labels));
        }
        let key = current_key(world, mailbox);
        if key.is_some_and(|key| !named_keys(world, mailbox).contains_key(&key)) {
            lacks.push("the label of the current credential".to_owned());
        }
        if !frozen(world, mailbox) && !orphans(world, mailbox).is_empty() {
            lacks.push("a sweep".to_owned());
        }
        let outages = world.shopctrl.outages();
        lacks.extend(outages.iter().map(|outage| format!("{outage:?}")));
        for connection in connections(world, mailbox) {
            if !key.is_some_and(|key| holds(world, mailbox, &connection, key)) {
                lacks.push(format!("a delivery to {}", connection.id));
            }
        }
        if !secret.rotation.enabled {
            lacks.push("rotation".to_owned());
        }
        if let Some(neighbour) = &self.neighbour {
            let found = breaches(world, neighbour).into_iter();
            lacks.extend(found.map(|(what, at)| format!("the neighbour's {what} {at:?}")));
        }
        lacks
    }

    /// What no check can mend is handed to a person, by a report that is about it.
    fn hand_to_person(&mut self) {
        let (world, mailbox) = (self.world(), &self.mailbox);
        let kinds = [
            "Drift Found",
            "Rotation Failed",
            "Client Secret Expiring",
            "Client Secret Expired",
        ];
        let told = kinds
            .iter()
            .chain(&owner::ASKS)
            .any(|kind| !world.event_bridge.details(kind).is_empty());
        let heard = told || telling::reported_as_failed(world, mailbox);
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        // A rotation that is off and not wanted yet is nobody's trouble; nothing is put in order meanwhile.
        let put_off = ["rotation", "the label of the current credential", "a sweep"];
        let lacks = self.lacks();
        let only_off =
            !secret.rotation.enabled && lacks.iter().all(|lack| put_off.contains(&lack.as_str()));
        self.expect(heard || only_off, || {
            format!("nobody hears of it: {lacks:?}")
        });
        person::mend(&self.in_process.world, &self.mailbox);
    }

    /// Credentials that labels name, other than the current one, and that are not in Entra.
    fn named_and_gone(&self) -> Vec<Uuid> {
        let (world, mailbox) = (self.world(), &self.mailbox);
        let there = keys(world, mailbox);
        let current = current_key(world, mailbox);
        let named = named_keys(world, mailbox).into_keys();
        // Not listed is not gone while the value that its version has still signs in, whosever that is.
        let refused = |key: &Uuid| !stored_value_signs_in(world, mailbox, *key);
        let in_old_app = |key| {
            let moved = self.moved.as_ref();
            moved.is_some_and(|moved| moved.is_there(world, key))
        };
        named
            .filter(|key| !there.contains(key) && Some(*key) != current)
            .filter(|key| !in_old_app(*key) && refused(key))
            .collect()
    }

    /// Credentials that labels name and that were not current for longer than the quarantine. Where a
    /// person delivers, nobody knows that they are unused, and they stay until they end.
    fn superseded(&self) -> Vec<Uuid> {
        let (world, mailbox) = (self.world(), &self.mailbox);
        let watch = self.watch();
        let a_day_ago = world.clock.now() - SignedDuration::from_hours(24);
        let named = named_keys(world, mailbox);
        let credentials = world.directory.credentials(mailbox.app.app_id).into_iter();
        // Without a hint nothing ties what a person typed to its value: it stays until its own end, too.
        let neighbours = |key| {
            let names = |labels: &BTreeSet<String>| {
                let done = |l: &String| l.starts_with("released-") || l.starts_with("retired-");
                !labels.iter().any(done)
            };
            self.neighbour.as_ref().is_some_and(|neighbour| {
                let named = named_keys(world, neighbour);
                named.get(&key).is_some_and(names)
            })
        };
        let hinted = |c: &Credential| {
            let name = c.display_name.as_deref().unwrap_or_default();
            self.hints || Marker::read(name).is_some()
        };
        let stay = |c: &Credential| (is_attended(mailbox) || !hinted(c)) && c.end > a_day_ago;
        // Its value is the current one, under another's id.
        let document = current_document(world, mailbox).unwrap_or_default();
        let in_use = |c: &Credential| {
            let value = world.directory.secret_value(c.key_id);
            value.is_some() && value.as_deref() == document["client_secret"].as_str()
        };
        credentials
            .filter(|c| named.contains_key(&c.key_id) && !stay(c) && !in_use(c))
            .map(|c| c.key_id)
            .filter(|key| !neighbours(*key))
            .filter(|key| watch.quarantine_over(*key, a_day_ago))
            .collect()
    }
}

fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}
