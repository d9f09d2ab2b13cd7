//! A token of AWS's STS in place of a client secret.

use std::collections::BTreeSet;

use serde_json::json;
use shared::entra::token::ClientProof;
use shared::failure::Failure;

use super::Entra;
use super::throw_away::Audience;
use crate::aws::Aws;
use crate::aws::identity::web_identity_token;
use crate::beliefs;
use crate::findings::Findings;

pub async fn probe(entra: &Entra, aws: &Aws, findings: &mut Findings) -> Result<(), Failure> {
    let cloud = entra.endpoints.cloud;
    let identity = web_identity_token(aws, cloud).await?;
    let app = entra.register("federation", Audience::MyOrg).await?;
    let trust = json!({
        "name": "first-hour", "issuer": identity.text("iss"), "subject": identity.text("sub"),
        "audiences": [cloud.federation_audience()],
    });
    let what = "adding a federated credential";
    let target = app.target("federatedIdentityCredentials");
    entra.post(what, &target, &trust).await?;
    let mut codes = BTreeSet::new();
    let taken = entra.pace.until(async || {
        let proof = ClientProof::Assertion(identity.token.clone());
        match entra.sign_in(&app, proof).await {
            Ok(_) => Ok(Some(())),
            Err(code) => {
                codes.insert(code);
                Ok(None)
            }
        }
    });
    let taken = taken.await?;
    let codes: Vec<String> = codes.into_iter().collect();
    let before = match codes.is_empty() {
        true => String::new(),
        false => format!("; refused before with {}", codes.join(", ")),
    };
    let seen = match &taken {
        Some(taken) => format!(
            "it signs in after {:.1} s{before}",
            taken.after.as_secs_f64()
        ),
        None => format!("it does not sign in{before}"),
    };
    findings.saw(beliefs::ASSERTION, taken.is_some(), seen);
    Ok(())
}
