//! The sum.

use jiff::SignedDuration;

use crate::fact::Fact;
use crate::manual_page;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

/// Of the renewals, and of the mailbox that could not send for this time.
pub async fn tell(story: &mut Story, could_not_send: SignedDuration) -> Result<(), Stop> {
    story.see_mail_flowing()?;
    let mail = story.mail.seen();
    see(mail.looks > 50, "ShopCtrl looked at all the time")?;
    let by_hand: Vec<String> = story
        .steps_by_hand
        .iter()
        .map(ToString::to_string)
        .collect();
    see(
        !by_hand.is_empty() && by_hand.len() <= 2,
        "one sign-in, and nothing else, by a person",
    )?;
    let could_not_send = could_not_send.as_hours();
    let sum = format!(
        "The first mailbox: renewed twice, the old secret retired, {:.0} seconds of mail outage. Of the manual page's {} steps a person did {} (step {}) the first time, and none the second. The second mailbox: it could not send for {could_not_send} hours, until a check found it and a person ran one command; its renewal needed nobody.",
        mail.seconds,
        manual_page::STEPS,
        by_hand.len(),
        by_hand.join(" and "),
    );
    let steps = story.steps_by_hand.clone();
    let sum = Told::new("sum", sum)
        .fact(Fact::new("outage_s", mail.seconds).quiet())
        .fact(Fact::new("looks_at_mail", mail.looks).quiet())
        .fact(Fact::new("manual_steps", manual_page::STEPS).quiet())
        .fact(Fact::new("steps_by_hand", steps).quiet())
        .fact(Fact::new("could_not_send_h", could_not_send).quiet());
    end_with(story, sum).await
}

/// Of any story.
pub async fn end_with(story: &mut Story, sum: Told) -> Result<(), Stop> {
    story.chapter("summary", "In sum", &[]).await?;
    let searched = story.teller.searched();
    let secrets = story.world.secret_strings().len();
    story.tell(
        Told::new(
            "no_secret_printed",
            format!("No secret value was printed: each sentence above was searched for all {secrets} secrets of this simulated world before it went out, also in base64 and percent-encoded."),
        )
        .fact(Fact::new("searched", searched).quiet())
        .fact(Fact::new("secrets", secrets).quiet()),
    )?;
    story.tell(sum.tone(Tone::Good))
}
