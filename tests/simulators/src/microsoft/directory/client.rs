//! How a client proves at the token endpoint who it is: a secret, or a token of a federated issuer.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;
use uuid::Uuid;

use super::denial::Denial;
use super::{Directory, Records};

/// The public key of a federated issuer.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// The modulus, big-endian.
    pub n: Vec<u8>,
    /// The public exponent, big-endian.
    pub e: Vec<u8>,
}

/// What a client shows.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// A client secret.
    Secret(&'a str),
    /// A JWT.
    Assertion(&'a str),
    /// Nothing.
    None,
}

impl Directory {
    /// Finds the client's app in the tenant, and holds its proof against it. Gives the credential used.
    pub(super) fn authenticate(
        &self,
        records: &mut Records,
        tenant: Uuid,
        client_id: &str,
        proof: Proof<'_>,
    ) -> Result<(Uuid, Option<Uuid>), Denial> {
        let app = Uuid::try_parse(client_id)
            .ok()
            .and_then(|id| records.app(id))
            .filter(|app| !app.registration.deleted && app.is_in(tenant))
            .ok_or_else(|| Denial::no_such_app(client_id, &tenant.to_string()))?;
        let app_id = app.ids.app_id;
        if app.registration.disabled {
            return Err(Denial::app_disabled(app_id, &app.registration.display_name));
        }
        match proof {
            Proof::Secret(secret) => {
                records.note_secret(secret);
                let key_id = records.check_secret(app_id, secret, self.clock.now())?;
                Ok((app_id, Some(key_id)))
            }
            Proof::Assertion(assertion) => {
                records.note_secret(assertion);
                self.check_assertion(records, app_id, assertion)?;
                Ok((app_id, None))
            }
            Proof::None => Err(Denial::new(
                7_000_218,
                "invalid_client",
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )),
        }
    }

    fn check_assertion(
        &self,
        records: &mut Records,
        app_id: Uuid,
        assertion: &str,
    ) -> Result<(), Denial> {
        let now = self.clock.now();
        let jwt = Jwt::parse(assertion).ok_or_else(|| {
            Denial::new(
                50027,
                "invalid_client",
                "JWT token is invalid or malformed.",
            )
        })?;
        let text = |claim: &str| jwt.claims.get(claim).and_then(Value::as_str);
        if text("iss").is_some_and(|issuer| issuer == app_id.to_string()) {
            return Err(Denial::new(
                700_027,
                "invalid_client",
                "The certificate with identifier used to sign the client assertion is not registered on application.",
            ));
        }
        // Entra supports only RS256 here (facts, 2.3).
        if jwt.header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err(Denial::new(
                50027,
                "invalid_client",
                "JWT token is invalid or malformed: the signature algorithm is not supported.",
            ));
        }
        records.match_federated(app_id, &jwt.claims, now)?;
        let issuer = text("iss").unwrap_or_default();
        let keys = self
            .issuers()
            .as_ref()
            .and_then(|keys| keys(issuer))
            .unwrap_or_default();
        if !keys.iter().any(|key| jwt.is_signed_by(key)) {
            return Err(Denial::new(
                50013,
                "invalid_client",
                "Assertion failed signature validation.",
            ));
        }
        jwt.check_time(now)
    }
}

impl Records {
    /// Asks the replica whose turn it is. 7000222 also comes for an unknown secret where every secret
    /// that the replica knows is expired (docs/beliefs.md, Entra).
    fn check_secret(&mut self, app_id: Uuid, secret: &str, now: Timestamp) -> Result<Uuid, Denial> {
        let view = self.token_replicas.next_view(app_id, now);
        let Some(app) = self.app_mut(app_id) else {
            return Err(Denial::secret_wrong(app_id));
        };
        let mut known: Vec<_> = app
            .credentials
            .iter_mut()
            .filter(|credential| view.shows(&credential.added, credential.removed.as_ref()))
            .collect();
        let all_expired = !known.is_empty() && known.iter().all(|known| known.end <= now);
        let Some(credential) = known.iter_mut().find(|known| known.value == secret) else {
            return Err(if all_expired {
                Denial::secrets_expired(app_id)
            } else {
                Denial::secret_wrong(app_id)
            });
        };
        if credential.end <= now {
            return Err(Denial::secrets_expired(app_id));
        }
        if credential.start > now {
            return Err(Denial::secret_wrong(app_id));
        }
        Ok(credential.key_id)
    }

    /// Case counts since August 2024, and each part has its own number (docs/beliefs.md, Entra).
    fn match_federated(
        &mut self,
        app_id: Uuid,
        claims: &Value,
        now: Timestamp,
    ) -> Result<(), Denial> {
        let view = self.token_replicas.next_view(app_id, now);
        let Some(app) = self.app(app_id) else {
            return Err(Denial::grant_malformed());
        };
        let claim = |name: &str| match claims.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let (issuer, subject, audience) = (claim("iss"), claim("sub"), claim("aud"));
        let refuse = |code: u32, what: &str| {
            Denial::new(
                code,
                "invalid_client",
                format!(
                    "No matching federated identity record found for presented assertion {what}. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
                ),
            )
        };
        let mut trusted: Vec<_> = app
            .federated
            .iter()
            .filter(|trust| view.shows(&trust.added, None))
            .collect();
        if trusted.is_empty() {
            return Err(refuse(
                70021,
                &format!(
                    "Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'"
                ),
            ));
        }
        let found = |trusted: &mut Vec<_>,
                     is: &dyn Fn(&super::FederatedCredential) -> String,
                     presented: &str,
                     name: &str,
                     code: u32| {
            if trusted
                .iter()
                .any(|trust: &&super::FederatedCredential| is(trust) == presented)
            {
                trusted.retain(|trust| is(trust) == presented);
                return Ok(());
            }
            let almost = trusted
                .iter()
                .any(|trust| is(trust).eq_ignore_ascii_case(presented));
            Err(if almost {
                refuse(
                    7_002_138,
                    &format!(
                        "{name} '{presented}'. The {name} matches with case-insensitive comparison, but not with case-sensitive comparison"
                    ),
                )
            } else {
                refuse(code, &format!("{name} '{presented}'"))
            })
        };
        found(
            &mut trusted,
            &|trust| trust.issuer.clone(),
            &issuer,
            "issuer",
            700_211,
        )?;
        found(
            &mut trusted,
            &|trust| trust.subject.clone(),
            &subject,
            "subject",
            700_213,
        )?;
        found(
            &mut trusted,
            &|trust| trust.audience.clone(),
            &audience,
            "audience",
            700_212,
        )
    }
}

struct Jwt<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| {
            let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed,
            signature: BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?,
        })
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        RsaPublicKeyComponents {
            n: &key.n,
            e: &key.e,
        }
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            self.signed.as_bytes(),
            &self.signature,
        )
        .is_ok()
    }

    /// Five minutes of skew are allowed at the front; that there is some allowance is an assumption.
    fn check_time(&self, now: Timestamp) -> Result<(), Denial> {
        let seconds = |claim: &str| self.claims.get(claim).and_then(Value::as_i64);
        let expires = seconds("exp").unwrap_or_default();
        let from = seconds("nbf")
            .or_else(|| seconds("iat"))
            .unwrap_or_default();
        if now.as_second() < expires && now.as_second() + 300 >= from {
            return Ok(());
        }
        let time = |second: i64| {
            Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string())
        };
        Err(Denial::new(
            700_024,
            "invalid_client",
            format!(
                "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of assertion {}.",
                now.strftime("%Y-%m-%dT%H:%M:%S%.7fZ"),
                time(from),
                time(expires)
            ),
        ))
    }
}
