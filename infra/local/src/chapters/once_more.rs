//! A second renewal, now that the owner's permission is there: nobody is asked.

use super::issued::{Issued, issue};
use super::promoted::promote;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

pub async fn tell(story: &mut Story) -> Result<Issued, Stop> {
    story
        .chapter(
            "once_more",
            "Once more: with the permission stored, nobody is asked",
            &[],
        )
        .await?;
    // The backlog of the last check is no news of this renewal.
    story.untold();
    story.world.gate.clear();
    let asked_before = story
        .world
        .event_bridge
        .details("Authorization Required")
        .len();
    story
        .world
        .secrets_manager
        .rotate(&story.mailbox.secret)
        .map_err(|error| Stop::NotSeen(format!("a renewal on demand: {}", error.message)))?;
    story.tell(
        Told::new(
            "rotate_now",
            "An administrator presses \"Rotate secret immediately\" in AWS, to try it. The same steps run again.",
        ),
    )?;
    let issued = issue(story).await?;
    for _ in 0..2 {
        story.tell_event("Connection Delivered").await?;
    }
    promote(story, &issued).await?;
    let asked = story
        .world
        .event_bridge
        .details("Authorization Required")
        .len();
    see(asked == asked_before, "a renewal without asking anybody")?;
    story.tell(
        Told::new(
            "nobody_asked",
            "No link, no sign-in, no click: this renewal needed no person at all.",
        )
        .tone(Tone::Good),
    )?;
    Ok(issued)
}
