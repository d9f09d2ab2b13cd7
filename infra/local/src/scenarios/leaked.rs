//! A secret's value is where it should not be.

use simulators::aws::secrets_manager::CURRENT;
use simulators::microsoft::directory::Standing;

use super::{hours, renew};
use crate::chapters::{opening, summary};
use crate::fact::Fact;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

const TAG: &str = "shopmail:emergency";

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    opening::tell(story).await?;
    let leaked = story.mailbox.first_key;
    mark(story).await?;
    let headline = "Renewed at once, and the old one is removed at once";
    story.chapter("renewed", headline, &[]).await?;
    renew(story, hours(0)).await?;
    see(
        !story.entra_lists(leaked),
        "the leaked secret gone from Entra, without days of grace",
    )?;
    see(
        story.entra_lists(story.mailbox.foreign_key),
        "the foreign secret, still in Entra",
    )?;
    let retired = story.world.event_bridge.details("Credential Retired");
    let stops = retired
        .first()
        .and_then(|event| event.pointer("/stops/connections"));
    see(
        stops
            .and_then(|stops| stops.as_array())
            .is_some_and(Vec::is_empty),
        "a removal that stops no connection",
    )?;
    see_worth(story, Standing::Refused)?;
    story.tell(
        Told::new(
            "worthless",
            "Whoever has the leaked value is refused by Microsoft now. The shop's own mail goes on with the new secret.",
        )
        .tone(Tone::Good),
    )?;
    story.see_mail_flowing()?;
    let outage = story.mail.seen().seconds;
    let sum = format!(
        "One tag, and the next check replaced the leaked secret and removed it: {outage:.0} seconds of mail outage. Asked of nobody: 100 days were left, and no renewal was due."
    );
    let sum = Told::new("sum", sum).fact(Fact::new("outage_s", outage).quiet());
    summary::end_with(story, sum).await
}

async fn mark(story: &mut Story) -> Result<(), Stop> {
    let headline = "The secret's value is found in a public place";
    story.chapter("leaked", headline, &[]).await?;
    see_worth(story, Standing::Accepted)?;
    story.tell(
        Told::new(
            "leak",
            "Somebody pasted the client secret into a public page. Whoever finds it can use it: Microsoft accepts it.",
        )
        .tone(Tone::Fault),
    )?;
    let secret = story.world.secrets_manager.snapshot(&story.mailbox.secret);
    let current = secret.and_then(|secret| Some(secret.labelled(CURRENT)?.id.clone()));
    let current = current.ok_or_else(|| Stop::NotSeen("a current version".to_owned()))?;
    let tags = [(TAG, current.as_str())];
    let tagged = story
        .world
        .secrets_manager
        .put_tags(&story.mailbox.secret, &tags);
    tagged.map_err(|error| Stop::World(error.message))?;
    story.tell(
        Told::new(
            "marked",
            "An administrator says so with one tag on the secret in AWS; its value is the id of the version that leaked.",
        )
        .tone(Tone::Person)
        .fact(Fact::new("tag", TAG)),
    )
}

/// What the leaked value is worth at Microsoft.
fn see_worth(story: &Story, worth: Standing) -> Result<(), Stop> {
    let directory = &story.world.directory;
    let value = directory
        .secret_value(story.mailbox.first_key)
        .unwrap_or_default();
    let standing = directory.standing(story.mailbox.app.app_id, &value);
    see(
        standing == worth,
        &format!("Entra and the leaked value: {worth:?}"),
    )
}
