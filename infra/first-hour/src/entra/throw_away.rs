//! App registrations that carry the marker. A handle is had by making one or by finding the marker, and each call that
//! changes an app is made through a handle: so no other app is ever touched.

use std::sync::PoisonError;

use http::Method;
use serde_json::{Value, json};
use shared::failure::{Failure, Kind};
use shared::ids::DirectoryId;

use super::Entra;
use super::graph::AS_ADMINISTRATOR;
use crate::marker::{NAME, Of};

/// An app registration that carries the marker.
#[derive(Debug)]
pub struct ThrowAwayApp {
    object_id: String,
    client_id: DirectoryId,
    /// The object id of its service principal.
    principal: String,
    name: String,
}

/// An address at which something may be changed: of what carries the marker, or where it is made.
#[derive(Debug)]
pub(super) struct Target(String);

impl Target {
    pub(super) fn path(&self) -> &str {
        &self.0
    }
}

/// What was deleted and can be restored yet: an app registration or a service principal that carries the marker.
#[derive(Debug)]
pub struct DeletedItem {
    id: String,
    name: String,
}

/// Who may sign in to an app.
#[derive(Debug, Clone, Copy)]
pub(super) enum Audience {
    /// The tenant's accounts.
    MyOrg,
    /// Personal accounts too.
    AnyAndPersonal,
}

impl ThrowAwayApp {
    /// What follows its address.
    pub(super) fn target(&self, below: &str) -> Target {
        Target(format!("applications/{}/{below}", self.object_id))
    }

    /// What follows its service principal's.
    pub(super) fn principals_target(&self, below: &str) -> Target {
        Target(format!("servicePrincipals/{}/{below}", self.principal))
    }

    pub(super) fn client_id(&self) -> &DirectoryId {
        &self.client_id
    }

    /// The object id of its service principal.
    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl DeletedItem {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// `User.Read` of Graph's, which people may consent to (graph-docs, permissions-reference).
const USER_READ: &str = "e1fe6dd8-ba31-4d61-89e7-88639da4683d";
pub(super) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

impl Entra {
    /// Makes an app registration with its service principal. Its redirect URI is any port of this machine: of localhost
    /// the port is not compared (entra-docs, reply-url).
    pub(super) async fn register(
        &self,
        purpose: &str,
        audience: Audience,
    ) -> Result<ThrowAwayApp, Failure> {
        let name = self.run.app(purpose);
        let (audience, version) = match audience {
            Audience::MyOrg => ("AzureADMyOrg", Value::Null),
            // "the value must be 2" (entra-docs, reference-microsoft-graph-app-manifest)
            Audience::AnyAndPersonal => ("AzureADandPersonalMicrosoftAccount", json!(2)),
        };
        let access = json!([{"id": USER_READ, "type": "Scope"}]);
        let body = json!({
            "displayName": name, "signInAudience": audience, "tags": [NAME],
            "api": {"requestedAccessTokenVersion": version},
            "web": {"redirectUris": ["http://localhost/first-hour"]},
            "requiredResourceAccess": [{"resourceAppId": GRAPH_APP, "resourceAccess": access}],
        });
        let what = "making a throw-away app registration";
        let applications = Target("applications".to_owned());
        let app = self.post(what, &applications, &body).await?;
        let object_id = text(&app, "id")?;
        self.note(&object_id);
        let client_id = text(&app, "appId")?;
        let body = json!({"appId": client_id, "tags": [NAME]});
        let what = "making a service principal for it";
        let principals = Target("servicePrincipals".to_owned());
        let principal = self.post(what, &principals, &body).await?;
        Ok(ThrowAwayApp {
            object_id,
            client_id: DirectoryId::read(&client_id).ok_or_else(|| odd("appId"))?,
            principal: text(&principal, "id")?,
            name,
        })
    }

    fn note(&self, object_id: &str) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push(object_id.to_owned());
    }

    /// The app's client secrets as Graph lists them, fields and all.
    pub(super) async fn listed(&self, app: &ThrowAwayApp) -> Result<Vec<Value>, Failure> {
        let path = format!(
            "applications/{}?$select=id,passwordCredentials",
            app.object_id
        );
        let what = "reading a throw-away app registration";
        let mut app = self.read(what, &path).await?;
        match app.get_mut("passwordCredentials").map(Value::take) {
            Some(Value::Array(credentials)) => Ok(credentials),
            _ => Err(odd("passwordCredentials")),
        }
    }

    /// The app registrations that carry the marker.
    pub async fn find(&self, of: &Of) -> Result<Vec<ThrowAwayApp>, Failure> {
        let what = "looking for throw-away app registrations";
        let path = format!(
            "applications?$filter=startswith(displayName,'{NAME}-')&$select=id,appId,displayName,tags&$top=100"
        );
        let mut entries = self.all(what, &path).await?;
        let made = self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for object_id in made {
            let path = format!("applications/{object_id}?$select=id,appId,displayName,tags");
            let answer = self.look(&path).await?;
            if answer.is_success() && !entries.iter().any(|entry| is(entry, "id", &object_id)) {
                entries.push(answer.body);
            }
        }
        let found = entries.iter().filter(|entry| carries_the_marker(entry, of));
        let apps = found.map(|entry| {
            Ok(ThrowAwayApp {
                object_id: text(entry, "id")?,
                client_id: DirectoryId::read(&text(entry, "appId")?).ok_or_else(|| odd("appId"))?,
                principal: String::new(),
                name: text(entry, "displayName")?,
            })
        });
        apps.collect()
    }

    /// What carries the marker among what was deleted.
    pub async fn find_deleted(&self, of: &Of) -> Result<Vec<DeletedItem>, Failure> {
        let mut found = Vec::new();
        for kind in ["application", "servicePrincipal"] {
            let what = "looking for what was deleted";
            let path = format!(
                "directory/deletedItems/microsoft.graph.{kind}?$select=id,displayName,tags&$top=100"
            );
            let entries = self.all(what, &path).await?;
            for entry in entries.iter().filter(|entry| carries_the_marker(entry, of)) {
                let (id, name) = (text(entry, "id")?, text(entry, "displayName")?);
                found.push(DeletedItem { id, name });
            }
        }
        Ok(found)
    }

    /// Deletes an app registration, and with it its service principal. For 30 days it can be restored, by the id that is
    /// returned.
    pub async fn delete(&self, app: ThrowAwayApp) -> Result<String, Failure> {
        let what = "deleting a throw-away app registration";
        let target = Target(format!("applications/{}", app.object_id));
        self.gone(what, &target).await.map(|()| app.object_id)
    }

    /// Deletes for good what was deleted.
    pub async fn purge(&self, item: DeletedItem) -> Result<String, Failure> {
        let what = "deleting for good what was deleted";
        let target = Target(format!("directory/deletedItems/{}", item.id));
        self.gone(what, &target).await.map(|()| item.id)
    }

    /// What is not there any more is gone as well.
    async fn gone(&self, what: &str, target: &Target) -> Result<(), Failure> {
        let answer = self.write(Method::DELETE, target, None).await?;
        match answer.is_success() || answer.status == 404 {
            true => Ok(()),
            false => Err(answer.failure(what, AS_ADMINISTRATOR)),
        }
    }
}

fn carries_the_marker(entry: &Value, of: &Of) -> bool {
    let tags = entry
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let tags: Vec<String> = tags
        .filter_map(|tag| tag.as_str().map(str::to_owned))
        .collect();
    text(entry, "displayName").is_ok_and(|name| of.has_app(&name, &tags))
}

fn is(entry: &Value, field: &str, wanted: &str) -> bool {
    entry.get(field).and_then(Value::as_str) == Some(wanted)
}

pub(super) fn text(entry: &Value, field: &str) -> Result<String, Failure> {
    let text = entry.get(field).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| odd(field))
}

fn odd(field: &str) -> Failure {
    Failure::new(
        Kind::Temporary,
        format!("an answer of Graph's has no `{field}`"),
    )
    .next_step("run it again")
}
