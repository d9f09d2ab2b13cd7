//! The kill matrix: whole life cycles, once for each call that they make and each trouble that can
//! befall the call, on the real binaries. After each run all is whole, and nothing that must never be
//! was seen on the way.
//!
//! The calls are recorded from a clean run: part (renewal, person, retirement), step, action or page,
//! operation, and which of several like it. The first life is tried in full, the others where they
//! differ from it (`lives/`). By default every call is killed before and after its effect, refused,
//! deprived of its answer and left without one; the kinds of refusal and of lost answer go round among
//! the calls, and the writes on which all hangs get every one.
//!
//! - `MATRIX=full`: every trouble for every call.
//! - `MATRIX_ONLY=<text>`: only the cells whose name contains the text.
//! - `UPDATE_RELIABILITY=1`: writes docs/reliability.md, which the default run checks to be current.

mod cycle;
mod life;
mod lives;
mod reliability;
pub mod site;
pub mod trouble;
mod watch;

use std::sync::Arc;

use simulators::aws::secrets_manager::Delivery;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use crate::support::steps::STEPS;
use cycle::{Cell, Ran, run};
use life::Life;
use lives::LIVES;
use site::Site;
use trouble::Trouble;

/// A cell of one life.
type LivedCell = (&'static Life, Cell);

/// So many worlds live at once: most of a run's time is waiting.
const AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_each_life_cycle_may_fail_in_every_way() {
    let mut recorded: Vec<(&'static Life, Vec<Site>)> = Vec::new();
    for life in LIVES {
        let clean = run(life, Cell::Clean).await;
        assert_eq!(clean.mended, cycle::Mended::Nothing, "{}", life.name);
        recorded.push((life, clean.sites));
    }
    let first = recorded[0].1.clone();
    let all = recorded.iter().flat_map(|(life, sites)| {
        let cells = cells(life, sites, &first).into_iter();
        cells.map(|cell| (*life, cell))
    });
    let only = std::env::var("MATRIX_ONLY").unwrap_or_default();
    let cells: Vec<LivedCell> = all
        .filter(|(life, cell)| format!("{}: {cell}", life.name).contains(&only))
        .collect();
    assert!(!cells.is_empty(), "no cell is called {only}");
    let total = cells.len();
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for ((life, cell), ran) in run_all(cells).await {
        match ran {
            Ok(ran) => {
                println!("{}: {cell}: {} -> {:?}", life.name, ran.stood, ran.mended);
                done.push((life, cell, ran));
            }
            Err(failure) => failures.push(format!("{}: {cell}\n    {failure}", life.name)),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {total} cells fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    println!("{total} cells");
    if only.is_empty() && !is_full() {
        write_or_check(&reliability::page(&done));
    }
}

fn write_or_check(page: &str) {
    let path = reliability::path();
    if std::env::var_os("UPDATE_RELIABILITY").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = |(was, is): &(&str, &str)| was != is;
    if let Some((was, is)) = written.lines().zip(page.lines()).find(differing) {
        panic!(
            "docs/reliability.md is not current; run with UPDATE_RELIABILITY=1\nwas {was}\nis  {is}"
        );
    }
    assert_eq!(
        written.len(),
        page.len(),
        "docs/reliability.md is not current"
    );
}

fn is_full() -> bool {
    std::env::var("MATRIX").is_ok_and(|matrix| matrix == "full")
}

fn cells(life: &Life, recorded: &[Site], first: &[Site]) -> Vec<Cell> {
    let full = is_full();
    let tried = |site: &&Site| is_steady(site) && (life.tries)(site, first);
    let mut sites: Vec<&Site> = recorded.iter().filter(tried).collect();
    sites.sort();
    sites.dedup();
    let of_calls = sites.iter().enumerate().flat_map(|(at, site)| {
        let troubles = match full {
            true => Trouble::all_of(site),
            false => (life.troubles)(site, at),
        };
        troubles
            .into_iter()
            .map(|trouble| Cell::Call((*site).clone(), trouble))
    });
    let mut cells: Vec<Cell> = of_calls.collect();
    if !life.twice {
        return cells;
    }
    for step in STEPS {
        for how in [Delivery::TwiceInSequence, Delivery::TwiceAtOnce] {
            cells.push(Cell::StepTwice(step, how));
        }
    }
    cells.push(Cell::CheckTwice);
    cells
}

/// How often ShopCtrl is asked whether it has checked mail depends on when it does.
fn is_steady(site: &Site) -> bool {
    site.operation != "GET ShopStatus" || site.nth == 1
}

/// Runs the cells side by side; the results come in the cells' order.
async fn run_all(cells: Vec<LivedCell>) -> Vec<(LivedCell, Result<Ran, String>)> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (at, (life, cell)) in cells.into_iter().enumerate() {
        let room = Arc::clone(&room);
        running.spawn(async move {
            let _place = room.acquire_owned().await;
            let ran = tokio::spawn(run(life, cell.clone())).await;
            (at, (life, cell), ran.map_err(why))
        });
    }
    let mut results = running.join_all().await;
    results.sort_by_key(|(at, _, _)| *at);
    results
        .into_iter()
        .map(|(_, cell, ran)| (cell, ran))
        .collect()
}

fn why(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "it was cancelled".to_owned();
    };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or_else(|_| "it panicked".to_owned(), |text| (*text).to_owned()),
    }
}
