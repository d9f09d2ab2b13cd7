//! [`super::STALLED`]: since when a mailbox has not been in order, and when a person last heard of it,
//! `<since>:<published>/<threshold>` in Unix seconds.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use super::Unreadable;
use crate::policy::{self, Thresholds};

/// Since when a mailbox has not been in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalled {
    /// By the first check that saw it so.
    pub since: Timestamp,
    /// When it was last published.
    published: Option<Published>,
}

/// When it was published, in Unix seconds, and at which threshold: of the defaults, whatever the policy says. Its
/// thresholds are for reminders, and quiet no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Published {
    at: i64,
    threshold: Option<i64>,
}

/// Most of what stands still goes on by itself within a day: a server that was down, a rotation whose function
/// was killed.
pub const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// What stays is published again after this time, also where no end comes nearer.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Published {
    fn now(now: Timestamp, end: Option<Timestamp>) -> Self {
        Self {
            at: now.as_second(),
            threshold: end.and_then(|end| Thresholds::default().urgency(now, end)),
        }
    }

    fn is_to_be_repeated(self, now: Timestamp, end: Option<Timestamp>) -> bool {
        let now_is = Self::now(now, end);
        let a_week_ago = now_is.at.saturating_sub(WEEK.as_secs());
        policy::tightened(self.threshold, now_is.threshold) || self.at <= a_week_ago
    }
}

impl Stalled {
    /// What the tag says.
    #[must_use]
    pub fn read(tag: Option<&str>) -> Option<Self> {
        tag?.parse().ok()
    }

    /// Seen at `now`, after what was seen before.
    #[must_use]
    pub fn seen(before: Option<Self>, now: Timestamp) -> Self {
        before.unwrap_or(Self {
            since: now,
            published: None,
        })
    }

    /// Whether it stands for a day at least.
    #[must_use]
    pub fn for_a_day(self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= A_DAY
    }

    /// Whether a person heard of it.
    #[must_use]
    pub fn was_published(self) -> bool {
        self.published.is_some()
    }

    /// Whether it is to be published now, where that is done once it has stood for so long.
    #[must_use]
    pub fn is_to_be_published(
        self,
        now: Timestamp,
        end: Option<Timestamp>,
        patience: SignedDuration,
    ) -> bool {
        let again = |published: Published| published.is_to_be_repeated(now, end);
        now.duration_since(self.since) >= patience && self.published.is_none_or(again)
    }

    /// Published at `now`.
    #[must_use]
    pub fn published(self, now: Timestamp, end: Option<Timestamp>) -> Self {
        Self {
            published: Some(Published::now(now, end)),
            ..self
        }
    }
}

impl FromStr for Stalled {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        let (since, published) = tag.split_once(':').ok_or(Unreadable)?;
        let since = since.parse().map_err(|_| Unreadable)?;
        let published = published.split_once('/').and_then(|(at, threshold)| {
            Some(Published {
                at: at.parse().ok()?,
                threshold: threshold.parse().ok(),
            })
        });
        Ok(Self {
            since: Timestamp::from_second(since).map_err(|_| Unreadable)?,
            published,
        })
    }
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.since.as_second())?;
        match self.published {
            Some(Published { at, threshold }) => {
                let threshold = threshold.map(|days| days.to_string()).unwrap_or_default();
                write!(f, "{at}/{threshold}")
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::NONE;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            since in 0..4_000_000_000_i64,
            published in prop::option::of((any::<i64>(), prop::option::of(0..=30_i64))),
        ) {
            let published = published.map(|(at, threshold)| Published { at, threshold });
            let since = Timestamp::from_second(since).unwrap();
            let stalled = Stalled { since, published };
            prop_assert!(stalled.to_string().len() <= 256);
            prop_assert_eq!(stalled.to_string().parse(), Ok(stalled));
        }
    }

    #[test]
    fn a_person_hears_of_it_after_a_day_then_at_each_threshold_and_each_week() {
        let end = Some(at("2026-12-31T00:00:00Z"));
        let first = Stalled::seen(None, at("2026-12-01T06:00:00Z"));
        let due = |stalled: Stalled, now: &str| stalled.is_to_be_published(at(now), end, A_DAY);
        assert!(!due(first, "2026-12-02T05:59:59Z"));
        assert!(due(first, "2026-12-02T06:00:00Z"));
        let once = first.published(at("2026-12-02T06:00:00Z"), end);
        assert!(!due(once, "2026-12-09T05:59:59Z"));
        assert!(due(once, "2026-12-09T06:00:00Z"));
        assert!(due(once, "2026-12-30T00:00:00Z"));
    }

    #[test]
    fn an_edited_tag_begins_anew() {
        for tag in ["", NONE, ":", "x:", "99999999999999999999:", "nonsense"] {
            assert_eq!(Stalled::read(Some(tag)), None, "{tag}");
        }
    }
}
