//! A picture of all that somebody could lose: stored values with their labels, credentials in Entra,
//! what ShopCtrl holds. Two pictures are equal when nothing was lost or changed in between.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
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

/// The current text of a secret.
pub fn current_text(world: &World, secret: &str) -> String {
    let secret = world.secrets_manager.snapshot(secret).unwrap();
    let current = secret.labelled(CURRENT).expect("one AWSCURRENT");
    current.text().unwrap().to_owned()
}

/// The stored grant of the mailbox's own address.
pub fn grant(world: &World, mailbox: &Mailbox) -> Option<Value> {
    grant_of(world, mailbox, &mailbox.address)
}

/// The stored grant of an address.
pub fn grant_of(world: &World, mailbox: &Mailbox, address: &str) -> Option<Value> {
    let text = current_text(world, &format!("{}/grants", mailbox.secret));
    let grants: Value = serde_json::from_str(&text).unwrap();
    grants["grants"].get(address.to_lowercase()).cloned()
}

/// The grant is the owner's and works, and no writer left a label behind.
pub fn assert_granted(world: &World, mailbox: &Mailbox) {
    let grant = grant(world, mailbox).expect("a grant");
    assert_eq!(grant["oid"], mailbox.oid.to_string());
    assert_eq!(grant["tid"], world.tenant().to_string());
    let token = grant["refresh_token"].as_str().unwrap();
    assert!(world.directory.refresh_token_works(token), "it works");
    assert_no_candidate(world, mailbox);
}

/// No label of a writer of grants is left.
pub fn assert_no_candidate(world: &World, mailbox: &Mailbox) {
    let companion = format!("{}/grants", mailbox.secret);
    let companion = world.secrets_manager.snapshot(&companion).unwrap();
    let mut labels = companion.versions.iter().flat_map(|v| &v.labels);
    let left = labels.find(|label| label.starts_with("candidate-"));
    assert_eq!(left, None, "no label is left behind");
}
