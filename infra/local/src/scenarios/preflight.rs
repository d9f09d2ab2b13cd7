//! What a renewal needs of others, months before it is due: all of it there, and then one thing after another taken away,
//! each told by a dry run with the command that gives it back.

mod dry_run;
mod lacks;

use jiff::Timestamp;

use super::{days, hours};
use crate::chapters::summary;
use crate::fact::{Fact, day};
use crate::narration::time;
use crate::scenario::RENEW_BEFORE_DAYS;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};
use dry_run::DryRun;
use lacks::{ALL, Lack, Noticed};

/// From one scheduled check to the next.
const SCHEDULE_HOURS: i64 = 6;
const CHECKS_A_DAY: i64 = 24 / SCHEDULE_HOURS;
const STALLED: &str = "Rotation Stalled";

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    let begins = healthy(story).await?;
    for lack in ALL {
        told_and_mended(story, lack, begins).await?;
    }
    story.see_mail_flowing()?;
    let days_left = begins.duration_since(story.world.clock.now()).as_hours() / 24;
    let count = ALL.len();
    let by_mail = ALL.iter().filter(|lack| lack.noticed.by_mail()).count();
    let sum = format!(
        "{count} things were taken away that a renewal needs, or by which people hear of it. The next dry run named each, with the way to mend it; of {by_mail} a mail told within a day besides. All of them are there again, {days_left} days before the renewal, and no mail stood still."
    );
    let sum = Told::new("sum", sum)
        .fact(Fact::new("taken_away", count).quiet())
        .fact(Fact::new("told_by_mail", by_mail).quiet())
        .fact(Fact::new("days_before_the_renewal", days_left).quiet());
    summary::end_with(story, sum).await
}

/// Gives when the next renewal begins.
async fn healthy(story: &mut Story) -> Result<Timestamp, Stop> {
    story.section("healthy", "All that a renewal needs").await?;
    lacks::show_policies(story)?;
    let ends = story.current_end()?;
    let begins = ends - days(RENEW_BEFORE_DAYS);
    story.tell(
        Told::new(
            "shop",
            "A shop's mail works, and its client secret is good for months. A dry run of the check looks at all that the next renewal needs of others, and at what a mail needs to arrive. It changes nothing, and may be asked for at any time. So that nothing is hidden from it, the rotator may read policies and apps here (Policy.Read.All, Application.Read.All), which no renewal needs.",
        )
        .fact(Fact::new("mailbox", story.mailbox.address.clone()))
        .fact(Fact::day("expires_at", ends))
        .fact(Fact::day("renewal", begins)),
    )?;
    let seen = DryRun::of(story).await?;
    seen.see_all_present()?;
    let rows = seen.rows().into_iter().cloned();
    let rows: Vec<serde_json::Value> = rows.collect();
    let count = rows.len();
    story.tell(
        Told::new("dry_run", format!("The dry run finds all {count} present:"))
            .tone(Tone::Good)
            .quoting(seen.meanings())
            .fact(Fact::new("rows", rows).quiet()),
    )?;
    story.check_after(hours(SCHEDULE_HOURS)).await?;
    see(
        story.world.event_bridge.details("Drift Found").is_empty(),
        "no drift where all is there",
    )?;
    story.tell(
        Told::new(
            "no_news",
            "The scheduled check looks at much of the same by itself, and has nothing to tell.",
        )
        .tone(Tone::Good),
    )?;
    story.tell(Told::new(
        "what_follows",
        "Now one thing after another is taken away. The commands that a dry run prints are for the real services: here nobody runs them, and the simulated ones are changed as they would change them. Entra may show something old for a while, so a mail goes out when a second check has seen it too.",
    ))?;
    Ok(begins)
}

/// Takes one thing away, and gives it back when it was told.
async fn told_and_mended(story: &mut Story, lack: Lack, begins: Timestamp) -> Result<(), Stop> {
    story.section(lack.name, lack.headline).await?;
    (lack.take)(story)?;
    story.tell(Told::new("taken_away", lack.taken).tone(Tone::Fault))?;
    // A token of the rotator's says for an hour what it was allowed when it was issued.
    story.world.clock.advance(hours(SCHEDULE_HOURS));
    let seen = DryRun::of(story).await?;
    let row = seen.see_only(lack.requirements, lack.state)?;
    story.tell(
        Told::new("dry_run", lack.state.headline())
            .tone(Tone::Bad)
            .quoting(seen.lacking())
            .fact(Fact::new("row", row).quiet()),
    )?;
    match lack.noticed {
        Noticed::ByMail => {
            story.check_after(hours(0)).await?;
            story.check_after(hours(SCHEDULE_HOURS)).await?;
            see_told_in_time(story, begins)?;
            // How such a mail reads was seen once.
            story.mails.in_short();
        }
        Noticed::ByMailAfterADay => until_told_as_stalled(story).await?,
        Noticed::InADryRun(matters) => story.tell(Told::new("matters", matters))?,
    }
    (lack.give_back)(story)?;
    story.tell(Told::new("given_back", lack.given_back).tone(Tone::Person))?;
    if lack.noticed.by_mail() {
        let before = published(story, "Mailbox Recovered");
        story.check_after(hours(SCHEDULE_HOURS)).await?;
        let over = published(story, "Mailbox Recovered");
        see(over == before + 1, "one word that it is over")?;
    } else {
        story.world.clock.advance(hours(SCHEDULE_HOURS));
    }
    DryRun::of(story).await?.see_all_present()?;
    story.tell(Told::new("present", "The dry run finds all present again.").tone(Tone::Good))
}

fn published(story: &Story, detail_type: &str) -> usize {
    story.world.event_bridge.details(detail_type).len()
}

async fn until_told_as_stalled(story: &mut Story) -> Result<(), Stop> {
    let before = published(story, STALLED);
    story.check_after(hours(0)).await?;
    for _ in 0..CHECKS_A_DAY {
        see(
            published(story, STALLED) == before,
            "no mail before a day is over",
        )?;
        story.check_after(hours(SCHEDULE_HOURS)).await?;
    }
    let told = published(story, STALLED);
    see(
        told == before + 1,
        "one word that it was not in order for a day",
    )
}

/// The last drift says from when on it matters: when the renewal begins.
fn see_told_in_time(story: &Story, begins: Timestamp) -> Result<(), Stop> {
    let drifts = story.world.event_bridge.details("Drift Found");
    let matters = drifts.last().and_then(|drift| time(drift, "matters_from"));
    let what = format!("an event that says that it matters from {} on", day(begins));
    see(matters.map(day) == Some(day(begins)), &what)
}
