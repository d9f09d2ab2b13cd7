//! How late labels, values and tags show after they were written, each many times.

use std::time::Duration;

use aws_sdk_secretsmanager::types::Tag;
use shared::failure::Failure;
use uuid::Uuid;

use super::throw_away::ThrowAwaySecret;
use super::{Aws, answered, done};
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::{Pace, Spread};

/// `LABEL_WAIT`.
const BELIEVED: Duration = Duration::from_secs(10);
const LABEL: &str = "moved";
const TAG: &str = "shopmail:first-hour-try";

pub(super) async fn probe(aws: &Aws, pace: Pace, findings: &mut Findings) -> Result<(), Failure> {
    let first = Uuid::new_v4().to_string();
    let secret = aws.secrets.make("lateness", &first, "first").await?;
    let (mut labels, mut values, mut tags) =
        (Spread::default(), Spread::default(), Spread::default());
    for at in 0..pace.tries * 4 {
        let version = Uuid::new_v4().to_string();
        let request = secret
            .put()
            .client_request_token(&version)
            .secret_string(&version);
        let request = request.version_stages(LABEL);
        done("secretsmanager:PutSecretValue", request.send().await)?;
        values.add(value_shows(&secret, &version, pace).await?.as_ref());
        let moved = secret.label(LABEL).move_to_version_id(&first);
        let moved = moved.remove_from_version_id(&version);
        done(
            "secretsmanager:UpdateSecretVersionStage",
            moved.send().await,
        )?;
        let shown =
            pace.until(async || Ok(secret.versions().await?.has(&first, LABEL).then_some(())));
        labels.add(shown.await?.as_ref());
        let value = at.to_string();
        let request = secret
            .tag()
            .tags(Tag::builder().key(TAG).value(&value).build());
        done("secretsmanager:TagResource", request.send().await)?;
        let shown = pace.until(async || {
            let tags = secret.describe().await?.tags;
            Ok((tags.get(TAG) == Some(&value)).then_some(()))
        });
        tags.add(shown.await?.as_ref());
    }
    let as_believed = [&labels, &values, &tags]
        .iter()
        .all(|spread| spread.is_within(BELIEVED));
    let seen = format!("labels: {labels}; values by their label: {values}; tags: {tags}");
    findings.saw(beliefs::LATE, as_believed, seen);
    Ok(())
}

/// Until reading by the label gives this version.
async fn value_shows(
    secret: &ThrowAwaySecret<'_>,
    version: &str,
    pace: Pace,
) -> Result<Option<crate::pace::Shown<()>>, Failure> {
    pace.until(async || {
        let value = secret.value().version_stage(LABEL).send().await;
        let value = answered("secretsmanager:GetSecretValue", value)?;
        Ok(value
            .is_ok_and(|value| value.version_id() == Some(version))
            .then_some(()))
    })
    .await
}
