//! The labels of a secret's versions: the state of a rotation, read as pure functions.
//!
//! A secret has twenty labels, over all its versions (AWS quotas, "Staging labels attached across all
//! versions of a secret"; terraform-provider-aws#47597). So a kept version has one of ours, which says all
//! that is to be said of its credential, and what comes next replaces it.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::ids::KeyId;

/// The label of the version that consumers use.
pub const CURRENT: &str = "AWSCURRENT";
/// The label of the version that a rotation is making.
pub const PENDING: &str = "AWSPENDING";
/// The label of the version that was current before.
pub const PREVIOUS: &str = "AWSPREVIOUS";
/// The label of the pending version that testSecret has proved. finishSecret promotes none without it, and the next
/// proof takes it along.
pub const PROVED: &str = "proved";

/// All the labels that a secret can have.
pub const MOST_LABELS: usize = 20;

const KEY: &str = "key-";
const SUPERSEDED: &str = "superseded-";
const RELEASED: &str = "released-";
const RETIRED: &str = "retired-";

/// What a label says of a version's credential, in the order in which it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// The version holds it.
    Holds,
    /// The version is not current any more, since this time by Entra's clock, where that can be read.
    Superseded(Option<Timestamp>),
    /// Nothing keeps it, as far as this secret goes: it is removed once no other one names it.
    Released,
    /// It was removed, and this was published. Graph's reads lag its writes: the label stays until none
    /// shows the credential any more, so that a late replica does not make it look like an orphan.
    Retired,
}

impl Claim {
    /// What this label says of a credential, if it names one.
    #[must_use]
    pub fn of(label: &str) -> Option<Self> {
        read(label).map(|(_, claim)| claim)
    }
}

/// The label that says which credential a version holds.
#[must_use]
pub fn key_label(key_id: KeyId) -> String {
    format!("{KEY}{key_id}")
}

/// The label that says the same of a version that is not current any more, and since when.
#[must_use]
pub fn superseded_label(since: Timestamp, key_id: KeyId) -> String {
    format!("{SUPERSEDED}{}-{key_id}", since.as_second())
}

/// The label of a credential that nothing of this secret keeps.
#[must_use]
pub fn released_label(key_id: KeyId) -> String {
    format!("{RELEASED}{key_id}")
}

/// The label of a credential whose removal was published.
#[must_use]
pub fn retired_label(key_id: KeyId) -> String {
    format!("{RETIRED}{key_id}")
}

/// The credential that a label names, and what it says of it.
fn read(label: &str) -> Option<(KeyId, Claim)> {
    let of = |form: &str, claim| Some((label.strip_prefix(form)?.parse().ok()?, claim));
    of(KEY, Claim::Holds)
        .or_else(|| of(RELEASED, Claim::Released))
        .or_else(|| of(RETIRED, Claim::Retired))
        .or_else(|| {
            let (since, key_id) = label.strip_prefix(SUPERSEDED)?.split_once('-')?;
            // A time that nobody can have written says nothing.
            let since = since.parse().ok().map(Timestamp::from_second);
            Some((key_id.parse().ok()?, Claim::Superseded(since?.ok())))
        })
}

/// Version ids and their labels, as DescribeSecret gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Whether consumers use this version, or will once its rotation is done.
    #[must_use]
    pub fn in_use(&self, version: &str) -> bool {
        Some(version) == self.current() || Some(version) == self.in_progress()
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

    /// How many labels the secret has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// Every credential that a version's labels name, with the furthest that they say of it.
    #[must_use]
    pub fn claims(&self) -> BTreeMap<(KeyId, &str), Claim> {
        let mut claims = BTreeMap::new();
        for (version, labels) in &self.0 {
            for (key_id, claim) in labels.iter().filter_map(|label| read(label)) {
                let furthest = claims.entry((key_id, version.as_str())).or_insert(claim);
                *furthest = claim.max(*furthest);
            }
        }
        claims
    }

    /// The credentials that this version's labels name: one, but for meddling.
    #[must_use]
    pub fn keys_of(&self, version: &str) -> Vec<KeyId> {
        let claims = self.claims().into_keys();
        let of_it = claims.filter(|(_, holder)| *holder == version);
        of_it.map(|(key_id, _)| key_id).collect()
    }

    /// The labels by which this version names this credential.
    #[must_use]
    pub fn labels_naming(&self, version: &str, key_id: KeyId) -> Vec<&str> {
        let labels = self.0.get(version).into_iter().flatten();
        let naming = labels.filter(|label| read(label).is_some_and(|(named, _)| named == key_id));
        naming.map(String::as_str).collect()
    }

    /// The labels that have nothing to say any more, with their versions: AWSPENDING of a finished rotation,
    /// the proof of one that was given up, and what says of the current version that it is not in use.
    #[must_use]
    pub fn leftovers(&self) -> Vec<(&str, &str)> {
        let is_left = |version: &str, label: &str| match label {
            PENDING => self.leftover() == Some(version),
            PROVED => !self.in_use(version),
            // Releases before marked the time alone, without the credential.
            _ if label.starts_with(SUPERSEDED) && read(label).is_none() => true,
            _ => {
                self.current() == Some(version)
                    && Claim::of(label).is_some_and(|claim| claim > Claim::Holds)
            }
        };
        let all = self.0.iter().flat_map(|(version, labels)| {
            let labels = labels.iter().map(String::as_str);
            labels.map(move |label| (label, version.as_str()))
        });
        all.filter(|(label, version)| is_left(version, label))
            .collect()
    }
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

    const KEY_ID: &str = "0b0b335f-0000-4000-8000-000000000001";

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
    fn every_form_of_label_names_its_credential_and_the_furthest_counts() {
        let key: KeyId = KEY_ID.parse().unwrap();
        let since = Timestamp::from_second(1_795_428_000).unwrap();
        let (held, superseded) = (key_label(key), superseded_label(since, key));
        let some = versions(&[
            ("a", &[PREVIOUS, &held, &superseded, "candidate-x"]),
            ("b", &[&released_label(key)]),
            ("c", &[&retired_label(key), "key-nonsense"]),
        ]);
        let claims = some.claims();
        assert_eq!(claims[&(key, "a")], Claim::Superseded(Some(since)));
        assert_eq!(claims[&(key, "b")], Claim::Released);
        assert_eq!(claims[&(key, "c")], Claim::Retired);
        assert_eq!(some.labels_naming("a", key), vec![&held, &superseded]);
        assert_eq!((some.keys_of("d"), some.count()), (vec![], 7));
    }

    #[test]
    fn an_absurd_time_in_a_label_names_the_credential_and_says_nothing_else() {
        let key: KeyId = KEY_ID.parse().unwrap();
        let absurd = format!("superseded-{}-{KEY_ID}", i64::MAX);
        let some = versions(&[("a", &[&absurd])]);
        assert_eq!(some.claims()[&(key, "a")], Claim::Superseded(None));
        for label in ["superseded-x-y", "superseded-", "superseded-1-", "key-"] {
            assert!(versions(&[("a", &[label])]).claims().is_empty(), "{label}");
        }
    }

    #[test]
    fn what_has_nothing_to_say_any_more_is_left_over() {
        let (released, mark) = (
            format!("released-{KEY_ID}"),
            format!("superseded-7-{KEY_ID}"),
        );
        let some = versions(&[
            ("a", &[PREVIOUS, PENDING, &released]),
            ("b", &[CURRENT, &mark]),
            ("c", &["superseded-1795428000", PROVED]),
        ]);
        let left = some.leftovers();
        let all = [
            (PENDING, "a"),
            (mark.as_str(), "b"),
            (PROVED, "c"),
            ("superseded-1795428000", "c"),
        ];
        assert_eq!(left, all);
        let running = versions(&[("a", &[CURRENT]), ("b", &[PENDING, PROVED])]);
        assert_eq!(running.leftovers(), vec![]);
        let done = versions(&[("a", &[PREVIOUS]), ("b", &[CURRENT, PROVED])]);
        assert_eq!(done.leftovers(), vec![], "until the next proof takes it");
    }
}
