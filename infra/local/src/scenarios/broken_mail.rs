//! ShopCtrl is changed by hand: once so that the system can put it right, once so that only a person may.

use serde_json::Value;

use super::hours;
use crate::chapters::{opening, summary};
use crate::narration::text;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

const RECEIVING: &str = "orders-in";

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    opening::tell(story).await?;
    wrong_secret(story).await?;
    switched_off(story).await?;
    switched_on(story).await?;
    let sum = Told::new(
        "sum",
        "Two ways in which a hand in ShopCtrl stops mail: one was put right by the next check; of the other a mail told what to do, and a second mail that it was over.",
    );
    summary::end_with(story, sum).await
}

async fn wrong_secret(story: &mut Story) -> Result<(), Stop> {
    let headline = "Somebody enters a wrong secret in ShopCtrl";
    story.chapter("wrong_secret", headline, &[]).await?;
    let shop_id = story.mailbox.shop_id;
    let shopctrl = &story.world.shopctrl;
    shopctrl.enter_secret(shop_id, RECEIVING, "a typo");
    see(story.standing_still() == 1, "receiving mail standing still")?;
    story.tell(
        Told::new(
            "typo",
            "Somebody types over the Client Secret of receiving mail. ShopCtrl shows Not authorized from then on, and fetches no mail.",
        )
        .tone(Tone::Fault),
    )?;
    story.show_state()?;
    story.check_after(hours(6)).await?;
    see(
        story.standing_still() == 0,
        "mail flowing again after one check",
    )?;
    let drifts = story.world.event_bridge.details("Drift Found");
    see(
        !drifts.is_empty() && drifts.iter().all(is_mended),
        "what was found told as put right",
    )?;
    story.tell(
        Told::new(
            "put_right",
            "The same check entered the right secret again, and mail flows.",
        )
        .tone(Tone::Good),
    )
}

fn is_mended(drift: &Value) -> bool {
    drift.get("mended").and_then(Value::as_bool) == Some(true)
}

async fn switched_off(story: &mut Story) -> Result<(), Stop> {
    let headline = "Somebody switches receiving off";
    story.chapter("switched_off", headline, &[]).await?;
    enable(story, false);
    story.tell(
        Told::new(
            "off",
            "Somebody switches Enable off for receiving mail. It may be a mistake, or meant: only a person can know.",
        )
        .tone(Tone::Fault),
    )?;
    let answer = story.check_after(hours(6)).await?;
    let report = answer.pointer("/secrets/0").cloned().unwrap_or_default();
    see(
        text(&report, "state") == "failed",
        "a mailbox that is not in order",
    )?;
    story.check_after(hours(6)).await?;
    let drifts = story.world.event_bridge.details("Drift Found");
    let open = drifts.iter().filter(|drift| !is_mended(drift));
    see(open.count() == 1, "one word about it, and not one a check")?;
    see(story.standing_still() == 1, "the switch left as it is")?;
    story.tell(
        Told::new(
            "told_once",
            "One mail told it, with the next step. A second check found the same and sent no other. The switch was not touched.",
        )
        .tone(Tone::Good),
    )
}

async fn switched_on(story: &mut Story) -> Result<(), Stop> {
    let headline = "A person switches it on again, and hears that all is well";
    story.chapter("switched_on", headline, &[]).await?;
    enable(story, true);
    story.tell(
        Told::new("on", "The person who got the mail switches Enable on.").tone(Tone::Person),
    )?;
    story.check_after(hours(6)).await?;
    let over = story.world.event_bridge.details("Mailbox Recovered");
    see(over.len() == 1, "one all-clear")?;
    see(
        story.standing_still() == 0,
        "mail flowing in both directions",
    )
}

fn enable(story: &Story, on: bool) {
    let shopctrl = &story.world.shopctrl;
    shopctrl.edit(story.mailbox.shop_id, RECEIVING, |connection| {
        connection.enabled = on;
    });
}
