//! App management policies: the tenant's default one, and one that an app has of its own (docs/beliefs.md, Graph).

use std::collections::BTreeSet;

use axum::response::Response;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::GraphError;
use super::{AppKey, Caller, applications, json};
use crate::microsoft::directory::Directory;
use crate::microsoft::directory::account::SecretsBlocked;

const READ_POLICIES: [&str; 2] = [
    "Policy.Read.All",
    "Policy.ReadWrite.ApplicationConfiguration",
];

/// Always there, and disabled unless somebody set it.
pub(super) fn of_the_tenant(
    directory: &Directory,
    caller: &Caller,
) -> Result<Response, GraphError> {
    if !caller.may(&READ_POLICIES) {
        return Err(GraphError::not_allowed());
    }
    let records = directory.records();
    let tenant = records.app(caller.token.app_id).map(|app| app.tenant_id);
    let tenant = tenant.and_then(|tenant| records.tenants.by_id(tenant));
    let longest = tenant.and_then(|tenant| tenant.longest_secret);
    let blocked = tenant.and_then(|tenant| tenant.secrets_blocked.clone());
    Ok(json(json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#policies/defaultAppManagementPolicy/$entity",
        "id": "00000000-0000-0000-0000-000000000000",
        "displayName": "Default app management tenant policy",
        "isEnabled": longest.is_some() || blocked.is_some(),
        "applicationRestrictions": restrictions(longest, blocked.as_ref().map(addition)),
        "servicePrincipalRestrictions": restrictions(None, None),
    })))
}

/// Wants to read apps beside policies, as listing what a policy applies to does.
pub(super) fn of_the_app(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    if !caller.may(&READ_POLICIES) || !caller.may(&applications::READ_ALL) {
        return Err(GraphError::not_allowed());
    }
    let records = directory.records();
    let app_id = applications::find_app(&records, caller, key, &applications::READ_ALL)?;
    let registration = records.app(app_id).map(|app| &app.registration);
    let own = registration.filter(|registration| registration.has_own_policy());
    let policy = own.map(|own| {
        let addition = own.secrets_blocked.map(|blocked| match blocked {
            true => addition(&SecretsBlocked {
                apps_since: None,
                excepted_callers: BTreeSet::new(),
            }),
            false => json!({"restrictionType": "passwordAddition", "state": "disabled", "maxLifetime": null}),
        });
        json!({
            "id": "db9d58b5-35f3-4a0c-9d1b-0c9e3a6a1c00",
            "displayName": "Credential management policy",
            "isEnabled": true,
            "restrictions": restrictions(own.max_secret_lifetime, addition),
        })
    });
    Ok(json(json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#policies/appManagementPolicies",
        "value": policy.into_iter().collect::<Vec<_>>(),
    })))
}

fn addition(blocked: &SecretsBlocked) -> Value {
    let excepts = !blocked.excepted_callers.is_empty();
    json!({
        "restrictionType": "passwordAddition",
        "state": "enabled",
        "maxLifetime": null,
        "restrictForAppsCreatedAfterDateTime": blocked.apps_since,
        "excludeActors": excepts.then(|| json!({"customSecurityAttributes": [{
            "@odata.type": "#microsoft.graph.customSecurityAttributeStringValueExemption",
            "id": "AppPolicy_Exempt", "operator": "equals", "value": "yes",
        }]})),
    })
}

fn restrictions(longest: Option<SignedDuration>, addition: Option<Value>) -> Value {
    let lifetime = longest.map(|longest| {
        json!({
            "restrictionType": "passwordLifetime",
            "state": "enabled",
            "maxLifetime": format!("P{}D", longest.as_hours() / 24),
            "restrictForAppsCreatedAfterDateTime": "2019-01-01T10:37:00Z",
        })
    });
    json!({
        "passwordCredentials": addition.into_iter().chain(lifetime).collect::<Vec<_>>(),
        "keyCredentials": [],
    })
}
