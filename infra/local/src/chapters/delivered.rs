//! ShopCtrl gets the new secret, one direction after the other.

use super::issued::Issued;
use crate::manual_page;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

pub async fn tell(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    story
        .chapter(
            "delivered",
            "ShopCtrl gets the new secret",
            manual_page::DELIVER,
        )
        .await?;
    story.tell(Told::new(
        "goes_on",
        "The renewal goes on by itself from where it stood: receiving takes the new secret and is tested by ShopCtrl, then sending.",
    ))?;
    for _ in story.connections() {
        story.tell_event("Connection Delivered").await?;
    }
    story.see_delivered(issued.key)?;
    story.see_mail_flowing()?;
    story.tell(
        Told::new(
            "delivered_unbroken",
            "Both directions are Authorized with the new secret; mail did not stop for a moment.",
        )
        .tone(Tone::Good),
    )
}
