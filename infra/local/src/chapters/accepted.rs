//! Entra learns of the new secret; before that nobody else has it.

use std::sync::Arc;
use std::time::Duration;

use simulators::microsoft::directory::Standing;
use tokio::time::Instant;

use super::issued::Issued;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::{PATIENCE, Story};
use crate::told::{Told, Tone};

const LOOK_EVERY: Duration = Duration::from_millis(20);

pub async fn tell(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    let headline = "Entra learns of the new secret, and nobody else has it before";
    story.chapter("accepted", headline, &[]).await?;
    until_entra_knows(story, issued).await
}

/// Looks at Entra's servers and at ShopCtrl until the new secret works at all of them. As long as it
/// does not, no connection may hold it.
async fn until_entra_knows(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    let world = Arc::clone(&story.world);
    let app = story.mailbox.app.app_id;
    let secret = world.directory.secret_value(issued.key).unwrap_or_default();
    let begun = Instant::now();
    let mut last = None;
    loop {
        // In this order: what is held is looked at before what is known, so that a delivery in
        // between is no false alarm.
        let held = world.shopctrl.connections();
        let standing = world.directory.standing(app, &secret);
        if last != Some(standing) {
            tell_standing(story, standing)?;
            last = Some(standing);
        }
        if standing == Standing::Accepted {
            return Ok(());
        }
        let early = held
            .iter()
            .any(|connection| connection.key_id == Some(issued.key));
        see(
            !early,
            "ShopCtrl keeping the old secret until Entra takes the new one",
        )?;
        see(begun.elapsed() < PATIENCE, "Entra accepting the new secret")?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn tell_standing(story: &mut Story, standing: Standing) -> Result<(), Stop> {
    story.tell(match standing {
        Standing::Refused => Told::new(
            "entra_refuses",
            "None of Entra's servers accepts the new secret yet: it takes seconds, on bad days minutes. Waiting; ShopCtrl works on with the old one.",
        )
        .tone(Tone::Waiting),
        Standing::Disputed => Told::new(
            "entra_disputes",
            "Some of Entra's servers accept it, others do not yet. Waiting for several sign-ins in a row.",
        )
        .tone(Tone::Waiting),
        Standing::Accepted => Told::new("entra_accepts", "All of Entra's servers accept the new secret."),
    })
}
