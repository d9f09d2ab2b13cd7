//! Making app registrations and taking them away, as an administrator's command line does: the app, its service
//! principal, owners, application permissions, federated credentials, and what was deleted (graph-docs,
//! application-post-applications, serviceprincipal-post-serviceprincipals, application-post-owners,
//! serviceprincipal-post-approleassignments, application-post-federatedidentitycredentials,
//! directory-deleteditems-list, directory-deleteditems-delete).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::applications::{
    OWNED, READ_ALL, WRITE_ALL, find_app, not_found, principal, read_body, read_new_secret,
    selected, show_app, show_new, show_principal,
};
use super::error::GraphError;
use super::paging::{collection, page};
use super::{AppKey, Caller, json};
use crate::microsoft::directory::application::{Audience, NewSecret, Registration};
use crate::microsoft::directory::replication::View;
use crate::microsoft::directory::{Directory, Records};

/// Microsoft Graph's own service principal, whose client id is the same everywhere.
pub(super) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";
/// Its object id is another one in each tenant.
pub(super) const GRAPH_PRINCIPAL: &str = "7ea9e944-71ce-443d-811c-71e8047b557a";
/// `Application.ReadWrite.OwnedBy` (graph-docs, permissions-reference).
const OWNED_BY_ROLE: &str = "18a4783c-866b-4cc7-a460-3d5e5662c884";
const GRANTING: &str = "AppRoleAssignment.ReadWrite.All";

pub(super) fn create(directory: &Directory, caller: &Caller) -> Result<Response, GraphError> {
    if !caller.may(&WRITE_ALL) && !caller.may(&[OWNED]) {
        return Err(GraphError::not_allowed());
    }
    let asked = read_body(&caller.body)?;
    let registration = Registration {
        owners: caller.token.oid.into_iter().collect(),
        without_principal: true,
        ..read_registration(&asked)?
    };
    let tenant = caller.tenant(&directory.records());
    let tenant = tenant.ok_or_else(GraphError::not_allowed)?;
    let ids = directory.register(tenant, registration);
    let records = directory.records();
    let app = records.app(ids.app_id);
    let app = app.ok_or_else(|| GraphError::not_found(&ids.app_id.to_string()))?;
    let shown = show_app(app, View::of_the_writer(), &records.graph_habits);
    Ok((StatusCode::CREATED, axum::Json(shown)).into_response())
}

fn read_registration(asked: &Value) -> Result<Registration, GraphError> {
    let fields = asked.as_object();
    let fields = fields.ok_or_else(|| GraphError::bad_request("A request body is required."))?;
    let known = [
        "displayName",
        "signInAudience",
        "tags",
        "web",
        "api",
        "requiredResourceAccess",
    ];
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(GraphError::bad_request(format!(
            "The property '{name}' does not exist on type 'microsoft.graph.application'."
        )));
    }
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    let audience = [
        Audience::MyOrg,
        Audience::MultipleOrgs,
        Audience::AnyAndPersonal,
        Audience::Personal,
    ];
    let sign_in_audience = match text("signInAudience") {
        None => Audience::MyOrg,
        Some(name) => audience
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or_else(|| GraphError::bad_request("Property signInAudience is invalid."))?,
    };
    // "If signInAudience is AzureADandPersonalMicrosoftAccount, the value must be 2." (entra-docs,
    // reference-microsoft-graph-app-manifest: requestedAccessTokenVersion)
    let version = asked.pointer("/api/requestedAccessTokenVersion");
    if sign_in_audience.includes_personal() && version != Some(&json!(2)) {
        return Err(GraphError::bad_request(
            "Property api.requestedAccessTokenVersion is invalid.",
        ));
    }
    let name = text("displayName");
    Ok(Registration {
        display_name: name
            .ok_or_else(|| GraphError::bad_request("Property displayName is required."))?
            .to_owned(),
        sign_in_audience,
        tags: texts(asked.get("tags")),
        redirect_uris: texts(asked.pointer("/web/redirectUris")),
        ..Registration::default()
    })
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let texts = list.filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// `$filter=startswith(displayName,'…')`.
pub(super) fn list_named(
    directory: &Directory,
    caller: &Caller,
    begin: &str,
) -> Result<Response, GraphError> {
    if !caller.may(&READ_ALL) {
        return Err(GraphError::not_allowed());
    }
    let records = directory.records();
    let tenant = caller.tenant(&records).unwrap_or_default();
    let named = records.applications.of_tenant(tenant).filter(|app| {
        let name = app.registration.display_name.to_lowercase();
        name.starts_with(&begin.to_lowercase())
    });
    let (found, next) = page(&records, caller, named, |app| app.ids.object_id.to_string())?;
    let view = View::of_the_writer();
    let shown = found
        .into_iter()
        .map(|app| selected(show_app(app, view, &records.graph_habits), caller));
    let context = "https://graph.microsoft.com/v1.0/$metadata#applications";
    Ok(json(collection(context, shown.collect(), next)))
}

pub(super) fn delete(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    let app_id = find_app(&directory.records(), caller, key, &WRITE_ALL)?;
    directory.delete_registration(app_id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn create_principal(
    directory: &Directory,
    caller: &Caller,
) -> Result<Response, GraphError> {
    let asked = read_body(&caller.body)?;
    let app_id = asked.get("appId").and_then(Value::as_str);
    let key = AppKey::AppId(app_id.unwrap_or_default().to_owned());
    let app_id = find_app(&directory.records(), caller, &key, &WRITE_ALL)?;
    let mut records = directory.records();
    let app = records.app_mut(app_id).ok_or_else(|| not_found(&key))?;
    if !std::mem::take(&mut app.registration.without_principal) {
        return Err(GraphError::new(
            409,
            "Request_MultipleObjectsWithSameKeyValue",
            "The service principal cannot be created, updated, or restored because the service principal name is already in use.",
        ));
    }
    Ok((StatusCode::CREATED, axum::Json(show_principal(app))).into_response())
}

pub(super) fn add_owner(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    // "Application.ReadWrite.OwnedBy will not be sufficient to add another owner" (application-post-owners).
    if !caller.may(&WRITE_ALL) {
        return Err(GraphError::not_allowed());
    }
    let app_id = find_app(&directory.records(), caller, key, &WRITE_ALL)?;
    let asked = read_body(&caller.body)?;
    let owner = asked.get("@odata.id").and_then(Value::as_str);
    let owner = owner.and_then(|url| url.rsplit_once("/directoryObjects/"));
    let owner = owner.and_then(|(_, id)| Uuid::try_parse(id).ok());
    let owner = owner.ok_or_else(|| GraphError::bad_request("Invalid reference."))?;
    if let Some(app) = directory.records().app_mut(app_id) {
        app.registration.owners.insert(owner);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn grant_role(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    if !caller.may(&[GRANTING]) {
        return Err(GraphError::not_allowed());
    }
    let asked = read_body(&caller.body)?;
    let is = |name: &str, wanted: &str| asked.get(name).and_then(Value::as_str) == Some(wanted);
    let mut records = directory.records();
    let app = principal(&records, key).ok_or_else(|| not_found(key))?;
    let (app_id, principal_id) = (app.ids.app_id, app.ids.service_principal_id.to_string());
    let right = is("principalId", &principal_id)
        && is("resourceId", GRAPH_PRINCIPAL)
        && is("appRoleId", OWNED_BY_ROLE);
    if !right {
        return Err(GraphError::bad_request(
            "Permission being assigned was not found on application",
        ));
    }
    if let Some(app) = records.app_mut(app_id) {
        app.registration.app_roles.insert(OWNED.to_owned());
    }
    let id = records.guid();
    let mut answer = asked;
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
    }
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

pub(super) fn trust(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    let app_id = find_app(&directory.records(), caller, key, &WRITE_ALL)?;
    let asked = read_body(&caller.body)?;
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let audiences = texts(asked.get("audiences"));
    let [audience] = audiences.as_slice() else {
        return Err(GraphError::bad_request("One audience is allowed."));
    };
    if [text("name"), text("issuer"), text("subject")].contains(&"") {
        return Err(GraphError::bad_request("A required property is missing."));
    }
    directory.add_federated(app_id, text("issuer"), text("subject"), audience);
    Ok((StatusCode::CREATED, axum::Json(asked)).into_response())
}

/// A secret of the service principal's own: it signs in, and no read of the app registration shows it.
pub(super) fn add_principals_password(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    if !caller.may(&WRITE_ALL) {
        return Err(GraphError::not_allowed());
    }
    let now = directory.clock.now();
    let asked = read_body(&caller.body)?;
    let asked = asked.get("passwordCredential").unwrap_or(&Value::Null);
    let secret = NewSecret {
        on_service_principal: true,
        ..read_new_secret(asked, now)?
    };
    let mut records = directory.records();
    let app_id = principal(&records, key).map(|app| app.ids.app_id);
    let app_id = app_id.ok_or_else(|| not_found(key))?;
    let credential = records.new_credential(app_id, now, secret);
    let answer = show_new(&credential);
    if let Some(app) = records.app_mut(app_id) {
        app.credentials.push(credential);
    }
    Ok(json(answer))
}

/// What was deleted within 30 days, of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    Applications,
    Principals,
}

pub(super) fn list_deleted(
    directory: &Directory,
    caller: &Caller,
    of: Deleted,
) -> Result<Response, GraphError> {
    if !caller.may(&READ_ALL) {
        return Err(GraphError::not_allowed());
    }
    let records = directory.records();
    let tenant = caller.tenant(&records);
    let gone = match of {
        Deleted::Applications => &records.deleted_applications,
        Deleted::Principals => &records.deleted_principals,
    };
    let gone = gone.iter().filter(|app| Some(app.tenant_id) == tenant);
    let shown = gone.map(|app| {
        let id = match of {
            Deleted::Applications => app.ids.object_id,
            Deleted::Principals => app.ids.service_principal_id,
        };
        let Registration {
            display_name, tags, ..
        } = &app.registration;
        json!({"id": id, "appId": app.ids.app_id, "displayName": display_name, "tags": tags})
    });
    let context = "https://graph.microsoft.com/v1.0/$metadata#directoryObjects";
    Ok(json(collection(context, shown.collect(), None)))
}

pub(super) fn purge(
    directory: &Directory,
    caller: &Caller,
    id: &str,
) -> Result<Response, GraphError> {
    if !caller.may(&WRITE_ALL) {
        return Err(GraphError::not_allowed());
    }
    let wanted = Uuid::try_parse(id).unwrap_or_default();
    let mut records = directory.records();
    let gone =
        |records: &Records| records.deleted_applications.len() + records.deleted_principals.len();
    let before = gone(&records);
    let applications = &mut records.deleted_applications;
    applications.retain(|app| app.ids.object_id != wanted);
    let principals = &mut records.deleted_principals;
    principals.retain(|app| app.ids.service_principal_id != wanted);
    match gone(&records) < before {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(GraphError::not_found(id)),
    }
}
