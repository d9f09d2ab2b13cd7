//! One check in virtual time: its calls, its seconds, and how it says that the fleet stands.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simulators::aws::lambda::in_process::InProcessHost;
use simulators::world::{InProcess, World};
use tokio::time::Instant;

use crate::network::{Hang, Network};
use crate::scenario::{Look, Scenario};
use crate::seed::seed;

/// So many invocations of `rotation` the checker waits for at once.
const AT_ONCE: usize = 6;

/// From one check to the next.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// So many checks may pass until all is as it is to be.
const CHECKS: usize = 50;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Mailboxes.
    pub(crate) size: usize,
    pub(crate) look: Look,
    pub(crate) scenario: Scenario,
}

/// What a check cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) case: Case,
    /// From the call of the checker to the answer to its report.
    pub(crate) milliseconds: u64,
    /// Of the checker and of what it called, until nothing went on any more.
    pub(crate) calls: u64,
    /// Those that a check of which every look is light has as well.
    pub(crate) light_calls: u64,
    /// In so many invocations of the checker.
    pub(crate) parts: u64,
    /// The report's counts.
    pub(crate) states: BTreeMap<String, u64>,
    pub(crate) by_operation: BTreeMap<String, u64>,
}

impl Measured {
    pub(crate) fn count(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or_default()
    }

    pub(crate) fn seconds(&self) -> f64 {
        std::time::Duration::from_millis(self.milliseconds).as_secs_f64()
    }
}

/// Measures so many mailboxes, looked at so: in one world all but those that wait for a person, in another one those.
///
/// # Errors
/// When a world cannot be furnished, or a check fails.
pub(crate) fn measure(size: usize, look: Look) -> Result<Vec<Measured>, String> {
    let is_waiting = |scenario: &Scenario| scenario.waiting() > 0;
    let of_size = Scenario::ALL.into_iter();
    let of_size = of_size.filter(|scenario| scenario.is_for(size, look));
    let (waiting, others): (Vec<Scenario>, Vec<Scenario>) = of_size.partition(is_waiting);
    let mut measured = Vec::new();
    for scenarios in [others, waiting] {
        if let Some(last) = scenarios.last() {
            let case = Case {
                size,
                look,
                scenario: *last,
            };
            let in_it = in_process::in_virtual_time_with(settings(case), |in_process| {
                run(in_process, case, scenarios)
            });
            measured.extend(in_it?);
        }
    }
    Ok(measured)
}

fn settings(
    Case {
        size,
        look,
        scenario,
    }: Case,
) -> BTreeMap<String, String> {
    // The waits between attempts have jitter.
    fastrand::seed(1);
    // The SDK keeps a quota of retries for each region.
    let region = format!("fleet-{size}-{}-{}", look as u8, scenario as u8);
    let mut settings = BTreeMap::from([
        ("AWS_REGION", region),
        ("INVOCATIONS_AT_ONCE", AT_ONCE.to_string()),
    ]);
    if let Some(schedule) = look.schedule() {
        settings.insert("CHECK_SCHEDULE", schedule.to_owned());
    }
    let settings = settings.into_iter();
    let settings = settings.map(|(name, value)| (name.to_owned(), value));
    settings.collect()
}

/// In one world, one scenario after the other; before each the fleet is as it is to be.
async fn run(
    in_process: InProcess,
    case: Case,
    scenarios: Vec<Scenario>,
) -> Result<Vec<Measured>, String> {
    let world = &in_process.world;
    let waiting = case.scenario.waiting();
    let tenants = seed(world, case.size, waiting)?;
    world.gate.count_only();
    let network = Network::before(world);
    let first = tenants.first().ok_or("no tenant")?.id;
    let mut measured = Vec::new();
    for scenario in scenarios {
        let case = Case { scenario, ..case };
        if scenario != Scenario::First {
            until_in_order(world, case.size, waiting).await?;
        }
        match scenario {
            Scenario::First | Scenario::Healthy | Scenario::HundredWait => {}
            Scenario::EntraHangs => network.hang(Some(Hang::Entra(first))),
            Scenario::GraphHangs => network.hang(Some(Hang::Graph(first))),
            // The checker itself has one.
            Scenario::OneSlotShort => world.set_concurrency(Some(AT_ONCE)),
        }
        measured.push(measured_check(world, &network, case).await?);
        network.hang(None);
        world.set_concurrency(None);
        world.clock.advance(HOUR);
    }
    Ok(measured)
}

async fn measured_check(
    world: &World<InProcessHost>,
    network: &Network,
    case: Case,
) -> Result<Measured, String> {
    world.gate.clear();
    network.clear();
    let began = Instant::now();
    let parts_before = world.event_bridge.details("Check Continues").len();
    let report = check(world).await?;
    let reported = network.reported().ok_or("no report was published")?;
    let parts = world.event_bridge.details("Check Continues").len() - parts_before + 1;
    if let Some(failure) = first_failure(&report) {
        eprintln!("{case}: {failure}");
    }
    let by_operation = world.gate.counts();
    Ok(Measured {
        case,
        milliseconds: whole_milliseconds(reported.duration_since(began)),
        calls: by_operation.values().sum(),
        light_calls: network.light(),
        parts: u64::try_from(parts).unwrap_or_default(),
        states: counts(&report),
        by_operation,
    })
}

fn whole_milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Checks until a check finds what it is to find: so many wait for a person, and the others are healthy.
async fn until_in_order(
    world: &World<InProcessHost>,
    size: usize,
    waiting: usize,
) -> Result<(), String> {
    let [healthy, waiting] =
        [size - waiting, waiting].map(|n| u64::try_from(n).unwrap_or_default());
    let mut states = BTreeMap::new();
    for _ in 0..CHECKS {
        // The first check of a large fleet may not come to its end; the next one goes on from what it did.
        states = check(world).await.map_or(states, |report| counts(&report));
        world.clock.advance(HOUR);
        let count = |state: &str| states.get(state).copied().unwrap_or_default();
        if (count("healthy"), count("waiting_for_person")) == (healthy, waiting) {
            return Ok(());
        }
    }
    Err(format!(
        "{healthy} should be healthy, and {waiting} wait for a person: {states:?}"
    ))
}

/// One check, with all that it brings about, and its report.
async fn check(world: &World<InProcessHost>) -> Result<Value, String> {
    let before = world.event_bridge.details("Fleet Report").len();
    let answered = world.check().await?;
    if let Some(error) = answered.function_error {
        return Err(format!("{error}: {}", answered.payload));
    }
    world.settle().await;
    let reports = world.event_bridge.details("Fleet Report");
    let reported = reports.last().filter(|_| reports.len() > before);
    reported.cloned().ok_or_else(|| "no report".to_owned())
}

/// The words of the first mailbox that is not well, of those that have words.
fn first_failure(report: &Value) -> Option<&str> {
    let mut unwell = report.get("secrets")?.as_array()?.iter();
    unwell.find_map(|one| one.get("failure")?.as_str())
}

fn counts(report: &Value) -> BTreeMap<String, u64> {
    let fields = report.as_object().into_iter().flatten();
    let counts = fields.filter(|(name, _)| !matches!(name.as_str(), "part" | "left_out"));
    counts
        .filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)))
        .collect()
}
