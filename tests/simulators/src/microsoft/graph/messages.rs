//! The messages of a mailbox: `$filter`, `$orderby`, `$select` and `$top` (graph-docs, user-list-messages.md).

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::error::GraphError;
use super::mailbox::{folder_id, readable, well_known};
use super::{Caller, json, paging};
use crate::microsoft::directory::Directory;
use crate::microsoft::directory::account::Account;
use crate::microsoft::exchange::message;
use crate::microsoft::exchange::store::Mail;

/// "10 messages" a page unless `$top` says so, 1 to 1,000.
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 1000;

pub(super) fn list(
    directory: &Directory,
    caller: &Caller,
    of: Option<&str>,
    folder: Option<&str>,
) -> Result<Response, GraphError> {
    let account = readable(directory, caller, of)?;
    let folder = folder.map(well_known).transpose()?;
    let conditions = caller.query("$filter").map(read_filter);
    let conditions = conditions
        .unwrap_or(Some(Vec::new()))
        .ok_or_else(|| GraphError::bad_request("Invalid filter clause"))?;
    let order = Order::read(caller, &conditions)?;
    let top = caller
        .query("$top")
        .map_or(Some(PAGE), |top| top.parse().ok());
    let top = top.filter(|top| (1..=LARGEST_PAGE).contains(top));
    let top = top.ok_or_else(|| GraphError::bad_request("Invalid page size specified."))?;
    let skip: usize = caller
        .query("$skip")
        .and_then(|skip| skip.parse().ok())
        .unwrap_or_default();
    let now = directory.clock.now();
    let mut records = directory.records();
    let contents = records.mail.contents(account.oid, now);
    let mut found: Vec<&Mail> = contents
        .mails
        .iter()
        .filter(|mail| folder.is_none_or(|folder| mail.folder == folder))
        .filter(|mail| conditions.iter().all(|condition| condition.fits(mail)))
        .collect();
    found.sort_by_key(|mail| mail.arrived);
    if order == Order::NewestFirst {
        found.reverse();
    }
    let basic = !caller.may(&[
        "Mail.Read",
        "Mail.ReadWrite",
        "Mail.Read.Shared",
        "Mail.ReadWrite.Shared",
    ]);
    let more = found.len() > skip + top;
    let page = found.into_iter().skip(skip).take(top);
    let page = page
        .map(|mail| show(&account, mail, basic, caller.selected()))
        .collect();
    let next = more.then(|| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = caller.query.iter().filter(|(name, _)| name != "$skip");
        query.extend_pairs(kept);
        let query = query
            .append_pair("$skip", &(skip + top).to_string())
            .finish();
        format!("{}{}?{query}", records.graph, caller.path)
    });
    let context = "https://graph.microsoft.com/v1.0/$metadata#users('me')/messages";
    Ok(json(paging::collection(context, page, next)))
}

#[derive(PartialEq, Eq)]
enum Order {
    /// "in descending order by receivedDateTime" where nothing is asked for.
    NewestFirst,
    OldestFirst,
}

impl Order {
    /// "When using $filter and $orderby in the same query", what is ordered by must be filtered by first.
    fn read(caller: &Caller, conditions: &[Condition]) -> Result<Self, GraphError> {
        let Some(asked) = caller.query("$orderby") else {
            return Ok(Self::NewestFirst);
        };
        let first = conditions.first();
        if first.is_some_and(|first| !matches!(first, Condition::Received(..))) {
            return Err(GraphError::new(
                400,
                "InefficientFilter",
                "The restriction or sort order is too complex for this operation.",
            ));
        }
        let words: Vec<&str> = asked.split_whitespace().collect();
        match words.as_slice() {
            ["receivedDateTime", "desc"] => Ok(Self::NewestFirst),
            ["receivedDateTime"] | ["receivedDateTime", "asc"] => Ok(Self::OldestFirst),
            _ => Err(GraphError::bad_request("Invalid $orderby clause")),
        }
    }
}

enum Condition {
    Subject(Comparison, String),
    Received(Operator, Timestamp),
    IsRead(bool),
}

enum Comparison {
    Equals,
    StartsWith,
    Contains,
}

enum Operator {
    Ge,
    Gt,
    Le,
    Lt,
}

impl Condition {
    /// The store compares without regard to case.
    fn fits(&self, mail: &Mail) -> bool {
        match self {
            Self::Subject(comparison, text) => {
                let (subject, text) = (mail.subject().to_lowercase(), text.to_lowercase());
                match comparison {
                    Comparison::Equals => subject == text,
                    Comparison::StartsWith => subject.starts_with(&text),
                    Comparison::Contains => subject.contains(&text),
                }
            }
            Self::Received(operator, time) => match operator {
                Operator::Ge => mail.arrived >= *time,
                Operator::Gt => mail.arrived > *time,
                Operator::Le => mail.arrived <= *time,
                Operator::Lt => mail.arrived < *time,
            },
            Self::IsRead(read) => mail.seen == *read,
        }
    }
}

/// Conditions with `and` between them; none where one is not known here.
fn read_filter(filter: &str) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    let mut rest = filter.trim();
    loop {
        let (condition, after) = read_condition(rest)?;
        conditions.push(condition);
        let after = after.trim_start();
        if after.is_empty() {
            return Some(conditions);
        }
        rest = after.strip_prefix("and ")?.trim_start();
    }
}

fn read_condition(text: &str) -> Option<(Condition, &str)> {
    if let Some(rest) = text.strip_prefix("subject eq ") {
        let (text, after) = quoted(rest)?;
        return Some((Condition::Subject(Comparison::Equals, text), after));
    }
    for (name, comparison) in [
        ("startswith(subject,", Comparison::StartsWith),
        ("contains(subject,", Comparison::Contains),
    ] {
        if let Some(rest) = text.strip_prefix(name) {
            let (text, after) = quoted(rest.trim_start())?;
            let after = after.strip_prefix(')')?;
            return Some((Condition::Subject(comparison, text), after));
        }
    }
    let (words, after) = match text.match_indices(' ').nth(2) {
        Some((end, _)) => text.split_at(end),
        None => (text, ""),
    };
    let words: Vec<&str> = words.split(' ').collect();
    let condition = match words.as_slice() {
        ["isRead", "eq", read] => Condition::IsRead(read.parse().ok()?),
        ["receivedDateTime", operator, time] => {
            let operator = match *operator {
                "ge" => Operator::Ge,
                "gt" => Operator::Gt,
                "le" => Operator::Le,
                "lt" => Operator::Lt,
                _ => return None,
            };
            Condition::Received(operator, time.parse().ok()?)
        }
        _ => return None,
    };
    Some((condition, after))
}

/// `'it''s'`: a quotation mark in it is doubled (OData).
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('\'')?;
    let mut word = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '\'' {
            word.push(letter);
        } else if letters.next_if(|(_, next)| *next == '\'').is_some() {
            word.push('\'');
        } else {
            return Some((word, text.get(at + 1..)?));
        }
    }
    None
}

/// A message; `Mail.ReadBasic` shows neither body nor preview (graph-docs, permissions-reference).
fn show(account: &Account, mail: &Mail, basic: bool, selected: Option<Vec<&str>>) -> Value {
    let people = |name: &str| {
        let field = mail.header(name).unwrap_or_default();
        let all = message::addresses(&field).into_iter();
        all.map(|address| json!({"emailAddress": {"name": address, "address": address}}))
            .collect::<Vec<Value>>()
    };
    let text = String::from_utf8_lossy(message::body(&mail.message)).into_owned();
    let second = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut shown = json!({
        "id": mail.id,
        "receivedDateTime": second(mail.arrived),
        "sentDateTime": second(mail.arrived),
        "hasAttachments": false,
        "internetMessageId": mail.header("Message-ID"),
        "subject": mail.subject(),
        "importance": "normal",
        "parentFolderId": folder_id(account, mail.folder),
        "isRead": mail.seen,
        "isDraft": false,
        "from": people("From").first(),
        "toRecipients": people("To"),
        "internetMessageHeaders": message::headers(&mail.message).iter()
            .map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<Value>>(),
        "bodyPreview": text.trim(),
        "body": {"contentType": "text", "content": text},
    });
    let Some(fields) = shown.as_object_mut() else {
        return shown;
    };
    if basic {
        fields.retain(|name, _| !["body", "bodyPreview"].contains(&name.as_str()));
    }
    match selected {
        Some(names) => keep(fields, &names),
        // It comes only when it is asked for.
        None => {
            fields.remove("internetMessageHeaders");
        }
    }
    let etag = format!("W/\"CQAAABYAAAA{}\"", mail.uid);
    fields.insert("@odata.etag".to_owned(), etag.into());
    shown
}

/// The id comes always.
fn keep(fields: &mut Map<String, Value>, names: &[&str]) {
    fields.retain(|name, _| name == "id" || names.contains(&name.as_str()));
}
