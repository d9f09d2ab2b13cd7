//! The mailbox's owner never gave this system a permission: a link is sent, and the rotation stands.

use super::issued::Issued;
use crate::narration::text;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

/// What a person was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The link.
    pub link: String,
    /// The secret that waits.
    pub issued: Issued,
}

pub async fn tell(story: &mut Story, issued: &Issued) -> Result<Asked, Stop> {
    story
        .chapter(
            "asked",
            "One person is asked, because nobody else can do it",
            &[],
        )
        .await?;
    let asked = story.tell_event("Authorization Required").await?;
    see(
        text(&asked, "mailbox") == story.mailbox.address,
        "a link for the shop mailbox",
    )?;
    see(
        !text(&asked, "contact").is_empty(),
        "somebody to send the link to",
    )?;
    story.until_rotation_rests().await?;
    let records = story.world.secrets_manager.records();
    let reason = records
        .last()
        .and_then(|record| record.reason.clone())
        .unwrap_or_default();
    see(
        reason.contains("WaitingForPerson"),
        "the rotation waiting for a person",
    )?;
    see(
        story.current_key() == Some(story.mailbox.first_key),
        "the old secret as the current one while the rotation waits",
    )?;
    story.see_mail_flowing()?;
    story.tell(
        Told::new(
            "stands_still",
            "The renewal stands still now, safely: both secrets work, mail flows, and there are days of time.",
        )
        .tone(Tone::Good),
    )?;
    Ok(Asked {
        link: text(&asked, "link").to_owned(),
        issued: issued.clone(),
    })
}
