//! [`super::DRIFT`]: what was last found not to be as it was left, `<hash>.<hash>…@<time>`. The time is of the last
//! change: a check's in Unix seconds, or a promoted version. A `+` before a hash: seen once, and published when a
//! second check sees it too.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::NONE;
use crate::drift::{Drift, DriftKind};
use crate::short_hash::short_hash;

/// What earlier checks saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenDrift {
    hashes: Vec<String>,
    since: Option<String>,
}

/// So many fit into a tag's 256 characters, what is published before what is not. Beyond this, what needs no second look is
/// published again by each check that finds a change.
const MOST: usize = 24;

impl SeenDrift {
    /// What the tag says.
    #[must_use]
    pub fn read(tag: Option<&str>) -> Self {
        tag.unwrap_or(NONE).parse().unwrap_or_default()
    }

    /// All is as it was left, since this promotion.
    #[must_use]
    pub fn none_since(version: &str) -> Self {
        Self {
            hashes: Vec::new(),
            since: Some(version.to_owned()),
        }
    }

    /// What this check leaves in the tag: what is `published` and what is `unsure` yet. Where not `all_seen`, what
    /// is not seen may stand all the same.
    #[must_use]
    pub fn next(
        &self,
        now: Timestamp,
        published: &[Drift],
        unsure: &[Drift],
        all_seen: bool,
    ) -> Self {
        let mut hashes: Vec<String> = published.iter().map(hash).collect();
        hashes.extend(unsure.iter().map(|drift| format!("+{}", hash(drift))));
        if !all_seen {
            let bare = |hash: &str| hash.trim_start_matches('+').to_owned();
            let seen: Vec<String> = hashes.iter().map(|hash| bare(hash)).collect();
            let unseen = self
                .hashes
                .iter()
                .filter(|hash| !seen.contains(&bare(hash)));
            hashes.extend(unseen.cloned());
        }
        hashes.sort_by_key(|hash| (hash.starts_with('+'), hash.clone()));
        hashes.dedup();
        hashes.truncate(MOST);
        hashes.sort();
        Self {
            hashes,
            since: Some(now.as_second().to_string()),
        }
    }

    /// Whether both say the same of what is not as it was left.
    #[must_use]
    pub fn is_the_same_as(&self, other: &Self) -> bool {
        self.hashes == other.hashes
    }

    /// Whether all is as it was left.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether it was published.
    #[must_use]
    pub fn published(&self, drift: &Drift) -> bool {
        self.hashes.contains(&hash(drift))
    }

    /// Whether another check saw it before the one at `now`; a check that is delivered twice has one time.
    #[must_use]
    pub fn before(&self, now: Timestamp, drift: &Drift) -> bool {
        let seen = self.published(drift) || self.hashes.contains(&format!("+{}", hash(drift)));
        seen && self.since.as_deref() != Some(&now.as_second().to_string())
    }

    /// Whether it needs no second look.
    #[must_use]
    pub fn is_sure(&self, now: Timestamp, drift: &Drift) -> bool {
        !is_seen_twice(drift.what) || self.published(drift) || self.before(now, drift)
    }
}

/// Drift that rests on what may be late (what Graph's replicas show of a registration, or the dates of a schedule, which Secrets Manager moves on by
/// itself after a rotation), or on an answer that servers also give by mistake. Published when a second check sees it too.
fn is_seen_twice(what: DriftKind) -> bool {
    match what {
        DriftKind::CredentialMissing
        | DriftKind::BackstopEarly
        | DriftKind::BackstopLate
        | DriftKind::MailNotChecked
        | DriftKind::RotatorMayNotManage
        | DriftKind::RotatorIsNoOwner
        | DriftKind::NoRoomForSecret
        | DriftKind::ClientSecretsForbidden
        | DriftKind::RedirectUriMissing
        | DriftKind::ShopNotVisible => true,
        DriftKind::Unusable(unusable) => unusable.may_be_a_mistake(),
        DriftKind::NoCurrentVersion
        | DriftKind::RegistrationMissing
        | DriftKind::SecretRefused
        | DriftKind::KeyIdIsAnothers
        | DriftKind::ClientSecretIsAnId
        | DriftKind::ClientSecretEndsInLineBreak
        | DriftKind::ConnectionNotAuthorized
        | DriftKind::ConnectionDisabled
        | DriftKind::ConnectionHoldsAnotherSecret
        | DriftKind::RotationOff
        | DriftKind::LeakedSecretStillValid
        | DriftKind::SupersededSecretInUse => false,
    }
}

fn hash(drift: &Drift) -> String {
    let at = drift.connection.as_ref().map(ToString::to_string);
    short_hash(&format!("{} {}", drift.what.code(), at.unwrap_or_default()))
}

impl FromStr for SeenDrift {
    type Err = Infallible;

    fn from_str(tag: &str) -> Result<Self, Infallible> {
        let (hashes, since) = match tag.split_once('@') {
            Some((hashes, since)) => (hashes, Some(since.to_owned())),
            None => (tag, None),
        };
        let hashes = hashes.split('.').filter(|hash| *hash != NONE);
        Ok(Self {
            hashes: hashes.map(str::to_owned).collect(),
            since,
        })
    }
}

impl fmt::Display for SeenDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hashes.as_slice() {
            [] => f.write_str(NONE)?,
            hashes => f.write_str(&hashes.join("."))?,
        }
        self.since
            .iter()
            .try_for_each(|since| write!(f, "@{since}"))
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            hashes in prop::collection::vec(r"\+?[0-9a-f]{8}", 0..=MOST),
            since in prop::option::of("[a-zA-Z0-9-]{1,64}"),
        ) {
            let seen = SeenDrift { hashes, since };
            prop_assert_eq!(seen.to_string().parse(), Ok(seen));
        }

        #[test]
        fn what_is_read_is_written_again(tag in r"[+0-9a-f.@]{0,40}") {
            prop_assert_eq!(SeenDrift::read(Some(&tag)).to_string(), tag);
        }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + hour * 3600).unwrap()
    }

    #[test]
    fn what_rests_on_one_look_is_sure_at_the_second_check_and_not_at_the_same() {
        let missing = [Drift::from(DriftKind::CredentialMissing)];
        let none = SeenDrift::read(None);
        assert_eq!(none.to_string(), NONE);
        assert!(!none.is_sure(at(0), &missing[0]));
        let once = none.next(at(0), &[], &missing, true);
        assert!(once.to_string().starts_with('+'), "{once}");
        assert!(!once.is_sure(at(0), &missing[0]), "delivered twice");
        assert!(once.is_sure(at(6), &missing[0]) && !once.published(&missing[0]));
    }

    #[test]
    fn of_more_than_a_tag_holds_each_is_published_once() {
        let at_connection = |number: usize| Drift {
            what: DriftKind::ShopNotVisible,
            connection: serde_json::from_value(format!("orders-{number}").into()).ok(),
        };
        let all: Vec<Drift> = (0..=MOST + 5).map(at_connection).collect();
        let mut seen = SeenDrift::read(None);
        let mut published = 0;
        for hour in 0..6 {
            let (sure, unsure): (Vec<Drift>, Vec<Drift>) = all
                .iter()
                .cloned()
                .partition(|drift| seen.is_sure(at(hour), drift));
            published += sure.iter().filter(|drift| !seen.published(drift)).count();
            seen = seen.next(at(hour), &sure, &unsure, hour % 2 == 0);
        }
        assert_eq!(published, MOST);
    }

    #[test]
    fn what_a_check_could_not_look_for_stands_on() {
        let (a, b) = (DriftKind::SecretRefused, DriftKind::ConnectionDisabled);
        let (a, b) = (Drift::from(a), Drift::from(b));
        let first = SeenDrift::none_since("v").next(at(0), slice::from_ref(&a), &[], true);
        let later = first.next(at(6), slice::from_ref(&b), &[], false);
        assert!(later.published(&a) && later.published(&b));
        assert!(first.next(at(6), &[a], &[], false).is_the_same_as(&first));
    }

    #[test]
    fn the_most_that_is_seen_fits_into_a_tag() {
        let drifts = |from: usize| -> Vec<Drift> {
            let ids =
                (from..from + 40).map(|n| serde_json::from_value(format!("c-{n}").into()).unwrap());
            let drift = |id| Drift {
                what: DriftKind::ConnectionDisabled,
                connection: Some(id),
            };
            ids.map(drift).collect()
        };
        let seen = SeenDrift::default().next(at(0), &drifts(0), &drifts(40), true);
        let seen = seen.next(at(6), &drifts(80), &[], false);
        assert!(seen.to_string().len() <= 256, "{seen}");
    }
}
