//! The id token of a sign-in: who it was. Checked as OpenID Connect Core 3.1.3.7 and Microsoft's
//! id-token-claims-reference ask: signature, issuer, audience, nonce, time.

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse, RSAKeyParameters};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::App;
use crate::failure::{Failure, Kind};
use crate::http::{Client, retry_after, transient};
use crate::ids::DirectoryId;
use crate::json;
use crate::jwt;
use crate::retry::{CallError, Effect, Retry};

/// The account that signed in, by the pair that does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The account's object id in its tenant.
    pub oid: DirectoryId,
    /// The tenant.
    pub tid: DirectoryId,
    /// The account's name: mutable, so for display and for the first match only.
    pub preferred_username: Option<String>,
    /// How long ago the person gave credentials, where the app's registration asks for the optional claim `auth_time`
    /// (entra-docs, optional-claims-reference.md: "Time when the user last authenticated").
    pub authenticated_before: Option<SignedDuration>,
}

/// The check that fails where the token's key is not among the issuer's: these may have changed.
pub const UNKNOWN_KEY: &str = "unknown signing key";

/// Clocks may differ by this much.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    azp: Option<String>,
    oid: Option<DirectoryId>,
    tid: Option<DirectoryId>,
    nonce: Option<String>,
    preferred_username: Option<String>,
    auth_time: Option<i64>,
    exp: i64,
    nbf: Option<i64>,
}

/// By what a tenant's id tokens are checked.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// What `iss` must be.
    pub name: String,
    /// Its signing keys.
    pub keys: Keys,
}

/// Keys as they came: one that cannot be read is none, and does not cost the others.
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    keys: Vec<Value>,
}

impl Keys {
    /// The RSA key for signatures that has this id. Several keys may share an id; `use` and `kty` choose among them
    /// (RFC 7517, 4.5).
    fn find(&self, kid: &str) -> Option<RSAKeyParameters> {
        let keys = self.keys.iter().filter_map(|key| {
            let key: Jwk = serde_json::from_value(key.clone()).ok()?;
            let signs = |using: &PublicKeyUse| *using == PublicKeyUse::Signature;
            let good = key.common.key_id.as_deref() == Some(kid)
                && key.common.public_key_use.as_ref().is_none_or(signs);
            match key.algorithm {
                AlgorithmParameters::RSA(rsa) if good => Some(rsa),
                _ => None,
            }
        });
        keys.into_iter().next()
    }
}

/// The tenant's issuer and signing keys, from its metadata document (OpenID Connect Discovery 1.0).
///
/// # Errors
/// [`CallError`].
pub async fn issuer(http: &Client, app: &App) -> Result<Issuer, CallError> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
        jwks_uri: String,
    }
    let metadata = app
        .endpoints
        .tenant_url(&app.tenant, "v2.0/.well-known/openid-configuration");
    let metadata: Metadata = get(http, "reading the tenant's metadata", &metadata).await?;
    let keys = get(
        http,
        "reading the tenant's signing keys",
        &metadata.jwks_uri,
    )
    .await?;
    Ok(Issuer {
        name: metadata.issuer,
        keys,
    })
}

async fn get<T: for<'de> Deserialize<'de>>(
    http: &Client,
    what: &str,
    url: &str,
) -> Result<T, CallError> {
    let request = Request::get(url).body(Bytes::new()).map_err(|_| {
        CallError::refused(Failure::new(
            Kind::Misconfigured,
            format!("{what}: not an address"),
        ))
    })?;
    let response = http
        .send(request)
        .await
        .map_err(|error| error.while_doing(what))?;
    let status = response.status().as_u16();
    json::read_answer(response.body()).map_err(|problem| CallError {
        effect: Effect::None,
        retry: match transient(status) {
            Some(_) => Retry::transient(retry_after(&response)),
            None => Retry::No,
        },
        status: Some(status),
        failure: Failure::new(
            Kind::Temporary,
            format!("{what}: answered {status}, {problem}"),
        ),
    })
}

fn says_critical(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let header = BASE64URL_NOPAD.decode(header.as_bytes()).ok();
    let header: Option<Value> = header.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    header.is_some_and(|header| header.get("crit").is_some())
}

/// Checks an id token and says whose it is. `now` is Entra's clock. An account of another tenant is
/// named as that: only one with the app's own `tid` comes from `issuer`.
///
/// # Errors
/// The name of the check that failed.
pub fn account(
    id_token: &SecretString,
    issuer: &Issuer,
    app: &App,
    nonce: &SecretString,
    now: Timestamp,
) -> Result<Account, &'static str> {
    jwt::use_ring();
    let token = id_token.expose_secret();
    // What a header calls critical has to be understood, and nothing of that is (RFC 7515, 4.1.11).
    if says_critical(token) {
        return Err("critical header");
    }
    let kid = decode_header(token).map_err(|_| "header")?.kid;
    let rsa = issuer
        .keys
        .find(kid.as_deref().unwrap_or_default())
        .ok_or(UNKNOWN_KEY)?;
    let key = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).map_err(|_| "signing key")?;
    let mut checks = Validation::new(Algorithm::RS256);
    checks.set_audience(&[app.client_id.as_str()]);
    checks.set_required_spec_claims(&["exp", "iss", "aud"]);
    // By Entra's clock, below.
    checks.validate_exp = false;
    checks.validate_nbf = false;
    let claims: Claims = decode(token, &key, &checks)
        .map_err(|_| "signature or audience")?
        .claims;
    // For us and for nobody else (OpenID Connect Core, 3.1.3.7, points 3 to 5).
    let only_audience = claims.aud.as_array().is_none_or(|all| all.len() == 1);
    let ours = |party: &String| party == app.client_id.as_str();
    if !only_audience || !claims.azp.as_ref().is_none_or(ours) {
        return Err("audience");
    }
    // Another tenant's token has that tenant's issuer: whose it is, its caller refuses by name.
    if claims.iss != issuer.name && claims.tid.as_ref().is_none_or(|tid| *tid == app.tenant) {
        return Err("issuer");
    }
    let time = |seconds| Timestamp::from_second(seconds).map_err(|_| "time");
    if now.duration_since(time(claims.exp)?) > LEEWAY {
        return Err("expiry");
    }
    let begins = claims.nbf.map(time).transpose()?;
    if begins.is_some_and(|begins| begins.duration_since(now) > LEEWAY) {
        return Err("start");
    }
    let authenticated = claims.auth_time.map(time).transpose()?;
    let same = claims.nonce.as_deref().is_some_and(|given| {
        given
            .as_bytes()
            .ct_eq(nonce.expose_secret().as_bytes())
            .into()
    });
    if !same {
        return Err("nonce");
    }
    match (claims.oid, claims.tid) {
        (Some(oid), Some(tid)) => Ok(Account {
            oid,
            tid,
            preferred_username: claims.preferred_username,
            authenticated_before: authenticated.map(|at| now.duration_since(at)),
        }),
        _ => Err("oid or tid"),
    }
}
