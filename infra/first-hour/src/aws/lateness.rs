//! How late labels, values and tags show after they were written, each many times.

use std::time::Duration;

use shared::failure::Failure;
use uuid::Uuid;

use super::Aws;
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::{Pace, Spread};

/// `LABEL_WAIT`.
const BELIEVED: Duration = Duration::from_secs(10);
const LABEL: &str = "moved";
const TAG: &str = "shopmail:first-hour-try";

pub async fn probe(aws: &Aws, pace: Pace, findings: &mut Findings) -> Result<(), Failure> {
    let first = Uuid::new_v4().to_string();
    let secret = aws.secrets.make("lateness", &first, "first").await?;
    let (mut labels, mut values, mut tags) =
        (Spread::default(), Spread::default(), Spread::default());
    for at in 0..pace.tries * 4 {
        let version = Uuid::new_v4().to_string();
        secret.put(&version, &version, &[LABEL]).await??;
        let shown = pace.until(async || secret.value_at(LABEL, &version).await);
        values.add(shown.await?.as_ref());
        let (from, to) = (Some(version.as_str()), Some(first.as_str()));
        secret.move_label(LABEL, from, to).await??;
        let shown =
            pace.until(async || Ok(secret.versions().await?.has(&first, LABEL).then_some(())));
        labels.add(shown.await?.as_ref());
        let value = at.to_string();
        secret.set_tag(TAG, &value).await?;
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
