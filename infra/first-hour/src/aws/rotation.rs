//! RotateSecret, with the deployed rotation function. A throw-away secret is not below `shopmail/` and has none of its
//! tags: the function may not read it, and so each rotation fails at its first step and stands.

use std::time::Duration;

use secrecy::ExposeSecret;
use shared::failure::{Failure, Kind};
use shared::period::Period;
use shared::secret_store::versions::PENDING;
use uuid::Uuid;

use super::throw_away::ThrowAwaySecret;
use super::{Aws, Refusal};
use crate::beliefs;
use crate::findings::Findings;
use crate::pace::Pace;

pub async fn probe(
    aws: &Aws,
    pace: Pace,
    function: Option<&str>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let function = function.ok_or_else(|| {
        let what = "RotateSecret wants a rotation function, and none is named";
        let next_step = "name a deployed one with --rotation-function";
        Failure::new(Kind::Misconfigured, what).next_step(next_step)
    })?;
    let first = Uuid::new_v4().to_string();
    let secret = aws
        .secrets
        .make("rotation", &first, "the current value")
        .await?;
    configuration_test(&secret, function, pace, findings).await?;
    let token = Uuid::new_v4().to_string();
    rotate_at_once(&secret, function, &token, pace, findings).await?;
    standing(&secret, function, &token, pace, findings).await?;
    secret.cancel().await?;
    pace.pause().await;
    let stays = secret.versions().await?.has(&token, PENDING);
    let place = if stays {
        "it is still there"
    } else {
        "it is gone"
    };
    findings.saw(beliefs::CANCEL, stays, place);
    Ok(())
}

async fn rotate_at_once(
    secret: &ThrowAwaySecret<'_>,
    function: &str,
    token: &str,
    pace: Pace,
    findings: &mut Findings,
) -> Result<(), Failure> {
    secret.rotate(function, token, true).await??;
    let pending =
        pace.until(async || Ok(secret.versions().await?.has(token, PENDING).then_some(())));
    let pending = pending.await?.is_some();
    let (empty, value) = match secret.value_of(token).await? {
        Ok(_) => (false, "it can be read".to_owned()),
        Err(refusal) => (
            refusal.code == "ResourceNotFoundException",
            refusal.to_string(),
        ),
    };
    let label = if pending {
        "AWSPENDING is there"
    } else {
        "AWSPENDING does not show"
    };
    findings.saw(
        beliefs::ROTATE_AT_ONCE,
        pending && empty,
        format!("{label}; its value: {value}"),
    );
    Ok(())
}

/// RotateSecret once more, and a configuration test, while the first rotation stands.
async fn standing(
    secret: &ThrowAwaySecret<'_>,
    function: &str,
    token: &str,
    pace: Pace,
    findings: &mut Findings,
) -> Result<(), Failure> {
    for (belief, immediately) in [(beliefs::STANDING, true), (beliefs::STANDING_TEST, false)] {
        // The first attempt may be at its step yet.
        pace.pause().await;
        let another = Uuid::new_v4().to_string();
        let answer = secret.rotate(function, &another, immediately).await?;
        let stays = secret.versions().await?.has(token, PENDING);
        let (refused, told) = match answer {
            Ok(_) => (false, "taken".to_owned()),
            Err(refusal) => (is_standing(&refusal), refusal.to_string()),
        };
        let place = if stays { "stayed" } else { "is gone" };
        findings.saw(
            belief,
            refused && stays,
            format!("{told}; AWSPENDING {place}"),
        );
    }
    Ok(())
}

fn is_standing(refusal: &Refusal) -> bool {
    refusal.code == "InvalidRequestException" && refusal.text.contains("previous rotation")
}

/// Looks at the version for as long as the test has it.
async fn configuration_test(
    secret: &ThrowAwaySecret<'_>,
    function: &str,
    pace: Pace,
    findings: &mut Findings,
) -> Result<(), Failure> {
    // The version is there for as long as the function takes, which may be a moment.
    let pace = Pace {
        interval: Period::from(Duration::from_millis(100)),
        patience: pace.patience.min(Period::seconds(60)),
        ..pace
    };
    let token = Uuid::new_v4().to_string();
    secret.rotate(function, &token, false).await??;
    let (mut described, mut value) = (false, None);
    let over = pace.until(async || {
        let shows = secret.versions().await?.has(&token, PENDING);
        described |= shows;
        if let Ok(read) = secret.value_of(&token).await? {
            value = Some(read.expose_secret() == "the current value");
        }
        Ok((described && !shows).then_some(()))
    });
    let over = over.await?.is_some();
    let seen = match (described, value) {
        (false, _) => {
            return Err(Failure::new(
                Kind::Temporary,
                "the version of the configuration test was gone before the first look",
            )
            .next_step("run it again: a function that was not called for a while takes longer"));
        }
        (true, None) => "empty",
        (true, Some(true)) => "the current value",
        (true, Some(false)) => "another value",
    };
    let after = if over {
        "gone afterwards"
    } else {
        "still there"
    };
    let as_believed = over && value != Some(false);
    findings.saw(
        beliefs::CONFIGURATION_TEST,
        as_believed,
        format!("{seen}; {after}"),
    );
    Ok(())
}
