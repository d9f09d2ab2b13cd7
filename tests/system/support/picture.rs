//! A picture of all that somebody could lose: stored values with their labels, credentials in Entra,
//! what ShopCtrl holds. Two pictures are equal when nothing was lost or changed in between.

use std::collections::{BTreeMap, BTreeSet};

use simulators::aws::secrets_manager::CURRENT;
use simulators::world::{Mailbox, World};
use uuid::Uuid;

/// All of it at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// By secret and version: value and labels. A version with neither is nobody's loss.
    versions: BTreeMap<(String, String), (Option<String>, BTreeSet<String>)>,
    /// By app: key ids.
    credentials: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// By connection: status, secret, key id.
    connections: BTreeMap<String, (String, Option<String>, Option<Uuid>)>,
}

impl Picture {
    /// Takes one of the whole store and of these mailboxes' apps.
    pub fn of(world: &World, mailboxes: &[&Mailbox]) -> Self {
        let secrets = world.secrets_manager.secrets();
        let versions = secrets.iter().flat_map(|secret| {
            secret.versions.iter().map(|version| {
                let key = (secret.name.clone(), version.id.clone());
                let text = version.text().map(str::to_owned);
                (key, (text, version.labels.clone()))
            })
        });
        let credentials = mailboxes.iter().map(|mailbox| {
            let app = mailbox.app.app_id;
            let all = world.directory.credentials(app).into_iter();
            (app, all.map(|credential| credential.key_id).collect())
        });
        let connections = world.shopctrl.connections().into_iter().map(|held| {
            let id = format!("{}/{}", held.shop_id, held.id);
            (id, (format!("{:?}", held.status), held.secret, held.key_id))
        });
        Self {
            versions: versions.collect(),
            credentials: credentials.collect(),
            connections: connections.collect(),
        }
    }

    /// Without the versions of grants secrets: a proof that redeems a grant stores its replacement.
    pub fn without_grants(mut self) -> Self {
        self.versions
            .retain(|(secret, _), _| !secret.ends_with("/grants"));
        self
    }

    /// By app: the key ids of its credentials.
    pub fn credentials(&self) -> &BTreeMap<Uuid, BTreeSet<Uuid>> {
        &self.credentials
    }

    /// Whatever is in this picture is in the later one too, with the same value; the later one may
    /// have more.
    pub fn assert_kept_in(&self, later: &Self) {
        for (key, (value, labels)) in &self.versions {
            let kept = later.versions.get(key).map(|(value, _)| value);
            assert_eq!(kept, Some(value), "the value of {key:?} is there yet");
            if labels.contains(CURRENT) {
                let (_, labels) = &later.versions[key];
                assert!(labels.contains(CURRENT), "{key:?} is current yet");
            }
        }
        for (app, keys) in &self.credentials {
            assert!(
                keys.is_subset(&later.credentials[app]),
                "no credential lost"
            );
        }
    }
}
