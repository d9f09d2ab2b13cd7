//! The scheduled check finds the secret, and starts its renewal.

use serde_json::Value;

use crate::fact::Fact;
use crate::narration::text;
use crate::sight::see;
use crate::stop::Stop;
use crate::story::Story;
use crate::told::Told;

pub async fn tell(story: &mut Story) -> Result<(), Stop> {
    story
        .chapter(
            "found",
            "The scheduled check finds a secret that nears its end",
            &[],
        )
        .await?;
    story.tell(Told::new(
        "check",
        "The expiry checker looks at every mailbox secret.",
    ))?;
    let answer = story.check().await?;
    let due = story.tell_event("Rotation Due").await?;
    see(
        text(&due, "secret") == story.mailbox.secret,
        "the renewal of this mailbox's secret",
    )?;
    story.tell_event("Fleet Report").await?;
    let actions = answer
        .pointer("/secrets/0/actions")
        .and_then(Value::as_array);
    let started = actions.is_some_and(|all| all.iter().any(|action| action == "start a rotation"));
    see(started, "the checker starting a rotation")?;
    story.tell(
        Told::new(
            "rotation_requested",
            "It asks AWS Secrets Manager to renew the secret: four steps, each safe to repeat.",
        )
        .fact(Fact::new(
            "steps",
            serde_json::json!(["issue", "deliver", "prove", "promote"]),
        )),
    )
}
