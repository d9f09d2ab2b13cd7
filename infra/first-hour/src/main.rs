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
mod shopctrl;
mod table;
mod telling;

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use accounts::Accounts;
use arguments::{Options, Wish};
use beliefs::Probe;
use clean_up::{CleanedUp, clean_up};
use findings::Findings;
use marker::{Of, Run};
use telling::Telling;

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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("cannot start: {error}"), WRONG_OPTION),
    };
    let done = match wish {
        Wish::Help => return said(arguments::HELP),
        Wish::Run(options) => runtime.block_on(run(options)),
        Wish::CleanUp(options) => runtime.block_on(only_clean_up(options)),
    };
    done.unwrap_or_else(|problem| failed(&problem, WRONG_OPTION))
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

/// Tries everything, and removes what it made however that ends.
async fn run(options: Options) -> Result<ExitCode, String> {
    let mut interrupted = Interrupted::new()?;
    let run = Run::new();
    let telling = Telling::new(options.json);
    let accounts = Accounts::connect(&options, &run)
        .await
        .map_err(|f| f.to_string())?;
    telling.begins(&run);
    let mut findings = Findings::new(move |finding| telling.finding(finding));
    let all = async {
        for probe in Probe::ALL {
            telling.heading(probe);
            accounts.probe(probe, &options, &mut findings).await;
        }
    };
    let was_interrupted = tokio::select! {
        () = all => false,
        () = interrupted.wait() => true,
    };
    telling.cleaning_up(was_interrupted);
    let cleaned = cleaned(&accounts, &Of::Run(run), &options, &mut interrupted).await;
    telling.cleaned_up(cleaned.as_ref());
    if !was_interrupted {
        telling.summary(&findings);
    }
    Ok(match cleaned {
        None => ExitCode::from(INTERRUPTED),
        Some(cleaned) if !cleaned.failures.is_empty() => ExitCode::from(LEFT),
        Some(_) if was_interrupted => ExitCode::from(INTERRUPTED),
        Some(_) if findings.different() > 0 => ExitCode::from(DIFFERENT),
        Some(_) => ExitCode::SUCCESS,
    })
}

/// Removes what runs before have left.
async fn only_clean_up(options: Options) -> Result<ExitCode, String> {
    let mut interrupted = Interrupted::new()?;
    let telling = Telling::new(options.json);
    let accounts = Accounts::connect(&options, &Run::new())
        .await
        .map_err(|f| f.to_string())?;
    for failure in [accounts.aws.as_ref().err(), accounts.entra.as_ref().err()] {
        telling.not_looked_at(failure);
    }
    let cleaned = cleaned(&accounts, &Of::All, &options, &mut interrupted).await;
    telling.cleaned_up(cleaned.as_ref());
    Ok(match cleaned {
        None => ExitCode::from(INTERRUPTED),
        Some(cleaned) if !cleaned.failures.is_empty() => ExitCode::from(LEFT),
        Some(_) if accounts.aws.is_err() || accounts.entra.is_err() => ExitCode::from(LEFT),
        Some(_) => ExitCode::SUCCESS,
    })
}

/// `None` where Ctrl-C was pressed meanwhile.
async fn cleaned(
    accounts: &Accounts,
    of: &Of,
    options: &Options,
    interrupted: &mut Interrupted,
) -> Option<CleanedUp> {
    let (aws, entra) = (accounts.aws.as_ref().ok(), accounts.entra.as_ref().ok());
    tokio::select! {
        cleaned = clean_up(aws, entra, of, options.pace) => Some(cleaned),
        () = interrupted.wait() => None,
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

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
