//! The rotation function is killed at its three worst moments: when only Entra knows the new secret, when
//! ShopCtrl has half of it, and when AWS has it and nobody was told.

use std::sync::atomic::{AtomicBool, Ordering};

use simulators::aws::secrets_manager::PENDING;
use simulators::gate::{Call, Calls, Fault};
use uuid::Uuid;

use super::days;
use crate::chapters::{opening, summary};
use crate::fact::Fact;
use crate::scenario::QUARANTINE_DAYS;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

const KILL: Fault = Fault::Kill { effect: true };

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    opening::tell(story).await?;
    let lost = when_entra_issued(story).await?;
    let new = between_the_directions(story, lost).await?;
    after_the_promotion(story, new).await?;
    goes_on(story, lost, new).await?;
    let outage = story.mail.seen().seconds;
    let sum = format!(
        "Killed three times in one renewal: {outage:.0} seconds of mail outage, nothing left over in Entra, and everybody told once. The tests do this at every call of a renewal, one by one (docs/reliability.md)."
    );
    let sum = Told::new("sum", sum).fact(Fact::new("outage_s", outage).quiet());
    summary::end_with(story, sum).await
}

fn was_killed(text: &str) -> Told {
    Told::new("killed", text).tone(Tone::Fault)
}

/// Gives the credential whose value nobody has.
async fn when_entra_issued(story: &mut Story) -> Result<Uuid, Stop> {
    let headline = "Killed when Entra has issued the new secret, and AWS has not stored it";
    story.chapter("killed_issuing", headline, &[]).await?;
    let before = story.listed();
    let issue = Calls::of("graph", "POST addPassword");
    story.world.gate.fail(issue, KILL);
    let rotate = story.world.secrets_manager.rotate(&story.mailbox.secret);
    rotate.map_err(|error| Stop::World(error.message))?;
    story.tell(Told::new("rotate_now", "A renewal begins."))?;
    story.follow_rotation().await?;
    see_dead(story, "POST addPassword")?;
    let issued = story.listed().into_iter().find(|key| !before.contains(key));
    let lost = issued.ok_or_else(|| Stop::NotSeen("the lost secret in Entra".to_owned()))?;
    let secret = story.world.secrets_manager.snapshot(&story.mailbox.secret);
    let pending = secret.as_ref().and_then(|secret| secret.labelled(PENDING));
    see(
        pending.is_some_and(|version| version.value.is_none()),
        "a pending version without a value",
    )?;
    story.tell(
        was_killed("The rotation function is killed (SIGKILL) while it waits for Entra's answer. Entra shows a secret's value once, in that answer: nobody will ever know it.")
            .fact(Fact::new("key_id", lost.to_string())),
    )?;
    see_unharmed(story, "ShopCtrl works on with the old secret.")?;
    Ok(lost)
}

/// Gives the credential that is on its way.
async fn between_the_directions(story: &mut Story, lost: Uuid) -> Result<Uuid, Stop> {
    let headline = "Tried again, and killed between receiving and sending";
    story.chapter("killed_delivering", headline, &[]).await?;
    let before = story.listed();
    let deliver = Calls::of("shopctrl", "PUT connection");
    story.world.gate.fail(deliver, KILL);
    try_again(story).await?;
    see_dead(story, "PUT connection")?;
    let issued = story.listed().into_iter().find(|key| !before.contains(key));
    let new = issued.ok_or_else(|| Stop::NotSeen("another secret in Entra".to_owned()))?;
    see(new != lost, "a secret whose value is known")?;
    see(story.holding(new) == 1, "the new secret in one direction")?;
    see(
        story.holding(story.mailbox.first_key) == 1,
        "the old secret in the other direction",
    )?;
    story.tell(was_killed(
        "The function is killed again: receiving has the new secret, sending not yet, and the function has not heard of either.",
    ))?;
    see_unharmed(story, "Both secrets are valid, so both directions work.")?;
    Ok(new)
}

async fn after_the_promotion(story: &mut Story, new: Uuid) -> Result<(), Stop> {
    let headline = "Tried again, and killed when it is done and nobody was told";
    story.chapter("killed_promoting", headline, &[]).await?;
    let met = AtomicBool::new(false);
    story.world.gate.direct(move |call| {
        let is_it = promotes(call) && !met.swap(true, Ordering::SeqCst);
        is_it.then_some(KILL)
    });
    try_again(story).await?;
    see_dead(story, "UpdateSecretVersionStage")?;
    see(
        story.current_key() == Some(new),
        "the new secret as the current one",
    )?;
    story.see_delivered(new)?;
    let told = story.world.event_bridge.details("Client Secret Rotated");
    see(told.is_empty(), "nobody told of the renewal yet")?;
    story.tell(was_killed(
        "The function is killed a third time, in the call that makes the new secret the current one in AWS.",
    ))?;
    see_unharmed(
        story,
        "All have the new secret, and mail flows; only the news of it is missing.",
    )
}

async fn goes_on(story: &mut Story, lost: Uuid, new: Uuid) -> Result<(), Stop> {
    let headline = "The next checks tell what was not told, and clean up";
    story.chapter("cleaned_up", headline, &[]).await?;
    story.check_after(super::hours(6)).await?;
    story.check_after(days(QUARANTINE_DAYS + 1)).await?;
    let told = story.world.event_bridge.details("Client Secret Rotated");
    see(told.len() == 1, "one event about one renewal")?;
    see(!story.entra_lists(lost), "the lost secret gone from Entra")?;
    let old = story.mailbox.first_key;
    see(!story.entra_lists(old), "the old secret gone from Entra")?;
    see(
        story.entra_lists(new) && story.entra_lists(story.mailbox.foreign_key),
        "the new secret and the foreign one, still in Entra",
    )?;
    see_unharmed(
        story,
        "The new secret is in use, and what was lost or is old is gone from Entra. What is somebody else's was not touched.",
    )
}

async fn try_again(story: &mut Story) -> Result<(), Stop> {
    let again = story.world.secrets_manager.reattempt(&story.mailbox.secret);
    see(again, "Secrets Manager trying again")?;
    story.tell(Told::new(
        "tried_again",
        "AWS Secrets Manager tries the same renewal again, with the same steps.",
    ))?;
    story.follow_rotation().await
}

/// The call that was being made got no answer, for nobody was there to take it.
fn see_dead(story: &Story, operation: &str) -> Result<(), Stop> {
    let unanswered = |call: &Call| call.operation == operation && call.status.is_none();
    see(
        story.calls(unanswered) > 0,
        &format!("the function dead in the call {operation}"),
    )
}

fn promotes(call: &Call) -> bool {
    let body = String::from_utf8_lossy(&call.body);
    // The companion's versions move too.
    call.operation == "UpdateSecretVersionStage"
        && body.contains("AWSCURRENT")
        && !body.contains("/grants")
}

fn see_unharmed(story: &mut Story, words: &str) -> Result<(), Stop> {
    story.see_mail_flowing()?;
    story.tell(Told::new("unharmed", words).tone(Tone::Good))
}
