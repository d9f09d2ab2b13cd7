//! When the next renewal is due: the checker is asked, and does nothing yet.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::issued::Issued;
use crate::fact::Fact;
use crate::manual_page;
use crate::scenario::RENEW_BEFORE_DAYS;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::Told;

pub async fn tell(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    story
        .chapter("due", "The next renewal", manual_page::REPEAT)
        .await?;
    let due = issued.ends - SignedDuration::from_hours(24 * RENEW_BEFORE_DAYS);
    let hour = SignedDuration::from_hours(1);
    see(
        !would_start(story, due - hour).await?,
        "no renewal before its time",
    )?;
    see(
        would_start(story, due + hour).await?,
        "a renewal at its time",
    )?;
    story.tell(
        Told::new(
            "next_due",
            "The checker was asked what it would do an hour before the next renewal is due, and an hour after: nothing, and start it. Nobody has to note a date or set a reminder.",
        )
        .fact(Fact::day("expires_at", issued.ends))
        .fact(Fact::day("next_due_at", due)),
    )
}

/// What a check at that time would do, without doing it.
pub async fn would_start(story: &mut Story, at: Timestamp) -> Result<bool, Stop> {
    let world = std::sync::Arc::clone(&story.world);
    let event = json!({"time": at.to_string(), "dry_run": true});
    let asked = async move { world.invoke("expiry-checker", &event).await };
    let answer = story.patiently("the checker's plan", asked).await?;
    let answer = answer.map_err(Stop::World)?;
    see(
        answer.function_error.is_none(),
        "the checker's plan without an error",
    )?;
    let actions = answer
        .payload
        .pointer("/secrets/0/actions")
        .and_then(Value::as_array);
    let actions =
        actions.ok_or_else(|| Stop::NotSeen("the checker's plan for the mailbox".to_owned()))?;
    Ok(actions.iter().any(|action| action == "start a rotation"))
}
