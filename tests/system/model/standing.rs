//! How things stand, by the simulators' own state: what is not as it should be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use shared::credential::Marker;
use simulators::directory::Standing;
use simulators::secrets_manager::{CURRENT, PENDING, PREVIOUS};
use simulators::shopctrl::{Connection, Status};
use simulators::world::Mailbox;
use uuid::Uuid;

use super::World;
use super::schedule::Direction;

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
pub fn current_document(world: &World, mailbox: &Mailbox) -> Option<Json> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret)?;
    let document: Json = serde_json::from_str(secret.labelled(CURRENT)?.text()?).ok()?;
    document.is_object().then_some(document)
}

/// The credential that the current document names.
pub fn current_key(world: &World, mailbox: &Mailbox) -> Option<Uuid> {
    current_document(world, mailbox)?["key_id"]
        .as_str()?
        .parse()
        .ok()
}

/// The labels of the version with this label.
pub fn labels_of(world: &World, mailbox: &Mailbox, label: &str) -> Option<BTreeSet<String>> {
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
pub fn named_keys(world: &World, mailbox: &Mailbox) -> BTreeMap<Uuid, BTreeSet<String>> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let versions = secret.into_iter().flat_map(|secret| secret.versions);
    versions
        .flat_map(|version| {
            let keys = key_labels(&version.labels).into_iter();
            keys.map(move |key| (key, version.labels.clone()))
        })
        .collect()
}

pub fn connections(world: &World, mailbox: &Mailbox) -> Vec<Connection> {
    let mut all = world.shopctrl.connections();
    all.retain(|connection| connection.shop_id == mailbox.shop_id);
    all
}

/// Whether a connection holds this credential's secret. What a person entered has no id.
pub fn holds(world: &World, mailbox: &Mailbox, connection: &Connection, key: Uuid) -> bool {
    match is_attended(mailbox) {
        true => {
            connection.secret.is_some() && connection.secret == world.directory.secret_value(key)
        }
        false => connection.key_id == Some(key),
    }
}

/// Whether a person delivers: then no function can look into the connections.
pub fn is_attended(mailbox: &Mailbox) -> bool {
    mailbox.delivery == "attended"
}

/// Whether a rotation is under way, or was left standing.
pub fn rotating(world: &World, mailbox: &Mailbox) -> bool {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let unfinished = secret.as_ref().and_then(|s| s.unfinished_rotation());
    // Secrets Manager takes it for unfinished, too, where a person has replaced what was promoted.
    unfinished.is_some_and(|version| !version.labels.contains(PREVIOUS))
}

/// Whether Entra accepts the current secret.
pub fn standing(world: &World, mailbox: &Mailbox) -> Standing {
    let document = current_document(world, mailbox).unwrap_or_default();
    let secret = document["client_secret"].as_str().unwrap_or_default();
    world.directory.standing(mailbox.app.app_id, secret)
}

/// What `Drift Found` has codes for, as it is now.
pub fn breaches(world: &World, mailbox: &Mailbox) -> BTreeSet<Breach> {
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
pub fn orphans(world: &World, mailbox: &Mailbox) -> Vec<Uuid> {
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
        Marker::read(name).is_some() && !in_flight
    });
    ours.map(|c| c.key_id)
        .filter(|key| !named.contains_key(key) && Some(*key) != current)
        .collect()
}
