//! What there is when the story begins.

use crate::fact::Fact;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::Told;

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    story
        .chapter("opening", "A shop whose mail works", &[])
        .await?;
    let mailbox = story.mailbox.clone();
    let credentials = story.world.directory.credentials(mailbox.app.app_id);
    let current = credentials
        .iter()
        .find(|known| known.key_id == mailbox.first_key);
    let foreign = credentials
        .iter()
        .find(|known| known.key_id == mailbox.foreign_key);
    let (Some(current), Some(foreign)) = (current, foreign) else {
        return see(false, "both client secrets in Entra");
    };
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    story.tell(
        Told::new(
            "shop",
            "ShopCtrl fetches and sends this shop's mail. It reaches the mailbox with a client secret, which ends.",
        )
        .fact(Fact::new("mailbox", mailbox.address.clone()))
        .fact(Fact::new("secret", mailbox.secret.clone()).shown_as(format!("{} (in AWS Secrets Manager)", mailbox.secret)))
        .fact(Fact::day("expires_at", current.end))
        .fact(Fact::new("key_id", current.key_id.to_string())),
    )?;
    story.tell(
        Told::new(
            "foreign_credential",
            "The same app registration has another secret that is somebody else's. It must not be touched.",
        )
        .fact(Fact::new("name", name(&foreign.display_name)))
        .fact(Fact::new("key_id", foreign.key_id.to_string())),
    )?;
    story.see_mail_flowing()
}
