//! App registrations: reading them, and their client secrets (docs/beliefs.md, Graph).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::GraphError;
use super::registering::{GRAPH_APP, GRAPH_PRINCIPAL, list_named};
use super::{AppKey, Caller, json};
use crate::microsoft::directory::application::{Application, Credential, NewSecret};
use crate::microsoft::directory::replication::{Door, Moment, View};
use crate::microsoft::directory::{Directory, GraphHabits, Records, two_years_after};

pub(super) const READ_ALL: [&str; 4] = [
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
pub(super) const WRITE_ALL: [&str; 2] = ["Application.ReadWrite.All", "Directory.ReadWrite.All"];
pub(super) const OWNED: &str = "Application.ReadWrite.OwnedBy";

/// Longer names are shortened: documented for `keyCredential`, assumed here (facts, 1.3).
const NAME_LIMIT: usize = 90;

pub(super) fn get(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    let now = directory.clock.now();
    let mut records = directory.records();
    let app_id = find_app(&records, caller, key, &READ_ALL)?;
    let view = view(&mut records, caller, app_id, now);
    let habits = records.graph_habits.clone();
    let app = records.app(app_id).ok_or_else(|| not_found(key))?;
    let mut shown = selected(show_app(app, view, &habits), caller);
    if let Some(fields) = shown.as_object_mut() {
        let context = "https://graph.microsoft.com/v1.0/$metadata#applications/$entity";
        fields.insert("@odata.context".to_owned(), json!(context));
    }
    Ok(json(shown))
}

/// What the caller gets to see of the app.
pub(super) fn view(records: &mut Records, caller: &Caller, app_id: Uuid, now: Timestamp) -> View {
    match caller.connection {
        Some(connection) if records.graph_habits.reads_by_connection => {
            records.graph_replicas.view_of(connection, app_id, now)
        }
        _ => records.graph_replicas.next_view(app_id, now),
    }
}

/// `$filter=appId eq '…'`: an ordinary query, no `ConsistencyLevel` needed (facts, 1.1).
pub(super) fn find(directory: &Directory, caller: &Caller) -> Result<Response, GraphError> {
    let filter = caller.query("$filter");
    let begin = filter
        .and_then(|filter| filter.strip_prefix("startswith(displayName,'"))
        .and_then(|filter| filter.strip_suffix("')"));
    if let Some(begin) = begin {
        return list_named(directory, caller, begin);
    }
    let app_id = filter
        .and_then(|filter| filter.strip_prefix("appId eq '"))
        .and_then(|filter| filter.strip_suffix('\''))
        .ok_or_else(|| GraphError::bad_request("Unsupported or invalid query filter clause."))?
        .to_owned();
    let now = directory.clock.now();
    let mut records = directory.records();
    let found = match find_app(&records, caller, &AppKey::AppId(app_id), &READ_ALL) {
        Ok(app_id) => {
            let view = records.graph_replicas.next_view(app_id, now);
            let habits = records.graph_habits.clone();
            let app = records.app(app_id);
            app.map(|app| selected(show_app(app, view, &habits), caller))
        }
        Err(error) if caller.may(&READ_ALL) || caller.may(&[OWNED]) => {
            drop(error);
            None
        }
        Err(error) => return Err(error),
    };
    Ok(json(json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications",
        "value": found.into_iter().collect::<Vec<_>>(),
    })))
}

pub(super) fn owners(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    let records = directory.records();
    let app_id = find_app(&records, caller, key, &READ_ALL)?;
    let app = records.app(app_id).ok_or_else(|| not_found(key))?;
    let owners: Vec<Value> = app
        .registration
        .owners
        .iter()
        .map(|owner| {
            let principal = records.applications.by_principal(*owner);
            let person = records.account(*owner);
            match (principal, person) {
                (Some(app), _) => show_principal(app),
                (None, Some(account)) => json!({
                    "@odata.type": "#microsoft.graph.user",
                    "id": owner,
                    "displayName": account.person.display_name,
                    "userPrincipalName": account.person.upn,
                }),
                (None, None) => {
                    json!({"@odata.type": "#microsoft.graph.directoryObject", "id": owner})
                }
            }
        })
        .collect();
    Ok(json(json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#directoryObjects",
        "value": owners,
    })))
}

pub(super) fn service_principal(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    if !caller.may(&READ_ALL) && !caller.may(&[OWNED]) {
        return Err(GraphError::not_allowed());
    }
    if *key == AppKey::AppId(GRAPH_APP.to_owned()) {
        let graph =
            json!({"id": GRAPH_PRINCIPAL, "appId": GRAPH_APP, "displayName": "Microsoft Graph"});
        return Ok(json(selected(graph, caller)));
    }
    let records = directory.records();
    let app = principal(&records, key).ok_or_else(|| not_found(key))?;
    Ok(json(selected(show_principal(app), caller)))
}

/// The app whose service principal is addressed, by its own id or the app's.
pub(super) fn principal<'a>(records: &'a Records, key: &AppKey) -> Option<&'a Application> {
    let id = key.parsed()?;
    let app = match key {
        AppKey::AppId(_) => records.app(id),
        AppKey::ObjectId(_) => records.applications.by_principal(id),
    };
    app.filter(|app| !app.registration.deleted && !app.registration.without_principal)
}

pub(super) async fn add_password(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    let app_id = find_app(&directory.records(), caller, key, &WRITE_ALL)?;
    let asked = read_body(&caller.body)?;
    let asked = asked.get("passwordCredential").unwrap_or(&Value::Null);
    let mut write = Write::begin(directory, app_id)?;
    write.take_time().await;
    let now = directory.clock.now();
    let secret = read_new_secret(asked, now)?;
    let mut records = directory.records();
    let app = records.app(app_id).ok_or_else(|| not_found(key))?;
    let by_default = records.longest_secret(app.tenant_id);
    let principal = caller.token.service_principal_id;
    let by_own = app.registration.secrets_blocked;
    if by_own.unwrap_or_else(|| records.blocks_secrets(app, principal)) {
        return Err(secrets_are_blocked());
    }
    check_rules(app, by_default, &secret, now)?;
    let credential = records.new_credential(app_id, now, secret);
    let answer = show_new(&credential);
    if let Some(app) = records.app_mut(app_id) {
        app.credentials.push(credential);
        write.written_at = Some(now);
    }
    // 200, not 201 (facts, 1.3).
    Ok(json(answer))
}

pub(super) async fn remove_password(
    directory: &Directory,
    caller: &Caller,
    key: &AppKey,
) -> Result<Response, GraphError> {
    let app_id = find_app(&directory.records(), caller, key, &WRITE_ALL)?;
    let body = read_body(&caller.body)?;
    let key_id = body
        .get("keyId")
        .and_then(Value::as_str)
        .and_then(|id| Uuid::try_parse(id).ok())
        .ok_or_else(|| GraphError::bad_request("Invalid value specified for property 'keyId'."))?;
    let mut write = Write::begin(directory, app_id)?;
    write.take_time().await;
    let now = directory.clock.now();
    let mut records = directory.records();
    // The same answer whether it is gone or has not arrived yet (facts, 1.4).
    let unknown = GraphError::bad_request(format!(
        "No password credential found with keyId '{key_id}'."
    ));
    let added = records
        .app(app_id)
        .and_then(|app| app.credentials().find(|known| known.key_id == key_id))
        .map(|credential| credential.added)
        .ok_or_else(|| unknown.clone())?;
    if !has_arrived(&mut records, app_id, &added, now) {
        return Err(unknown);
    }
    records.remove_credential(app_id, key_id, now);
    write.written_at = Some(now);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whether removePassword knows of the credential by now. Its own calls count as requests.
fn has_arrived(records: &mut Records, app_id: Uuid, added: &Moment, now: Timestamp) -> bool {
    let seen = records.graph_replicas.seen(app_id);
    let lag = records.graph_habits.remove_learns;
    let arrived = lag.is_over(added, Door::Graph, seen, now);
    if !arrived {
        records.graph_replicas.next_view(app_id, now);
    }
    arrived
}

/// One write on an app; another one meanwhile, or shortly after, is refused (facts, 1.8).
struct Write<'a> {
    directory: &'a Directory,
    app_id: Uuid,
    habits: GraphHabits,
    written_at: Option<Timestamp>,
}

impl<'a> Write<'a> {
    fn begin(directory: &'a Directory, app_id: Uuid) -> Result<Self, GraphError> {
        let now = directory.clock.now();
        let mut records = directory.records();
        let habits = records.graph_habits.clone();
        let Some(app) = records.app_mut(app_id) else {
            return Err(GraphError::not_found(&app_id.to_string()));
        };
        let too_soon = app
            .last_write
            .is_some_and(|last| now < last + habits.write_spacing);
        if app.writes_in_flight > 0 || too_soon {
            return Err(GraphError::concurrent(habits.concurrency_status));
        }
        app.writes_in_flight += 1;
        Ok(Self {
            directory,
            app_id,
            habits,
            written_at: None,
        })
    }

    async fn take_time(&self) {
        if !self.habits.write_takes.is_zero() {
            tokio::time::sleep(self.habits.write_takes).await;
        }
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if let Some(app) = self.directory.records().app_mut(self.app_id) {
            app.writes_in_flight = app.writes_in_flight.saturating_sub(1);
            app.last_write = self.written_at.or(app.last_write);
        }
    }
}

/// The app under the key, if the caller may have it: all apps with one of `all`, its own with `OwnedBy`.
pub(super) fn find_app(
    records: &Records,
    caller: &Caller,
    key: &AppKey,
    all: &[&str],
) -> Result<Uuid, GraphError> {
    let app = key.parsed().and_then(|id| match key {
        AppKey::ObjectId(_) => records.applications.by_object_id(id),
        AppKey::AppId(_) => records.app(id),
    });
    let app = app.filter(|app| !app.registration.deleted && same_tenant(records, caller, app));
    // An app-only token needs the role and to be owner: ownership alone gives it nothing (facts, 1.5).
    let owns = |app: &Application| {
        let owner = caller
            .token
            .oid
            .unwrap_or(caller.token.service_principal_id);
        app.registration.owners.contains(&owner)
    };
    match app {
        _ if !caller.may(all) && !caller.may(&[OWNED]) => Err(GraphError::not_allowed()),
        None => Err(not_found(key)),
        Some(app) if caller.may(all) || owns(app) => Ok(app.ids.app_id),
        Some(app) if records.graph_habits.owned_by_reads_all && all == READ_ALL => {
            Ok(app.ids.app_id)
        }
        Some(_) => Err(GraphError::not_allowed()),
    }
}

fn same_tenant(records: &Records, caller: &Caller, app: &Application) -> bool {
    caller.tenant(records) == Some(app.tenant_id)
}

impl AppKey {
    fn text(&self) -> &str {
        match self {
            Self::ObjectId(id) | Self::AppId(id) => id,
        }
    }

    fn parsed(&self) -> Option<Uuid> {
        Uuid::try_parse(self.text()).ok()
    }
}

pub(super) fn not_found(key: &AppKey) -> GraphError {
    GraphError::not_found(key.text())
}

pub(super) fn read_body(body: &[u8]) -> Result<Value, GraphError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|_| {
        GraphError::new(
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    })
}

pub(super) fn read_new_secret(asked: &Value, now: Timestamp) -> Result<NewSecret, GraphError> {
    let empty = Map::new();
    let fields = match asked {
        Value::Null => &empty,
        Value::Object(fields) => fields,
        _ => {
            return Err(GraphError::bad_request(
                "Invalid value specified for property 'passwordCredential'.",
            ));
        }
    };
    let invalid = |name: &str| {
        GraphError::bad_request(format!(
            "Invalid value specified for property '{name}' of resource 'PasswordCredential'."
        ))
    };
    for (name, value) in fields {
        match name.as_str() {
            "displayName" | "startDateTime" | "endDateTime" => {}
            // Made by the server only (facts, 1.3).
            "keyId" | "secretText" | "hint" | "customKeyIdentifier" if !value.is_null() => {
                return Err(invalid(name));
            }
            "keyId" | "secretText" | "hint" | "customKeyIdentifier" | "@odata.type" => {}
            _ => {
                return Err(GraphError::bad_request(format!(
                    "The property '{name}' does not exist on type 'microsoft.graph.passwordCredential'."
                )));
            }
        }
    }
    let time = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => text
            .parse::<Timestamp>()
            .map(Some)
            .map_err(|_| invalid(name)),
        Some(_) => Err(invalid(name)),
    };
    let display_name = match fields.get("displayName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.chars().take(NAME_LIMIT).collect()),
        Some(_) => return Err(invalid("displayName")),
    };
    let start = time("startDateTime")?.unwrap_or(now);
    let end = time("endDateTime")?.unwrap_or_else(|| two_years_after(start));
    if end <= start || end <= now {
        return Err(GraphError::bad_request(
            "Key credential end date is invalid.",
        ));
    }
    Ok(NewSecret {
        display_name,
        custom_key_identifier: None,
        start: Some(start),
        end: Some(end),
        on_service_principal: false,
    })
}

/// `by_default` is what the tenant's default policy allows, which an app's own takes the place of.
fn check_rules(
    app: &Application,
    by_default: Option<SignedDuration>,
    secret: &NewSecret,
    now: Timestamp,
) -> Result<(), GraphError> {
    let registration = &app.registration;
    // Also for the two years of an omitted endDateTime (facts, 1.7).
    let start = secret.start.unwrap_or(now);
    let lifetime = secret.end.map(|end| end.duration_since(start));
    if registration
        .max_secret_lifetime
        .or(by_default)
        .is_some_and(|longest| lifetime > Some(longest))
    {
        return Err(GraphError::new(
            400,
            "CredentialInvalidLifetimeAsPerAppPolicy",
            "Credential lifetime exceeds the max value allowed as per assigned policy.",
        ));
    }
    let count = app.credentials().count();
    // Two secrets with personal accounts (facts, 1.6). The wording is not known (facts, 5.3).
    if registration.sign_in_audience.includes_personal() && count >= 2 {
        return Err(GraphError::bad_request(
            "The number of password credentials on the application exceeds the maximum of 2 for applications that support personal Microsoft accounts.",
        ));
    }
    if count >= registration.credential_limit {
        return Err(GraphError::new(
            400,
            "Directory_ResourceSizeExceeded",
            "The size of the object has exceeded its limit. Please reduce the number of values and retry your request.",
        ));
    }
    Ok(())
}

fn secrets_are_blocked() -> GraphError {
    GraphError::new(
        400,
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy.",
    )
}

pub(super) fn show_app(app: &Application, view: View, habits: &GraphHabits) -> Value {
    let credentials: Vec<Value> = app
        .credentials
        .iter()
        .filter(|credential| !credential.on_service_principal)
        .filter(|credential| view.shows(&credential.added, credential.removed.as_ref()))
        .map(|credential| {
            let hint = habits.shows_hint.then_some(credential.hint.as_str());
            show_credential(credential, hint, None)
        })
        .collect();
    json!({
        "id": app.ids.object_id,
        "appId": app.ids.app_id,
        "displayName": app.registration.display_name,
        "tags": app.registration.tags,
        "signInAudience": app.registration.sign_in_audience.name(),
        "passwordCredentials": credentials,
        "keyCredentials": [],
        "createdDateTime": graph_time(app.created),
        "web": {"redirectUris": app.registration.redirect_uris},
        "requiredResourceAccess": [{
            "resourceAppId": "00000003-0000-0000-c000-000000000000",
            "resourceAccess": app.registration.permissions.iter()
                .map(|id| json!({"id": id, "type": "Scope"})).collect::<Vec<_>>(),
        }],
        "optionalClaims": app.registration.sends_auth_time.then(|| json!({
            "idToken": [{"name": "auth_time", "source": null, "essential": false, "additionalProperties": []}],
            "accessToken": [], "saml2Token": [],
        })),
    })
}

pub(super) fn show_principal(app: &Application) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": app.ids.service_principal_id,
        "appId": app.ids.app_id,
        "displayName": app.registration.display_name,
        "accountEnabled": !app.registration.disabled,
        "appRoleAssignmentRequired": app.registration.assigned.is_some(),
    })
}

pub(super) fn show_new(credential: &Credential) -> Value {
    let mut shown = show_credential(credential, Some(&credential.hint), Some(&credential.value));
    if let Some(fields) = shown.as_object_mut() {
        let context =
            "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.passwordCredential";
        fields.insert("@odata.context".to_owned(), json!(context));
    }
    shown
}

fn show_credential(credential: &Credential, hint: Option<&str>, value: Option<&str>) -> Value {
    json!({
        "customKeyIdentifier": credential.custom_key_identifier,
        "displayName": credential.display_name,
        "endDateTime": graph_time(credential.end),
        "hint": hint,
        "keyId": credential.key_id,
        "secretText": value,
        "startDateTime": graph_time(credential.start),
    })
}

/// Seven fractional digits, as all of Graph's timestamps have (facts, 1.2).
pub(super) fn graph_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

pub(super) fn selected(mut object: Value, caller: &Caller) -> Value {
    if let (Some(names), Some(fields)) = (caller.selected(), object.as_object_mut()) {
        fields.retain(|name, _| names.contains(&name.as_str()));
    }
    object
}
