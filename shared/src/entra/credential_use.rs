//! When a credential was last used, as Entra reports it
//! (`GET /beta/reports/appCredentialSignInActivities`).

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use super::App;
use super::application::{authorized, parsed, send};
use crate::credential::KeyId;
use crate::http::Client;
use crate::retry::CallError;

#[derive(Deserialize)]
struct Report {
    value: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    key_id: Option<KeyId>,
    sign_in_activity: Option<Activity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    last_sign_in_date_time: Option<Timestamp>,
}

/// When the credential was last used; `None` when Entra reports nothing of it. Needs the application
/// permission `AuditLog.Read.All`, which few rotators have.
///
/// # Errors
/// [`CallError`].
pub async fn last_used(
    http: &Client,
    app: &App,
    token: &SecretString,
    key_id: KeyId,
) -> Result<Option<Timestamp>, CallError> {
    let what = "reading when the credential was last used";
    let url = format!(
        "{}/beta/reports/appCredentialSignInActivities?$filter=keyId%20eq%20'{key_id}'",
        app.endpoints.graph
    );
    let request = authorized(Method::GET, &url, token, Bytes::new());
    let response = send(http, what, request).await?;
    let report: Report = parsed(what, &response)?;
    // Looked for again: not every cloud filters in the same way.
    let rows = report
        .value
        .into_iter()
        .filter(|row| row.key_id == Some(key_id));
    Ok(rows
        .filter_map(|row| row.sign_in_activity?.last_sign_in_date_time)
        .max())
}
