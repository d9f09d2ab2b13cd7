//! `GET /servicePrincipals/{id}/ownedObjects`: what a rotator owns (graph-docs, serviceprincipal-list-ownedobjects).

use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use super::applications::{OWNED, READ_ALL, not_found, principal, selected, show_app, view};
use super::error::GraphError;
use super::paging::{collection, page};
use super::{AppKey, Caller, json};
use crate::microsoft::directory::{Directory, OwnedShown};

const TYPE: &str = "@odata.type";
const CAST: &str = "microsoft.graph.application";

/// With `apps_only` the address has the cast to `microsoft.graph.application`.
pub(super) fn list(
    directory: &Directory,
    caller: &Caller,
    of: &AppKey,
    apps_only: bool,
) -> Result<Response, GraphError> {
    if !caller.may(&READ_ALL) && !caller.may(&[OWNED]) {
        return Err(GraphError::not_allowed());
    }
    let now = directory.clock.now();
    let mut records = directory.records();
    let tenant = caller.tenant(&records);
    let owner = principal(&records, of)
        .filter(|owner| Some(owner.tenant_id) == tenant)
        .ok_or_else(|| not_found(of))?;
    let (tenant, owner) = (owner.tenant_id, owner.ids.service_principal_id);
    let habits = records.graph_habits.clone();
    let apps = records
        .applications
        .of_tenant(tenant)
        .filter(|app| app.registration.owners.contains(&owner) && !app.registration.deleted)
        .map(|app| Owned::App(app.ids.app_id));
    let group = (habits.rotators_own_a_group && !apps_only).then_some(Owned::Group(owner));
    let (owned, next) = page(&records, caller, group.into_iter().chain(apps), Owned::key)?;
    let mut shown = Vec::new();
    for one in owned {
        shown.push(match one {
            Owned::Group(id) => json!({TYPE: "#microsoft.graph.group", "id": id}),
            Owned::App(app_id) => {
                let view = view(&mut records, caller, app_id, now);
                let Some(app) = records.app(app_id) else {
                    continue;
                };
                let whole = show_app(app, view, &habits);
                let whole = select(limited(whole, habits.owned_shown), caller);
                if apps_only { whole } else { typed(whole) }
            }
        });
    }
    let set = if apps_only {
        "applications"
    } else {
        "directoryObjects"
    };
    let context = format!("https://graph.microsoft.com/v1.0/$metadata#{set}");
    Ok(json(collection(&context, shown, next)))
}

enum Owned {
    App(Uuid),
    Group(Uuid),
}

impl Owned {
    fn key(&self) -> String {
        match self {
            Self::App(id) | Self::Group(id) => id.simple().to_string(),
        }
    }
}

/// "Limited information returned for inaccessible member objects" (graph-docs, concepts/permissions-overview.md): what
/// is not shown is null.
fn limited(mut app: Value, shown: OwnedShown) -> Value {
    let Some(fields) = app.as_object_mut() else {
        return app;
    };
    for (name, value) in fields.iter_mut() {
        let hidden = match shown {
            OwnedShown::Whole => false,
            OwnedShown::WithoutCredentials => name == "passwordCredentials",
            OwnedShown::IdAndType => name != "id",
        };
        if hidden {
            *value = Value::Null;
        }
    }
    app
}

/// A property of a type below `directoryObject` may be named with the type before it.
fn select(app: Value, caller: &Caller) -> Value {
    let Some(names) = caller.query("$select") else {
        return app;
    };
    let plain = names.replace(&format!("{CAST}/"), "");
    let plain = Caller {
        query: vec![("$select".to_owned(), plain)],
        token: caller.token.clone(),
        path: String::new(),
        content_type: None,
        body: bytes::Bytes::new(),
        connection: None,
    };
    selected(app, &plain)
}

/// In a list of several types each object names its own, whatever is selected.
fn typed(mut app: Value) -> Value {
    if let Some(fields) = app.as_object_mut() {
        fields.insert(TYPE.to_owned(), json!(format!("#{CAST}")));
    }
    app
}
