//! A time of much business, in which nothing is to be touched that works; up to a limit.

use jiff::{SignedDuration, Timestamp};
use simulators::gate::Call;

use super::{days, renew};
use crate::chapters::{opening, summary};
use crate::fact::{Fact, day};
use crate::scenario::QUARANTINE_DAYS;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

const TAG: &str = "shopmail:policy";
/// The shop's busy weeks, from the first day to the last.
const FREEZE_DAYS: i64 = 16;
/// So near to the secret's end no freeze holds. The secret ends 20 days after the beginning.
const HARD_STOP_DAYS: i64 = 14;
const BEFORE_HARD_STOP: [i64; 2] = [0, 4];
const TO_HARD_STOP: i64 = 3;
/// What changes a secret. Labels alone do not.
const WRITES: [&str; 5] = [
    "addPassword",
    "removePassword",
    "PUT connection",
    "PutSecretValue",
    "RotateSecret",
];

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    opening::tell(story).await?;
    let begins = story.world.clock.now();
    nothing_is_touched(story, begins).await?;
    let headline = "Near the secret's end, no freeze holds";
    story.chapter("hard_stop", headline, &[]).await?;
    let new = renew(story, days(TO_HARD_STOP)).await?;
    story.tell(
        Told::new(
            "renewed_all_the_same",
            format!("With less than {HARD_STOP_DAYS} days left, as the tag says, to wait is the greater risk: the secret is renewed in spite of the freeze."),
        )
        .tone(Tone::Good),
    )?;
    let old = story.mailbox.first_key;
    let headline = "What was replaced is kept as long as the freeze lasts";
    story.chapter("kept", headline, &[]).await?;
    story.check_after(days(QUARANTINE_DAYS + 1)).await?;
    see(story.entra_lists(old), "the old secret, kept in the freeze")?;
    story.tell(
        Told::new(
            "kept",
            format!("The old secret's {QUARANTINE_DAYS} days of grace are over. It is not removed: there is a freeze."),
        )
        .tone(Tone::Good),
    )?;
    let headline = "After the freeze it goes";
    story.chapter("after", headline, &[]).await?;
    let over = begins + days(FREEZE_DAYS + 1);
    let left = over.duration_since(story.world.clock.now());
    story
        .check_after(SignedDuration::from_secs(left.as_secs()))
        .await?;
    see(
        !story.entra_lists(old),
        "the old secret gone after the freeze",
    )?;
    see(
        story.entra_lists(new) && story.entra_lists(story.mailbox.foreign_key),
        "the new secret and the foreign one, still in Entra",
    )?;
    story.see_mail_flowing()?;
    let outage = story.mail.seen().seconds;
    let sum = format!(
        "A freeze of {FREEZE_DAYS} days: nothing was changed until the secret neared its end, then only what had to be, and the old secret went when the freeze was over. {outage:.0} seconds of mail outage."
    );
    let sum = Told::new("sum", sum).fact(Fact::new("outage_s", outage).quiet());
    summary::end_with(story, sum).await
}

async fn nothing_is_touched(story: &mut Story, begins: Timestamp) -> Result<(), Stop> {
    let headline = "The busiest weeks of the year: a freeze";
    story.chapter("frozen", headline, &[]).await?;
    let date = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let ends = begins + days(FREEZE_DAYS);
    let policy = format!(
        "freeze={}/{} hard-stop=P{HARD_STOP_DAYS}D",
        date(begins),
        date(ends)
    );
    let tags = [(TAG, policy.as_str())];
    let tagged = story
        .world
        .secrets_manager
        .put_tags(&story.mailbox.secret, &tags);
    tagged.map_err(|error| Stop::World(error.message))?;
    story.tell(
        Told::new(
            "freeze",
            format!("A tag on the secret in AWS says that nothing is to be touched until {}, though the secret is due; but not in its last {HARD_STOP_DAYS} days.", day(ends)),
        )
        .tone(Tone::Person)
        .fact(Fact::new("tag", format!("{TAG} = {policy}"))),
    )?;
    story.world.gate.clear();
    for passed in BEFORE_HARD_STOP {
        story.check_after(days(passed)).await?;
    }
    let writes = |call: &Call| WRITES.iter().any(|write| call.operation.contains(write));
    see(story.calls(writes) == 0, "no call that changes a secret")?;
    see(
        story.current_key() == Some(story.mailbox.first_key),
        "the old secret as the current one",
    )?;
    story.tell(
        Told::new(
            "untouched",
            "The checks looked, reminded and reported. None of their calls changed a secret in Entra, AWS or ShopCtrl.",
        )
        .tone(Tone::Good),
    )
}
