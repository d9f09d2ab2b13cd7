//! What was told, held against what happened.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use serde_json::Value as Json;
use simulators::world::Mailbox;
use uuid::Uuid;

use super::ModelWorld;
use super::schedule::{Deed, Tag};
use super::standing::{Breach, current_key, keys};
use super::watch::Watch;

/// What is wrong with what was told, at the end of a run.
pub fn wrong(world: &ModelWorld, mailbox: &Mailbox, watch: &Watch) -> Vec<String> {
    let events = world.event_bridge.events();
    let mut wrong = Vec::new();
    for event in &events {
        wrong.extend(against_schema(event));
    }
    wrong.extend(contradictions(&events, watch));
    let of_kind = |kind: &str| -> BTreeSet<Uuid> {
        let details = world.event_bridge.details(kind).into_iter();
        let keys = details.filter_map(|detail| detail["key_id"].as_str()?.parse().ok());
        keys.collect()
    };
    let rotated = of_kind("Client Secret Rotated");
    for key in watch.promoted.difference(&rotated) {
        if current_key(world, mailbox) == Some(*key) {
            wrong.push("the promotion of the current credential was not told".to_owned());
        }
    }
    let left = keys(world, mailbox);
    let retired = of_kind("Credential Retired");
    if retired.iter().any(|key| left.contains(key)) {
        wrong.push("a credential was told as retired, and is there".to_owned());
    }
    for key in removed(world) {
        if !retired.contains(&key) {
            wrong.push("the removal of a credential was not told".to_owned());
        }
    }
    for (connection, key) in delivered(world) {
        let told = world.event_bridge.details("Connection Delivered");
        let told = told.iter().any(|detail| {
            detail["connection"] == connection.as_str() && detail["key_id"] == key.as_str()
        });
        // What a person made the current one was perhaps delivered by a rotation that they stopped.
        let current = current_key(world, mailbox).filter(|current| current.to_string() == key);
        let ours = |key: &Uuid| watch.promoted.contains(key) || !watch.moved_current();
        if !told && current.as_ref().is_some_and(ours) {
            wrong.push(format!("the delivery to {connection} was not told"));
        }
    }
    wrong
}

/// The credentials whose removal a function was told to have succeeded.
fn removed(world: &ModelWorld) -> BTreeSet<Uuid> {
    let calls = world.gate.calls().into_iter();
    let removals = calls.filter(|c| c.operation == "POST removePassword" && c.status == Some(204));
    let keys = removals.filter_map(|call| {
        let asked: Json = serde_json::from_slice(&call.body).ok()?;
        asked["keyId"].as_str()?.parse().ok()
    });
    keys.collect()
}

/// The connections that took a credential from a function, which was told so.
fn delivered(world: &ModelWorld) -> BTreeSet<(String, String)> {
    let calls = world.gate.calls().into_iter();
    let puts = calls.filter(|c| c.operation == "PUT connection" && c.status == Some(200));
    let pairs = puts.filter_map(|call| {
        let asked: Json = serde_json::from_slice(&call.body).ok()?;
        let id = call.uri.rsplit('/').next()?.to_owned();
        Some((id, asked["key_id"].as_str()?.to_owned()))
    });
    pairs.collect()
}

/// One id tells one thing; and no two events say what cannot both be.
fn contradictions(events: &[Json], watch: &Watch) -> Vec<String> {
    // What may differ when the same is told again.
    const PASSING: [&str; 11] = [
        "link",
        "link_expires_at",
        "days_left",
        "found_at",
        "at",
        "seen",
        "mail",
        "renewal",
        "expires_at",
        "mailboxes",
        "contact",
    ];
    let mut by_id: BTreeMap<&str, Json> = BTreeMap::new();
    let mut rotated: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for event in events {
        let kind = event["detail-type"].as_str().unwrap_or_default();
        let mut detail = event["detail"].clone();
        if let Some(fields) = detail.as_object_mut() {
            fields.retain(|field, _| !PASSING.contains(&field.as_str()));
            // Told again after somebody took a promotion back, or the label or the tag that says it
            // away: AWSPREVIOUS is another one then, or does not say what it holds.
            if watch.moved_current() || watch.deeds.iter().any(hides_previous) {
                fields.remove("previous_key_id");
            }
        }
        let id = event["detail"]["id"].as_str().unwrap_or_default();
        if kind != "Fleet Report" && by_id.entry(id).or_insert_with(|| detail.clone()) != &detail {
            let first = by_id.get(id).cloned().unwrap_or_default();
            wrong.push(format!(
                "two events with one id say different things: {first} and {detail}"
            ));
        }
        let token = event["detail"]["token"].as_str().unwrap_or_default();
        let key = event["detail"]["key_id"].as_str().unwrap_or_default();
        if kind == "Client Secret Rotated" && *rotated.entry(token).or_insert(key) != key {
            wrong.push("one rotation is told with two credentials".to_owned());
        }
    }
    wrong
}

fn hides_previous(deed: &Deed) -> bool {
    matches!(
        deed,
        Deed::DropKeyLabel(_) | Deed::EditTag(Tag::RotatedVersion, _)
    )
}

thread_local! {
    static SCHEMAS: RefCell<BTreeMap<String, Rc<jsonschema::Validator>>> = RefCell::default();
}

fn against_schema(event: &Json) -> Vec<String> {
    let kind = event["detail-type"].as_str().unwrap_or_default();
    let schema = SCHEMAS.with_borrow_mut(|schemas| {
        let schema = schemas
            .entry(kind.to_owned())
            .or_insert_with(|| Rc::new(schema(kind)));
        Rc::clone(schema)
    });
    let problems = schema.iter_errors(&event["detail"]);
    problems
        .map(|problem| format!("{kind} against its schema: {problem}"))
        .collect()
}

fn schema(kind: &str) -> jsonschema::Validator {
    let file = kind.to_lowercase().replace(' ', "-");
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/event-schemas")
        .join(format!("{file}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{kind} has no schema"));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// What checks told as drift from the `from`-th event on. A repeat has the id of its first time, and is
/// none; and what a rotation tells of what it stumbles over is its own.
pub fn drifts(world: &ModelWorld, mailbox: &Mailbox, from: usize) -> Vec<(String, Option<String>)> {
    let events = world.event_bridge.events();
    let (before, after) = events.split_at(from);
    let known: BTreeSet<Option<&str>> = before.iter().map(|e| e["detail"]["id"].as_str()).collect();
    let drifts = after.iter().filter(|event| {
        let detail = &event["detail"];
        event["detail-type"] == "Drift Found"
            && detail["token"].is_null()
            && detail["secret"] == mailbox.secret.as_str()
            && !known.contains(&detail["id"].as_str())
    });
    let read = |detail: &Json, field: &str| detail[field].as_str().map(str::to_owned);
    drifts
        .filter_map(|event| {
            let detail = &event["detail"];
            Some((read(detail, "what")?, read(detail, "connection")))
        })
        .collect()
}

/// Whether the last report counts the mailbox as failed.
pub fn reported_as_failed(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    let reports = world.event_bridge.details("Fleet Report");
    let entries = reports
        .last()
        .and_then(|report| report["secrets"].as_array());
    let mut entries = entries.into_iter().flatten();
    // What could not be described has only its ARN.
    entries.any(|entry| {
        let named = [mailbox.secret.as_str(), mailbox.arn.as_str()];
        let name = entry["secret"].as_str().unwrap_or_default();
        named.contains(&name)
            && ["failed", "unreachable"].contains(&entry["state"].as_str().unwrap_or_default())
    })
}

/// Whether a drift is this breach.
pub fn tells(drift: &(String, Option<String>), breach: &Breach) -> bool {
    drift.0 == breach.0 && drift.1 == breach.1
}

/// Secret strings found where none may be: events, tags, log.
pub fn leaks(world: &ModelWorld, log: &str) -> Vec<String> {
    let events: Vec<String> = world
        .event_bridge
        .events()
        .iter()
        .map(Json::to_string)
        .collect();
    let secrets = world.secrets_manager.secrets();
    let tags: Vec<&String> = secrets.iter().flat_map(|s| s.tags.values()).collect();
    let mut found = Vec::new();
    for secret in world.secret_strings() {
        if log.contains(&secret) {
            found.push("a secret is in the log".to_owned());
        }
        if events.iter().any(|event| event.contains(&secret)) {
            found.push("a secret is in an event".to_owned());
        }
        if tags.iter().any(|tag| tag.contains(&secret)) {
            found.push("a secret is in a tag".to_owned());
        }
    }
    found
}
