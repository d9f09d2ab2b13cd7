//! The contract of infra/shopctrl-connections.openapi.yaml: read a connection, swap its secret and
//! authorize in one step, test it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::test_mail::Outgoing;
use super::{Connection, Direction, ShopCtrl, Status};
use crate::microsoft::directory::denial::Denial;
use crate::microsoft::directory::redemption::{Client, Proof};
use crate::microsoft::directory::tokens::Tokens;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    pub(super) tenant_id: Uuid,
    pub(super) client_id: Uuid,
    pub(super) key_id: Uuid,
    pub(super) client_secret: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TestRequest {
    send_to: Option<String>,
}

pub(super) async fn get(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, id)): Path<(i64, String)>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let mine = shopctrl.enter(&headers)?;
    let connection = shopctrl
        .connection(shop_id, &id)
        .filter(|_| mine.contains(&shop_id))
        .ok_or_else(|| error(StatusCode::NOT_FOUND, "not_found"))?;
    Ok(show(&connection))
}

pub(super) async fn put(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, id)): Path<(i64, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let mine = shopctrl.enter(&headers)?;
    shopctrl.check_mail_of(shop_id);
    let now = shopctrl.clock.now();
    let redirect_uri = shopctrl.redirect_uri();
    let mut state = shopctrl.state();
    let connection = state
        .connection(shop_id, &id)
        .filter(|_| mine.contains(&shop_id))
        .cloned()
        .ok_or_else(|| error(StatusCode::NOT_FOUND, "not_found"))?;
    let wanted = headers
        .get(IF_MATCH)
        .and_then(|etag| etag.to_str().ok())
        .ok_or_else(|| error(StatusCode::PRECONDITION_REQUIRED, "precondition_required"))?;
    if wanted != connection.etag() {
        return Err(error(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
        ));
    }
    let offered: NewSecret = serde_json::from_slice(&body).map_err(|_| invalid())?;
    if !(16..=64).contains(&offered.client_secret.len()) {
        return Err(invalid());
    }
    shopctrl.directory.note_secret(&offered.client_secret);
    // The state lock is held from here to the commit: the swap is one step.
    let redeemed = match &connection.refresh_token {
        Some(token) => redeem(&shopctrl, &connection, &offered, token),
        None => Err(Denial::new(
            65001,
            "interaction_required",
            "No sign-in has been made for this connection.",
        )),
    };
    let tokens = match redeemed {
        Ok(tokens) => tokens,
        Err(denial) => match denial.error {
            "invalid_grant" | "interaction_required" => {
                let authorize_url =
                    shopctrl.open_sign_in(&mut state, &connection, &redirect_uri, Some(offered));
                let body = json!({"error": "interaction_required", "authorize_url": authorize_url});
                return Err((StatusCode::CONFLICT, Json(body)).into_response());
            }
            "temporarily_unavailable" | "server_error" => {
                return Err(error(StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
            }
            _ => {
                let code = format!("AADSTS{}", denial.code);
                let body = json!({"error": "secret_refused", "code": code});
                return Err((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response());
            }
        },
    };
    let connection = state
        .connection_mut(shop_id, &id)
        .ok_or_else(|| error(StatusCode::NOT_FOUND, "not_found"))?;
    connection.tenant_id = offered.tenant_id;
    connection.client_id = offered.client_id;
    connection.hold(&offered.client_secret, Some(offered.key_id), now);
    connection.status = Status::Authorized;
    if tokens.refresh_token.is_some() {
        connection.refresh_token = tokens.refresh_token;
    }
    Ok(show(connection))
}

fn redeem(
    shopctrl: &ShopCtrl,
    connection: &Connection,
    offered: &NewSecret,
    refresh_token: &str,
) -> Result<Tokens, Denial> {
    let (tenant, client_id) = (offered.tenant_id.to_string(), offered.client_id.to_string());
    let client = Client {
        tenant: &tenant,
        client_id: &client_id,
        proof: Proof::Secret(&offered.client_secret),
    };
    let scope = connection.protocol.scope(connection.direction);
    shopctrl
        .directory
        .redeem_refresh_token(client, refresh_token, Some(&scope))
}

pub(super) async fn test(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, id)): Path<(i64, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let mine = shopctrl.enter(&headers)?;
    let asked: TestRequest = match body.is_empty() {
        true => TestRequest::default(),
        false => serde_json::from_slice(&body).map_err(|_| invalid())?,
    };
    if !mine.contains(&shop_id) {
        return Err(error(StatusCode::NOT_FOUND, "not_found"));
    }
    let result = shopctrl
        .test_connection(shop_id, &id, asked.send_to.as_deref())
        .ok_or_else(|| error(StatusCode::NOT_FOUND, "not_found"))?;
    let answer = match result {
        Ok(()) => json!({"result": "passed"}),
        Err(reason) => json!({"result": "failed", "reason": reason}),
    };
    Ok(Json(answer).into_response())
}

impl ShopCtrl {
    /// What the test button does: none if there is no such connection, else why it failed.
    pub fn test_connection(
        &self,
        shop_id: i64,
        id: &str,
        send_to: Option<&str>,
    ) -> Option<Result<(), String>> {
        let connection = self.connection(shop_id, id)?;
        Some(self.try_connection(&connection, send_to))
    }

    pub(super) fn try_connection(
        &self,
        connection: &Connection,
        send_to: Option<&str>,
    ) -> Result<(), String> {
        if connection.status == Status::NotAuthorized {
            return Err("Not authorized".to_owned());
        }
        if !connection.enabled {
            return Err("The mailbox is not enabled".to_owned());
        }
        let trouble = connection.trouble.as_ref();
        if let Some(trouble) = trouble
            .filter(|trouble| trouble.secret.is_none() || trouble.secret == connection.secret)
        {
            return Err(trouble.reason.clone());
        }
        let (tenant, client_id) = (
            connection.tenant_id.to_string(),
            connection.client_id.to_string(),
        );
        let client = Client {
            tenant: &tenant,
            client_id: &client_id,
            proof: Proof::Secret(connection.secret.as_deref().unwrap_or_default()),
        };
        let tokens = self
            .directory
            .redeem_refresh_token(
                client,
                connection.refresh_token.as_deref().unwrap_or_default(),
                Some(&connection.protocol.scope(connection.direction)),
            )
            .map_err(|denial| denial.to_string())?;
        let account = connection
            .authorized_as
            .and_then(|oid| self.directory.account(oid));
        let reached = account.is_some_and(|account| {
            account.person.has_mailbox && account.person.has_address(&connection.mailbox)
        });
        if !reached {
            return Err(format!(
                "The mailbox {} cannot be reached",
                connection.mailbox
            ));
        }
        // The token has the scope, or Entra had refused it.
        if let Some(shut) = self.shut(connection) {
            return Err(format!("The mail server refused the login: {shut}"));
        }
        let date = self.clock.now();
        let mut state = self.state();
        if let Some(held) = state
            .connection_mut(connection.shop_id, &connection.id)
            .filter(|held| tokens.refresh_token.is_some() && held.secret == connection.secret)
        {
            held.refresh_token = tokens.refresh_token;
        }
        if connection.direction == Direction::Sending {
            let to = send_to.unwrap_or(&connection.mailbox);
            let mail = Outgoing {
                connection,
                to,
                subject: "Test mail",
            };
            state.send(&self.directory, mail, date);
        }
        Ok(())
    }
}

fn show(connection: &Connection) -> Response {
    let body: Value = json!({
        "id": connection.id,
        "direction": connection.direction.name(),
        "protocol": connection.protocol.name(),
        "mailbox": connection.mailbox,
        "status": connection.status.name(),
        "enabled": connection.enabled,
        "tenant_id": connection.tenant_id,
        "client_id": connection.client_id,
        "key_id": connection.key_id,
        "hint": connection.hint(),
        "secret_changed_at": connection.secret_changed_at,
    });
    ([(ETAG, connection.etag())], Json(body)).into_response()
}

fn error(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}

/// What is wrong is not told: the parser would quote from the body, which holds a secret.
fn invalid() -> Response {
    error(StatusCode::BAD_REQUEST, "invalid_request")
}
