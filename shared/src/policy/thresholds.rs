//! At how many days before an end people are reminded: `30/14/7/3/1`.

use std::str::FromStr;

use jiff::Timestamp;

/// Days before the end, the nearest first, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds(Vec<i64>);

/// The text is not a list of thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one to ten numbers of days from 1 to 366, such as 30/14/7/3/1")]
pub struct NotThresholds;

const MOST: usize = 10;
const FARTHEST: i64 = 366;

impl Default for Thresholds {
    fn default() -> Self {
        Self(vec![1, 3, 7, 14, 30])
    }
}

impl Thresholds {
    /// The threshold that a secret which ends at `end` has reached: the smallest number of days of them that is
    /// not less than what is left; `None` before the first and after the end.
    #[must_use]
    pub fn reached(&self, now: Timestamp, end: Timestamp) -> Option<i64> {
        let left = end.duration_since(now);
        let mut reached = self
            .0
            .iter()
            .filter(|days| left.as_secs() <= **days * 86_400);
        reached.next().copied().filter(|_| left.is_positive())
    }

    /// The threshold, or 0 where it has ended.
    #[must_use]
    pub fn urgency(&self, now: Timestamp, end: Timestamp) -> Option<i64> {
        if end <= now {
            return Some(0);
        }
        self.reached(now, end)
    }
}

/// Whether a reminder is due: a nearer threshold was reached than when the last one was published.
#[must_use]
pub fn tightened(published: Option<i64>, now: Option<i64>) -> bool {
    now.is_some_and(|now| published.is_none_or(|published| now < published))
}

impl FromStr for Thresholds {
    type Err = NotThresholds;

    fn from_str(text: &str) -> Result<Self, NotThresholds> {
        let day = |part: &str| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            let days: Option<i64> = part.parse().ok().filter(|_| digits);
            days.filter(|days| (1..=FARTHEST).contains(days))
        };
        let days: Option<Vec<i64>> = text.split('/').map(day).collect();
        let mut days = days
            .filter(|days| days.len() <= MOST)
            .ok_or(NotThresholds)?;
        days.sort_unstable();
        days.dedup();
        Ok(Self(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_threshold_is_reached_7_days_before_the_end_at_the_latest() {
        let end = at("2026-12-31T00:00:00Z");
        let reached = |now| Thresholds::default().reached(at(now), end);
        assert_eq!(reached("2026-11-30T23:59:59Z"), None);
        assert_eq!(reached("2026-12-01T00:00:00Z"), Some(30));
        assert_eq!(reached("2026-12-24T00:00:00Z"), Some(7));
        assert_eq!(reached("2026-12-30T12:00:00Z"), Some(1));
        assert_eq!(reached("2026-12-31T00:00:00Z"), None);
        assert_eq!(
            Thresholds::default().urgency(at("2027-12-31T00:00:00Z"), end),
            Some(0)
        );
    }

    #[test]
    fn thresholds_are_days_in_any_order() {
        let read: Thresholds = "7/60/7/21".parse().unwrap();
        assert_eq!(read, Thresholds(vec![7, 21, 60]));
        for text in [
            "",
            "/",
            "7/",
            "0",
            "367",
            "-7",
            "+7",
            "7,3",
            "P7D",
            "none",
            "7 3",
            "1/2/3/4/5/6/7/8/9/10/11",
        ] {
            assert_eq!(text.parse::<Thresholds>(), Err(NotThresholds), "{text}");
        }
    }

    #[test]
    fn a_reminder_is_due_at_a_nearer_threshold_and_not_before() {
        assert!(!tightened(None, None));
        assert!(tightened(None, Some(30)));
        assert!(!tightened(Some(30), Some(30)));
        assert!(tightened(Some(30), Some(14)));
        assert!(tightened(Some(1), Some(0)));
        // A secret that was replaced meanwhile ends later: that is no reminder.
        assert!(!tightened(Some(3), Some(30)));
        assert!(!tightened(Some(3), None));
    }

    proptest! {
        #[test]
        fn with_less_time_left_no_threshold_is_farther(a in 1_i64..4_000_000, b in 1_i64..4_000_000) {
            let end = at("2026-12-31T00:00:00Z");
            let reached = |left: i64| {
                let now = end - SignedDuration::from_secs(left);
                Thresholds::default().reached(now, end).unwrap_or(i64::MAX)
            };
            prop_assert!(reached(a.min(b)) <= reached(a.max(b)));
        }
    }
}
