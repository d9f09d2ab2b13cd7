//! The benchmark of a fleet: what a check of thousands of mailboxes costs, by the real checker and the real rotation
//! function, in virtual time with 50 ms for each remote call.
//!
//! - `fleet gate`: sizes 100 and 1,000, compared with what is recorded, call for call and millisecond for millisecond.
//!   `fleet gate --record` records.
//! - `fleet measure <size>`: one size, for `docs/fleet.json` and the plot `docs/fleet.svg`. Large ones want
//!   `CARGO_PROFILE_DEV_OPT_LEVEL=2` before `cargo run`.
//! - `fleet memory <size> <profile>`: the binaries, built by this profile, as processes: resident memory and processor
//!   time, for the same file.

mod check;
mod gate;
mod memory;
mod network;
mod plot;
mod results;
mod rules;
mod scenario;
mod seed;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["gate"] => gate::compare(),
        ["gate", "--record"] => gate::record(),
        ["measure", size] => number(size).and_then(results::measure),
        ["memory", size, profile] => number(size).and_then(|size| results::weigh(size, profile)),
        _ => Err(
            "usage: fleet gate [--record] | measure <size> | memory <size> <profile>".to_owned(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
