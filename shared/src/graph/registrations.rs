//! Many app registrations at once: those that the rotator owns, a hundred a page, and others by their client ids,
//! twenty a request.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::application::{Application, SELECT, next_step};
use super::policies::{self, Policies};
use super::{authorized, parsed, refusal, send};
use crate::cloud::Endpoints;
use crate::entra::token::Tokens;
use crate::failure::{Failure, Kind};
use crate::http::Client;
use crate::ids::DirectoryId;
use crate::json::read_value;
use crate::retry::CallError;

/// The app registrations of one tenant, as a rotator sees them.
#[derive(Debug, Clone)]
pub struct Registrations {
    http: Client,
    endpoints: Endpoints,
    tokens: Tokens,
}

/// A page of what a rotator owns.
#[derive(Debug)]
pub struct OwnedPage {
    /// The app registrations that show their credentials.
    pub applications: BTreeMap<DirectoryId, Application>,
    /// All that it names; `None` where it hides the id of one.
    pub named: Option<BTreeSet<DirectoryId>>,
    /// The address of the next page.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct OwnedBody {
    value: Vec<Value>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct BatchBody {
    responses: Vec<BatchItem>,
}

#[derive(Deserialize)]
struct BatchItem {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

/// So many requests are in one batch (graph-docs, concepts/json-batching.md).
pub const BATCH: usize = 20;

const LISTING: &str = "listing the app registrations that the rotator owns in Entra";
const READING: &str = "reading the app registration in Entra";

impl Registrations {
    /// With the rotator's tokens.
    #[must_use]
    pub fn new(http: Client, endpoints: Endpoints, tokens: Tokens) -> Self {
        Self {
            http,
            endpoints,
            tokens,
        }
    }

    /// The first page of what the rotator owns (graph-docs, serviceprincipal-list-ownedobjects.md), or the one that
    /// the page before names. A registration that does not show its credentials is left out: that is no word of theirs.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn owned(
        &self,
        rotator: &DirectoryId,
        next: Option<&str>,
    ) -> Result<OwnedPage, CallError> {
        let graph = &self.endpoints.graph;
        let first = format!(
            "{graph}/v1.0/servicePrincipals(appId='{rotator}')/ownedObjects/microsoft.graph.application?{SELECT}&$top=100"
        );
        let url = next.unwrap_or(&first);
        // The token goes to Graph and nowhere else.
        if !url
            .strip_prefix(graph.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
        {
            return Err(CallError::refused(Failure::new(
                Kind::Temporary,
                format!("{LISTING}: the next page is said to be on another host"),
            )));
        }
        let request = authorized(Method::GET, url, &self.tokens.access, Bytes::new());
        let response = send(&self.http, LISTING, request, next_step).await?;
        let body: OwnedBody = parsed(LISTING, &response)?;
        let applications = body.value.iter().filter_map(|entry| {
            let client_id = DirectoryId::read(entry.get("appId")?.as_str()?)?;
            Some((client_id, Application::read(entry).ok()?))
        });
        let id = |entry: &Value| DirectoryId::read(entry.get("appId")?.as_str()?);
        Ok(OwnedPage {
            named: body.value.iter().map(id).collect(),
            applications: applications.collect(),
            next: body.next,
        })
    }

    /// Up to [`BATCH`] registrations by their client ids. What the answer leaves out is an error of its own.
    ///
    /// # Errors
    /// [`CallError`] of the whole request.
    pub async fn read(
        &self,
        client_ids: &[DirectoryId],
    ) -> Result<BTreeMap<DirectoryId, Result<Application, CallError>>, CallError> {
        let urls = client_ids.iter().map(|client_id| {
            let url = format!("/applications(appId='{client_id}')?{SELECT}");
            (client_id.as_str(), url)
        });
        let mut items = self.batch(READING, urls).await?;
        let read = client_ids.iter().map(|client_id| {
            let item = items.remove(client_id.as_str());
            (
                client_id.clone(),
                item.map_or_else(|| Err(left_out()), read_item),
            )
        });
        Ok(read.collect())
    }
}

impl Registrations {
    /// The answers to up to [`BATCH`] reads, by the names that these were given.
    async fn batch<'u>(
        &self,
        what: &str,
        urls: impl Iterator<Item = (&'u str, String)>,
    ) -> Result<BTreeMap<String, BatchItem>, CallError> {
        let requests = urls.map(|(id, url)| json!({"id": id, "method": "GET", "url": url}));
        let body = json!({ "requests": requests.collect::<Vec<_>>() });
        let url = format!("{}/v1.0/$batch", self.endpoints.graph);
        let body = Bytes::from(body.to_string());
        let request = authorized(Method::POST, &url, &self.tokens.access, body);
        let response = send(&self.http, what, request, next_step).await?;
        let body: BatchBody = parsed(what, &response)?;
        let items = body.responses.into_iter();
        Ok(items.map(|item| (item.id.clone(), item)).collect())
    }

    /// The tenant's app management policy, and those that up to [`BATCH`] less one app registrations have of their own.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn policies(&self, client_ids: &[DirectoryId]) -> Result<Policies, CallError> {
        const TENANT: &str = "tenant";
        let of_tenant = (TENANT, "/policies/defaultAppManagementPolicy".to_owned());
        let of_apps = client_ids.iter().map(|client_id| {
            let url = format!("/applications(appId='{client_id}')/appManagementPolicies");
            (client_id.as_str(), url)
        });
        let urls = std::iter::once(of_tenant).chain(of_apps);
        let mut items = self.batch(policies::READING, urls).await?;
        let mut answered = |id: &str| {
            let item = items.remove(id)?;
            (200..300).contains(&item.status).then_some(item.body)
        };
        let of_tenant = answered(TENANT);
        let of_apps = client_ids.iter();
        Ok(Policies {
            of_apps: of_apps
                .filter_map(|id| Some((id.clone(), answered(id.as_str())?)))
                .collect(),
            of_tenant,
        })
    }
}

fn read_item(item: BatchItem) -> Result<Application, CallError> {
    if (200..300).contains(&item.status) {
        return Application::read(&item.body)
            .map_err(|problem| super::unreadable(READING, item.status, &problem));
    }
    let mut response = Response::new(Bytes::from(item.body.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(item.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = item.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name).ok()?;
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    *response.headers_mut() = headers.collect::<HeaderMap>();
    let mut error = refusal(READING, &response);
    let code = error.failure.code.as_deref().unwrap_or_default();
    if let Some(next_step) = next_step(item.status, code) {
        error.failure = error.failure.next_step(next_step);
    }
    Err(error)
}

fn left_out() -> CallError {
    super::unreadable(READING, 200, "the batch leaves it out")
}

impl Application {
    /// What Graph shows of one. A property that is null or not there is not shown, which is not "has none".
    fn read(entry: &Value) -> Result<Self, String> {
        read_value(entry).map(Self::from_body)
    }
}
