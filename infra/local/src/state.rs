//! What an administrator would see of the mailbox now: Entra's secrets, the labels in AWS, and the mail.

use serde_json::Value;
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS, Version};
use simulators::microsoft::directory::application::Credential;
use simulators::shopctrl::{Connection, Direction, OutageCause, Status};
use simulators::world::{Mailbox, World};
use uuid::Uuid;

use crate::fact::day;
use crate::names::Names;
use crate::narration::text;

/// A label of a row, and what it says.
pub type Line = (&'static str, String);

/// The four lines.
pub fn of(world: &World, mailbox: &Mailbox, names: &Names) -> [Line; 4] {
    [
        ("Entra", entra(world, mailbox, names)),
        ("AWS", labels(world, mailbox, names)),
        (
            "receiving",
            mail(world, mailbox, names, Direction::Receiving),
        ),
        ("sending", mail(world, mailbox, names, Direction::Sending)),
    ]
}

fn entra(world: &World, mailbox: &Mailbox, names: &Names) -> String {
    let now = world.clock.now();
    let one = |credential: &Credential| {
        let end = day(credential.end);
        match names.of(credential.key_id) {
            Some(name) if credential.end <= now => format!("{name} ended {end}"),
            Some(name) => format!("{name} ends {end}"),
            None => "and one of somebody else's".to_owned(),
        }
    };
    let mut listed = world.directory.credentials(mailbox.app.app_id);
    // By age; the one that is not ours last.
    listed.sort_by_key(|credential| (names.of(credential.key_id).is_none(), credential.start));
    listed.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn labels(world: &World, mailbox: &Mailbox, names: &Names) -> String {
    let Some(secret) = world.secrets_manager.snapshot(&mailbox.secret) else {
        return "the secret is gone".to_owned();
    };
    let one = |label: &str| Some(format!("{label} {}", held(secret.labelled(label)?, names)));
    let labels = [CURRENT, PENDING, PREVIOUS].into_iter();
    labels.filter_map(one).collect::<Vec<_>>().join("; ")
}

/// The client secret in a version.
fn held(version: &Version, names: &Names) -> String {
    let Some(document) = version.text() else {
        return "(empty)".to_owned();
    };
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let key: Option<Uuid> = text(&document, "key_id").parse().ok();
    let name = key.and_then(|key| names.of(key));
    name.unwrap_or_else(|| "(unknown)".to_owned())
}

fn mail(world: &World, mailbox: &Mailbox, names: &Names, direction: Direction) -> String {
    let connections = world.shopctrl.connections();
    let mine = |one: &&Connection| one.shop_id == mailbox.shop_id && one.direction == direction;
    let Some(connection) = connections.iter().find(mine) else {
        return "no connection".to_owned();
    };
    let status = match connection.status {
        Status::Authorized => "Authorized",
        Status::NotAuthorized => "Not authorized",
    };
    let credential = connection
        .secret
        .as_ref()
        .and_then(|value| world.directory.credential_with_value(value));
    let name = credential.and_then(|credential| names.of(credential.key_id));
    let name = name.unwrap_or_else(|| "a wrong secret".to_owned());
    let flows = outage(world, connection).unwrap_or("mail flows");
    format!("{status} with {name}; {flows}")
}

fn outage(world: &World, connection: &Connection) -> Option<&'static str> {
    let outages = world.shopctrl.outages().into_iter();
    let mut causes = outages
        .filter(|outage| {
            outage.shop_id == connection.shop_id && outage.connection_id == connection.id
        })
        .map(|outage| outage.cause);
    Some(match causes.next()? {
        OutageCause::NotAuthorized => "MAIL STANDS STILL",
        OutageCause::Disabled => "MAIL STANDS STILL: Enable is off",
        OutageCause::CheckMailOff => "MAIL STANDS STILL: Check mail is off",
        OutageCause::RefusedByExchange => "MAIL STANDS STILL: Exchange refuses the protocol",
        OutageCause::SecretRefused(_) => "MAIL STANDS STILL: Entra refuses the secret",
    })
}
