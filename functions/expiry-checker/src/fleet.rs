//! What the list of all mailbox secrets says of the others: who else names a credential, and which leaked.
//! Pure.

use std::collections::BTreeSet;

use shared::credential::KeyId;
use shared::secret_store::Described;
use shared::secret_store::versions::Claim;
use shared::tags;

/// All mailbox secrets of the account and region, those included that are going to be deleted: they can be
/// restored.
#[derive(Debug)]
pub struct Fleet(Vec<Described>);

impl Fleet {
    /// From the list; replicas are another region's.
    pub fn new(listed: &[Described]) -> Self {
        let own = listed.iter().filter(|secret| !secret.is_replica());
        Self(own.cloned().collect())
    }

    /// The credentials that other secrets name, of those that may be this one's: what its labels name too,
    /// and whatever is on its app registration as far as is known. `None` while another secret on the
    /// same app, or on one that is not known, does not say which credential it uses.
    pub fn named_by_others(&self, secret: &Described) -> Option<BTreeSet<KeyId>> {
        let mine: BTreeSet<KeyId> = keys(secret).collect();
        let mut named = BTreeSet::new();
        for other in self.others(secret) {
            let same_app = may_share_an_app(secret, other);
            let current = other.versions.current();
            if same_app && current.is_some_and(|v| other.versions.keys_of(v).is_empty()) {
                return None;
            }
            let kept = kept_keys(other).filter(|key_id| same_app || mine.contains(key_id));
            named.extend(kept);
        }
        Some(named)
    }

    /// Whether the client secret that this secret uses leaked through another one.
    pub fn shares_a_leaked_secret(&self, secret: &Described) -> bool {
        let Some(current) = secret.versions.current() else {
            return false;
        };
        let uses = secret.versions.keys_of(current);
        self.others(secret).any(|other| {
            let leaked = other.tags.get(tags::EMERGENCY);
            let leaked = leaked.map(|version| other.versions.keys_of(version));
            leaked.is_some_and(|leaked| leaked.iter().any(|key_id| uses.contains(key_id)))
        })
    }

    fn others(&self, secret: &Described) -> impl Iterator<Item = &Described> {
        self.0.iter().filter(|other| other.arn != secret.arn)
    }
}

fn keys(secret: &Described) -> impl Iterator<Item = KeyId> {
    let claims = secret.versions.claims().into_keys();
    claims
        .map(|(key_id, _)| key_id)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The credentials that a secret uses, or keeps as a way back.
fn kept_keys(secret: &Described) -> impl Iterator<Item = KeyId> {
    let leaked = secret.tags.get(tags::EMERGENCY).map(String::as_str);
    let keeps = |(version, claim): (&str, Claim)| match claim {
        _ if secret.versions.in_use(version) => true,
        Claim::Holds | Claim::Superseded(_) => leaked != Some(version),
        Claim::Released | Claim::Retired => false,
    };
    let claims = secret.versions.claims().into_iter();
    let kept = claims.filter(move |((_, version), claim)| keeps((version, *claim)));
    kept.map(|((key_id, _), _)| key_id)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Unless both are known to be on another one. The tags are a cache, so they only ever add caution.
fn may_share_an_app(one: &Described, other: &Described) -> bool {
    [tags::TENANT, tags::APP].iter().all(|tag| {
        let (one, other) = (one.tags.get(*tag), other.tags.get(*tag));
        one.is_none() || other.is_none() || one == other
    })
}

#[cfg(test)]
mod tests {
    use shared::secret_store::versions::{CURRENT, PREVIOUS, Versions};

    use super::*;

    fn key(n: u8) -> KeyId {
        format!("00000000-0000-4000-8000-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    fn secret(name: &str, labels: &[(&str, &[&str])], tags: &[(&str, &str)]) -> Described {
        let versions = labels.iter().map(|(version, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            ((*version).to_owned(), labels)
        });
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Described {
            arn: format!("arn:aws:secretsmanager:eu-west-1:1:secret:{name}-AbC123"),
            name: name.to_owned(),
            rotation_enabled: true,
            versions: Versions(versions.collect()),
            tags: tags.collect(),
            last_rotated: None,
            deleted: false,
            primary_region: None,
        }
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
        let fleet = Fleet::new(&[mine.clone(), other]);
        let named = fleet.named_by_others(&mine).unwrap();
        assert_eq!(named, [key(1), key(3)].into());
    }

    #[test]
    fn a_neighbour_that_does_not_say_what_it_uses_makes_the_set_unknown() {
        let one = label(1);
        let app = |app| [(tags::TENANT, "t"), (tags::APP, app)];
        let mine = secret("a", &[("c", &[CURRENT, &one])], &app("x"));
        let silent = |tags: &[(&str, &str)]| secret("b", &[("c", &[CURRENT])], tags);
        let named = |other| Fleet::new(&[mine.clone(), other]).named_by_others(&mine);
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
        let named = Fleet::new(&[mine.clone(), other]).named_by_others(&mine);
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
        let fleet = Fleet::new(&[leaked.clone(), sharer.clone()]);
        assert!(fleet.shares_a_leaked_secret(&sharer));
        assert!(!fleet.shares_a_leaked_secret(&leaked));
        assert_eq!(fleet.named_by_others(&leaked), Some([key(1)].into()));
        let later = label(3);
        let promoted = secret(
            "b",
            &[("c", &[PREVIOUS, &one]), ("d", &[CURRENT, &later])],
            &[(tags::EMERGENCY, "c")],
        );
        let fleet = Fleet::new(&[leaked.clone(), promoted.clone()]);
        assert_eq!(fleet.named_by_others(&leaked), Some([key(3)].into()));
        assert_eq!(fleet.named_by_others(&promoted), Some([key(2)].into()));
    }

    #[test]
    fn a_replica_names_nothing() {
        let one = label(1);
        let mine = secret("a", &[("p", &[PREVIOUS, &one])], &[]);
        let replica = Described {
            primary_region: Some("eu-central-1".to_owned()),
            ..secret("b", &[("c", &[CURRENT, &one])], &[])
        };
        let named = Fleet::new(&[mine.clone(), replica]).named_by_others(&mine);
        assert_eq!(named, Some([].into()));
    }
}
