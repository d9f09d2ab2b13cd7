//! `POST /$batch`: up to 20 requests in one, each answered by itself (graph-docs, concepts/json-batching.md).

use std::collections::BTreeMap;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::GraphError;
use super::{Caller, Ids, Route, json, perform};
use crate::microsoft::directory::Directory;

/// "JSON batch requests are currently limited to 20 individual requests."
const MOST: usize = 20;

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: String,
    method: String,
    url: String,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// One request after the other, with the caller's one token.
pub(super) async fn perform_all(
    directory: &Directory,
    version: &str,
    caller: &Caller,
    ids: &Ids,
) -> Result<Response, GraphError> {
    let batch: Batch = serde_json::from_slice(&caller.body)
        .map_err(|_| malformed("Invalid batch payload format."))?;
    let count = batch.requests.len();
    if !(1..=MOST).contains(&count) {
        return Err(malformed(&format!(
            "Number of batch request steps exceeds the maximum value of {MOST}."
        )));
    }
    // "Not case-sensitive. Must be unique in the batch."
    let mut status_of = BTreeMap::new();
    let mut responses = Vec::new();
    for item in &batch.requests {
        let id = item.id.to_lowercase();
        let failed = |needed: &String| {
            let status = status_of.get(&needed.to_lowercase()).copied();
            status.is_none_or(|status: u16| status >= 400)
        };
        let response = match item.depends_on.iter().any(failed) {
            true => Err(GraphError::new(
                424,
                "FailedDependency",
                "A request failed.",
            )),
            false => perform_one(directory, version, caller, item).await,
        };
        let response = response.unwrap_or_else(|error| error.write(directory.clock.now(), ids));
        if status_of.insert(id, response.status().as_u16()).is_some() {
            return Err(malformed("Request id must be unique."));
        }
        responses.push(shown(&item.id, response).await);
    }
    Ok(json(json!({"responses": responses})))
}

async fn perform_one(
    directory: &Directory,
    version: &str,
    caller: &Caller,
    item: &Item,
) -> Result<Response, GraphError> {
    // "If any request exceeds the limits, it fails with a status of 429."
    if directory.throttles_batch_item() {
        return Err(GraphError::throttled(1));
    }
    let invalid = |_| GraphError::bad_request(format!("Invalid request '{}'.", item.url));
    let address = format!("/{version}/{}", item.url.trim_start_matches('/'));
    let uri: Uri = address.replace(' ', "%20").parse().map_err(invalid)?;
    let method: Method = item.method.to_uppercase().parse().unwrap_or_default();
    let body = item.body.as_ref().map(Value::to_string).unwrap_or_default();
    let token = caller.token.clone();
    let alone = Caller::new(token, &uri, Bytes::from(body), caller.connection);
    perform(directory, &Route::read(&method, &uri), &alone).await
}

async fn shown(id: &str, response: Response) -> Value {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    let mut shown = json!({
        "id": id,
        "status": parts.status.as_u16(),
        "headers": headers(&parts.headers),
    });
    // A 204 has none.
    if let (Ok(body), Some(fields)) = (
        serde_json::from_slice::<Value>(&body),
        shown.as_object_mut(),
    ) {
        fields.insert("body".to_owned(), body);
    }
    shown
}

/// As the documents spell them.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut shown = Map::new();
    for (name, spelled) in [
        ("content-type", "Content-Type"),
        ("retry-after", "Retry-After"),
    ] {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        shown.extend(value.map(|value| (spelled.to_owned(), value.into())));
    }
    shown.insert("Cache-Control".to_owned(), "no-cache".into());
    shown
}

fn malformed(message: &str) -> GraphError {
    GraphError::new(400, "BadRequest", message)
}
