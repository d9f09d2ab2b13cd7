//! One run of the whole life cycle with one trouble in it, and what it takes to mend it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use serde_json::Value;
use simulators::aws::secrets_manager::{Delivery, PENDING};
use simulators::gate::{Call, Fault};
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::World;
use tokio::sync::watch;

use super::life::{Life, Person};
use super::site::{Locator, Part, Site};
use super::trouble::Trouble;
use super::watch::{Violations, Watch, watch_mail};
use crate::support::Scenario;

/// What is done to one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing: the calls are recorded.
    Clean,
    /// One call goes wrong.
    Call(Site, Trouble),
    /// The event of one step comes twice.
    StepTwice(&'static str, Delivery),
    /// The check comes twice at once, then and after the quarantine.
    CheckTwice,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Call(site, trouble) => write!(f, "{site} - {trouble}"),
            Self::StepTwice(step, how) => write!(f, "{step}: delivered {}", twice(*how)),
            Self::CheckTwice => f.write_str("check: delivered twice at once"),
        }
    }
}

pub fn twice(how: Delivery) -> &'static str {
    match how {
        Delivery::TwiceInSequence => "twice in a row",
        Delivery::TwiceAtOnce => "twice at once",
    }
}

/// What mended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mended {
    /// The run that met the trouble went on by itself.
    Nothing,
    /// The person, who tried again so often.
    Person(u32),
    /// Secrets Manager's own reattempt, so many of them.
    Reattempt(u32),
    /// Scheduled checks, so many of them.
    Check(u32),
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The calls in their order.
    pub sites: Vec<Site>,
    /// How things stood when the run that met the trouble had ended.
    pub stood: &'static str,
    pub mended: Mended,
}

/// What the world's gate is told.
struct Script {
    locator: Locator,
    watch: Watch,
    /// Whether the calls are those of the cycle itself, and not of what mends or confirms it.
    recording: bool,
    sites: Vec<Site>,
    armed: Option<(Site, Trouble)>,
    met: bool,
}

struct Cycle {
    life: &'static Life,
    scenario: Scenario,
    script: Arc<Mutex<Script>>,
    violations: Violations,
    /// Secrets Manager delivers steps only while no check is running: then calls have one order.
    open: watch::Sender<bool>,
}

/// Runs one cell.
pub async fn run(life: &'static Life, cell: Cell) -> Ran {
    let cycle = Cycle::begin(life, &cell).await;
    let looking = tokio::spawn(watch_mail(
        Arc::clone(&cycle.scenario.world),
        cycle.violations.clone(),
        life.attended,
    ));
    let both = cell == Cell::CheckTwice;
    let met_in = |part| matches!(&cell, Cell::Call(site, _) if site.part == part);

    cycle.check(both).await;
    cycle.end_trouble(Part::Renewal);
    let mut stood = cycle.stands();
    let mut mended = cycle.mend_renewal().await;
    if let Some((_, person)) = life.person {
        cycle.begin_part(Part::Person);
        let done = cycle.act(person).await;
        cycle.end_trouble(Part::Person);
        if met_in(Part::Person) {
            assert_eq!(mended, Mended::Nothing, "there was no trouble before");
            stood = cycle.stands();
        }
        let again = match done {
            true => Mended::Nothing,
            false => cycle.act_again(person).await,
        };
        mended = mended.max(again).max(cycle.mend_renewal().await);
    }
    // The schedule goes on; what it has nothing to do for is left alone.
    cycle
        .scenario
        .world
        .clock
        .advance(SignedDuration::from_hours(6));
    cycle.check(false).await;

    cycle.begin_part(Part::Retirement);
    cycle
        .scenario
        .world
        .clock
        .advance(SignedDuration::from_hours(8 * 24));
    cycle.check(both).await;
    cycle.end_trouble(Part::Retirement);
    if met_in(Part::Retirement) {
        assert_eq!(mended, Mended::Nothing, "there was no trouble before");
        stood = cycle.stands();
    }
    mended = mended.max(cycle.mend_retirement(Part::Retirement).await);

    cycle.begin_part(Part::LettingGo);
    cycle
        .scenario
        .world
        .clock
        .advance(SignedDuration::from_hours(6));
    cycle.check(both).await;
    cycle.end_trouble(Part::LettingGo);
    if met_in(Part::LettingGo) {
        assert_eq!(mended, Mended::Nothing, "there was no trouble before");
        stood = cycle.stands();
    }
    mended = mended.max(cycle.mend_retirement(Part::LettingGo).await);
    // One more, which must find nothing to do.
    cycle
        .scenario
        .world
        .clock
        .advance(SignedDuration::from_hours(6));
    cycle.check(false).await;

    looking.abort();
    cycle.assert_all_is_well();
    let sites = cycle.script().sites.clone();
    Ran {
        sites,
        stood,
        mended,
    }
}

impl Cycle {
    async fn begin(life: &'static Life, cell: &Cell) -> Self {
        // The checker waits as long as Lambda lets it; here no longer than it takes.
        let waits =
            matches!(cell, Cell::Call(site, Trouble::Silence { .. }) if site.service == "lambda");
        let patience = if waits { "PT4S" } else { "PT60S" };
        // A test mail comes at once, or was never sent.
        let settings = [("INVOKE_TIMEOUT", patience), ("ROUND_TRIP_WAIT", "PT1S")];
        let scenario = Scenario::with_settings(&settings, &(life.plan)()).await;
        (life.prepare)(scenario.clone()).await;
        if let Cell::StepTwice(step, how) = cell {
            let store = &scenario.world.secrets_manager;
            store.deliver_twice(step, *how);
        }
        let violations = Violations::default();
        let script = Arc::new(Mutex::new(Script {
            locator: Locator::default(),
            watch: Watch::new(violations.clone()),
            recording: true,
            sites: Vec::new(),
            armed: match cell {
                Cell::Call(site, trouble) => Some((site.clone(), *trouble)),
                _ => None,
            },
            met: false,
        }));
        let cycle = Self {
            life,
            scenario,
            script,
            violations,
            open: watch::Sender::new(false),
        };
        cycle.direct();
        cycle
    }

    /// Puts the script between the world and its calls.
    fn direct(&self) {
        let script = Arc::clone(&self.script);
        let mailbox = self.scenario.mailbox.clone();
        let world = Arc::downgrade(&self.scenario.world);
        self.scenario.world.gate.direct(move |call| {
            let world = world.upgrade()?;
            let mailbox = mailbox.clone();
            let scenario = Scenario { world, mailbox };
            let mut script = lock(&script);
            script.watch.look_at(&scenario, call);
            script.next(&scenario.world, call)
        });
        let (script, open) = (Arc::clone(&self.script), self.open.subscribe());
        let inner = self.scenario.world.lambda.invoker();
        self.scenario
            .world
            .secrets_manager
            .set_invoker(Arc::new(move |function, event: Value| {
                let (script, mut open, inner) =
                    (Arc::clone(&script), open.clone(), Arc::clone(&inner));
                Box::pin(async move {
                    // An error means that the world has ended.
                    let _ = open.wait_for(|open| *open).await;
                    lock(&script).locator.step = event["Step"].as_str().map(str::to_owned);
                    inner(function, event).await
                })
            }));
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    /// A scheduled check, and then what Secrets Manager was asked for by it.
    async fn check(&self, twice: bool) {
        self.open.send_replace(false);
        self.script().locator.step = None;
        // A check that was killed has failed: the schedule goes on.
        let (first, second) = tokio::join!(self.scenario.world.check(), async {
            if twice {
                self.scenario.world.check().await.map(Some)
            } else {
                Ok(None)
            }
        });
        first.unwrap();
        second.unwrap();
        self.open.send_replace(true);
        self.scenario.settled().await;
    }

    fn begin_part(&self, part: Part) {
        let mut script = self.script();
        script.locator.part = part;
        script.recording = true;
    }

    /// The person does it, and then what Secrets Manager was asked for by that. Whether the person saw
    /// it done.
    async fn act(&self, person: Person) -> bool {
        self.open.send_replace(false);
        {
            let mut script = self.script();
            script.locator.step = None;
            script.locator.page = Some(String::new());
        }
        let done = person(self.scenario.clone()).await;
        self.script().locator.page = None;
        self.open.send_replace(true);
        self.scenario.settled().await;
        done
    }

    async fn act_again(&self, person: Person) -> Mended {
        for again in 1..=2 {
            if self.act(person).await {
                return Mended::Person(again);
            }
        }
        self.give_up("done by the person", &self.renewal_lacks())
    }

    /// The trouble ends with the run that met it; and it was met.
    fn end_trouble(&self, part: Part) {
        let mut script = self.script();
        script.recording = false;
        if script
            .armed
            .as_ref()
            .is_some_and(|(site, _)| site.part == part)
        {
            assert!(script.met, "the call was not made");
            script.armed = None;
        }
    }

    async fn mend_renewal(&self) -> Mended {
        if self.renewal_lacks().is_empty() {
            return Mended::Nothing;
        }
        for attempt in 1..=2 {
            self.scenario.world.clock.advance(self.life.reattempt_after);
            if !self
                .scenario
                .world
                .secrets_manager
                .reattempt(&self.scenario.mailbox.secret)
            {
                break;
            }
            self.scenario.settled().await;
            if self.renewal_lacks().is_empty() {
                return Mended::Reattempt(attempt);
            }
        }
        for attempt in 1..=3 {
            self.scenario
                .world
                .clock
                .advance(SignedDuration::from_hours(6));
            self.check(false).await;
            if self.renewal_lacks().is_empty() {
                return Mended::Check(attempt);
            }
        }
        self.give_up("renewed", &self.renewal_lacks())
    }

    async fn mend_retirement(&self, part: Part) -> Mended {
        for attempt in 0..=3 {
            if self.retirement_lacks(part).is_empty() {
                return match attempt {
                    0 => Mended::Nothing,
                    checks => Mended::Check(checks),
                };
            }
            self.scenario
                .world
                .clock
                .advance(SignedDuration::from_hours(6));
            self.check(false).await;
        }
        self.give_up("retired", &self.retirement_lacks(part))
    }

    fn give_up(&self, what: &str, lacks: &[String]) -> ! {
        let secret = self.scenario.secret();
        let labels: Vec<_> = secret.versions.iter().map(|v| (&v.id, &v.labels)).collect();
        let logs: Vec<String> = self
            .scenario
            .world
            .lambda
            .logs()
            .into_iter()
            .map(|l| l.line)
            .collect();
        let tail = logs.len().saturating_sub(40);
        panic!(
            "not {what}: {lacks:?}\n{labels:#?}\n{:#?}\n{}",
            secret.tags,
            logs[tail..].join("\n")
        )
    }

    /// What is not yet as a renewal leaves it; until a person has acted, one that waits.
    fn renewal_lacks(&self) -> Vec<String> {
        let (scenario, mailbox) = (&self.scenario, &self.scenario.mailbox);
        let mut lacks = Vec::new();
        let part = self.script().locator.part;
        if let (Some((asked, _)), Part::Renewal) = (self.life.person, part) {
            if !scenario.told().contains_key(asked) {
                lacks.push(asked.to_owned());
            }
            return lacks;
        }
        let mut lack = |is: bool, what: &str| {
            if is {
                lacks.push(what.to_owned());
            }
        };
        let secret = scenario.secret();
        lack(
            scenario.current_key() == mailbox.first_key,
            "a new current secret",
        );
        lack(
            secret.unfinished_rotation().is_some(),
            "an end of the rotation",
        );
        lack(!scenario.orphans().is_empty(), "a sweep");
        let version = secret.labelled("AWSCURRENT").map(|v| v.id.clone());
        lack(
            scenario.tag("shopmail:rotated-version") != version,
            "the tag of the promotion",
        );
        let told = scenario.told();
        for (kind, times) in RENEWAL_TELLS {
            lack(told.get(kind) < Some(&times), kind);
        }
        lack(self.life.attended && !told.contains_key(REMINDER), REMINDER);
        lacks
    }

    /// What is not yet as a retirement leaves it.
    fn retirement_lacks(&self, part: Part) -> Vec<String> {
        let (scenario, mailbox) = (&self.scenario, &self.scenario.mailbox);
        let mut lacks = Vec::new();
        let first = mailbox.first_key.to_string();
        let old = |label: &String| label.ends_with(&first) || label.starts_with("superseded-");
        let secret = scenario.secret();
        if scenario.keys().contains(&mailbox.first_key) {
            lacks.push("the old credential's end".to_owned());
        }
        if part == Part::LettingGo && secret.versions.iter().any(|v| v.labels.iter().any(old)) {
            let labels: Vec<_> = secret.versions.iter().map(|v| &v.labels).collect();
            lacks.push(format!("the old labels' end: {labels:?}"));
        }
        if !self.retired_is_told() {
            lacks.push("Credential Retired".to_owned());
        }
        if !scenario.orphans().is_empty() {
            lacks.push("a sweep".to_owned());
        }
        lacks
    }

    fn retired_is_told(&self) -> bool {
        let first = self.scenario.mailbox.first_key.to_string();
        let retired = self.scenario.details("Credential Retired");
        retired
            .iter()
            .any(|detail| detail["key_id"] == first.as_str())
    }

    /// In words that say nothing of what runs side by side.
    fn stands(&self) -> &'static str {
        let (scenario, mailbox) = (&self.scenario, &self.scenario.mailbox);
        let secret = scenario.secret();
        let part = self.script().locator.part;
        if [Part::Retirement, Part::LettingGo].contains(&part) {
            return match (
                scenario.keys().contains(&mailbox.first_key),
                self.retirement_lacks(part).is_empty(),
                part,
            ) {
                (true, _, _) => "old credential still there",
                (false, true, Part::LettingGo) => "its labels gone",
                (false, false, Part::LettingGo) => "its labels still there",
                (false, false, _) => "old credential removed, not yet said",
                (false, true, _) => "old credential retired",
            };
        }
        if scenario.current_key() != mailbox.first_key {
            return match self.renewal_lacks().is_empty() {
                true => "new secret current",
                false => "new secret current, not yet said",
            };
        }
        if self.script().locator.part == Part::Person {
            return (self.life.stands)(scenario);
        }
        let Some(pending) = secret.labelled(PENDING) else {
            return "no rotation begun";
        };
        match (&pending.value, scenario.orphans().is_empty()) {
            (Some(_), _) => "new secret pending",
            (None, true) => "rotation begun, nothing issued",
            (None, false) => "credential issued, its secret not stored",
        }
    }

    fn assert_all_is_well(&self) {
        let (scenario, mailbox) = (&self.scenario, &self.scenario.mailbox);
        assert_eq!(self.violations.all(), Vec::<String>::new());
        scenario.assert_one_secret_everywhere();
        (self.life.ends_with)(scenario);
        let mut left = scenario.keys();
        left.retain(|key| *key != mailbox.foreign_key);
        assert_eq!(left, vec![scenario.current_key()], "rotated exactly once");
        assert_eq!(self.renewal_lacks(), Vec::<String>::new());
        assert_eq!(self.retirement_lacks(Part::LettingGo), Vec::<String>::new());
        scenario.assert_events_keep_their_schemas();
        let told = scenario.told();
        let rotated = told.get("Client Secret Rotated");
        assert_eq!(rotated, Some(&1), "one promotion: {told:?}");
        let asks = self.life.person.map(|(asked, _)| asked);
        if let Some(asked) = asks {
            assert_eq!(told.get(asked), Some(&1), "nobody is asked twice");
        }
        let known = |kind: &&String| {
            asks == Some(kind.as_str())
                || self.life.person_tells.contains(&kind.as_str())
                || kind.as_str() == REMINDER
                || RENEWAL_TELLS.iter().any(|(other, _)| other == kind)
                || SUPERSEDED_TELLS.contains(&kind.as_str())
        };
        let others: Vec<&String> = told.keys().filter(|kind| !known(kind)).collect();
        assert_eq!(
            others,
            Vec::<&String>::new(),
            "nobody is asked or alarmed: what passes is mended"
        );
        self.assert_no_secret_is_logged();
    }

    fn assert_no_secret_is_logged(&self) {
        let secrets = self.scenario.world.secret_strings();
        for line in self.scenario.world.lambda.logs() {
            let found = secrets.iter().any(|secret| line.line.contains(secret));
            assert!(!found, "a secret in the log of {}", line.function);
        }
    }
}

/// What a check tells of what is superseded, and of all.
const SUPERSEDED_TELLS: [&str; 3] = [
    "Credential Retired",
    "Fleet Report",
    "Superseded Secret Ending",
];

/// A person is reminded of the end where one delivers, and where a check could not look.
const REMINDER: &str = "Client Secret Expiring";

/// What a renewal tells, and how often at least.
const RENEWAL_TELLS: [(&str, usize); 4] = [
    ("Rotation Due", 1),
    ("Rotation Started", 1),
    ("Connection Delivered", 2),
    ("Client Secret Rotated", 1),
];

impl Script {
    fn next(&mut self, world: &World, call: &Call) -> Option<Fault> {
        let site = self.locator.locate(call)?;
        let fault = match &self.armed {
            Some((at, trouble)) if trouble.befalls(at, &site, self.met) => {
                self.met = true;
                if trouble.makes_lists_stale() {
                    let lag = Lag::Requests(3);
                    let replica = Replica {
                        learns: lag,
                        forgets: lag,
                    };
                    world.directory.set_graph_replicas(vec![replica]);
                }
                trouble.fault(site.service)
            }
            _ => None,
        };
        if self.recording {
            self.sites.push(site);
        }
        fault
    }
}

impl Trouble {
    fn befalls(self, at: &Site, site: &Site, met: bool) -> bool {
        if self == Self::Outage {
            let same = (&site.step, &site.operation) == (&at.step, &at.operation);
            return same && site.part == at.part && (met || site == at);
        }
        !met && site == at
    }
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}
