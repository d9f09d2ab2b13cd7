//! What a person does by hand, done to the world: past the functions, and past the journal.

use jiff::SignedDuration;
use serde_json::Value as Json;
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS};
use simulators::microsoft::directory::application::{Credential, NewSecret};
use simulators::shopctrl::Status;
use simulators::world::Mailbox;
use uuid::Uuid;

use super::ModelWorld;
use super::schedule::{Deed, Direction, Entered, Tag, TagEdit, Value, Which};
use super::standing::{
    connection_id, connections, current_document, is_attended, key_labels, labels_of,
};

/// The policy that nobody can read.
const NONSENSE: &str = "nonsense";

/// What somebody else's credentials are called.
pub const STRANGERS: [&str; 2] = ["reporting job, not yours", "somebody else's"];

/// Whether it is somebody else's, whatever names it.
pub fn is_strangers(credential: &Credential) -> bool {
    let name = credential.display_name.as_deref();
    name.is_some_and(|name| STRANGERS.contains(&name))
}

/// A policy with a freeze over the whole run.
const FREEZE: &str = "freeze=2026-11-01/2027-12-31";

/// Does it; what finds nothing to do does nothing.
pub fn perform(world: &ModelWorld, mailbox: &Mailbox, deed: Deed) {
    let secrets = &world.secrets_manager;
    let name = mailbox.secret.as_str();
    match deed {
        Deed::AddCredential => {
            add_credential(world, mailbox, STRANGERS[1]);
        }
        Deed::DeleteCredential(which) => {
            if let Some(key) = key_of(world, mailbox, which) {
                world.directory.delete_secret(mailbox.app.app_id, key);
            }
        }
        // What a person delivers, and then breaks by hand, nobody can see: they mend it themselves.
        Deed::EnterSecret(..) | Deed::Disable(_) | Deed::Deauthorize(_) if is_attended(mailbox) => {
        }
        Deed::EnterSecret(to, entered) => enter_secret(world, mailbox, to, entered),
        Deed::Disable(direction) => {
            let id = connection_id(direction);
            let off = |c: &mut simulators::shopctrl::Connection| c.enabled = false;
            world.shopctrl.edit(mailbox.shop_id, id, off);
        }
        Deed::Deauthorize(direction) => {
            let id = connection_id(direction);
            world
                .shopctrl
                .edit(mailbox.shop_id, id, |c| c.status = Status::NotAuthorized);
        }
        Deed::CancelRotation => drop(secrets.cancel_rotation(name)),
        Deed::ResumeRotation => drop(secrets.resume_rotation(name)),
        Deed::MoveCurrentToPrevious => move_current(world, mailbox, PREVIOUS),
        Deed::MoveCurrentToPending => move_current(world, mailbox, PENDING),
        Deed::DropPending => drop(secrets.move_label(name, PENDING, None)),
        Deed::DropKeyLabel(which) => {
            let key = key_of(world, mailbox, which);
            let label = key.map(|key| format!("key-{key}"));
            drop(label.map(|label| secrets.move_label(name, &label, None)));
        }
        Deed::EditTag(tag, edit) => edit_tag(world, mailbox, tag, edit),
        Deed::PutValue(value) => {
            put_value(world, mailbox, value);
            if value == Value::MadeByHand {
                hand_over_current(world, mailbox);
            }
        }
        // A replica of a secret that shares its app here is nothing that anybody has.
        Deed::MakeReplica if secrets.snapshot(NEIGHBOUR).is_some() => {}
        Deed::MakeReplica => drop(secrets.make_replica(name, "eu-central-1")),
        Deed::PromoteReplica => drop(secrets.promote_replica(name)),
        Deed::LoseGrant => lose_grant(world, mailbox),
    }
}

/// What a person did has spread in Secrets Manager when the next invocation begins: by hand it takes longer.
pub fn spread(world: &ModelWorld) {
    let secrets = &world.secrets_manager;
    let mut late = (0, 0);
    secrets.configure(|settings| {
        late = (settings.lagging_describes, settings.lagging_values);
        (settings.lagging_describes, settings.lagging_values) = (0, 0);
    });
    secrets.configure(|settings| (settings.lagging_describes, settings.lagging_values) = late);
}

/// The secret of the other mailbox on the same app registration.
pub const NEIGHBOUR: &str = "shopmail/support";

/// How labels begin that are none of ours.
const SOMEBODYS: &str = "of-somebody-";

/// So many labels of the secret are somebody else's, on versions of their own.
pub fn take_labels(world: &ModelWorld, mailbox: &Mailbox, labels: usize) {
    let all: Vec<String> = (0..labels).map(|n| format!("{SOMEBODYS}{n:02}")).collect();
    let halves = all.chunks(labels.div_ceil(2).max(1));
    for (half, version) in halves.zip(["a", "b"]) {
        let half: Vec<&str> = half.iter().map(String::as_str).collect();
        let id = format!("{version}2222222-2222-4333-8444-000000000000");
        let secrets = &world.secrets_manager;
        drop(secrets.place_version(&mailbox.secret, &id, Some("x"), &half));
    }
}

/// Takes them away.
pub fn give_labels_back(world: &ModelWorld, mailbox: &Mailbox) {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let versions = secret.into_iter().flat_map(|secret| secret.versions);
    for label in versions.flat_map(|version| version.labels) {
        if label.starts_with(SOMEBODYS) {
            let secrets = &world.secrets_manager;
            drop(secrets.move_label(&mailbox.secret, &label, None));
        }
    }
}

/// A credential that somebody makes in the portal; none where there is no room.
pub fn add_credential(world: &ModelWorld, mailbox: &Mailbox, name: &str) -> Option<(Uuid, String)> {
    let app = mailbox.app.app_id;
    let registration = world.directory.application(app)?.registration;
    let full = world.directory.credentials(app).len() >= 2;
    if registration.sign_in_audience.includes_personal() && full {
        return None;
    }
    let new = NewSecret {
        display_name: Some(name.to_owned()),
        end: Some(world.clock.now() + SignedDuration::from_hours(700 * 24)),
        ..NewSecret::default()
    };
    world.directory.add_secret(app, new)
}

fn key_of(world: &ModelWorld, mailbox: &Mailbox, which: Which) -> Option<Uuid> {
    let labelled = |label: &str| {
        let labels = labels_of(world, mailbox, label)?;
        key_labels(&labels).first().copied()
    };
    match which {
        Which::Current => {
            let document = current_document(world, mailbox)?;
            document["key_id"].as_str()?.parse().ok()
        }
        Which::Pending => labelled(PENDING),
        Which::Previous => labelled(PREVIOUS),
        Which::Foreign => {
            let credentials = world.directory.credentials(mailbox.app.app_id);
            let foreign = credentials
                .iter()
                .find(|c| c.display_name.as_deref() == Some(STRANGERS[0]));
            foreign.map(|c| c.key_id)
        }
    }
}

fn enter_secret(world: &ModelWorld, mailbox: &Mailbox, to: Direction, entered: Entered) {
    let (shop, id) = (mailbox.shop_id, connection_id(to));
    match entered {
        Entered::Nonsense => world
            .shopctrl
            .enter_secret(shop, id, "nonsense~of~a~person"),
        Entered::PreviousAndAuthorized => {
            let secret = world.secrets_manager.snapshot(&mailbox.secret);
            let previous = secret.as_ref().and_then(|secret| secret.labelled(PREVIOUS));
            let document = previous.and_then(|version| version.text());
            let document: Option<Json> = document.and_then(|d| serde_json::from_str(d).ok());
            let Some(value) = document.as_ref().and_then(|d| d["client_secret"].as_str()) else {
                return;
            };
            world.shopctrl.enter_secret(shop, id, value);
            // With a secret that Entra refuses it stays Not authorized.
            drop(world.shopctrl.authorize_as(shop, id, &mailbox.address));
        }
    }
}

/// Who makes another secret the current one by hand delivers it by hand too.
pub fn hand_over_current(world: &ModelWorld, mailbox: &Mailbox) {
    let Some(document) = current_document(world, mailbox).filter(|_| is_attended(mailbox)) else {
        return;
    };
    let secret = document["client_secret"].as_str().unwrap_or_default();
    for connection in connections(world, mailbox) {
        hand_over(world, mailbox, &connection.id, secret);
    }
}

/// Where a replica of Entra does not know the secret yet, a person tries again after a minute.
pub fn hand_over(world: &ModelWorld, mailbox: &Mailbox, id: &str, secret: &str) -> bool {
    for _ in 0..3 {
        if enter_and_authorize(world, mailbox, id, secret) {
            return true;
        }
        world.clock.advance(SignedDuration::from_mins(1));
    }
    false
}

/// Enters a secret at ShopCtrl and presses Authorize; where that fails, puts back what was there.
fn enter_and_authorize(world: &ModelWorld, mailbox: &Mailbox, id: &str, secret: &str) -> bool {
    let shop = mailbox.shop_id;
    let Some(before) = world.shopctrl.connection(shop, id) else {
        return false;
    };
    world.shopctrl.enter_secret(shop, id, secret);
    let authorized = world.shopctrl.authorize_as(shop, id, &mailbox.address);
    if authorized.is_err() {
        world
            .shopctrl
            .edit(shop, id, |connection| *connection = before);
    }
    authorized.is_ok()
}

fn lose_grant(world: &ModelWorld, mailbox: &Mailbox) {
    let secret = world
        .secrets_manager
        .snapshot(&format!("{}/grants", mailbox.secret));
    let current = secret.as_ref().and_then(|secret| secret.labelled(CURRENT));
    let grants = current.and_then(|version| serde_json::from_str(version.text()?).ok());
    let grants: Json = grants.unwrap_or_default();
    if let Some(token) = grants["grants"][&mailbox.address]["refresh_token"].as_str() {
        world.directory.expire_refresh_token(token);
    }
}

fn move_current(world: &ModelWorld, mailbox: &Mailbox, to: &str) {
    let secret = world.secrets_manager.snapshot(&mailbox.secret);
    let to = secret.as_ref().and_then(|secret| secret.labelled(to));
    if let Some(to) = to.filter(|version| version.value.is_some()) {
        let secrets = &world.secrets_manager;
        drop(secrets.move_label(&mailbox.secret, CURRENT, Some(&to.id)));
        hand_over_current(world, mailbox);
    }
}

fn edit_tag(world: &ModelWorld, mailbox: &Mailbox, tag: Tag, edit: TagEdit) {
    let (secrets, name) = (&world.secrets_manager, mailbox.secret.as_str());
    let secret = secrets.snapshot(name);
    let current = secret.as_ref().and_then(|secret| secret.labelled(CURRENT));
    let put = |value: &str| drop(secrets.put_tags(name, &[(tag.key(), value)]));
    match (edit, current) {
        (TagEdit::Remove, _) => drop(secrets.remove_tag(name, tag.key())),
        (TagEdit::CurrentVersion, Some(current)) => put(&current.id),
        (TagEdit::Freeze, _) => put(FREEZE),
        (TagEdit::Nonsense | TagEdit::CurrentVersion, _) => put(NONSENSE),
    }
}

fn put_value(world: &ModelWorld, mailbox: &Mailbox, value: Value) {
    let put = |text: &str| {
        let stored = world.secrets_manager.store_value(&mailbox.secret, text);
        drop(stored);
    };
    if value == Value::Nonsense {
        return put(NONSENSE);
    }
    let Some(mut document) = current_document(world, mailbox) else {
        return;
    };
    match value {
        Value::Described => document["description"] = "ShopCtrl mail, renamed".into(),
        Value::Mistyped => {
            let secret = document["client_secret"].as_str().unwrap_or_default();
            let mistyped = format!("{secret}x");
            world.directory.note_secret(&mistyped);
            document["client_secret"] = mistyped.into();
        }
        Value::MadeByHand => match add_credential(world, mailbox, "made by hand") {
            Some((key, secret)) => enter(world, mailbox, &mut document, key, secret),
            None => return,
        },
        Value::IdOfAnother => {
            let credentials = world.directory.credentials(mailbox.app.app_id);
            let stranger = credentials
                .iter()
                .find(|c| is_strangers(c))
                .map(|c| c.key_id);
            let made = || add_credential(world, mailbox, STRANGERS[1]).map(|(key, _)| key);
            match stranger.or_else(made) {
                Some(key) => document["key_id"] = key.to_string().into(),
                None => return,
            }
        }
        Value::Nonsense => {}
    }
    put(&document.to_string());
}

/// Writes a credential into a document.
pub fn enter(
    world: &ModelWorld,
    mailbox: &Mailbox,
    document: &mut Json,
    key: Uuid,
    secret: String,
) {
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let end = credentials.iter().find(|c| c.key_id == key).map(|c| c.end);
    document["key_id"] = key.to_string().into();
    document["client_secret"] = secret.into();
    document["expires_at"] = end.unwrap_or_default().to_string().into();
}
