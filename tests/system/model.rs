//! The model test: schedules of checks, rotations, kills, faults, waiting and meddling are drawn, and
//! run in this process, the functions over their HTTP-client seam, in virtual time. Each has to keep
//! what must always hold; and where a person meddled, what does not hold is found by one check, told
//! once, and mended or handed to a person.
//!
//! Everything that is drawn comes from one seed. What fails is made as short as it gets, and printed
//! with the command that repeats it.
//!
//! - `MODEL_SCHEDULES=10000`: so many schedules, instead of 1,000.
//! - `MODEL_SEED=<seed>`: only the schedule of this seed; or, with `MODEL_SCHEDULES`, from it on.
//! - `MODEL_LOG=1`: prints what the functions log in the shortest schedule that fails.
//!
//! proptest alone, and not proptest-state-machine: no step of a schedule needs another one before it,
//! so a list of steps is all that there is to draw and to shrink.

mod deeds;
mod found;
mod furnish;
mod healthy;
mod log;
mod moved;
mod open;
mod owner;
mod pairs;
mod person;
mod run;
mod schedule;
mod standing;
mod telling;
mod watch;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use simulators::aws::lambda::in_process::InProcessHost;

/// The world that the model runs in.
type ModelWorld = simulators::world::World<InProcessHost>;

/// So many schedules run where nobody says how many.
const SCHEDULES: u64 = 1000;
/// A failure is made shorter by at most so many runs.
const SHRINKING: u32 = 400;

#[test]
fn every_schedule_keeps_what_must_always_hold() {
    let seed = number("MODEL_SEED");
    let schedules = number("MODEL_SCHEDULES").unwrap_or(if seed.is_some() { 1 } else { SCHEDULES });
    let first = seed.unwrap_or(1);
    let next = AtomicU64::new(first);
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    // One failure is enough to be looked at.
                    if seed >= first + schedules || !failures.lock().unwrap().is_empty() {
                        return;
                    }
                    if let Err(failure) = holds(seed) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Runs the schedule of a seed.
fn holds(seed: u64) -> Result<(), String> {
    let mut runner = TestRunner::new(Config {
        cases: 1,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: SHRINKING,
        ..Config::default()
    });
    let outcome = runner.run(&schedule::schedules(), |schedule| {
        run::run(&schedule).map_err(TestCaseError::fail)
    });
    outcome.map_err(|failure| match failure {
        TestError::Fail(why, schedule) => format!(
            "{}{why}\n\nThe shortest schedule that was found:\n{schedule}\nRepeat it with\n    MODEL_SEED={seed} cargo test -p system-tests model\n",
            log_of(&schedule)
        ),
        TestError::Abort(why) => format!("MODEL_SEED={seed}: {why}"),
    })
}

/// What the functions log in a schedule, where it is asked for.
fn log_of(schedule: &schedule::Schedule) -> String {
    match std::env::var_os("MODEL_LOG") {
        Some(_) => run::run_with_log(schedule).1,
        None => String::new(),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number")),
    )
}
