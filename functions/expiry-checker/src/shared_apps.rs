//! What the list of all mailbox secrets says of the others: who else may name a credential, and which leaked. Pure.

use std::collections::BTreeSet;

use shared::ids::KeyId;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::Claim;
use shared::tags;
use shared::tags::apps::Apps;

use crate::record::Record;

/// All mailbox secrets of the account and region, those included that are going to be deleted, for they can be
/// restored, and replicas, whose labels show what their primary uses. From the list, which may be minutes old.
#[derive(Debug)]
pub struct SharedApps {
    count: usize,
    /// The records by app registration, sorted.
    by_app: Vec<(Box<str>, u32)>,
    /// The records by credential, sorted.
    by_key: Vec<(KeyId, u32)>,
    /// The records whose app registration is not known: it may be any.
    unknown: Vec<u32>,
    /// Every credential of a version that leaked, of whatever secret.
    leaked: BTreeSet<KeyId>,
}

impl SharedApps {
    pub fn new(records: &[Record]) -> Self {
        let mut index = Self {
            count: records.len(),
            by_app: Vec::new(),
            by_key: Vec::new(),
            unknown: Vec::new(),
            leaked: BTreeSet::new(),
        };
        for (at, record) in (0u32..).zip(records) {
            index
                .by_app
                .extend(record.apps.iter().map(|app| (app.into(), at)));
            index
                .by_key
                .extend(record.keys.iter().map(|key_id| (*key_id, at)));
            index.leaked.extend(&record.leaked);
            if record.apps.current().is_none() {
                index.unknown.push(at);
            }
        }
        index.by_app.sort();
        index.by_key.sort();
        index
    }

    /// The records whose word counts for this one: they name one of its credentials, or may be on its app.
    pub fn neighbours(&self, at: usize, record: &Record) -> BTreeSet<usize> {
        if record.apps.current().is_none() {
            // It may be on any.
            return (0..self.count).filter(|other| *other != at).collect();
        }
        let apps = record
            .apps
            .iter()
            .flat_map(|app| of(&self.by_app, app, |entry| &*entry.0));
        let keys = record
            .keys
            .iter()
            .flat_map(|key_id| of(&self.by_key, key_id, |entry| &entry.0));
        let apps = apps.map(|(_, other)| *other);
        let all = apps
            .chain(keys.map(|(_, other)| *other))
            .chain(self.unknown.iter().copied());
        let all = all.filter_map(|other| usize::try_from(other).ok());
        all.filter(|other| *other != at).collect()
    }

    /// Whether one of the credentials that a record names leaked, here or through another one.
    pub fn names_a_leaked_credential(&self, record: &Record) -> bool {
        record
            .keys
            .iter()
            .any(|key_id| self.leaked.contains(key_id))
    }

    /// Whether the client secret that a secret uses leaked through another one.
    pub fn shares_a_leaked_secret(&self, secret: &SecretMetadata) -> bool {
        let Some(current) = secret.versions.current() else {
            return false;
        };
        let uses = secret.versions.keys_of(current);
        uses.iter().any(|key_id| self.leaked.contains(key_id))
    }
}

/// The entries of a sorted list with this key.
fn of<'l, T, K: Ord + ?Sized>(
    sorted: &'l [T],
    key: &K,
    by: impl Fn(&T) -> &K,
) -> impl Iterator<Item = &'l T> {
    let begin = sorted.partition_point(|entry| by(entry) < key);
    let behind = sorted.get(begin..).unwrap_or_default();
    let end = behind.partition_point(|entry| by(entry) == key);
    behind.iter().take(end)
}

/// The credentials that others name, of those that may be this one's: what its labels name too, and whatever is on its
/// app registration as far as is known. `None` while another secret on the same app, or on one that is not known, does
/// not say which credential it uses.
pub fn named_by_others(
    secret: &SecretMetadata,
    others: &[SecretMetadata],
) -> Option<BTreeSet<KeyId>> {
    let mine: BTreeSet<KeyId> = keys(secret).collect();
    let all = others.iter().chain([secret]);
    let leaked: BTreeSet<KeyId> = all.flat_map(leaked_keys).collect();
    let mut named = BTreeSet::new();
    for other in others.iter().filter(|other| other.arn != secret.arn) {
        let same_app = may_share_an_app(secret, other);
        let current = other.versions.current();
        let silent = current.is_some_and(|v| other.versions.keys_of(v).is_empty());
        if same_app && silent && !other.is_replica() {
            return None;
        }
        let kept = kept_keys(other, &leaked).filter(|key_id| same_app || mine.contains(key_id));
        named.extend(kept);
    }
    Some(named)
}

fn leaked_keys(secret: &SecretMetadata) -> Vec<KeyId> {
    let version = secret.tags.get(tags::EMERGENCY);
    version.map_or_else(Vec::new, |version| secret.versions.keys_of(version))
}

fn keys(secret: &SecretMetadata) -> impl Iterator<Item = KeyId> {
    let claims = secret.versions.claims().into_keys();
    claims
        .map(|(key_id, _)| key_id)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The credentials that a secret uses, or keeps as a way back. To one that leaked there is no way back.
fn kept_keys(secret: &SecretMetadata, leaked: &BTreeSet<KeyId>) -> impl Iterator<Item = KeyId> {
    let keeps = |key_id, version: &str, claim| match claim {
        _ if secret.versions.in_use(version) => true,
        Claim::Holds | Claim::Superseded(_) => !leaked.contains(&key_id),
        Claim::Released | Claim::Retired => false,
    };
    let claims = secret.versions.claims().into_iter();
    let kept = claims.filter(|((key_id, version), claim)| keeps(*key_id, version, *claim));
    kept.map(|((key_id, _), _)| key_id)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Unless both are known to be, and to have been, on others only.
fn may_share_an_app(one: &SecretMetadata, other: &SecretMetadata) -> bool {
    let apps = |secret: &SecretMetadata| -> Apps {
        let tag = secret.tags.get(tags::APP).map(String::as_str);
        tag.unwrap_or_default().parse().unwrap_or_default()
    };
    apps(one).may_overlap(&apps(other))
}

#[cfg(test)]
mod tests {
    use shared::secret_store::versions::{CURRENT, PREVIOUS, Versions};

    use super::*;
    use crate::depth::Rules;
    use crate::samples::secret;
    use shared::policy::Policy;

    fn shared_apps(secrets: &[SecretMetadata]) -> (Vec<Record>, SharedApps) {
        let policy = Policy::default();
        let rules = Rules {
            policy: &policy,
            interval: None,
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let records = secrets
            .iter()
            .map(|secret| Record::new(secret.clone(), &rules));
        let records: Vec<Record> = records.collect();
        let apps = SharedApps::new(&records);
        (records, apps)
    }

    fn shares(secrets: &[SecretMetadata], secret: &SecretMetadata) -> bool {
        shared_apps(secrets).1.shares_a_leaked_secret(secret)
    }

    fn key(n: u8) -> KeyId {
        format!("00000000-0000-4000-8000-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    fn label(n: u8) -> String {
        format!("key-{}", key(n))
    }

    #[test]
    fn a_credential_that_another_secret_uses_or_keeps_is_named_and_one_that_it_released_is_not() {
        let (one, two, three) = (label(1), label(2), label(3));
        let released = format!("released-{}", key(4));
        let mine = secret(
            "a",
            &[("p", &[PREVIOUS, &one]), ("c", &[CURRENT, &two])],
            &[],
        );
        let other = secret(
            "b",
            &[
                ("p", &[PREVIOUS, &one]),
                ("c", &[CURRENT, &three]),
                ("o", &[&released]),
            ],
            &[],
        );
        let named = named_by_others(&mine, &[other]).unwrap();
        assert_eq!(named, [key(1), key(3)].into());
    }

    #[test]
    fn a_neighbour_that_does_not_say_what_it_uses_makes_the_set_unknown() {
        let one = label(1);
        let app = |app| [(tags::APP, app)];
        let mine = secret("a", &[("c", &[CURRENT, &one])], &app("x"));
        let silent = |tags: &[(&str, &str)]| secret("b", &[("c", &[CURRENT])], tags);
        let named = |other| named_by_others(&mine, &[other]);
        assert_eq!(named(silent(&app("x"))), None);
        assert_eq!(named(silent(&[])), None, "its app is not known");
        assert_eq!(named(silent(&app("y"))), Some([].into()), "on another app");
        assert_eq!(
            named(secret("b", &[], &[])),
            Some([].into()),
            "it holds nothing"
        );
    }

    #[test]
    fn a_tag_that_names_another_app_does_not_hide_that_a_credential_is_shared() {
        let one = label(1);
        let mine = secret("a", &[("p", &[PREVIOUS, &one])], &[(tags::APP, "x")]);
        let other = secret("b", &[("c", &[CURRENT, &one])], &[(tags::APP, "y")]);
        let named = named_by_others(&mine, &[other]);
        assert_eq!(named, Some([key(1)].into()));
    }

    #[test]
    fn a_leak_is_shared_by_whoever_uses_the_credential_and_keeps_nobody_once_it_is_superseded() {
        let (one, two) = (label(1), label(2));
        let leaked = secret(
            "a",
            &[("p", &[PREVIOUS, &one]), ("c", &[CURRENT, &two])],
            &[(tags::EMERGENCY, "p")],
        );
        let sharer = secret("b", &[("c", &[CURRENT, &one])], &[]);
        let both = [leaked.clone(), sharer.clone()];
        assert!(shares(&both, &sharer));
        assert!(!shares(&both, &leaked));
        assert_eq!(named_by_others(&leaked, &both), Some([key(1)].into()));
        let later = label(3);
        let promoted = secret(
            "b",
            &[("c", &[PREVIOUS, &one]), ("d", &[CURRENT, &later])],
            &[(tags::EMERGENCY, "c")],
        );
        let both = [leaked.clone(), promoted.clone()];
        assert_eq!(named_by_others(&leaked, &both), Some([key(3)].into()));
        assert_eq!(named_by_others(&promoted, &both), Some([key(2)].into()));
    }

    #[test]
    fn a_replica_shows_what_its_primary_uses_and_its_silence_says_nothing() {
        let one = label(1);
        let mine = secret("a", &[("p", &[PREVIOUS, &one])], &[]);
        let replica = SecretMetadata {
            primary_region: Some("eu-central-1".to_owned()),
            ..secret("b", &[("c", &[CURRENT, &one])], &[])
        };
        let silent = SecretMetadata {
            versions: Versions([("c".to_owned(), [CURRENT.to_owned()].into())].into()),
            ..replica.clone()
        };
        let named = |other| named_by_others(&mine, &[other]);
        assert_eq!(named(replica), Some([key(1)].into()));
        assert_eq!(named(silent), Some([].into()));
    }

    #[test]
    fn a_neighbour_on_an_app_that_was_left_counts_too() {
        let mine = secret("a", &[], &[(tags::APP, "y x")]);
        let other = |app| secret("b", &[("c", &[CURRENT])], &[(tags::APP, app)]);
        let named = |other| named_by_others(&mine, &[other]);
        assert_eq!(named(other("x")), None);
        assert_eq!(named(other("z x")), None);
        assert_eq!(named(other("z")), Some([].into()));
    }

    #[test]
    fn a_leaked_credential_that_another_one_keeps_as_a_way_back_is_no_way_back() {
        let (one, two, three) = (label(1), label(2), label(3));
        let leaked = secret(
            "a",
            &[("p", &[PREVIOUS, &one]), ("c", &[CURRENT, &two])],
            &[(tags::EMERGENCY, "p")],
        );
        let other = secret(
            "b",
            &[("p", &[PREVIOUS, &one]), ("c", &[CURRENT, &three])],
            &[],
        );
        let both = [leaked.clone(), other.clone()];
        assert_eq!(named_by_others(&leaked, &both), Some([key(3)].into()));
        assert!(!shares(&both, &other));
        let (records, apps) = shared_apps(&both);
        assert!(
            records
                .iter()
                .all(|record| apps.names_a_leaked_credential(record))
        );
    }

    #[test]
    fn the_neighbours_are_those_on_the_same_app_or_credential_and_those_that_may_be() {
        let one = label(1);
        let on = |name: &str, app: &str| secret(name, &[("c", &[CURRENT])], &[(tags::APP, app)]);
        let all = [
            on("a", "x y"),
            on("b", "y"),
            on("c", "z"),
            secret("d", &[("c", &[CURRENT, &one])], &[(tags::APP, "z")]),
            secret("e", &[("p", &[PREVIOUS, &one])], &[(tags::APP, "w")]),
            secret("f", &[], &[]),
        ];
        let (records, apps) = shared_apps(&all);
        let neighbours = |at: usize| {
            apps.neighbours(at, &records[at])
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(neighbours(0), [1, 5]);
        assert_eq!(neighbours(3), [2, 4, 5]);
        assert_eq!(neighbours(5), [0, 1, 2, 3, 4], "it may be on any");
    }
}
