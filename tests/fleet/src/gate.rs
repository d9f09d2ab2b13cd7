//! The gate: the small sizes, against what was recorded of them.

use std::path::PathBuf;

use crate::check::{Case, Measured, measure};
use crate::rules::broken;
use crate::scenario::Look;
use crate::table::table;

/// The sizes of the gate.
const SIZES: [usize; 2] = [100, 1_000];

/// Measures, and compares with what is recorded.
///
/// # Errors
/// What differs, and which rule is broken.
pub(crate) fn compare() -> Result<(), String> {
    let recorded = std::fs::read_to_string(path()).map_err(|error| error.to_string())?;
    let recorded: Vec<Measured> =
        serde_json::from_str(&recorded).map_err(|error| error.to_string())?;
    let measured = measure_all()?;
    let mut wrong = broken(&measured);
    wrong.extend(differing(&recorded, &measured));
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}\nLook why; what is meant to be so is recorded by `cargo run --package fleet -- gate --record`.",
            wrong.join("\n")
        )),
    }
}

/// Measures, and records.
///
/// # Errors
/// When a rule is broken, after it was recorded.
pub(crate) fn record() -> Result<(), String> {
    let measured = measure_all()?;
    let text = serde_json::to_string_pretty(&measured).map_err(|error| error.to_string())?;
    std::fs::write(path(), text + "\n").map_err(|error| error.to_string())?;
    let wrong = broken(&measured);
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n")),
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recorded.json")
}

fn measure_all() -> Result<Vec<Measured>, String> {
    let mut measured = Vec::new();
    for size in SIZES {
        for look in Look::ALL {
            measured.extend(measure(size, look)?);
        }
    }
    print!("{}", table(&measured));
    Ok(measured)
}

fn differing(recorded: &[Measured], measured: &[Measured]) -> Vec<String> {
    let mut differing = Vec::new();
    for one in measured {
        let before = recorded.iter().find(|before| before.case == one.case);
        match before {
            None => differing.push(format!("{}: nothing is recorded", one.case)),
            Some(before) if before == one => {}
            Some(before) => differing.push(format!(
                "{}: {}, recorded: {}",
                one.case,
                in_short(one, before),
                in_short(before, one)
            )),
        }
    }
    let is_measured = |case: Case| measured.iter().any(|one| one.case == case);
    let gone = recorded.iter().filter(|before| !is_measured(before.case));
    differing.extend(gone.map(|before| format!("{}: is not measured any more", before.case)));
    differing
}

/// The figures, and of the operations those that another measurement has otherwise.
fn in_short(one: &Measured, other: &Measured) -> String {
    let operations = one.by_operation.iter();
    let otherwise = operations.filter(|(name, count)| other.by_operation.get(*name) != Some(count));
    let otherwise: Vec<String> = otherwise
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    format!(
        "{} calls in {} ms and {} parts, {:?} [{}]",
        one.calls,
        one.milliseconds,
        one.parts,
        one.states,
        otherwise.join(", ")
    )
}
