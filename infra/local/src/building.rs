//! Building the functions, which takes minutes the first time, and is no part of the story.

use std::time::Duration;

use simulators::binaries::{Shown, build_showing};
use tokio::time::Instant;

use crate::fact::Fact;
use crate::stop::Stop;
use crate::teller::Teller;
use crate::terminal;
use crate::told::{Told, Tone};

const SAY_EVERY: Duration = Duration::from_secs(20);

/// Builds them, and says that it goes on where cargo's bar cannot.
///
/// # Errors
/// [`Stop::World`] when they do not build.
pub async fn build(teller: &mut Teller) -> Result<(), Stop> {
    let shown = terminal::of_the_build();
    let say = |text: String| Told::new("building", text).tone(Tone::Waiting);
    let begun = Instant::now();
    let building = tokio::task::spawn_blocking(move || build_showing(shown).map(|_| ()));
    let mut building = std::pin::pin!(building);
    let first = "Building the four functions. The first time, this takes some minutes.";
    teller.tell(say(first.to_owned()))?;
    let mut says = tokio::time::interval_at(begun + SAY_EVERY, SAY_EVERY);
    loop {
        tokio::select! {
            built = &mut building => {
                return built.map_err(|error| Stop::World(error.to_string()))?.map_err(Stop::World);
            }
            _ = says.tick(), if shown == Shown::Errors => {
                let seconds = begun.elapsed().as_secs();
                let told = say(format!("Still building, {seconds} s so far."));
                teller.tell(told.fact(Fact::new("building_s", seconds).quiet()))?;
            }
        }
    }
}
