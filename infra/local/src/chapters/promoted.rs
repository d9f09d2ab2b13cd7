//! The new secret is proved, and becomes the current one.

use super::issued::Issued;
use crate::fact::Fact;
use crate::manual_page;
use crate::narration::of_event;
use crate::proof::Proof;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::{Told, Tone};

pub async fn tell(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    story
        .chapter(
            "promoted",
            "The new secret is proved and promoted",
            manual_page::PROVE,
        )
        .await?;
    let old = story.mailbox.first_key;
    promote(story, issued).await?;
    see(
        story.entra_lists(old),
        "the old client secret, kept for its days of grace",
    )?;
    story.tell(
        Told::new(
            "old_kept",
            "The old secret stays valid for a week more, in case anything still uses it.",
        )
        .fact(Fact::new("key_id", old.to_string())),
    )
}

/// Waits for it, tells it, and looks at the proofs and at the store.
pub async fn promote(story: &mut Story, issued: &Issued) -> Result<(), Stop> {
    let event = story.event("Client Secret Rotated").await?;
    story.until_rotation_rests().await?;
    let proof = Proof::in_journal(&story.world);
    see(
        proof.inbox_opened > 0,
        "the inbox opened with the new secret and the owner's permission",
    )?;
    see(
        proof.tests_passed >= 2,
        "ShopCtrl's own tests of receiving and sending passed",
    )?;
    story.tell(
        Told::new(
            "proved",
            "It is proved: the mailbox opens with the owner's permission, ShopCtrl's own tests of receiving and sending pass, and ShopCtrl has checked mail with it.",
        )
        .tone(Tone::Good)
        .fact(Fact::new("inbox_opened", proof.inbox_opened).quiet())
        .fact(Fact::new("shopctrl_tests_passed", proof.tests_passed).quiet()),
    )?;
    story.tell(of_event(&event))?;
    see(
        story.current_key() == Some(issued.key),
        "the new secret as the current one in AWS Secrets Manager",
    )?;
    let records = story.world.secrets_manager.records();
    let succeeded = records
        .last()
        .is_some_and(|record| record.event == "RotationSucceeded");
    see(succeeded, "Secrets Manager's record of the success")?;
    story.see_delivered(issued.key)?;
    story.see_mail_flowing()
}
