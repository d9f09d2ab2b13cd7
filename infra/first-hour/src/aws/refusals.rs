//! What Secrets Manager refuses, and in which words.

use shared::failure::Failure;
use shared::secret_store::versions::{CURRENT, MOST_LABELS};
use uuid::Uuid;

use super::throw_away::ThrowAwaySecret;
use super::{Aws, Refusal};
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::Pace;

const INVALID: &str = "InvalidParameterException";

pub async fn probe(aws: &Aws, pace: Pace, findings: &mut Findings) -> Result<(), Failure> {
    let [first, second] = [(); 2].map(|()| Uuid::new_v4().to_string());
    let secret = aws.secrets.make("refusals", &first, "first").await?;
    value_once(&secret, &second, findings).await?;
    let both = pace.until(async || Ok(secret.versions().await?.knows(&second).then_some(())));
    both.await?;
    compare_and_swap(&secret, &first, &second, findings).await?;
    twenty_labels(&secret, &first, &second, findings).await
}

async fn value_once(
    secret: &ThrowAwaySecret<'_>,
    version: &str,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let put = async |value: &str| secret.put(version, value, &["label-01"]).await;
    if let Err(refusal) = put("once").await? {
        findings.saw(
            beliefs::VALUE_ONCE,
            false,
            format!("the first is {refusal}"),
        );
        return Ok(());
    }
    let (same, other) = (put("once").await?, put("another").await?);
    let exists = other
        .as_ref()
        .is_err_and(|refusal| refusal.code == "ResourceExistsException");
    let told = |answer: &Result<_, Refusal>| match answer {
        Ok(_) => "taken".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    let seen = format!("the same value: {}; another: {}", told(&same), told(&other));
    findings.saw(beliefs::VALUE_ONCE, same.is_ok() && exists, seen);
    Ok(())
}

/// `AWSCURRENT` is on the first version; each of these has to be refused.
async fn compare_and_swap(
    secret: &ThrowAwaySecret<'_>,
    first: &str,
    second: &str,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let nowhere = Uuid::new_v4().to_string();
    let current = async |from, to| {
        let answer = secret.move_label(CURRENT, from, to).await?;
        Ok::<_, Failure>(answer.err().unwrap_or_else(|| Refusal {
            action: "",
            code: "taken".to_owned(),
            text: String::new(),
        }))
    };
    let none_named = current(None, Some(second)).await?;
    let wrong_one = current(Some(second), Some(second)).await?;
    let dropped = current(Some(first), None).await?;
    let to_nowhere = current(Some(first), Some(&nowhere)).await?;
    let stayed = secret.versions().await?.has(first, CURRENT);
    let refused = none_named.code == INVALID && wrong_one.code == INVALID;
    let (none_code, wrong_code) = (&none_named.code, &wrong_one.code);
    let place = if stayed { "stayed" } else { "moved" };
    let seen = format!("none named: {none_code}; another named: {wrong_code}; AWSCURRENT {place}");
    findings.saw(beliefs::COMPARE_AND_SWAP, refused && stayed, seen);
    let as_believed = none_named
        .text
        .contains("RemoveFromVersionId can't be empty")
        && dropped.text.contains("be completely removed");
    let seen = format!(
        "none named: {none_named}; dropped: {dropped}; another named: {wrong_one}; to a version that is not there: {to_nowhere}"
    );
    findings.saw(beliefs::TEXTS, as_believed, seen);
    Ok(())
}

async fn twenty_labels(
    secret: &ThrowAwaySecret<'_>,
    first: &str,
    second: &str,
    findings: &mut Findings,
) -> Result<(), Failure> {
    // AWSCURRENT and label-01 are there; what the others are refused for is seen below.
    let mut taken = 2;
    let refusal = loop {
        let (label, version) = match taken % 2 {
            0 => (format!("label-{taken:02}"), first),
            _ => (format!("label-{taken:02}"), second),
        };
        match secret.move_label(&label, None, Some(version)).await? {
            Ok(_) if taken >= MOST_LABELS + 5 => break None,
            Ok(_) => taken += 1,
            Err(refusal) => break Some(refusal),
        }
    };
    let seen = match &refusal {
        Some(_) => format!("{taken} on two versions were taken, then one was refused"),
        None => format!("{taken} on two versions were taken, and none was refused"),
    };
    findings.saw(
        beliefs::TWENTY_LABELS,
        refusal.is_some() && taken == MOST_LABELS,
        seen,
    );
    if let Some(refusal) = refusal {
        let as_believed = refusal.code == "LimitExceededException";
        findings.saw(beliefs::LABEL_LIMIT, as_believed, refusal.to_string());
    }
    Ok(())
}
