//! docs/reliability.md: the matrix as a reader sees it, without ids and times, so that each run of
//! the tests writes the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::cycle::{Cell, Mended, Ran, twice};
use super::life::Life;
use super::lives::LIVES;
use super::site::{Part, Site};
use super::trouble::Trouble;

const COLUMNS: [&str; 6] = [
    "killed before its effect",
    "killed after its effect",
    "refused",
    "done, answer lost",
    "no answer",
    "for longer",
];

/// One cell and how it went.
pub type Done = (&'static Life, Cell, Ran);

/// The page: a section for each life.
pub fn page(done: &[Done]) -> String {
    let mut page = INTRODUCTION.to_owned();
    let _ = writeln!(
        page,
        "\n| life | calls | runs | mended | not mended |\n|---|---|---|---|---|"
    );
    for life in LIVES {
        let of_life: Vec<&Done> = done
            .iter()
            .filter(|(of, ..)| of.name == life.name)
            .collect();
        let _ = writeln!(page, "{}", summary(life, &of_life));
    }
    for life in LIVES {
        let of_life: Vec<&Done> = done
            .iter()
            .filter(|(of, ..)| of.name == life.name)
            .collect();
        let mut name = life.name.to_owned();
        if let Some(front) = name.get_mut(..1) {
            front.make_ascii_uppercase();
        }
        let _ = writeln!(page, "\n## {name}\n\n{}", life.told);
        calls(&mut page, &of_life);
        if life.twice {
            delivered_twice(&mut page, &of_life);
        }
    }
    page
}

fn calls(page: &mut String, done: &[&Done]) {
    let mut tables: BTreeMap<(Part, usize), (String, Table<'_>)> = BTreeMap::new();
    for (_, cell, ran) in done {
        if let Cell::Call(site, trouble) = cell {
            let key = (site.part, place(&site.step));
            let (_, table) = tables
                .entry(key)
                .or_insert_with(|| (site.step.clone(), Table::new()));
            let columns = table.entry(site).or_default();
            columns[column(*trouble)].push(entry(*trouble, ran));
        }
    }
    for ((part, _), (step, table)) in tables {
        let when = match part {
            Part::Renewal | Part::Person if is_page(&step) => ", a page",
            Part::Renewal => "",
            Part::Person => ", gone on",
            Part::Retirement => ", after the quarantine",
            Part::LettingGo => ", after the removal",
        };
        let _ = writeln!(page, "\n### {step}{when}\n");
        let _ = writeln!(page, "| call | {} |", COLUMNS.join(" | "));
        let _ = writeln!(page, "|---|{}", "---|".repeat(COLUMNS.len()));
        for (site, columns) in table {
            let cells = columns.map(|entries| match entries.is_empty() {
                true => "–".to_owned(),
                false => entries.join("<br>"),
            });
            let _ = writeln!(page, "| {} | {} |", call(site), cells.join(" | "));
        }
    }
}

fn delivered_twice(page: &mut String, done: &[&Done]) {
    let _ = writeln!(page, "\n### Delivered twice\n");
    let _ = writeln!(
        page,
        "| event | how | right after | mended by |\n|---|---|---|---|"
    );
    for (_, cell, ran) in done {
        let (event, how) = match cell {
            Cell::StepTwice(step, how) => (*step, twice(*how)),
            Cell::CheckTwice => ("check", "twice at once"),
            Cell::Clean | Cell::Call(..) => continue,
        };
        let mended = mended(ran.mended);
        let _ = writeln!(page, "| {event} | {how} | {} | {mended} |", ran.stood);
    }
}

/// Where the page is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md")
}

type Table<'a> = BTreeMap<&'a Site, [Vec<String>; COLUMNS.len()]>;

const INTRODUCTION: &str = "# What happens when a call fails

Written by a test run, and checked by every other one to be current (`tests/system/kill_matrix.rs`). Do not edit.

A mailbox goes through its whole life: a check finds its client secret due, Secrets Manager runs the four
steps, after the quarantine a check has the old credential removed, and the next one lets go of its labels. Each call
that the functions make on the way goes wrong once, in a run of its own, with the real binaries. Then the trouble ends, Secrets Manager
reattempts as it does, and the checks come every six hours. There is a section for each kind of life.

After every run: one current secret, valid in Entra and held by both directions; nothing pending, no credential
that nobody knows, the foreign one untouched; each event told, none of them untrue; nobody asked for anything but the one
thing that a life needs a person for, and for that once. At no moment of any run did mail stand still (but for what a
person takes between entering a secret in ShopCtrl and Authorized), was a good grant lost,
or was the removal of a credential asked for that is foreign, current, pending or in quarantine.

A cell says what was done to the call, how things stood right after, and what mended them: *itself* (the run that met the
trouble went on), *person* n (so many tries more of the person), *reattempt* n (so many of Secrets Manager's), *check* n (so many scheduled checks). *For longer* is what
does not end with the one call: reads that lag, or 503 to every call of the kind until the run has failed; – where it is not
tried in the default run.
";

fn summary(life: &Life, done: &[&Done]) -> String {
    let mut counts: BTreeMap<Mended, usize> = BTreeMap::new();
    let mut calls: Vec<&Site> = Vec::new();
    for (_, cell, ran) in done {
        *counts.entry(ran.mended).or_default() += 1;
        if let Cell::Call(site, _) = cell
            && !calls.contains(&site)
        {
            calls.push(site);
        }
    }
    let by = |(by, times): (&Mended, &usize)| format!("{times} by {}", mended(*by));
    let by: Vec<String> = counts.iter().map(by).collect();
    let (calls, runs, by) = (calls.len(), done.len(), by.join(", "));
    format!("| {} | {calls} | {runs} | {by} | 0 |", life.name)
}

fn is_page(step: &str) -> bool {
    [
        "start",
        "authorize",
        "callback",
        "handover",
        "reveal",
        "attest",
    ]
    .contains(&step)
}

/// In the order of the life cycle.
fn place(step: &str) -> usize {
    let order = [
        "start",
        "authorize",
        "callback",
        "handover",
        "reveal",
        "attest",
        "check",
        "inspect",
        "sweep",
        "createSecret",
        "setSecret",
        "testSecret",
        "finishSecret",
    ];
    let found = order.iter().position(|name| *name == step);
    found.unwrap_or(order.len())
}

fn column(trouble: Trouble) -> usize {
    match trouble {
        Trouble::Kill { effect: false } => 0,
        Trouble::Kill { effect: true } => 1,
        Trouble::Throttled
        | Trouble::Concurrency { .. }
        | Trouble::Status { effect: false, .. }
        | Trouble::Reset { effect: false } => 2,
        Trouble::Status { effect: true, .. }
        | Trouble::Reset { effect: true }
        | Trouble::CutOff
        | Trouble::NotJson => 3,
        Trouble::Silence { .. } => 4,
        Trouble::StaleList | Trouble::KillAndStaleList | Trouble::Outage => 5,
    }
}

fn entry(trouble: Trouble, ran: &Ran) -> String {
    let what = match trouble {
        Trouble::Kill { .. } => String::new(),
        Trouble::Status { status, .. } => format!("{status}: "),
        Trouble::Reset { .. } => "reset: ".to_owned(),
        Trouble::Silence { effect: true } => "done: ".to_owned(),
        Trouble::Silence { effect: false } => "not done: ".to_owned(),
        other => format!("{other}: "),
    };
    match ran.mended {
        Mended::Nothing => format!("{what}*itself*"),
        by => format!("{what}{}; *{}*", ran.stood, mended(by)),
    }
}

fn mended(by: Mended) -> String {
    match by {
        Mended::Nothing => "itself".to_owned(),
        Mended::Person(times) => format!("person {times}"),
        Mended::Reattempt(times) => format!("reattempt {times}"),
        Mended::Check(times) => format!("check {times}"),
    }
}

fn call(site: &Site) -> String {
    let nth = match site.nth {
        1 => String::new(),
        nth => format!(" ({nth})"),
    };
    format!("{} {}{nth}", site.service, site.operation)
}
