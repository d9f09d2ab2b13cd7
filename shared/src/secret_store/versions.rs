//! The labels of a secret's versions: the state of a rotation, read as pure functions.

use std::collections::{BTreeMap, BTreeSet};

use crate::credential::KeyId;

/// The label of the version that consumers use.
pub const CURRENT: &str = "AWSCURRENT";
/// The label of the version that a rotation is making.
pub const PENDING: &str = "AWSPENDING";
/// The label of the version that was current before.
pub const PREVIOUS: &str = "AWSPREVIOUS";

const KEY: &str = "key-";

/// The label that says which credential a version holds.
#[must_use]
pub fn key_label(key_id: KeyId) -> String {
    format!("{KEY}{key_id}")
}

const RETIRED: &str = "retired-";

const SUPERSEDED: &str = "superseded-";

/// The label that says since when a version is not current any more, in Unix seconds by Entra's
/// clock.
#[must_use]
pub fn superseded_label(since: i64) -> String {
    format!("{SUPERSEDED}{since}")
}

/// The label that says that this credential was removed and that this was told. Graph's reads lag its
/// writes: until none shows the credential any more, its `key-` label stays, so that a late replica
/// does not make it look like an orphan.
#[must_use]
pub fn retired_label(key_id: KeyId) -> String {
    format!("{RETIRED}{key_id}")
}

/// Version ids and their labels, as DescribeSecret gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(pub BTreeMap<String, BTreeSet<String>>);

impl Versions {
    /// The version with this label; Secrets Manager keeps a label on one version at most.
    #[must_use]
    pub fn with_label(&self, label: &str) -> Option<&str> {
        let found = self.0.iter().find(|(_, labels)| labels.contains(label));
        found.map(|(version, _)| version.as_str())
    }

    /// The version that consumers use.
    #[must_use]
    pub fn current(&self) -> Option<&str> {
        self.with_label(CURRENT)
    }

    /// The version that a rotation is making.
    #[must_use]
    pub fn in_progress(&self) -> Option<&str> {
        self.with_label(PENDING)
            .filter(|pending| !self.was_promoted(pending))
    }

    /// The version with an AWSPENDING that is left over from a finished rotation: Secrets Manager may
    /// leave it where it was promoted, and there it stays if a person makes another one current.
    #[must_use]
    pub fn leftover(&self) -> Option<&str> {
        self.with_label(PENDING)
            .filter(|pending| self.was_promoted(pending))
    }

    fn was_promoted(&self, version: &str) -> bool {
        self.has(version, CURRENT) || self.has(version, PREVIOUS)
    }

    /// Whether this version has this label.
    #[must_use]
    pub fn has(&self, version: &str, label: &str) -> bool {
        self.0
            .get(version)
            .is_some_and(|labels| labels.contains(label))
    }

    /// Whether this version is known at all.
    #[must_use]
    pub fn knows(&self, version: &str) -> bool {
        self.0.contains_key(version)
    }

    /// The credentials that the labels of this version name: one, but for meddling.
    #[must_use]
    pub fn keys_of(&self, version: &str) -> Vec<KeyId> {
        self.labels(version).filter_map(key_of_label).collect()
    }

    /// The labels by which this version names this credential.
    #[must_use]
    pub fn labels_naming(&self, version: &str, key_id: KeyId) -> Vec<&str> {
        self.labels(version)
            .filter(|label| key_of_label(label) == Some(key_id))
            .collect()
    }

    /// The labels that say since when this version is not current any more: one, but for two checks
    /// that first saw it at once.
    #[must_use]
    pub fn superseded_labels(&self, version: &str) -> Vec<&str> {
        self.labels(version)
            .filter(|label| label.starts_with(SUPERSEDED))
            .collect()
    }

    fn labels(&self, version: &str) -> impl Iterator<Item = &str> {
        let labels = self.0.get(version).into_iter().flatten();
        labels.map(String::as_str)
    }

    /// Since when this version is not current any more, where its label says so.
    #[must_use]
    pub fn superseded_since(&self, version: &str) -> Option<i64> {
        self.labels(version)
            .find_map(|label| label.strip_prefix(SUPERSEDED)?.parse().ok())
    }

    /// Every credential that some version's label names, with the version.
    #[must_use]
    pub fn keys(&self) -> Vec<(KeyId, &str)> {
        let labels = self.0.iter().flat_map(|(version, labels)| {
            let keys = labels.iter().filter_map(|label| key_of_label(label));
            keys.map(move |key| (key, version.as_str()))
        });
        labels.collect()
    }

    /// Every credential that some version's label names or calls retired, with the version, once.
    #[must_use]
    pub fn keys_with_retired(&self) -> BTreeSet<(KeyId, &str)> {
        let retired = self.0.iter().flat_map(|(version, labels)| {
            let keys = labels
                .iter()
                .filter_map(|label| label.strip_prefix(RETIRED)?.parse().ok());
            keys.map(move |key| (key, version.as_str()))
        });
        self.keys().into_iter().chain(retired).collect()
    }
}

fn key_of_label(label: &str) -> Option<KeyId> {
    label.strip_prefix(KEY)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(labels: &[(&str, &[&str])]) -> Versions {
        let of = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
        Versions(
            labels
                .iter()
                .map(|(version, labels)| ((*version).to_owned(), of(labels)))
                .collect(),
        )
    }

    #[test]
    fn pending_on_current_is_no_rotation_in_progress() {
        let finished = versions(&[("a", &[PREVIOUS]), ("b", &[CURRENT, PENDING])]);
        assert_eq!(finished.in_progress(), None);
        let running = versions(&[("a", &[CURRENT]), ("b", &[PENDING])]);
        assert_eq!(running.in_progress(), Some("b"));
    }

    #[test]
    fn pending_on_what_was_current_before_is_no_rotation_in_progress_either() {
        let by_hand = versions(&[("a", &[PREVIOUS, PENDING]), ("b", &[CURRENT])]);
        assert_eq!(
            (by_hand.in_progress(), by_hand.leftover()),
            (None, Some("a"))
        );
        let running = versions(&[("a", &[CURRENT]), ("b", &[PENDING])]);
        assert_eq!(running.leftover(), None);
    }

    #[test]
    fn only_key_labels_name_credentials() {
        let key: KeyId = "0b0b335f-0000-4000-8000-000000000001".parse().unwrap();
        let label = key_label(key);
        let some = versions(&[("a", &[CURRENT, &label, "key-nonsense", "candidate-x"])]);
        assert_eq!(some.keys(), vec![(key, "a")]);
        assert_eq!(some.keys_of("b"), vec![]);
    }
}
