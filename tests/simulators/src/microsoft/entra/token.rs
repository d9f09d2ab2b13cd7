//! `POST /{tenant}/oauth2/v2.0/token`: reads the form and the client's proof, and writes the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, CACHE_CONTROL, ORIGIN, PRAGMA};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::microsoft::directory::Directory;
use crate::microsoft::directory::denial::Denial;
use crate::microsoft::directory::redemption::{Client, CodeRedemption, Proof};
use crate::microsoft::directory::tokens::Tokens;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) async fn token(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    match redeem(&directory, &tenant, &headers, &form) {
        Ok(tokens) => issue(&tokens),
        Err(denial) => refuse(&directory, &denial),
    }
}

fn redeem(
    directory: &Directory,
    tenant: &str,
    headers: &HeaderMap,
    form: &BTreeMap<String, String>,
) -> Result<Tokens, Denial> {
    let get = |name: &str| {
        form.get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    };
    let need = |name: &str| get(name).ok_or_else(|| Denial::missing_parameter(name));
    let grant = need("grant_type")?;
    let basic = basic_credentials(headers);
    let client_id = match (get("client_id"), &basic) {
        (Some(client_id), _) => client_id,
        (None, Some((client_id, _))) => client_id,
        (None, None) => return Err(Denial::missing_parameter("client_id")),
    };
    let secret = get("client_secret").or(basic.as_ref().map(|(_, secret)| secret.as_str()));
    let assertion = get("client_assertion")
        .filter(|_| get("client_assertion_type").is_some_and(|kind| kind == JWT_BEARER));
    let proof = match (secret, assertion) {
        (Some(secret), _) => Proof::Secret(secret),
        (None, Some(assertion)) => Proof::Assertion(assertion),
        (None, None) => Proof::None,
    };
    // Secrets are refused in a request that a browser makes (facts, 2.5).
    if let (Proof::Secret(_), Some(origin)) = (proof, headers.get(ORIGIN)) {
        return Err(Denial::new(
            9_002_326,
            "invalid_request",
            format!(
                "Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: '{}'.",
                origin.to_str().unwrap_or_default()
            ),
        ));
    }
    let client = Client {
        tenant,
        client_id,
        proof,
    };
    match grant {
        "client_credentials" => directory.redeem_client_credentials(client, get("scope")),
        "authorization_code" => directory.redeem_code(
            client,
            CodeRedemption {
                code: need("code")?,
                redirect_uri: need("redirect_uri")?,
                code_verifier: get("code_verifier"),
                scope: get("scope"),
            },
        ),
        "refresh_token" => {
            directory.redeem_refresh_token(client, need("refresh_token")?, get("scope"))
        }
        other => Err(Denial::new(
            70003,
            "unsupported_grant_type",
            format!("The app requested an unsupported grant type '{other}'."),
        )),
    }
}

/// Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded = header.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (client_id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let value = format!("v={part}");
        url::form_urlencoded::parse(value.as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((decode(client_id)?, decode(secret)?))
}

fn issue(tokens: &Tokens) -> Response {
    let mut answer = json!({
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "ext_expires_in": tokens.expires_in,
        "access_token": tokens.access_token,
    });
    let optional = [
        ("scope", &tokens.scope),
        ("refresh_token", &tokens.refresh_token),
        ("id_token", &tokens.id_token),
    ];
    add_present(
        &mut answer,
        optional.map(|(name, value)| (name, value.clone().map(Value::from))),
    );
    (no_store(), Json(answer)).into_response()
}

/// The error document of docs/beliefs.md, Entra: its `timestamp` has a space and is not RFC 3339.
pub(super) fn refuse(directory: &Directory, denial: &Denial) -> Response {
    let timestamp = directory
        .clock
        .now()
        .strftime("%Y-%m-%d %H:%M:%SZ")
        .to_string();
    let (trace, correlation) = {
        let mut records = directory.records();
        (records.guid(), records.guid())
    };
    let mut answer = json!({
        "error": denial.error,
        "error_description": format!(
            "{denial} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
        ),
        "error_codes": [denial.code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": format!("{}/error?code={}", directory.authority(), denial.code),
    });
    add_present(
        &mut answer,
        [
            ("suberror", denial.suberror.map(Value::from)),
            ("claims", denial.claims.clone().map(Value::from)),
        ],
    );
    let status = StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::BAD_REQUEST);
    (status, no_store(), Json(answer)).into_response()
}

fn no_store() -> [(http::HeaderName, &'static str); 2] {
    [(CACHE_CONTROL, "no-store, no-cache"), (PRAGMA, "no-cache")]
}

fn add_present<const N: usize>(answer: &mut Value, optional: [(&str, Option<Value>); N]) {
    if let Some(fields) = answer.as_object_mut() {
        let present = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.extend(present);
    }
}
