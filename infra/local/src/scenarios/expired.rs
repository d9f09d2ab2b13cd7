//! The schedule was off for weeks, and the secret has ended.

use super::{days, hours, renew};
use crate::chapters::{opening, summary};
use crate::fact::Fact;
use crate::narration::text;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    opening::tell(story).await?;
    let ended = nobody_looks(story).await?;
    let headline = "One check, and mail flows";
    story.chapter("renewed", headline, &[]).await?;
    story.tell(Told::new(
        "switched_on",
        "The schedule is switched on again.",
    ))?;
    renew(story, hours(0)).await?;
    let expired = story.world.event_bridge.details("Client Secret Expired");
    see(expired.len() == 1, "one event that mail stands still")?;
    let due = story.world.event_bridge.details("Rotation Due");
    see(
        due.first()
            .is_some_and(|due| text(due, "reason") == "expired"),
        "a renewal because the secret has ended",
    )?;
    story.tell(
        Told::new(
            "flows_again",
            "Both directions work again. No person had to do anything: the owner's permission outlives the secret.",
        )
        .tone(Tone::Good),
    )?;
    let now = story.world.clock.now();
    let stood_still = now.duration_since(ended).as_hours();
    let sum = format!(
        "Mail had stood still for {stood_still} hours, since the secret ended. The first check renewed the secret at once. Mails said that mail stood still, and then that all is well."
    );
    let sum = Told::new("sum", sum).fact(Fact::new("stood_still_h", stood_still).quiet());
    summary::end_with(story, sum).await
}

async fn nobody_looks(story: &mut Story) -> Result<jiff::Timestamp, Stop> {
    let headline = "Nobody looks for three weeks, and mail stops";
    story.chapter("expired", headline, &[]).await?;
    let ends = story.current_end()?;
    story.tell(
        Told::new(
            "schedule_off",
            "Somebody switches the schedule of the checks off. Alarms of AWS report it, and nobody reads them.",
        )
        .tone(Tone::Fault),
    )?;
    story.world.clock.advance(days(21));
    see(
        story.standing_still() == 2,
        "both directions standing still",
    )?;
    story.tell(
        Told::new(
            "stands_still",
            "The secret has ended: Microsoft refuses it, and ShopCtrl neither fetches nor sends mail.",
        )
        .tone(Tone::Bad),
    )?;
    Ok(ends)
}
