//! The first hour on real accounts: what is believed of AWS, Entra and ShopCtrl is tried on things that are made for it
//! and removed again, and what was seen is printed beside what was believed (docs/first-hour.md).

mod accounts;
mod arguments;
mod aws;
mod beliefs;
mod clean_up;
mod entra;
mod findings;
mod marker;
mod pace;
mod probes;
mod shopctrl;
mod table;
mod telling;

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use accounts::Accounts;
use arguments::{Options, Wish};
use clean_up::{CleanedUp, clean_up};
use findings::Findings;
use marker::{Of, Run};
use probes::PROBES;
use telling::Telling;

const SAME: u8 = 0;
const DIFFERENT: u8 = 1;
const WRONG_OPTION: u8 = 2;
const LEFT: u8 = 3;
/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let wish = match arguments::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(problem) => return failed(&problem, WRONG_OPTION),
    };
    let (options, only_clean_up) = match wish {
        Wish::Help => return said(arguments::HELP),
        Wish::Run(options) => (options, false),
        Wish::CleanUp(options) => (options, true),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| runtime.block_on(carry_out(&options, only_clean_up)));
    match done {
        Ok(status) => ExitCode::from(status),
        Err(problem) => failed(&problem, WRONG_OPTION),
    }
}

fn said(text: &str) -> ExitCode {
    match write!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn failed(problem: &str, status: u8) -> ExitCode {
    // Where standard error is closed, the exit status has to do.
    let _ = writeln!(std::io::stderr(), "first-hour: {problem}");
    ExitCode::from(status)
}

async fn carry_out(options: &Options, only_clean_up: bool) -> Result<u8, String> {
    let mut interrupted = Interrupted::new()?;
    let (run, telling) = (Run::new(), Telling::new(options.json));
    let connected = interrupted.unless(Accounts::connect(options, &run)).await;
    let Some(accounts) = connected else {
        return Ok(INTERRUPTED);
    };
    let accounts = accounts.map_err(|failure| failure.to_string())?;
    Ok(match only_clean_up {
        true => clean_up_all(&accounts, options, telling, &mut interrupted).await,
        false => try_all(&accounts, run, options, telling, &mut interrupted).await,
    })
}

/// Tries everything, and removes what it made however that ends.
async fn try_all(
    accounts: &Accounts,
    run: Run,
    options: &Options,
    telling: Telling,
    interrupted: &mut Interrupted,
) -> u8 {
    telling.begins(&run);
    let mut findings = Findings::new(move |finding| telling.finding(finding));
    let all = async {
        for (probe, heading, beliefs) in PROBES {
            telling.heading(heading);
            let ended = accounts.probe(*probe, options, &mut findings).await;
            findings.ended(beliefs, ended);
        }
    };
    let was_interrupted = interrupted.unless(all).await.is_none();
    telling.cleaning_up(was_interrupted);
    let cleaned = cleaned(accounts, &Of::Run(run), options, interrupted).await;
    telling.cleaned_up(cleaned.as_ref());
    if !was_interrupted {
        telling.summary(&findings);
    }
    let otherwise = match findings.different() {
        _ if was_interrupted => INTERRUPTED,
        0 => SAME,
        _ => DIFFERENT,
    };
    status(cleaned.as_ref(), otherwise)
}

/// Removes what runs before have left.
async fn clean_up_all(
    accounts: &Accounts,
    options: &Options,
    telling: Telling,
    interrupted: &mut Interrupted,
) -> u8 {
    let not_looked_at = [accounts.aws.as_ref().err(), accounts.entra.as_ref().err()];
    let not_looked_at = not_looked_at.into_iter().flatten();
    for failure in not_looked_at.clone() {
        telling.not_looked_at(failure);
    }
    let cleaned = cleaned(accounts, &Of::All, options, interrupted).await;
    telling.cleaned_up(cleaned.as_ref());
    status(
        cleaned.as_ref(),
        if not_looked_at.count() == 0 {
            SAME
        } else {
            LEFT
        },
    )
}

/// `None` where Ctrl-C was pressed meanwhile.
async fn cleaned(
    accounts: &Accounts,
    of: &Of,
    options: &Options,
    interrupted: &mut Interrupted,
) -> Option<CleanedUp> {
    let (aws, entra) = (accounts.aws.as_ref().ok(), accounts.entra.as_ref().ok());
    interrupted
        .unless(clean_up(aws, entra, of, options.pace))
        .await
}

/// What is left counts before all else.
fn status(cleaned: Option<&CleanedUp>, otherwise: u8) -> u8 {
    match cleaned {
        None => INTERRUPTED,
        Some(cleaned) if !cleaned.failures.is_empty() => LEFT,
        Some(_) => otherwise,
    }
}

/// Ctrl-C, a plain kill, or a terminal that was closed.
struct Interrupted {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupted {
    fn new() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("cannot start: {error}"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// What was to be done, or `None` where that was interrupted.
    async fn unless<T>(&mut self, done: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = done => Some(done),
            _ = self.interrupt.recv() => None,
            _ = self.terminate.recv() => None,
            _ = self.hang_up.recv() => None,
        }
    }
}
