//! `GET /beta/reports/appCredentialSignInActivities`: when each credential was last used
//! (docs/beliefs.md, Graph).

use axum::response::Response;
use serde_json::{Value, json};

use super::applications::graph_time;
use super::error::GraphError;
use super::paging::{collection, page};
use super::{Caller, json};
use crate::microsoft::directory::Directory;

pub(super) fn credential_use(
    directory: &Directory,
    caller: &Caller,
) -> Result<Response, GraphError> {
    if !caller.may(&["AuditLog.Read.All", "Directory.Read.All"]) {
        return Err(GraphError::not_allowed());
    }
    keep_the_limit(directory, caller)?;
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
    let tenant = caller.tenant(&records).unwrap_or_default();
    for app in records.applications.of_tenant(tenant) {
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
    let key = |row: &Value| {
        row.get("keyId")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .replace('-', "")
    };
    let (rows, next) = page(&records, caller, rows.into_iter(), key)?;
    let context =
        "https://graph.microsoft.com/beta/$metadata#reports/appCredentialSignInActivities";
    Ok(json(collection(context, rows, next)))
}

/// "5 requests per 10 seconds" for an app and tenant (graph-docs, concepts/throttling-limits.md, *Identity and access
/// reports*): the one after these is refused until the first of them is past.
fn keep_the_limit(directory: &Directory, caller: &Caller) -> Result<(), GraphError> {
    let now = directory.clock.now();
    let mut records = directory.records();
    let tenant = caller.tenant(&records).unwrap_or_default();
    let (most, within) = records.graph_habits.reports;
    let key = (caller.token.app_id, tenant);
    let asked = records.reports_asked.entry(key).or_default();
    asked.retain(|at| now.duration_since(*at) < within);
    match asked.first() {
        Some(first) if asked.len() >= most => {
            let wait = within - now.duration_since(*first);
            Err(GraphError::throttled(wait.as_secs() + 1))
        }
        _ => {
            asked.push(now);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::fixture::{Fixture, ask};
    use crate::microsoft::directory::application::{NewSecret, Registration};

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
        let reported = rows().await.json();
        let keys: Vec<&Value> = reported["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["keyId"])
            .collect();
        assert_eq!(keys, [&Value::from(used.to_string())]);
    }
    #[tokio::test]
    async fn the_sixth_request_within_ten_seconds_is_refused_and_the_whole_tenant_is_one_list() {
        let fixture = Fixture::new();
        fixture.directory.change(fixture.rotator.app_id, |app| {
            app.app_roles.insert("AuditLog.Read.All".to_owned());
        });
        let elsewhere = fixture.directory.add_tenant("other.example");
        let other = fixture
            .directory
            .register(elsewhere, Registration::default());
        for app in [fixture.app, fixture.rotator, other] {
            let new = NewSecret::default();
            let (_, secret) = fixture.directory.add_secret(app.app_id, new).unwrap();
            let now = fixture.clock.now();
            fixture.directory.used_by_person(app.app_id, &secret, now);
        }
        let bearer = fixture.rotator_bearer().await;
        let report = "/beta/reports/appCredentialSignInActivities";
        let headers = [("authorization", bearer.as_str())];
        let rows = async || ask(&fixture.graph, "GET", report, &headers, "").await;
        // Of the rotator's two, the one that it signed in with, too.
        assert_eq!(rows().await.json()["value"].as_array().unwrap().len(), 3);
        fixture.wait(4);
        for _ in 0..4 {
            assert_eq!(rows().await.status, 200);
        }
        let refused = rows().await;
        assert_eq!(refused.status, 429);
        let wait: i64 = refused.header("retry-after").parse().unwrap();
        assert!((6..=7).contains(&wait), "{wait}");
        fixture.wait(wait);
        assert_eq!(rows().await.status, 200);
    }
}
