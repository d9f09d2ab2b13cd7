//! Pairs: something dies at call i of a check and of the rotation that it starts, and something else befalls
//! call j of the check that follows. For every i, and a j that is drawn; whatever the two are, nothing is left
//! unmended.
//!
//! - `PAIRS=all`: every j for each i, in an hour or so of two cores.
//! - `PAIRS_AT=<i>`: this i only.
//! - `PAIRS_LIFE=<name>`: this life only, such as `two places`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::found::PLAIN;
use super::number;
use super::run::run_and_say_what_befell;
use super::schedule::{Mishap, Owner, Schedule, Setting, Step, Trouble};

/// The most calls that a check with its rotation makes.
const MOST_CALLS: u32 = 400;
/// A j is drawn among so many calls first: what a check and a rotation that it takes up make.
const DRAWN_AMONG: u32 = 90;

/// Mailboxes whose pairs are tried: what comes by itself, where there are two places, where the owner has to sign
/// in, and where a person hands over.
fn lives() -> Vec<(&'static str, Setting, Vec<Step>)> {
    let helps = || Step::Owner(Owner::Helps, None);
    let attended = Setting {
        attended: true,
        ..PLAIN
    };
    let two_places = Setting {
        two_places: true,
        ..PLAIN
    };
    let not_granted = Setting {
        granted: false,
        ..PLAIN
    };
    vec![
        ("by itself", PLAIN, vec![]),
        ("two places", two_places, vec![]),
        ("the owner signs in", not_granted, vec![helps()]),
        ("a person hands over", attended, vec![helps()]),
    ]
}

fn killed(at: u32, rng: &mut fastrand::Rng) -> Trouble {
    let kills = [
        Mishap::KilledBefore,
        Mishap::KilledAfterEffect,
        Mishap::KilledAfterAnswer,
    ];
    let mishap = kills[rng.usize(..kills.len())].clone();
    Trouble { at, mishap }
}

fn fails(at: u32, rng: &mut fastrand::Rng) -> Trouble {
    let effect = rng.bool();
    let all = [
        Mishap::KilledBefore,
        Mishap::KilledAfterEffect,
        Mishap::KilledAfterAnswer,
        Mishap::Throttled,
        Mishap::Unavailable { effect },
        Mishap::Reset { effect },
        Mishap::Silence { effect },
        Mishap::CutOff,
        Mishap::NotJson,
        Mishap::Outage,
    ];
    let mishap = all[rng.usize(..all.len())].clone();
    Trouble { at, mishap }
}

/// Runs one pair; says which of the two befell a call.
fn pair(
    setting: &Setting,
    after: &[Step],
    first: Trouble,
    second: Trouble,
) -> Result<[bool; 2], String> {
    let mut steps = vec![
        Step::Check(Some(first)),
        Step::Wait(6),
        Step::Check(Some(second)),
    ];
    steps.extend(after.iter().cloned());
    let setting = setting.clone();
    let schedule = Schedule { setting, steps };
    let (result, befell) = run_and_say_what_befell(&schedule);
    let of = |step: usize| befell.get(step).copied().unwrap_or_default();
    let befell = [of(0), of(2)];
    result.map_err(|why| format!("{why}\n\n{schedule}\n{}", super::log_of(&schedule)))?;
    Ok(befell)
}

/// All pairs of one i; false where the check makes fewer calls.
fn pairs_at(i: u32, setting: &Setting, after: &[Step], all: bool) -> Result<bool, String> {
    // Each i has its own numbers, whatever else runs.
    let mut rng = fastrand::Rng::with_seed(u64::from(i));
    let mut most = DRAWN_AMONG;
    let mut j = if all { 1 } else { rng.u32(1..=most) };
    loop {
        let [first, second] = pair(setting, after, killed(i, &mut rng), fails(j, &mut rng))?;
        if !first {
            return Ok(false);
        }
        match (all, second) {
            (true, true) => j += 1,
            (true, false) | (false, true) => return Ok(true),
            // There are not so many calls after this kill.
            (false, false) if most == 1 => return Ok(true),
            (false, false) => {
                most = j.saturating_sub(1).max(1);
                j = rng.u32(1..=most);
            }
        }
    }
}

#[test]
fn whatever_dies_and_whatever_fails_after_it_is_mended() {
    let all = std::env::var("PAIRS").is_ok_and(|which| which == "all");
    let only = number("PAIRS_AT").map(|i| u32::try_from(i).unwrap());
    let life = std::env::var("PAIRS_LIFE").ok();
    let lives = lives().into_iter();
    for (name, setting, after) in lives.filter(|(name, ..)| life.iter().all(|life| life == name)) {
        let (next, last) = (
            AtomicU32::new(only.unwrap_or(1)),
            only.unwrap_or(MOST_CALLS),
        );
        let ended = AtomicU32::new(u32::MAX);
        let failures = Mutex::new(Vec::new());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::SeqCst);
                        let end = ended.load(Ordering::SeqCst).min(last);
                        if i > end || !failures.lock().unwrap().is_empty() {
                            return;
                        }
                        match pairs_at(i, &setting, &after, all) {
                            Ok(true) => {}
                            Ok(false) => {
                                ended.fetch_min(i - 1, Ordering::SeqCst);
                            }
                            Err(why) => failures.lock().unwrap().push(format!("i = {i}: {why}")),
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        assert!(failures.is_empty(), "{name}: {}", failures.join("\n\n"));
        let calls = ended.load(Ordering::SeqCst);
        assert!(
            only.is_some() || (40..MOST_CALLS).contains(&calls),
            "{name}: {calls} calls"
        );
        println!("{name}: {calls} calls, each with a kill");
    }
}
