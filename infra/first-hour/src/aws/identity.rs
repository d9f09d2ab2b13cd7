//! The token by which a rotator signs in at Entra without a secret.

use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use serde_json::Value;
use shared::cloud::Cloud;
use shared::failure::{Failure, Kind};

use super::{Aws, answered};
use crate::beliefs;
use crate::findings::Findings;

const ASKING: &str = "sts:GetWebIdentityToken";

pub struct WebIdentity {
    pub token: SecretString,
    header: Value,
    claims: Value,
}

impl WebIdentity {
    /// A claim that is a text.
    pub fn text(&self, claim: &str) -> &str {
        self.claims
            .get(claim)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// Asks for one as the rotation function does (`shared::entra::rotator`).
pub async fn web_identity_token(aws: &Aws, cloud: Cloud) -> Result<WebIdentity, Failure> {
    let request = aws
        .sts
        .get_web_identity_token()
        .audience(cloud.federation_audience());
    let request = request.signing_algorithm("RS256").duration_seconds(300);
    let answer = answered(ASKING, request.send().await)?.map_err(|refusal| {
        let failure = Failure::new(Kind::Misconfigured, ASKING).code(&refusal.code);
        failure.next_step(match refusal.code.as_str() {
            "OutboundWebIdentityFederationDisabledException" => {
                "enable it: aws iam enable-outbound-web-identity-federation"
            }
            "SessionDurationEscalationException" => {
                "sign in to AWS again: this session ends within five minutes"
            }
            _ => "sign in to AWS as a role, not as root",
        })
    })?;
    let unreadable = || {
        Failure::new(
            Kind::Temporary,
            format!("{ASKING}: the token cannot be read"),
        )
    };
    let token = answer.web_identity_token().ok_or_else(unreadable)?;
    Ok(WebIdentity {
        header: part(token, 0).ok_or_else(unreadable)?,
        claims: part(token, 1).ok_or_else(unreadable)?,
        token: token.to_owned().into(),
    })
}

/// The header of a JWT, or its claims. It is looked at, and nothing rests on it: so it is not verified.
pub fn part(jwt: &str, at: usize) -> Option<Value> {
    let part = jwt.split('.').nth(at)?;
    let part = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    serde_json::from_slice(&part).ok()
}

pub async fn probe(aws: &Aws, findings: &mut Findings) -> Result<(), Failure> {
    let identity = web_identity_token(aws, Cloud::Global).await?;
    let (issuer, subject) = (identity.text("iss"), identity.text("sub"));
    let algorithm = identity
        .header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if subject.contains(":user/") {
        let what = "the token's subject is a user of IAM's, and the belief is of roles";
        let next_step = "sign in to AWS as a role";
        return Err(Failure::new(Kind::Misconfigured, what).next_step(next_step));
    }
    let is_role = subject.contains(":iam::") && subject.contains(":role/");
    let audience_is_text = identity.claims.get("aud").is_some_and(Value::is_string);
    let known_issuer = issuer.ends_with(".tokens.sts.global.api.aws");
    let claims = identity.claims.as_object();
    let names: Vec<&str> = claims
        .into_iter()
        .flat_map(|c| c.keys().map(String::as_str))
        .collect();
    let seen = format!(
        "alg {algorithm}; iss {issuer}; sub {subject}; aud {}; claims: {}",
        if audience_is_text {
            "a text"
        } else {
            "no text"
        },
        names.join(", "),
    );
    let as_believed = algorithm == "RS256" && is_role && audience_is_text && known_issuer;
    findings.saw(beliefs::STS_TOKEN, as_believed, seen);
    Ok(())
}
