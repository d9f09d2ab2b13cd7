//! The shipped code as processes: what the checker and `rotation` keep resident at most, and the processor's time that
//! they take. The services are reached over loopback, and answer as fast as they can.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use simulators::binaries::{self, Shown};
use simulators::world::World;
use tokio::time::Instant;

use crate::scenario::Look;
use crate::seed::seed;

/// Linux counts processor time in hundredths of a second (proc_pid_stat(5), `sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

/// One check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) size: usize,
    /// `first` or `six-hourly`.
    pub(crate) check: String,
    pub(crate) seconds: f64,
    pub(crate) checker: Weight,
    /// The heaviest process of it, and the time of all.
    pub(crate) rotation: Weight,
}

/// What processes of one function take.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Weight {
    /// Resident at most, of one process.
    pub(crate) mebibytes: f64,
    /// Of all.
    pub(crate) processor_seconds: f64,
}

/// The first check of so many mailboxes, and the next one.
///
/// # Errors
/// When the world cannot be furnished, or a check fails.
pub(crate) fn measure(size: usize, profile: &str) -> Result<Vec<Memory>, String> {
    binaries::build_as(Shown::Everything, profile)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let schedule = Look::SixHourly.schedule().unwrap_or_default();
        let setting = ("CHECK_SCHEDULE".to_owned(), schedule.to_owned());
        let world = World::start(BTreeMap::from([setting])).await?;
        seed(&world, size, 0)?;
        world.gate.count_only();
        let mut measured = Vec::new();
        for name in ["first", "six-hourly"] {
            measured.push(check(&world, size, name).await?);
            // The next one begins with new processes.
            world.lambda.end_all().await;
            world.clock.advance(SignedDuration::from_hours(1));
        }
        Ok(measured)
    })
}

async fn check(world: &World, size: usize, name: &str) -> Result<Memory, String> {
    let began = Instant::now();
    let answered = world.check().await?;
    if let Some(error) = answered.function_error {
        return Err(format!("{error}: {}", answered.payload));
    }
    world.settle().await;
    Ok(Memory {
        size,
        check: name.to_owned(),
        seconds: began.elapsed().as_secs_f64(),
        checker: weigh(world, "expiry-checker")?,
        rotation: weigh(world, "rotation")?,
    })
}

fn weigh(world: &World, function: &str) -> Result<Weight, String> {
    let mut weight = Weight::default();
    for process in world.lambda.warm_processes(function) {
        let of = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
        };
        let peak = peak(&of("status")?).ok_or("no peak of resident memory")?;
        let time = processor_seconds(&of("stat")?).ok_or("no processor time")?;
        weight.mebibytes = weight.mebibytes.max(peak);
        weight.processor_seconds += time;
    }
    Ok(weight)
}

/// "VmHWM: Peak resident set size", in kB (proc_pid_status(5)), in MiB.
fn peak(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// `utime` and `stime`, the 14th and the 15th field (proc_pid_stat(5)).
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}
