//! The whole system on one machine, told as a story: the four functions run as Lambda runs them, and
//! everything around them is simulated.

mod arguments;
mod building;
mod chapters;
mod fact;
mod interactive;
mod last_words;
mod layout;
mod leak_guard;
mod mails;
mod manual_page;
mod names;
mod narration;
mod next;
mod outage_watch;
mod proof;
mod scenario;
mod scenarios;
mod sight;
mod state;
mod stop;
mod story;
mod teller;
mod terminal;
mod told;
mod wrap;

use std::io::Write;
use std::process::ExitCode;

use arguments::Wish;
use last_words::last_words;
use scenario::Scenario;
use stop::Stop;
use story::Story;
use teller::Teller;
use tokio::signal::unix::{SignalKind, signal};
use told::{SIGNS, Told, Tone};

const SURROUNDINGS: &str = "The four functions run here as they would on AWS. What surrounds them is simulated: AWS \
    itself, Microsoft Entra (which issues client secrets), Exchange (which has the mailboxes) and ShopCtrl (which \
    fetches and sends the shop's mail). Nothing leaves this machine.";
const HOW_TO_READ: &str = "Before each sign: the seconds since the story began. After each chapter: what an \
    administrator would see, with * where it changed. A, B and so on: the client secrets, in the order in which they \
    came.";
const HOW_TO_READ_DRY_RUNS: &str = "Before each sign: the seconds since the story began. Behind |: what a dry run answers, or a mail says.";

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
const WRONG_OPTION: u8 = 2;

fn main() -> ExitCode {
    let (scenario, interactive, json) = match arguments::read(std::env::args().skip(1)) {
        Ok(Wish::Story {
            scenario,
            interactive,
            json,
        }) => (scenario, interactive, json),
        Ok(Wish::Help) => {
            return match write!(std::io::stdout(), "{}", arguments::help()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Err(problem) => {
            // Where standard error is closed, the exit status has to do.
            let _ = writeln!(std::io::stderr(), "local: {problem}");
            return ExitCode::from(WRONG_OPTION);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "local: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(until_interrupted(run(scenario, interactive, json)));
    // A build that was interrupted is not waited for.
    runtime.shutdown_background();
    ended
}

async fn run(scenario: Scenario, interactive: bool, json: bool) -> ExitCode {
    let mut teller = Teller::new(json);
    let begun = async {
        let title = format!("A shop's mailbox: {}", scenario.shows());
        let how_to_read = match scenario {
            Scenario::Preflight => HOW_TO_READ_DRY_RUNS,
            _ => HOW_TO_READ,
        };
        for paragraph in [&title, "", SURROUNDINGS, "", SIGNS, how_to_read, ""] {
            teller.aside(paragraph)?;
        }
        building::build(&mut teller).await?;
        Story::begin(teller, scenario).await
    };
    let mut story = match begun.await {
        Ok(story) => story,
        Err(stop) => return stopped(Teller::new(json), &stop, &[]),
    };
    let ended = tell(&mut story, scenario, interactive).await;
    story.world.lambda.kill_all();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            let words = last_words(&story.world);
            stopped(story.teller, &stop, &words)
        }
    }
}

async fn tell(story: &mut Story, scenario: Scenario, interactive: bool) -> Result<(), Stop> {
    if interactive {
        let asked = chapters::until_a_person_is_asked(story).await?;
        return interactive::stay(story, &asked).await;
    }
    scenarios::tell(story, scenario).await?;
    story.teller.what_next(scenario)
}

fn stopped(mut teller: Teller, stop: &Stop, last_words: &[String]) -> ExitCode {
    for words in last_words {
        let told = Told::new("function_log", format!("Logged by {words}"));
        // One that holds a secret is not shown; the reason below is what counts.
        let _ = teller.tell(told.tone(Tone::Bad));
    }
    let told = Told::new(stop.what(), format!("{stop}.")).tone(Tone::Bad);
    if teller.tell(told).is_err() {
        // What is in the sentence may be what must not be shown, or standard output is closed.
        let _ = writeln!(std::io::stderr(), "local: stopped ({})", stop.what());
    }
    ExitCode::FAILURE
}

/// Ctrl-C and a plain kill end what is going on, and with it the functions' processes.
async fn until_interrupted(work: impl Future<Output = ExitCode>) -> ExitCode {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => ExitCode::from(INTERRUPTED),
        _ = terminated => ExitCode::from(INTERRUPTED),
    }
}
