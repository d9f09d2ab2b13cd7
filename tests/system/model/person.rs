//! The person to whom something was handed, doing what the reports and the runbook say.

use serde_json::Value as Json;
use simulators::aws::secrets_manager::{CURRENT, PENDING, Version};
use simulators::microsoft::directory::Standing;
use simulators::world::Mailbox;

use super::ModelWorld;
use super::deeds::{add_credential, enter, give_labels_back, hand_over_current};
use super::schedule::Direction;
use super::standing::{breaches, connection_id, current_key, key_labels, labels_of, rotating};

/// Mends what no check can.
pub fn mend(world: &ModelWorld, mailbox: &Mailbox) {
    let (secrets, name) = (&world.secrets_manager, mailbox.secret.as_str());
    drop(secrets.resume_rotation(name));
    drop(secrets.remove_tag(name, "shopmail:policy"));
    give_labels_back(world, mailbox);
    for direction in [Direction::Receiving, Direction::Sending] {
        let id = connection_id(direction);
        world
            .shopctrl
            .edit(mailbox.shop_id, id, |connection| connection.enabled = true);
    }
    let codes = breaches(world, mailbox);
    let has = |what: &str| codes.iter().any(|(code, _)| *code == what);
    if has("unreadable")
        || has("key_id_is_anothers")
        || has("secret_refused") != has("credential_missing")
    {
        put_right_document(world, mailbox);
    }
    // What was handed over of a rotation that was given up goes back before there is room again.
    let pending = labels_of(world, mailbox, PENDING).unwrap_or_default();
    if !rotating(world, mailbox) || key_labels(&pending).is_empty() {
        hand_over_current(world, mailbox);
    }
    make_room(world, mailbox);
    if has("secret_refused") && has("credential_missing") && !rotating(world, mailbox) {
        drop(secrets.rotate(name));
    }
}

/// A document that can be read, with a secret that Entra takes: that of a version before, or else with the id
/// that belongs to its value, or with a credential that is made for it.
fn put_right_document(world: &ModelWorld, mailbox: &Mailbox) {
    let app = mailbox.app.app_id;
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let readable = |version: &Version| {
        let document: Json = serde_json::from_str(version.text()?).ok()?;
        document.is_object().then_some(document)
    };
    let works = |version: &&Version| {
        let document = readable(version).unwrap_or_default();
        let value = document["client_secret"].as_str().unwrap_or_default();
        let key = document["key_id"].as_str().and_then(|key| key.parse().ok());
        let named = key.and_then(|key| world.directory.secret_value(key));
        named.as_deref() == Some(value)
            && world.directory.standing(app, value) == Standing::Accepted
    };
    if let Some(version) = secret.versions.iter().rev().find(works) {
        let back = world
            .secrets_manager
            .move_label(&mailbox.secret, CURRENT, Some(&version.id));
        return back.unwrap();
    }
    let of_this_app = |document: &Json| document["client_id"] == app.to_string();
    let mut documents = secret.versions.iter().rev().filter_map(readable);
    let mut document = documents.find(of_this_app).unwrap();
    // The portal shows the beginning of each value: where the value works, its id is found by that.
    let typed = document["client_secret"].as_str().unwrap_or_default();
    let credentials = world.directory.credentials(app).into_iter();
    let keys = credentials.map(|credential| credential.key_id);
    let mut of_value =
        keys.filter(|key| world.directory.secret_value(*key).as_deref() == Some(typed));
    let works = world.directory.standing(app, typed) == Standing::Accepted;
    let (key, value) = match of_value.next().filter(|_| works) {
        Some(key) => (key, typed.to_owned()),
        None => {
            make_room(world, mailbox);
            // Where both places are in use, the rotation that uses one of them goes on.
            let Some(made) = add_credential(world, mailbox, "put right by hand") else {
                return;
            };
            made
        }
    };
    enter(world, mailbox, &mut document, key, value);
    let stored = world
        .secrets_manager
        .store_value(&mailbox.secret, &document.to_string());
    stored.unwrap();
}

/// Where the app may have two credentials, those go that nobody uses, or nobody can any more.
fn make_room(world: &ModelWorld, mailbox: &Mailbox) {
    let app = mailbox.app.app_id;
    let registration = world.directory.application(app).unwrap().registration;
    if !registration.sign_in_audience.includes_personal() {
        return;
    }
    let current = current_key(world, mailbox);
    let pending = labels_of(world, mailbox, PENDING).unwrap_or_default();
    let pending = key_labels(&pending);
    let held: Vec<Option<String>> = world
        .shopctrl
        .connections()
        .into_iter()
        .map(|connection| connection.secret)
        .collect();
    for credential in world.directory.credentials(app) {
        let key = credential.key_id;
        let used = held.contains(&world.directory.secret_value(key));
        let ended = credential.end <= world.clock.now();
        let kept = !ended && (Some(key) == current || pending.contains(&key) || used);
        let full = world.directory.credentials(app).len() >= 2;
        if full && !kept {
            world.directory.delete_secret(app, key);
        }
    }
}
