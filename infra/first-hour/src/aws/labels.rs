//! A rotation's labels, moved by this command's own calls: two promotions, and what is on the versions after each.

use shared::failure::Failure;
use shared::secret_store::versions::{CURRENT, PENDING, PREVIOUS, Versions};
use uuid::Uuid;

use super::Aws;
use super::throw_away::ThrowAwaySecret;
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::Pace;

const FIRST_KEY: &str = "key-1";

pub async fn probe(aws: &Aws, pace: Pace, findings: &mut Findings) -> Result<(), Failure> {
    let [first, second, third] = [(); 3].map(|()| Uuid::new_v4().to_string());
    let secret = aws.secrets.make("labels", &first, "first").await?;
    begin(&secret, &first, pace, findings).await?;
    secret.put(&second, "second", &[PENDING, "key-2"]).await??;
    let Some(versions) = promote(&secret, &first, &second, pace).await? else {
        return Ok(());
    };
    let stays = versions.has(&first, FIRST_KEY);
    findings.saw(beliefs::LABELS_STAY, stays, labels_of(&versions, &first));
    let follows = versions.has(&first, PREVIOUS);
    findings.saw(
        beliefs::PREVIOUS_FOLLOWS,
        follows,
        labels_of(&versions, &first),
    );
    let both = versions.has(&second, PENDING);
    findings.saw(beliefs::PENDING_STAYS, both, labels_of(&versions, &second));
    secret.put(&third, "third", &[PENDING, "key-3"]).await??;
    let taken = pace.until(async || {
        let versions = secret.versions().await?;
        Ok((versions.has(&third, PENDING)).then_some(versions))
    });
    if let Some(taken) = taken.await? {
        let left = !taken.what.has(&second, PENDING);
        let seen = format!(
            "the label was taken; the version that had it: {}",
            labels_of(&taken.what, &second)
        );
        findings.saw(beliefs::PUT_TAKES_LABEL, left, seen);
    }
    let Some(versions) = promote(&secret, &second, &third, pace).await? else {
        return Ok(());
    };
    let stays = versions.has(&first, FIRST_KEY);
    findings.saw(
        beliefs::LABELS_STAY_PREVIOUS,
        stays,
        labels_of(&versions, &first),
    );
    deprecated(&secret, &first, stays, pace, findings).await
}

/// Gives the first version a label, and looks at the secret as it is at first.
async fn begin(
    secret: &ThrowAwaySecret<'_>,
    first: &str,
    pace: Pace,
    findings: &mut Findings,
) -> Result<(), Failure> {
    secret.move_label(FIRST_KEY, None, Some(first)).await??;
    let shown = pace.until(async || {
        let metadata = secret.describe().await?;
        let ready = metadata.versions.has(first, FIRST_KEY);
        Ok(ready.then_some(metadata.primary_region))
    });
    if let Some(shown) = shown.await? {
        let seen = match &shown.what {
            None => "none is described".to_owned(),
            Some(region) => format!("{region} is described"),
        };
        findings.saw(beliefs::PRIMARY_REGION, shown.what.is_none(), seen);
    }
    Ok(())
}

/// Takes the last label from the first version and reads it by its id.
async fn deprecated(
    secret: &ThrowAwaySecret<'_>,
    first: &str,
    has_label: bool,
    pace: Pace,
    findings: &mut Findings,
) -> Result<(), Failure> {
    if has_label {
        secret.move_label(FIRST_KEY, Some(first), None).await??;
    }
    let gone = pace.until(async || Ok((!secret.versions().await?.knows(first)).then_some(())));
    let gone = gone.await?.is_some();
    let readable = match secret.value_of(first).await? {
        Ok(_) => "can be read by its id".to_owned(),
        Err(refusal) => format!("cannot be read by its id: {refusal}"),
    };
    let described = if gone { "not described" } else { "described" };
    let as_believed = gone && readable == "can be read by its id";
    findings.saw(
        beliefs::DEPRECATED,
        as_believed,
        format!("{described}, {readable}"),
    );
    Ok(())
}

/// The labels some looks after the promotion showed: what leaves with it may leave a moment later.
async fn promote(
    secret: &ThrowAwaySecret<'_>,
    from: &str,
    to: &str,
    pace: Pace,
) -> Result<Option<Versions>, Failure> {
    secret.move_label(CURRENT, Some(from), Some(to)).await??;
    let shown = pace.until(async || Ok(secret.versions().await?.has(to, CURRENT).then_some(())));
    if shown.await?.is_none() {
        return Ok(None);
    }
    pace.pause().await;
    secret.versions().await.map(Some)
}

fn labels_of(versions: &Versions, version: &str) -> String {
    match versions.0.get(version) {
        None => "it is not described any more".to_owned(),
        Some(labels) => {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            format!("it has {}", labels.join(", "))
        }
    }
}
