//! Days later: the old credential goes, and only that one.

use jiff::SignedDuration;

use super::issued::Issued;
use crate::fact::Fact;
use crate::narration::text;
use crate::scenario::QUARANTINE_DAYS;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

pub async fn tell(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    let days = QUARANTINE_DAYS + 1;
    story
        .chapter("retired", "Days later: the old secret is removed", &[])
        .await?;
    let old = story.mailbox.first_key;
    story
        .world
        .clock
        .advance(SignedDuration::from_hours(24 * days));
    story.tell(
        Told::new(
            "time_passes",
            format!("The simulated clock is set forward by {days} days, and the scheduled check comes again."),
        )
        .tone(Tone::Waiting),
    )?;
    story.check().await?;
    let retired = story.tell_event("Credential Retired").await?;
    see(
        text(&retired, "key_id") == old.to_string(),
        "the removal of the old secret",
    )?;
    see(!story.entra_lists(old), "the old secret gone from Entra")?;
    see(
        story.entra_lists(issued.key),
        "the new secret, still in Entra",
    )?;
    see(
        story.entra_lists(story.mailbox.foreign_key),
        "the foreign secret, still in Entra",
    )?;
    story.see_mail_flowing()?;
    let report = story.event("Fleet Report").await?;
    see(
        report
            .pointer("/detail/healthy")
            .is_some_and(|healthy| *healthy == 1),
        "a report that all is in order",
    )?;
    story.tell(
        Told::new(
            "foreign_untouched",
            "The secret that is somebody else's is still there, untouched. The check reports that all is in order.",
        )
        .tone(Tone::Good)
        .fact(Fact::new("key_id", story.mailbox.foreign_key.to_string())),
    )
}
