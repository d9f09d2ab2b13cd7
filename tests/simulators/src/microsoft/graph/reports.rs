//! `GET /beta/reports/appCredentialSignInActivities`: when each credential was last used
//! (docs/beliefs.md, Graph).

use axum::response::Response;
use serde_json::{Value, json};

use super::applications::graph_time;
use super::error::GraphError;
use super::{Caller, json};
use crate::microsoft::directory::Directory;

pub(super) fn credential_use(
    directory: &Directory,
    caller: &Caller,
) -> Result<Response, GraphError> {
    if !caller.may(&["AuditLog.Read.All"]) {
        return Err(GraphError::not_allowed());
    }
    directory.settle();
    let wanted = |app_id: &str, key_id: &str| {
        caller.query("$filter").is_none_or(|filter| {
            filter.split(" and ").all(|clause| {
                clause == format!("appId eq '{app_id}'") || clause == format!("keyId eq '{key_id}'")
            })
        })
    };
    let records = directory.records();
    let mut rows: Vec<Value> = Vec::new();
    for app in &records.applications {
        for credential in app.credentials() {
            if !wanted(&app.ids.app_id.to_string(), &credential.key_id.to_string()) {
                continue;
            }
            // A credential that was never used has no row.
            let Some(last_used) = credential.last_used else {
                continue;
            };
            rows.push(json!({
                "id": credential.key_id,
                "keyId": credential.key_id,
                "keyType": "clientSecret",
                "keyUsage": "sign",
                "appId": app.ids.app_id,
                "appObjectId": app.ids.object_id,
                "servicePrincipalObjectId": app.ids.service_principal_id,
                "credentialOrigin": "application",
                "createdDateTime": graph_time(credential.start),
                "expirationDateTime": graph_time(credential.end),
                "signInActivity": {"lastSignInDateTime": graph_time(last_used)},
            }));
        }
    }
    Ok(json(json!({
        "@odata.context": "https://graph.microsoft.com/beta/$metadata#reports/appCredentialSignInActivities",
        "value": rows,
    })))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::fixture::{Fixture, ask};

    #[tokio::test]
    async fn only_used_credentials_are_reported_and_only_to_who_may_read_audit_logs() {
        let fixture = Fixture::new();
        let (used, secret) = fixture.secret();
        fixture.secret();
        fixture.try_secret(&secret).await;
        let path = format!(
            "/beta/reports/appCredentialSignInActivities?$filter=appId%20eq%20'{}'",
            fixture.app.app_id
        );
        let rows = async || {
            let bearer = fixture.rotator_bearer().await;
            ask(
                &fixture.graph,
                "GET",
                &path,
                &[("authorization", &bearer)],
                "",
            )
            .await
        };
        assert_eq!(rows().await.status, 403);
        fixture.directory.change(fixture.rotator.app_id, |app| {
            app.app_roles.insert("AuditLog.Read.All".to_owned());
        });
        let rows = rows().await.json();
        let keys: Vec<&Value> = rows["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["keyId"])
            .collect();
        assert_eq!(keys, [&Value::from(used.to_string())]);
    }
}
