//! What is unusual, shown: each story breaks something on purpose, and sees for itself how that ends.

mod broken_mail;
mod expired;
mod frozen;
mod killed;
mod leaked;
pub mod mail_protocols;
mod preflight;

use jiff::SignedDuration;
use uuid::Uuid;

use crate::chapters;
use crate::scenario::Scenario;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;

/// Tells it, from beginning to end.
///
/// # Errors
/// [`Stop`].
pub async fn tell(story: &mut Story, scenario: Scenario) -> Result<(), Stop> {
    match scenario {
        Scenario::Renewal => {
            let asked = chapters::until_a_person_is_asked(story).await?;
            chapters::until_the_next_is_due(story, &asked).await?;
            let could_not_send = mail_protocols::tell(story).await?;
            chapters::summary::tell(story, could_not_send).await
        }
        Scenario::Killed => killed::tell(story).await,
        Scenario::Expired => expired::tell(story).await,
        Scenario::Leaked => leaked::tell(story).await,
        Scenario::Frozen => frozen::tell(story).await,
        Scenario::BrokenMail => broken_mail::tell(story).await,
        Scenario::Preflight => preflight::tell(story).await,
    }
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// A renewal by one check after this time, that needs nobody: the new credential.
async fn renew(story: &mut Story, after: SignedDuration) -> Result<Uuid, Stop> {
    let before = story.current_key();
    story.check_after(after).await?;
    let key = story.current_key().filter(|key| Some(*key) != before);
    let key = key.ok_or_else(|| Stop::NotSeen("another current secret in AWS".to_owned()))?;
    story.see_delivered(key)?;
    see(
        story.standing_still() == 0,
        "mail flowing with the new secret",
    )?;
    Ok(key)
}
