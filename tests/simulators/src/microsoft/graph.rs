//! Graph on the wire: app registrations with addPassword and removePassword, the policies that limit them, the
//! signed-in person and the mailbox, the report of credential use, and batches of all these. Held to docs/beliefs.md, Graph and Exchange.

mod applications;
mod batch;
mod error;
mod mailbox;
mod messages;
mod owned_objects;
mod paging;
mod policies;
mod registering;
mod reports;
mod send_mail;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Uri};
use uuid::Uuid;

use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::microsoft::directory::scope::GRAPH;
use crate::microsoft::directory::tokens::AccessToken;
use crate::microsoft::directory::{Directory, Records};
use crate::serve::ConnectionNumber;
use error::GraphError;
use registering::Deleted;

/// Graph as a service.
#[must_use]
pub fn service(directory: Arc<Directory>, gate: Arc<Gate>, clock: Arc<Clock>) -> Service {
    Service {
        name: "graph",
        operation: |request| Route::read(request.method(), request.uri()).operation(),
        router: Router::new().fallback(answer).with_state(directory),
        gate,
        clock,
    }
}

/// How an app is addressed: the two ids are different values, and one in the other's place is a 404
/// (docs/beliefs.md, Graph).
#[derive(Debug, Clone, PartialEq, Eq)]
enum AppKey {
    ObjectId(String),
    AppId(String),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Application(AppKey),
    FindApplications,
    CreateApplication,
    DeleteApplication(AppKey),
    AddOwner(AppKey),
    Trust(AppKey),
    CreatePrincipal,
    GrantRole(AppKey),
    AddPrincipalsPassword(AppKey),
    Deleted(Deleted),
    Purge(String),
    AddPassword(AppKey),
    RemovePassword(AppKey),
    Owners(AppKey),
    PoliciesOfApp(AppKey),
    DefaultPolicy,
    ServicePrincipal(AppKey),
    OwnedObjects {
        of: AppKey,
        apps_only: bool,
    },
    Me,
    Folder {
        of: Option<String>,
        folder: String,
    },
    /// The messages of a folder, or of all.
    Messages {
        of: Option<String>,
        folder: Option<String>,
    },
    SendMail,
    CredentialUse,
    Batch {
        version: String,
    },
    Unknown(String),
}

impl Route {
    fn read(method: &Method, uri: &Uri) -> Self {
        let path = decode(uri.path());
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let unknown = || Self::Unknown(format!("{method} {path}"));
        let (version, rest) = match segments.split_first() {
            Some((version, rest)) => (*version, rest),
            None => return unknown(),
        };
        if let (&Method::POST, ["$batch"], "v1.0" | "beta") = (method, rest, version) {
            let version = version.to_owned();
            return Self::Batch { version };
        }
        if version == "beta" {
            return match (method, rest) {
                (&Method::GET, ["reports", "appCredentialSignInActivities"]) => Self::CredentialUse,
                _ => unknown(),
            };
        }
        if version != "v1.0" {
            return unknown();
        }
        if let (&Method::GET, ["applications"]) = (method, rest) {
            return Self::FindApplications;
        }
        match (method, rest) {
            (&Method::POST, ["applications"]) => return Self::CreateApplication,
            (&Method::POST, ["servicePrincipals"]) => return Self::CreatePrincipal,
            _ => {}
        }
        if let Some((key, rest)) = key_of("applications", rest) {
            return match (method, rest) {
                (&Method::GET, []) => Self::Application(key),
                (&Method::DELETE, []) => Self::DeleteApplication(key),
                (&Method::GET, ["owners"]) => Self::Owners(key),
                (&Method::POST, ["owners", "$ref"]) => Self::AddOwner(key),
                (&Method::POST, ["federatedIdentityCredentials"]) => Self::Trust(key),
                (&Method::GET, ["appManagementPolicies"]) => Self::PoliciesOfApp(key),
                (&Method::POST, ["addPassword" | "microsoft.graph.addPassword"]) => {
                    Self::AddPassword(key)
                }
                (&Method::POST, ["removePassword" | "microsoft.graph.removePassword"]) => {
                    Self::RemovePassword(key)
                }
                _ => unknown(),
            };
        }
        if let Some((key, rest)) = key_of("servicePrincipals", rest) {
            return match (method, rest) {
                (&Method::GET, []) => Self::ServicePrincipal(key),
                (&Method::POST, ["appRoleAssignments"]) => Self::GrantRole(key),
                (&Method::POST, ["addPassword"]) => Self::AddPrincipalsPassword(key),
                (&Method::GET, ["ownedObjects", cast @ ..]) => {
                    let apps_only = cast == ["microsoft.graph.application"];
                    match apps_only || cast.is_empty() {
                        true => Self::OwnedObjects { of: key, apps_only },
                        false => unknown(),
                    }
                }
                _ => unknown(),
            };
        }
        match (method, rest) {
            (&Method::GET, ["policies", "defaultAppManagementPolicy"]) => Self::DefaultPolicy,
            (&Method::GET, ["directory", "deletedItems", "microsoft.graph.application"]) => {
                Self::Deleted(Deleted::Applications)
            }
            (
                &Method::GET,
                [
                    "directory",
                    "deletedItems",
                    "microsoft.graph.servicePrincipal",
                ],
            ) => Self::Deleted(Deleted::Principals),
            (&Method::DELETE, ["directory", "deletedItems", id]) => Self::Purge((*id).to_owned()),
            (&Method::GET, ["me"]) => Self::Me,
            (&Method::GET, ["me", rest @ ..]) => {
                Self::in_mailbox(None, rest).unwrap_or_else(unknown)
            }
            (&Method::GET, ["users", user, rest @ ..]) => {
                let of = Some((*user).to_owned());
                Self::in_mailbox(of, rest).unwrap_or_else(unknown)
            }
            (&Method::POST, ["me", "sendMail" | "microsoft.graph.sendMail"]) => Self::SendMail,
            _ => unknown(),
        }
    }

    fn in_mailbox(of: Option<String>, rest: &[&str]) -> Option<Self> {
        if let ["messages"] = rest {
            return Some(Self::Messages { of, folder: None });
        }
        Some(match rest.split_last() {
            Some((&"messages", of_folder)) => Self::Messages {
                of,
                folder: Some(folder_of(of_folder)?),
            },
            _ => Self::Folder {
                of,
                folder: folder_of(rest)?,
            },
        })
    }

    fn operation(&self) -> String {
        match self {
            Self::Application(_) => "GET application".to_owned(),
            Self::FindApplications => "GET applications".to_owned(),
            Self::CreateApplication => "POST applications".to_owned(),
            Self::DeleteApplication(_) => "DELETE application".to_owned(),
            Self::AddOwner(_) => "POST owners".to_owned(),
            Self::Trust(_) => "POST federatedIdentityCredentials".to_owned(),
            Self::CreatePrincipal => "POST servicePrincipals".to_owned(),
            Self::GrantRole(_) => "POST appRoleAssignments".to_owned(),
            Self::AddPrincipalsPassword(_) => "POST servicePrincipal/addPassword".to_owned(),
            Self::Deleted(_) => "GET deletedItems".to_owned(),
            Self::Purge(_) => "DELETE deletedItem".to_owned(),
            Self::AddPassword(_) => "POST addPassword".to_owned(),
            Self::RemovePassword(_) => "POST removePassword".to_owned(),
            Self::Owners(_) => "GET owners".to_owned(),
            Self::PoliciesOfApp(_) => "GET application/appManagementPolicies".to_owned(),
            Self::DefaultPolicy => "GET defaultAppManagementPolicy".to_owned(),
            Self::ServicePrincipal(_) => "GET servicePrincipal".to_owned(),
            Self::OwnedObjects { .. } => "GET ownedObjects".to_owned(),
            Self::Me => "GET me".to_owned(),
            Self::Folder { of: None, folder } => format!("GET me/mailFolders/{folder}"),
            Self::Folder { folder, .. } => format!("GET users/mailFolders/{folder}"),
            Self::Messages { of, folder } => {
                let whose = of.as_ref().map_or("me", |_| "users");
                let folder = folder
                    .as_ref()
                    .map(|folder| format!("mailFolders/{folder}/"));
                format!("GET {whose}/{}messages", folder.unwrap_or_default())
            }
            Self::SendMail => "POST me/sendMail".to_owned(),
            Self::CredentialUse => "GET appCredentialSignInActivities".to_owned(),
            Self::Batch { .. } => "POST $batch".to_owned(),
            Self::Unknown(asked) => asked.clone(),
        }
    }
}

/// `applications(appId='…')` or `applications/{objectId}`, and what follows.
fn key_of<'a, 'b>(set: &str, segments: &'b [&'a str]) -> Option<(AppKey, &'b [&'a str])> {
    let (first, rest) = segments.split_first()?;
    if let Some(key) = first
        .strip_prefix(set)
        .and_then(|key| key.strip_prefix('('))
    {
        let key = key.strip_suffix(')')?;
        let quoted = |text: &str| {
            text.strip_prefix('\'')
                .and_then(|text| text.strip_suffix('\''))
                .map(str::to_owned)
        };
        return match key.split_once('=') {
            Some(("appId", id)) => Some((AppKey::AppId(quoted(id)?), rest)),
            Some(_) => None,
            None => Some((AppKey::ObjectId(quoted(key)?), rest)),
        };
    }
    let (id, rest) = rest.split_first()?;
    (*first == set).then(|| (AppKey::ObjectId((*id).to_owned()), rest))
}

/// `mailFolders/inbox` or `mailFolders('Inbox')`; well-known names do not mind case.
fn folder_of(segments: &[&str]) -> Option<String> {
    match segments {
        ["mailFolders", folder] => Some(folder.to_ascii_lowercase()),
        [folder] => folder
            .strip_prefix("mailFolders('")
            .and_then(|folder| folder.strip_suffix("')"))
            .map(str::to_ascii_lowercase),
        _ => None,
    }
}

fn decode(path: &str) -> String {
    // A plus is a plus in a path.
    let path = format!("p={}", path.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(path.as_bytes())
        .next()
        .map(|(_, path)| path.into_owned())
        .unwrap_or_default()
}

/// A request whose token is good for Graph.
struct Caller {
    token: AccessToken,
    /// The path as it was sent.
    path: String,
    query: Vec<(String, String)>,
    /// `Content-Type`, where it was named.
    content_type: Option<String>,
    body: Bytes,
    /// The number of the connection that it came over, where there was one.
    connection: Option<u64>,
}

impl Caller {
    fn new(token: AccessToken, uri: &Uri, body: Bytes, connection: Option<u64>) -> Self {
        let query = uri.query().unwrap_or_default();
        Self {
            token,
            path: uri.path().to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            content_type: None,
            body,
            connection,
        }
    }

    /// The tenant that the token is for.
    fn tenant(&self, records: &Records) -> Option<Uuid> {
        match self.token.oid {
            Some(oid) => records.account(oid).map(|account| account.tenant_id),
            None => records.app(self.token.app_id).map(|app| app.tenant_id),
        }
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The properties that `$select` names; none when it names none.
    fn selected(&self) -> Option<Vec<&str>> {
        self.query("$select")
            .map(|names| names.split(',').map(str::trim).collect())
    }

    /// Whether the token carries one of these, as application or as delegated permission.
    fn may(&self, permissions: &[&str]) -> bool {
        permissions.iter().any(|permission| match self.token.oid {
            Some(_) => self.token.has_scope(permission),
            None => self.token.roles.contains(*permission),
        })
    }
}

async fn answer(
    State(directory): State<Arc<Directory>>,
    request: Request<axum::body::Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let ids = Ids {
        request: directory.records().guid(),
        client: parts
            .headers
            .get("client-request-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned),
    };
    let route = Route::read(&parts.method, &parts.uri);
    let connection = parts.extensions.get();
    let connection = connection.map(|ConnectionNumber(number)| *number);
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|kind| Some(kind.to_str().ok()?.to_owned()));
    let caller = authorize(&directory, &parts.headers).map(|token| Caller {
        content_type,
        ..Caller::new(token, &parts.uri, body, connection)
    });
    let result = match (caller, &route) {
        (Ok(caller), Route::Batch { version }) => {
            batch::perform_all(&directory, version, &caller, &ids).await
        }
        (Ok(caller), route) => perform(&directory, route, &caller).await,
        (Err(error), _) => Err(error),
    };
    let response = result.unwrap_or_else(|error| error.write(directory.clock.now(), &ids));
    ids.stamp(response)
}

async fn perform(
    directory: &Directory,
    route: &Route,
    caller: &Caller,
) -> Result<Response, GraphError> {
    match route {
        Route::Application(key) => applications::get(directory, caller, key),
        Route::FindApplications => applications::find(directory, caller),
        Route::AddPassword(key) => applications::add_password(directory, caller, key).await,
        Route::RemovePassword(key) => applications::remove_password(directory, caller, key).await,
        Route::CreateApplication => registering::create(directory, caller),
        Route::DeleteApplication(key) => registering::delete(directory, caller, key),
        Route::AddOwner(key) => registering::add_owner(directory, caller, key),
        Route::Trust(key) => registering::trust(directory, caller, key),
        Route::CreatePrincipal => registering::create_principal(directory, caller),
        Route::GrantRole(key) => registering::grant_role(directory, caller, key),
        Route::AddPrincipalsPassword(key) => {
            registering::add_principals_password(directory, caller, key)
        }
        Route::Deleted(of) => registering::list_deleted(directory, caller, *of),
        Route::Purge(id) => registering::purge(directory, caller, id),
        Route::Owners(key) => applications::owners(directory, caller, key),
        Route::PoliciesOfApp(key) => policies::of_the_app(directory, caller, key),
        Route::DefaultPolicy => policies::of_the_tenant(directory, caller),
        Route::ServicePrincipal(key) => applications::service_principal(directory, caller, key),
        Route::OwnedObjects { of, apps_only } => {
            owned_objects::list(directory, caller, of, *apps_only)
        }
        Route::Me => mailbox::me(directory, caller),
        Route::Folder { of, folder } => mailbox::folder(directory, caller, of.as_deref(), folder),
        Route::Messages { of, folder } => {
            messages::list(directory, caller, of.as_deref(), folder.as_deref())
        }
        Route::SendMail => send_mail::send(directory, caller),
        Route::CredentialUse => reports::credential_use(directory, caller),
        Route::Batch { .. } => Err(GraphError::bad_request("A batch holds no batch.")),
        Route::Unknown(asked) => Err(GraphError::bad_request(format!(
            "Resource not found for the segment in '{asked}'."
        ))),
    }
}

fn authorize(directory: &Directory, headers: &HeaderMap) -> Result<AccessToken, GraphError> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|header| header.to_str().ok())
        .and_then(|header| header.strip_prefix("Bearer "))
        .ok_or_else(|| GraphError::bad_token("Access token is empty."))?;
    let token = directory.access_token(token).ok_or_else(|| {
        GraphError::bad_token("IDX14100: JWT is not well formed, there are no dots (.).")
    })?;
    if token.expires <= directory.clock.now() {
        return Err(GraphError::bad_token(
            "Lifetime validation failed, the token is expired.",
        ));
    }
    // An Outlook token fails here (facts, 3.1).
    if token.audience != GRAPH {
        return Err(GraphError::bad_token(
            "Access token validation failure. Invalid audience.",
        ));
    }
    Ok(token)
}

/// What a call is known by afterwards (docs/beliefs.md, Graph).
struct Ids {
    request: Uuid,
    client: Option<String>,
}

impl Ids {
    fn stamp(&self, mut response: Response) -> Response {
        let client = self
            .client
            .clone()
            .unwrap_or_else(|| self.request.to_string());
        let diagnostic = r#"{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"003","RoleInstance":"AM2PEPF00000000"}}"#;
        let headers = [
            ("request-id", self.request.to_string()),
            ("client-request-id", client),
            ("x-ms-ags-diagnostic", diagnostic.to_owned()),
        ];
        for (name, value) in headers {
            if let Ok(value) = value.try_into() {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

fn json(value: serde_json::Value) -> Response {
    axum::Json(value).into_response()
}

#[cfg(test)]
mod tests;
