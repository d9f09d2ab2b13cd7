//! [`super::OPEN`]: what people were told is wrong and was not told to be over, `<version>:<trouble>@<since>.…`, with
//! the version that was AWSCURRENT and the time of the first look that saw it, in Unix seconds. A trouble is a letter;
//! a drift one more, and a hash of its connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::Unreadable;
use super::published_failures::PublishedFailures;
use super::reminded::Reminded;
use super::seen_drift::SeenDrift;
use super::stalled::Stalled;
use super::state::State;
use crate::drift::{Drift, DriftKind};
use crate::events::{OpenTrouble, Trouble};
use crate::ids::ConnectionId;
use crate::secret_store::versions::Versions;
use crate::short_hash::short_hash;

/// What people were told is wrong, while a version was current.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenTroubles {
    version: String,
    /// By what stands for the trouble: since when.
    since: BTreeMap<String, i64>,
}

/// So many fit into a tag's 256 characters. What is beyond this is not told to be over.
const MOST: usize = 8;

const DRIFT: char = 'd';

impl OpenTroubles {
    /// What the tag says.
    #[must_use]
    pub fn read(tag: Option<&str>) -> Self {
        tag.and_then(|tag| tag.parse().ok()).unwrap_or_default()
    }

    /// Nothing, with this version current.
    #[must_use]
    pub fn none(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            since: BTreeMap::new(),
        }
    }

    /// The version that was current; empty where nothing was ever noted, or none was.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What a look at `now`, with this version current, leaves in the tag: what is `open`, and what of this is `kept`.
    #[must_use]
    pub fn next(
        &self,
        version: &str,
        now: Timestamp,
        open: &BTreeSet<Trouble>,
        kept: &Self,
    ) -> Self {
        let since = |key: &String| {
            let before = self.since.get(key).copied();
            before.unwrap_or(now.as_second())
        };
        let new = open.iter().map(key).map(|key| (key.clone(), since(&key)));
        Self {
            version: version.to_owned(),
            since: kept.since.clone().into_iter().chain(new).collect(),
        }
    }

    /// One more, seen at `now` with this version current.
    #[must_use]
    pub fn with(mut self, version: &str, now: Timestamp, trouble: &Trouble) -> Self {
        version.clone_into(&mut self.version);
        let key = key(trouble);
        self.since.entry(key).or_insert(now.as_second());
        self
    }

    /// All of it; a connection that is none of `connections` is not named.
    #[must_use]
    pub fn all(&self, connections: &[ConnectionId]) -> Vec<OpenTrouble> {
        let all = self.since.iter().filter_map(|(key, since)| {
            Some(OpenTrouble {
                trouble: trouble(key, connections)?,
                since: Timestamp::from_second(*since).ok(),
            })
        });
        all.collect()
    }

    /// Whether it has this one.
    #[must_use]
    pub fn has(&self, trouble: &Trouble) -> bool {
        self.since.contains_key(&key(trouble))
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// What of it is not in what a later look leaves.
    #[must_use]
    pub fn over(&self, next: &Self, connections: &[ConnectionId]) -> Vec<OpenTrouble> {
        let since = self.since.iter();
        let over = since.filter(|(key, _)| !next.since.contains_key(*key));
        let over = Self {
            version: self.version.clone(),
            since: over.map(|(key, since)| (key.clone(), *since)).collect(),
        };
        over.all(connections)
    }
}

/// What the other tags say was published while `current` had AWSCURRENT, and is not over; of drift they do not tell.
#[must_use]
pub fn published(
    tags: &BTreeMap<String, String>,
    versions: &Versions,
    current: &str,
) -> BTreeSet<Trouble> {
    let tag = |key: &str| tags.get(key).map(String::as_str);
    let mut open = BTreeSet::new();
    let state = State::read(tag(super::STATE));
    let asked = |token: &str| state.as_ref().is_some_and(|s| s.asked(token).is_some());
    if versions.in_progress().is_some_and(asked) {
        open.insert(Trouble::WaitingForPerson);
    }
    if asked(current) {
        open.insert(Trouble::PermissionEnding);
    }
    if !PublishedFailures::read(tag(super::PUBLISHED_FAILURES), current).is_empty() {
        open.insert(Trouble::RotationFailed);
    }
    if Stalled::read(tag(super::STALLED)).is_some_and(Stalled::was_published) {
        open.insert(Trouble::Stalled);
    }
    if Reminded::covers(tag(super::REMINDED), current, 0) {
        open.insert(Trouble::Expired);
    } else if Reminded::covers(tag(super::REMINDED), current, i64::MAX) {
        open.insert(Trouble::Expiring);
    }
    open
}

impl OpenTroubles {
    /// The drift among it that is not seen to be over. Where the connections could not be looked at, all of it.
    #[must_use]
    pub fn drift_still_seen(&self, seen: &SeenDrift, connections: Option<&[ConnectionId]>) -> Self {
        let stands = |key: &str| {
            let known = connections.map(|connections| trouble(key, connections));
            match known {
                None => key.starts_with(DRIFT),
                Some(Some(Trouble::Drift { what, connection })) => {
                    seen.published(&Drift { what, connection })
                }
                Some(_) => false,
            }
        };
        let since = self.since.iter().filter(|(key, _)| stands(key));
        Self {
            version: self.version.clone(),
            since: since.map(|(key, since)| (key.clone(), *since)).collect(),
        }
    }
}

/// What stands for a trouble in the tag.
fn key(trouble: &Trouble) -> String {
    match trouble {
        Trouble::WaitingForPerson => "w".to_owned(),
        Trouble::PermissionEnding => "p".to_owned(),
        Trouble::RotationFailed => "f".to_owned(),
        Trouble::Stalled => "s".to_owned(),
        Trouble::Expiring => "n".to_owned(),
        Trouble::Expired => "e".to_owned(),
        Trouble::Drift { what, connection } => {
            let at = connection.as_ref().map(|id| short_hash(id.as_str()));
            format!("{DRIFT}{}{}", letter(*what), at.unwrap_or_default())
        }
    }
}

fn letter(what: DriftKind) -> char {
    let letters = DriftKind::ALL.into_iter().zip(('a'..='z').chain('A'..='Z'));
    let mut of_this = letters.filter(|(kind, _)| *kind == what);
    of_this.next().map_or('?', |(_, letter)| letter)
}

fn trouble(of: &str, connections: &[ConnectionId]) -> Option<Trouble> {
    let plain = [
        Trouble::WaitingForPerson,
        Trouble::PermissionEnding,
        Trouble::RotationFailed,
        Trouble::Stalled,
        Trouble::Expiring,
        Trouble::Expired,
    ];
    if let Some(plain) = plain.into_iter().find(|trouble| key(trouble) == of) {
        return Some(plain);
    }
    let mut letters = of.strip_prefix(DRIFT)?.chars();
    let kind = letters.next()?;
    let at = letters.as_str();
    let what = DriftKind::ALL.into_iter().find(|k| letter(*k) == kind)?;
    let mut ids = connections.iter();
    let connection = ids.find(|id| !at.is_empty() && short_hash(id.as_str()) == at);
    Some(Trouble::Drift {
        what,
        connection: connection.cloned(),
    })
}

impl FromStr for OpenTroubles {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        // From the right: AWS checks of a token that somebody chose its length only.
        let (version, entries) = tag.rsplit_once(':').ok_or(Unreadable)?;
        let entries = entries.split('.').filter(|entry| !entry.is_empty());
        let since = entries.map(|entry| {
            let (key, since) = entry.split_once('@')?;
            Some((key.to_owned(), since.parse().ok()?))
        });
        Ok(Self {
            version: version.to_owned(),
            since: since.collect::<Option<_>>().ok_or(Unreadable)?,
        })
    }
}

impl fmt::Display for OpenTroubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.since.iter().take(MOST);
        let entries = entries.map(|(key, since)| format!("{key}@{since}"));
        let entries = entries.collect::<Vec<_>>().join(".");
        write!(f, "{}:{entries}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> ConnectionId {
        serde_json::from_value(text.into()).unwrap()
    }

    fn troubles() -> impl Strategy<Value = BTreeSet<Trouble>> {
        let connection = prop::option::of(prop_oneof![Just("orders-in"), Just("orders-out")]);
        let drift = (0..DriftKind::ALL.len(), connection).prop_map(|(n, at)| Trouble::Drift {
            what: DriftKind::ALL[n],
            connection: at.map(id),
        });
        let any = prop_oneof![
            Just(Trouble::WaitingForPerson),
            Just(Trouble::PermissionEnding),
            Just(Trouble::RotationFailed),
            Just(Trouble::Stalled),
            Just(Trouble::Expiring),
            Just(Trouble::Expired),
            drift,
        ];
        prop::collection::btree_set(any, 0..=MOST)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            version in "[a-zA-Z0-9:-]{1,64}",
            open in troubles(),
            now in 0..=9_999_999_999_i64,
        ) {
            let now = Timestamp::from_second(now).unwrap();
            let noted = OpenTroubles::default().next(&version, now, &open, &OpenTroubles::default());
            let tag = noted.to_string();
            prop_assert!(tag.len() <= 256, "{tag}");
            let read: OpenTroubles = tag.parse().unwrap();
            let all = read.all(&[id("orders-in"), id("orders-out")]);
            prop_assert_eq!(all.into_iter().map(|open| open.trouble).collect::<BTreeSet<_>>(), open);
            prop_assert_eq!(read, noted);
        }

        #[test]
        fn no_tag_makes_the_reader_panic(tag in ".*") {
            let _ = OpenTroubles::read(Some(&tag)).all(&[]);
        }
    }

    #[test]
    fn what_stands_keeps_its_time_and_what_does_not_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let drift = Trouble::Drift {
            what: DriftKind::ConnectionDisabled,
            connection: Some(id("orders-in")),
        };
        let both = BTreeSet::from([Trouble::Stalled, drift.clone()]);
        let none = OpenTroubles::default();
        let first = none.next("c", at(1000), &both, &none);
        let second = first.next("c", at(2000), &BTreeSet::from([drift.clone()]), &none);
        let over = OpenTrouble {
            trouble: Trouble::Stalled,
            since: Some(at(1000)),
        };
        assert_eq!(first.over(&second, &[]), [over]);
        let still = OpenTrouble {
            trouble: drift,
            since: Some(at(1000)),
        };
        assert_eq!(second.all(&[id("orders-in")]), [still]);
        assert_eq!(second.over(&second, &[]), []);
        // Where the connections could not be looked at, what is at one of them stands.
        let seen = SeenDrift::default();
        assert_eq!(second.drift_still_seen(&seen, None), second);
        let looked_at = second.drift_still_seen(&seen, Some(&[id("orders-in")]));
        assert!(looked_at.since.is_empty());
    }

    #[test]
    fn each_trouble_has_an_entry_of_its_own() {
        let kinds = DriftKind::ALL.map(letter);
        assert_eq!(BTreeSet::from(kinds).len(), kinds.len());
        assert!(!kinds.contains(&'?'));
    }
}
