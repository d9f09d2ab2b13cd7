//! App registrations that carry the marker. A handle is had by making one or by finding the marker, and each call that
//! changes an app is made through a handle: so no other app is ever touched.

use std::collections::BTreeMap;
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
    MyOrg,
    /// Personal accounts too.
    AnyAndPersonal,
}

/// By which one is known.
const FIELDS: &str = "id,appId,displayName,tags";

impl ThrowAwayApp {
    /// One of the list, of which nothing but its end is wanted.
    fn read(entry: &Value) -> Result<Self, Failure> {
        Ok(Self {
            object_id: text(entry, "id")?,
            client_id: DirectoryId::read(&text(entry, "appId")?).ok_or_else(|| odd("appId"))?,
            principal: String::new(),
            name: text(entry, "displayName")?,
        })
    }

    pub(super) fn target(&self, below: &str) -> Target {
        Target(format!("applications/{}/{below}", self.object_id))
    }

    pub(super) fn principals_target(&self, below: &str) -> Target {
        Target(format!("servicePrincipals/{}/{below}", self.principal))
    }

    pub(super) fn client_id(&self) -> &DirectoryId {
        &self.client_id
    }

    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl DeletedItem {
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

    /// The app registrations that carry the marker: of the list, which may be late, and of what this run has made. What
    /// cannot be looked at keeps none of the others. One whose making was interrupted is in the list alone.
    pub async fn find(&self, of: &Of, failures: &mut Vec<Failure>) -> Vec<ThrowAwayApp> {
        let what = "looking for throw-away app registrations";
        let path = format!(
            "applications?$filter=startswith(displayName,'{NAME}-')&$select={FIELDS}&$top=100"
        );
        let mut entries = kept(self.all(what, &path).await, failures).unwrap_or_default();
        let made = self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for object_id in made {
            let path = format!("applications/{object_id}?$select={FIELDS}");
            match kept(self.look(&path).await, failures) {
                Some(answer) if answer.is_success() => entries.push(answer.body),
                Some(answer) if answer.status != 404 => {
                    failures.push(answer.failure(what, AS_ADMINISTRATOR));
                }
                Some(_) | None => {}
            }
        }
        let entries = entries.iter().filter(|entry| carries_the_marker(entry, of));
        let apps = entries.filter_map(|entry| kept(ThrowAwayApp::read(entry), failures));
        let apps = apps.map(|app| (app.object_id.clone(), app));
        apps.collect::<BTreeMap<_, _>>().into_values().collect()
    }

    /// What carries the marker among what was deleted.
    pub async fn find_deleted(&self, of: &Of, failures: &mut Vec<Failure>) -> Vec<DeletedItem> {
        let mut found = Vec::new();
        for kind in ["application", "servicePrincipal"] {
            let what = "looking for what was deleted";
            let path = format!(
                "directory/deletedItems/microsoft.graph.{kind}?$select=id,displayName,tags&$top=100"
            );
            let entries = kept(self.all(what, &path).await, failures).unwrap_or_default();
            for entry in entries.iter().filter(|entry| carries_the_marker(entry, of)) {
                let item = || Ok((text(entry, "id")?, text(entry, "displayName")?));
                let item = kept(item(), failures);
                found.extend(item.map(|(id, name)| DeletedItem { id, name }));
            }
        }
        found
    }

    /// Deletes an app registration, and with it its service principal. For 30 days it can be restored, by the id that is
    /// returned; `None` where it was gone already, and perhaps for good.
    pub async fn delete(&self, app: ThrowAwayApp) -> Result<Option<String>, Failure> {
        let what = "deleting a throw-away app registration";
        let target = Target(format!("applications/{}", app.object_id));
        let was_there = self.gone(what, &target).await?;
        Ok(was_there.then_some(app.object_id))
    }

    /// Deletes for good what was deleted.
    pub async fn purge(&self, item: DeletedItem) -> Result<String, Failure> {
        let what = "deleting for good what was deleted";
        let target = Target(format!("directory/deletedItems/{}", item.id));
        self.gone(what, &target).await.map(|_| item.id)
    }

    /// What is not there any more is gone as well; whether it was there.
    async fn gone(&self, what: &str, target: &Target) -> Result<bool, Failure> {
        let answer = self.write(Method::DELETE, target, None).await?;
        match answer.status {
            404 => Ok(false),
            _ if answer.is_success() => Ok(true),
            _ => Err(answer.failure(what, AS_ADMINISTRATOR)),
        }
    }
}

/// What there is, or the failure put where they are kept.
fn kept<T>(answer: Result<T, Failure>, failures: &mut Vec<Failure>) -> Option<T> {
    answer.map_err(|failure| failures.push(failure)).ok()
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
