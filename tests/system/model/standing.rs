//! How things stand, by the simulators' own state: what is not as it should be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use shared::credential::{IssuedBy, Marker};
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS};
use simulators::microsoft::directory::{GraphHabits, Standing};
use simulators::shopctrl::{Connection, Status};
use simulators::world::Mailbox;
use uuid::Uuid;

use super::ModelWorld;
use super::schedule::{Direction, Tag};

/// Something that is not as it should be: a code, and a connection. The codes are those of `Drift
/// Found`, and `unreadable` for a current document that is none.
pub type Breach = (&'static str, Option<String>);

pub fn connection_id(direction: Direction) -> &'static str {
    match direction {
        Direction::Receiving => "orders-in",
        Direction::Sending => "orders-out",
    }
}

/// The current version's document, if it is one.
pub fn current_document(world: &ModelWorld, mailbox: &Mailbox) -> Option<Json> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret)?;
    let document: Json = serde_json::from_str(secret.labelled(CURRENT)?.text()?).ok()?;
    document.is_object().then_some(document)
}

/// The credential that the current document names.
pub fn current_key(world: &ModelWorld, mailbox: &Mailbox) -> Option<Uuid> {
    current_document(world, mailbox)?["key_id"]
        .as_str()?
        .parse()
        .ok()
}

/// The labels of the version with this label.
pub fn labels_of(world: &ModelWorld, mailbox: &Mailbox, label: &str) -> Option<BTreeSet<String>> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret)?;
    secret.labelled(label).map(|version| version.labels.clone())
}

/// The credentials that these labels name: `key-…`, `superseded-<time>-…`, `released-…` or `retired-…`.
pub fn key_labels(labels: &BTreeSet<String>) -> Vec<Uuid> {
    let forms = ["key-", "superseded-", "released-", "retired-"];
    let ours = labels
        .iter()
        .filter(|label| forms.iter().any(|form| label.starts_with(form)));
    let keys = ours.filter_map(|label| label.get(label.len().checked_sub(36)?..)?.parse().ok());
    keys.collect()
}

/// Each credential that a label names, with its version's labels.
pub fn named_keys(world: &ModelWorld, mailbox: &Mailbox) -> BTreeMap<Uuid, BTreeSet<String>> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let versions = secret.into_iter().flat_map(|secret| secret.versions);
    versions
        .flat_map(|version| {
            let keys = key_labels(&version.labels).into_iter();
            keys.map(move |key| (key, version.labels.clone()))
        })
        .collect()
}

pub fn connections(world: &ModelWorld, mailbox: &Mailbox) -> Vec<Connection> {
    let mut all = world.shopctrl.connections();
    all.retain(|connection| connection.shop_id == mailbox.shop_id);
    all
}

/// Whether a connection holds this credential's secret. What a person entered has no id.
pub fn holds(world: &ModelWorld, mailbox: &Mailbox, connection: &Connection, key: Uuid) -> bool {
    match is_attended(mailbox) {
        true => {
            let document = current_document(world, mailbox).unwrap_or_default();
            // Where the id is another's, the value is what counts.
            let current = current_key(world, mailbox) == Some(key);
            let current = document["client_secret"].as_str().filter(|_| current);
            let held = connection.secret.as_deref();
            held.is_some()
                && (held == world.directory.secret_value(key).as_deref() || held == current)
        }
        false => connection.key_id == Some(key),
    }
}

/// Whether a person delivers: then no function can look into the connections.
pub fn is_attended(mailbox: &Mailbox) -> bool {
    mailbox.delivery == "attended"
}

/// Whether a rotation is under way, or was left standing.
pub fn rotating(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let unfinished = secret.as_ref().and_then(|s| s.unfinished_rotation());
    // Secrets Manager takes it for unfinished, too, where a person has replaced what was promoted.
    unfinished.is_some_and(|version| !version.labels.contains(PREVIOUS))
}

/// Whether a freeze holds, or nobody can tell whether one does: every policy in a run is one of the two.
pub fn frozen(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    policy(world, mailbox).is_some()
}

/// Whether the mailbox's policy has a freeze.
pub fn in_a_freeze(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    policy(world, mailbox).is_some_and(|policy| policy.starts_with("freeze="))
}

fn policy(world: &ModelWorld, mailbox: &Mailbox) -> Option<String> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret)?;
    secret.tags.get(Tag::Policy.key()).cloned()
}

/// Whether the secret is another region's.
pub fn is_replica(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    secret.is_some_and(|secret| secret.is_replica())
}

/// Whether Entra accepts the current secret.
pub fn standing(world: &ModelWorld, mailbox: &Mailbox) -> Standing {
    let document = current_document(world, mailbox).unwrap_or_default();
    let secret = document["client_secret"].as_str().unwrap_or_default();
    world.directory.standing(mailbox.app.app_id, secret)
}

/// Whether the value of the version that a label ties to this credential still signs in.
pub fn stored_value_signs_in(world: &ModelWorld, mailbox: &Mailbox, key: Uuid) -> bool {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let mut versions = secret.into_iter().flat_map(|secret| secret.versions);
    let holder = versions.find(|version| key_labels(&version.labels).contains(&key));
    let document = holder.and_then(|version| serde_json::from_str(version.text()?).ok());
    let document: Json = document.unwrap_or_default();
    let value = document["client_secret"].as_str().unwrap_or_default();
    world.directory.standing(mailbox.app.app_id, value) != Standing::Refused
}

/// Whether the current document has the id of one credential and the beginning of another's value.
pub fn id_is_anothers(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    let named = current_key(world, mailbox);
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let named = named.filter(|key| credentials.iter().any(|c| c.key_id == *key));
    let named = named.and_then(|key| world.directory.secret_value(key));
    let document = current_document(world, mailbox).unwrap_or_default();
    let value = document["client_secret"].as_str().unwrap_or_default();
    named.is_some_and(|named| named.get(..3) != value.get(..3))
}

/// Whether Graph shows the first characters of each value.
fn shows_hints(world: &ModelWorld) -> bool {
    let mut shows = true;
    let habits = |habits: &mut GraphHabits| shows = habits.shows_hint;
    world.directory.set_graph_habits(habits);
    shows
}

/// What `Drift Found` has codes for, as it is now.
pub fn breaches(world: &ModelWorld, mailbox: &Mailbox) -> BTreeSet<Breach> {
    let mut found = BTreeSet::new();
    if current_document(world, mailbox).is_none() {
        return [("unreadable", None)].into();
    }
    let app = mailbox.app.app_id;
    let key = current_key(world, mailbox);
    let credentials = world.directory.credentials(app);
    if !credentials.iter().any(|c| Some(c.key_id) == key) {
        found.insert(("credential_missing", None));
    }
    if id_is_anothers(world, mailbox) && shows_hints(world) {
        found.insert(("key_id_is_anothers", None));
    }
    if standing(world, mailbox) == Standing::Refused {
        found.insert(("secret_refused", None));
    }
    if is_attended(mailbox) {
        return found;
    }
    for connection in connections(world, mailbox) {
        let what = if connection.status != Status::Authorized {
            "connection_not_authorized"
        } else if !connection.enabled {
            "connection_disabled"
        } else if connection.key_id != key && !rotating(world, mailbox) {
            "connection_holds_another_secret"
        } else {
            continue;
        };
        found.insert((what, Some(connection.id)));
    }
    found
}

/// Credentials with our marker that no label and no current document names, but for those of a pending
/// version that holds nothing yet.
pub fn orphans(world: &ModelWorld, mailbox: &Mailbox) -> Vec<Uuid> {
    let named = named_keys(world, mailbox);
    let current = current_key(world, mailbox);
    let pending = world
        .secrets_manager
        .snapshot(&mailbox.secret)
        .and_then(|secret| {
            let version = secret.labelled(PENDING)?;
            key_labels(&version.labels)
                .is_empty()
                .then(|| version.id.clone())
        });
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let ours = credentials.iter().filter(|c| {
        let name = c.display_name.as_deref().unwrap_or_default();
        let in_flight = pending.as_ref().is_some_and(|token| name.contains(token));
        let marker = Marker::read(name);
        let of_this = marker.is_some_and(|m| matches!(m.issued_by(&mailbox.arn), IssuedBy::This));
        of_this && !in_flight
    });
    ours.map(|c| c.key_id)
        .filter(|key| !named.contains_key(key) && Some(*key) != current)
        .collect()
}

/// Whether beside the current credential there is one that people made.
pub fn place_stays_taken(world: &ModelWorld, mailbox: &Mailbox) -> bool {
    let current = current_key(world, mailbox);
    let credentials = world.directory.credentials(mailbox.app.app_id);
    credentials.iter().any(|c| {
        let name = c.display_name.as_deref().unwrap_or_default();
        Marker::read(name).is_none() && Some(c.key_id) != current
    })
}

/// The credential ids on the app registration.
pub fn keys(world: &ModelWorld, mailbox: &Mailbox) -> Vec<Uuid> {
    let credentials = world.directory.credentials(mailbox.app.app_id);
    credentials.iter().map(|c| c.key_id).collect()
}
