//! The shop has moved to another app registration: its version before is of the old one.

use jiff::SignedDuration;
use serde_json::json;
use shared::credential::Marker;
use simulators::aws::secrets_manager::PREVIOUS;
use simulators::microsoft::directory::application::{NewSecret, Registration};
use simulators::world::Mailbox;
use uuid::Uuid;

use super::ModelWorld;
use super::deeds::STRANGERS;
use super::standing::current_document;

/// The version that was current before, and the rotation that issued its credential.
const BEFORE: &str = "88888888-2222-4333-8444-555555555555";

/// What is in the old app registration.
#[derive(Debug, Clone)]
pub struct Moved {
    app: Uuid,
    ours: Uuid,
    strangers: Uuid,
}

impl Moved {
    /// From an app registration with a credential of this secret's and one of somebody else's.
    pub fn from_another_app(world: &ModelWorld, mailbox: &Mailbox) -> Self {
        let registration = Registration {
            owners: [world.rotator().service_principal_id].into(),
            ..Registration::default()
        };
        let app = world
            .directory
            .register(world.tenant(), registration)
            .app_id;
        let end = world.clock.now() + SignedDuration::from_hours(700 * 24);
        let add = |name: String| {
            let new = NewSecret {
                display_name: Some(name),
                end: Some(end),
                ..NewSecret::default()
            };
            world.directory.add_secret(app, new).unwrap()
        };
        let (strangers, _) = add(STRANGERS[1].to_owned());
        let (ours, value) = add(Marker::new(&mailbox.arn, BEFORE).display_name(""));
        let mut document = current_document(world, mailbox).unwrap();
        document["client_id"] = json!(app);
        document["key_id"] = json!(ours);
        document["client_secret"] = json!(value);
        document["expires_at"] = json!(end);
        let (text, label) = (document.to_string(), format!("key-{ours}"));
        let secrets = &world.secrets_manager;
        secrets
            .place_version(&mailbox.secret, BEFORE, Some(&text), &[PREVIOUS, &label])
            .unwrap();
        Self {
            app,
            ours,
            strangers,
        }
    }

    pub fn is_there(&self, world: &ModelWorld, key: Uuid) -> bool {
        let credentials = world.directory.credentials(self.app);
        credentials.iter().any(|c| c.key_id == key)
    }

    /// What is wrong in the old app registration, long after the move.
    pub fn wrong(&self, world: &ModelWorld) -> Option<&'static str> {
        if !self.is_there(world, self.strangers) {
            return Some("a stranger's credential of the old app registration is gone");
        }
        let ours = self.is_there(world, self.ours);
        ours.then_some("the superseded credential of the old app registration is still there")
    }
}
