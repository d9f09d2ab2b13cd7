//! Lists in pages: `$top`, and `@odata.nextLink` with the rest of the query kept (graph-docs, concepts/paging.md).

use serde_json::{Value, json};

use super::{Caller, GraphError};
use crate::microsoft::directory::Records;

/// "The default and maximum page sizes are 100 and 999" (graph-docs, user-list); of other lists it is assumed.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 999;

/// The caller's page of `all`, and where the next one is. `key` names an entry for good.
pub(super) fn page<T>(
    records: &Records,
    caller: &Caller,
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), GraphError> {
    let size = match caller.query("$top").map(str::parse) {
        None => PAGE,
        Some(Ok(top)) if (1..=LARGEST_PAGE).contains(&top) => top,
        Some(_) => return Err(GraphError::bad_request("Invalid page size specified.")),
    };
    let mut all = all.peekable();
    if let Some(last) = caller.query("$skiptoken") {
        while all.next_if(|one| key(one) != last).is_some() {}
        let found = all.next();
        found.ok_or_else(|| GraphError::bad_request("Invalid skip token."))?;
    }
    let page: Vec<T> = all.by_ref().take(size).collect();
    let last = page.last().filter(|_| all.peek().is_some());
    let next = last.map(|last| next_link(records, caller, &key(last)));
    Ok((page, next))
}

fn next_link(records: &Records, caller: &Caller, last: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let kept = caller.query.iter().filter(|(name, _)| name != "$skiptoken");
    for (name, value) in kept {
        query.append_pair(name, value);
    }
    let query = query.append_pair("$skiptoken", last).finish();
    format!("{}{}?{query}", records.graph, caller.path)
}

/// The answer that holds a page.
pub(super) fn collection(context: &str, page: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({"@odata.context": context, "value": page});
    if let (Some(next), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert("@odata.nextLink".to_owned(), next.into());
    }
    answer
}
