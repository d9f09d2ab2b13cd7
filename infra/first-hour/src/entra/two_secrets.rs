//! A third client secret, at an app that takes personal accounts.

use http::Method;
use shared::failure::Failure;

use super::throw_away::Audience;
use super::{DAY, Entra, password};
use crate::beliefs;
use crate::findings::Findings;

pub async fn probe(entra: &Entra, findings: &mut Findings) -> Result<(), Failure> {
    let app = entra
        .register("two-secrets", Audience::AnyAndPersonal)
        .await?;
    for name in ["one", "two"] {
        entra.issue(&app, name, DAY).await?;
    }
    // What is not counted yet everywhere is counted a moment later.
    entra.pace.pause().await;
    let (target, third) = (app.target("addPassword"), password("three"));
    let answer = entra.write(Method::POST, &target, Some(&third)).await?;
    if answer.is_success() {
        findings.saw(beliefs::TWO_SECRETS, false, "three were added");
        return Ok(());
    }
    let (status, code, text) = (answer.status, &answer.code, &answer.text);
    findings.saw(
        beliefs::TWO_SECRETS,
        status == 400,
        format!("two were added, the third is {status} {code}"),
    );
    findings.saw(
        beliefs::THIRD_WORDS,
        status == 400,
        format!("{status} {code}, \"{text}\""),
    );
    Ok(())
}
