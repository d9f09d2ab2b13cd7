//! The whole system on one machine, told as a story: the three functions run as Lambda runs them, and
//! everything around them is simulated.

mod arguments;
mod chapters;
mod fact;
mod interactive;
mod last_words;
mod leak_guard;
mod manual_page;
mod narration;
mod outage_watch;
mod proof;
mod stop;
mod story;
mod teller;
mod wrap;

use std::io::Write;
use std::process::ExitCode;

use arguments::Wish;
use last_words::last_words;
use stop::Stop;
use story::Story;
use teller::{Teller, Told, Tone};
use tokio::signal::unix::{SignalKind, signal};

const PREFACE: [&str; 4] = [
    "Renewing the client secret of a shop's mailbox",
    "",
    "The three functions run here as they would on AWS. What surrounds them is simulated: AWS itself, \
     Microsoft Entra (which issues client secrets) and ShopCtrl (which fetches and sends the shop's \
     mail). Nothing leaves this machine. Left: the simulated date (UTC), and the real seconds since \
     the start.",
    "",
];

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
const WRONG_OPTION: u8 = 2;

fn main() -> ExitCode {
    let (interactive, json) = match arguments::read(std::env::args().skip(1)) {
        Ok(Wish::Story { interactive, json }) => (interactive, json),
        Ok(Wish::Help) => {
            return match write!(std::io::stdout(), "{}", arguments::HELP) {
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
    let ended = runtime.block_on(until_interrupted(run(interactive, json)));
    // A build that was interrupted is not waited for.
    runtime.shutdown_background();
    ended
}

async fn run(interactive: bool, json: bool) -> ExitCode {
    let mut teller = Teller::new(json);
    let begun = async {
        for paragraph in PREFACE {
            teller.preface(paragraph)?;
        }
        Story::begin(teller).await
    };
    let mut story = match begun.await {
        Ok(story) => story,
        Err(stop) => return stopped(Teller::new(json), &stop, &[]),
    };
    let ended = tell(&mut story, interactive).await;
    story.world.lambda.kill_all();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            let words = last_words(&story.world);
            stopped(story.teller, &stop, &words)
        }
    }
}

async fn tell(story: &mut Story, interactive: bool) -> Result<(), Stop> {
    let asked = chapters::until_a_person_is_asked(story).await?;
    match interactive {
        true => interactive::stay(story, &asked).await,
        false => chapters::to_the_end(story, &asked).await,
    }
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
