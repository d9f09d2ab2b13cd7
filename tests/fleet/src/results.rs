//! The figures of the large sizes, kept in `docs/fleet.json`, from which the plot is drawn.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::check::{self, Measured};
use crate::memory::{self, Memory};
use crate::plot::plot;
use crate::rules::broken;
use crate::scenario::Look;
use crate::table::{memory_table, table};

/// All that was measured last.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Results {
    /// In virtual time: the same on every machine.
    checks: Vec<Measured>,
    /// The machine on which memory and processor time were measured.
    machine: String,
    memory: Vec<Memory>,
}

/// Measures all of a size in virtual time.
///
/// # Errors
/// When something cannot be measured, or a rule is broken, after it was kept.
pub(crate) fn measure(size: usize) -> Result<(), String> {
    for look in Look::ALL {
        let began = Instant::now();
        let measured = check::measure(size, look)?;
        let seconds = began.elapsed().as_secs_f64();
        eprintln!(
            "{size} mailboxes, {}: measured in {seconds:.1} s",
            look.name()
        );
        let mut results = Results::read()?;
        let is_of_it = |one: &Measured| one.case.size == size && one.case.look == look;
        results.checks.retain(|one| !is_of_it(one));
        results.checks.extend(measured);
        results.checks.sort_by_key(|one| one.case);
        results.write()?;
    }
    let results = Results::read()?;
    print!("{}", table(&results.checks));
    let wrong = broken(&results.checks);
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n")),
    }
}

/// Measures memory and processor time at a size, of binaries that are built by this profile.
///
/// # Errors
/// When it cannot be measured.
pub(crate) fn weigh(size: usize, profile: &str) -> Result<(), String> {
    let measured = memory::measure(size, profile)?;
    let mut results = Results::read()?;
    results.machine = format!("{}, built by the profile {profile}", machine());
    results.memory.retain(|one| one.size != size);
    results.memory.extend(measured);
    results.memory.sort_by_key(|one| one.size);
    results.write()?;
    println!("{}\n", results.machine);
    print!("{}", memory_table(&results.memory));
    Ok(())
}

impl Results {
    fn read() -> Result<Self, String> {
        match std::fs::read_to_string(docs("fleet.json")) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn write(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        let write = |name: &str, text: String| {
            std::fs::write(docs(name), text).map_err(|error| format!("{name}: {error}"))
        };
        write("fleet.json", text + "\n")?;
        write("fleet.svg", plot(&self.checks))
    }
}

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

/// The processor, and how many of it there are.
fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |line: &str| {
        let value = line.strip_prefix("model name")?.split_once(':')?.1;
        Some(value.trim().to_owned())
    };
    let names: Vec<String> = processors.lines().filter_map(field).collect();
    let name = names
        .first()
        .map_or("a processor without a name", |name| name);
    format!("{} × {name}", names.len().max(1))
}
