//! Entra on the wire: the token endpoint, `/authorize` with its pages, the discovery document and keys.
//! What it decides is in [`crate::microsoft::directory`]; held to docs/beliefs.md, Entra.

mod introspection;
mod pages;
mod token;

pub(crate) use pages::escape;

use std::sync::Arc;

use axum::extract::{Form, OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::microsoft::directory::Directory;
use crate::microsoft::directory::sign_in::{Decision, Step};

/// The cookie of a signed-in browser.
const SESSION: &str = "ESTSAUTH";

/// Entra as a service. Tell [`Directory::set_authority`] where it is served.
#[must_use]
pub fn service(directory: Arc<Directory>, gate: Arc<Gate>, clock: Arc<Clock>) -> Service {
    let router = Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token::token))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize))
        .route("/{tenant}/v2.0/adminconsent", get(admin_consent))
        .route("/{tenant}/login", post(give_password))
        .route("/{tenant}/second-factor", post(give_second_factor))
        .route("/{tenant}/consent", post(decide))
        .route("/{tenant}/back", post(go_back))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(openid_configuration),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
        .route("/introspect", post(introspection::introspect))
        .with_state(directory);
    Service {
        name: "entra",
        operation,
        router,
        gate,
        clock,
    }
}

fn operation(request: &Request<Bytes>) -> String {
    let path = request.uri().path();
    let last = path.rsplit('/').next().unwrap_or_default();
    if last != "token" {
        return format!("{} {last}", request.method());
    }
    let grant = url::form_urlencoded::parse(request.body())
        .find(|(name, _)| name == "grant_type")
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default();
    format!("POST token {grant}").trim_end().to_owned()
}

async fn authorize(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let Some(url) = absolute(&directory, &uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let session = session(&headers);
    let step = directory.begin_sign_in(&tenant, &url, session.as_deref());
    show(&tenant, &step)
}

async fn admin_consent(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let Some(url) = absolute(&directory, &uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let session = session(&headers);
    let step = directory.begin_admin_consent(&tenant, &url, session.as_deref());
    show(&tenant, &step)
}

#[derive(Deserialize)]
struct PasswordForm {
    flow: String,
    login: String,
    passwd: String,
}

async fn give_password(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    Form(form): Form<PasswordForm>,
) -> Response {
    let (step, session) = directory.give_password(&form.flow, form.login.trim(), &form.passwd);
    let mut response = show(&tenant, &step);
    let cookie = session.map(|session| format!("{SESSION}={session}; Path=/; HttpOnly"));
    if let Some(cookie) = cookie.and_then(|cookie| cookie.try_into().ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

#[derive(Deserialize)]
struct SecondFactorForm {
    flow: String,
    otc: String,
}

async fn give_second_factor(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    Form(form): Form<SecondFactorForm>,
) -> Response {
    show(
        &tenant,
        &directory.give_second_factor(&form.flow, form.otc.trim()),
    )
}

#[derive(Deserialize)]
struct ConsentForm {
    flow: String,
    decision: String,
}

async fn decide(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    Form(form): Form<ConsentForm>,
) -> Response {
    let decision = match form.decision.as_str() {
        "accept" => Decision::Accept,
        _ => Decision::Cancel,
    };
    show(&tenant, &directory.decide(&form.flow, decision))
}

#[derive(Deserialize)]
struct BackForm {
    flow: String,
}

async fn go_back(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
    Form(form): Form<BackForm>,
) -> Response {
    show(&tenant, &directory.go_back(&form.flow))
}

fn show(tenant: &str, step: &Step) -> Response {
    match step {
        Step::Page(page) => pages::draw(tenant, page),
        Step::Redirect(location) => {
            (StatusCode::FOUND, [(LOCATION, location.as_str())]).into_response()
        }
    }
}

async fn openid_configuration(
    State(directory): State<Arc<Directory>>,
    Path(tenant): Path<String>,
) -> Response {
    let authority = directory.authority();
    let common = ["common", "organizations", "consumers"].contains(&tenant.as_str());
    let known = directory.records().tenant(&tenant).map(|known| known.id);
    let issuer = match known {
        Some(id) => id.to_string(),
        None if common => "{tenantid}".to_owned(),
        None => {
            let denial = crate::microsoft::directory::denial::Denial::no_such_tenant(&tenant);
            return token::refuse(&directory, &denial);
        }
    };
    let base = format!("{authority}/{tenant}");
    let document: Value = json!({
        "issuer": format!("{authority}/{issuer}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": "EU",
    });
    Json(document).into_response()
}

async fn keys(State(directory): State<Arc<Directory>>) -> Json<Value> {
    Json(directory.signing_key.key_set())
}

fn absolute(directory: &Directory, uri: &http::Uri) -> Option<Url> {
    let path = uri.path_and_query()?.as_str();
    Url::parse(&directory.authority()).ok()?.join(path).ok()
}

fn session(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == SESSION)
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests;
