//! A new client secret in Entra.

use jiff::Timestamp;
use simulators::aws::secrets_manager::PENDING;
use uuid::Uuid;

use crate::fact::Fact;
use crate::manual_page;
use crate::narration::{of_event, text, time};
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;

/// What was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Its key id.
    pub key: Uuid,
    /// When it ends.
    pub ends: Timestamp,
}

pub async fn tell(story: &mut Story) -> Result<Issued, Stop> {
    story
        .chapter(
            "issued",
            "A new client secret is issued",
            manual_page::ISSUE,
        )
        .await?;
    issue(story).await
}

/// Waits for it, tells it, and looks at it in Entra.
pub async fn issue(story: &mut Story) -> Result<Issued, Stop> {
    let before = story.current_key();
    let event = story.event("Rotation Started").await?;
    let detail = event.get("detail").cloned().unwrap_or_default();
    let not_seen = || Stop::NotSeen("the new client secret in Entra".to_owned());
    let key: Uuid = text(&detail, "key_id").parse().map_err(|_| not_seen())?;
    let ends = time(&detail, "expires_at").ok_or_else(not_seen)?;
    let credentials = story.world.directory.credentials(story.mailbox.app.app_id);
    let credential = credentials
        .iter()
        .find(|known| known.key_id == key)
        .ok_or_else(not_seen)?;
    let name = credential.display_name.clone().unwrap_or_default();
    story.tell(of_event(&event).fact(Fact::new("name", name.clone()).quiet()))?;
    see(
        name.starts_with("smr2/"),
        "our marker at the front of its name",
    )?;
    see(credential.end == ends, "the end that was told, in Entra")?;
    see(
        before.is_some_and(|before| before != key && story.entra_lists(before)),
        "the old client secret, still there beside it",
    )?;
    see(
        is_stored(story, key),
        "its value, pending in AWS Secrets Manager",
    )?;
    Ok(Issued { key, ends })
}

fn is_stored(story: &Story, key: Uuid) -> bool {
    let secret = story.world.secrets_manager.snapshot(&story.mailbox.secret);
    let pending = secret
        .as_ref()
        .and_then(|secret| secret.labelled(PENDING)?.text());
    let value = story.world.directory.secret_value(key);
    value.is_some_and(|value| pending.is_some_and(|pending| pending.contains(&value)))
}
