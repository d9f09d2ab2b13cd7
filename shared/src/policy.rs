//! When a client secret is renewed, when its people are reminded, and when nothing may be touched.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config::Reader;
use crate::failure::{Failure, Kind};
use crate::period::Period;

/// The tag that holds a mailbox's own policy, as `renew-before=P45D hard-stop=P5D
/// freeze=2026-11-23/2026-12-28`. What it leaves out comes from the settings.
pub const TAG: &str = "shopmail:policy";

/// The thresholds of the reminders, in days before the end.
pub const THRESHOLDS: [i64; 5] = [30, 14, 7, 3, 1];

/// The policy of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long before its end a client secret is renewed.
    pub renew_before: Period,
    /// From here to the end a freeze no longer holds a rotation back.
    pub hard_stop: Period,
    /// First and last day (UTC, both included) of times in which nothing is rotated.
    pub freezes: Vec<(Date, Date)>,
}

/// What the policy says of a client secret now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do yet.
    Fresh,
    /// Renew it.
    Due,
    /// It would be due, but a freeze holds.
    Frozen,
    /// It has ended: mail stands still.
    Expired,
}

impl Policy {
    /// Reads `RENEW_BEFORE` (default `P30D`) and `HARD_STOP` (default `P7D`).
    pub fn read<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> Self {
        Self {
            renew_before: reader.or("RENEW_BEFORE", Period::days(30)),
            hard_stop: reader.or("HARD_STOP", Period::days(7)),
            freezes: Vec::new(),
        }
    }

    /// This policy, changed by what the mailbox's tag says.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming the word of the tag that is wrong.
    pub fn with_tag(mut self, tag: Option<&str>) -> Result<Self, Failure> {
        for word in tag.unwrap_or_default().split_ascii_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            match name {
                "renew-before" => self.renew_before = period(name, value)?,
                "hard-stop" => self.hard_stop = period(name, value)?,
                "freeze" => self.freezes.push(freeze(value)?),
                // The name of a policy, without a setting of its own.
                "default" => {}
                _ => {
                    return Err(wrong("a word is not renew-before=, hard-stop= or freeze="));
                }
            }
        }
        Ok(self)
    }

    /// What to do about a client secret that lives from `start` (where that is known) to `end`. A
    /// short-lived one is renewed in the last third of its life, or it would always be due.
    #[must_use]
    pub fn verdict(&self, now: Timestamp, start: Option<Timestamp>, end: Timestamp) -> Verdict {
        let left = end.duration_since(now);
        let renew_before = self.before_end(start.map(|start| end.duration_since(start)));
        if !left.is_positive() {
            Verdict::Expired
        } else if left > renew_before {
            Verdict::Fresh
        } else if self.holds_back(now, end) {
            Verdict::Frozen
        } else {
            Verdict::Due
        }
    }

    /// When a client secret that lives for `lifetime` and ends at `end` is renewed, freezes left aside.
    #[must_use]
    pub fn renewal(&self, lifetime: SignedDuration, end: Timestamp) -> Timestamp {
        end.checked_sub(self.before_end(Some(lifetime)))
            .unwrap_or(end)
    }

    /// Whether it is renewed within the next 60 days, or within a twelfth of its life, if that is less.
    #[must_use]
    pub fn is_due_soon(&self, now: Timestamp, start: Timestamp, end: Timestamp) -> bool {
        let lifetime = end.duration_since(start);
        let soon = SignedDuration::from_hours(60 * 24).min(lifetime / 12);
        self.renewal(lifetime, end).duration_since(now) <= soon
    }

    fn before_end(&self, lifetime: Option<SignedDuration>) -> SignedDuration {
        let renew_before = self.renew_before.signed();
        lifetime.map_or(renew_before, |lifetime| renew_before.min(lifetime / 3))
    }

    /// Whether a freeze holds a rotation back that comes now: in a freeze, and before the hard stop.
    #[must_use]
    pub fn holds_back(&self, now: Timestamp, end: Timestamp) -> bool {
        self.is_frozen(now) && end.duration_since(now) > self.hard_stop.signed()
    }

    /// Whether a freeze has begun and not ended: nothing that worked is taken away then.
    #[must_use]
    pub fn is_frozen(&self, now: Timestamp) -> bool {
        let today = now.to_zoned_datetime(TimeZone::UTC).date();
        let mut freezes = self.freezes.iter();
        freezes.any(|(first, last)| *first <= today && today <= *last)
    }
}

/// The threshold that a secret which ends at `end` has reached: the smallest number of days of them that is not
/// less than what is left; `None` before the first and after the end.
#[must_use]
pub fn threshold(now: Timestamp, end: Timestamp) -> Option<i64> {
    let left = end.duration_since(now);
    if !left.is_positive() {
        return None;
    }
    let within = |days: &&i64| left.as_secs() <= **days * 86_400;
    THRESHOLDS.iter().rev().find(within).copied()
}

/// The threshold, or 0 where it has ended.
#[must_use]
pub fn urgency(now: Timestamp, end: Timestamp) -> Option<i64> {
    if end <= now {
        return Some(0);
    }
    threshold(now, end)
}

/// Whether a reminder is due: a nearer threshold was reached than when the last one was published.
#[must_use]
pub fn tightened(published: Option<i64>, now: Option<i64>) -> bool {
    now.is_some_and(|now| published.is_none_or(|published| now < published))
}

fn period(name: &str, value: &str) -> Result<Period, Failure> {
    value
        .parse()
        .map_err(|error| wrong(&format!("{name} is {error}")))
}

fn freeze(value: &str) -> Result<(Date, Date), Failure> {
    let read = || {
        let (first, last) = value.split_once('/')?;
        let (first, last): (Date, Date) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some((first, last))
    };
    read()
        .ok_or_else(|| wrong("freeze is not <first day>/<last day>, such as 2026-11-23/2026-12-28"))
}

fn wrong(problem: &str) -> Failure {
    Failure::new(
        Kind::Misconfigured,
        format!("reading the tag {TAG}: {problem}"),
    )
    .next_step("Correct the tag.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        Policy {
            renew_before: Period::days(30),
            hard_stop: Period::days(7),
            freezes: Vec::new(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn renews_when_little_time_is_left_and_not_in_a_freeze_before_the_hard_stop() {
        let end = at("2026-12-31T00:00:00Z");
        assert_eq!(
            policy().verdict(at("2026-11-30T23:59:59Z"), None, end),
            Verdict::Fresh
        );
        assert_eq!(
            policy().verdict(at("2026-12-01T00:00:00Z"), None, end),
            Verdict::Due
        );
        assert_eq!(policy().verdict(end, None, end), Verdict::Expired);
        let frozen = policy()
            .with_tag(Some("freeze=2026-12-10/2026-12-28"))
            .unwrap();
        assert_eq!(
            frozen.verdict(at("2026-12-10T00:00:00Z"), None, end),
            Verdict::Frozen
        );
        assert_eq!(
            frozen.verdict(at("2026-12-23T23:59:59Z"), None, end),
            Verdict::Frozen
        );
        assert_eq!(
            frozen.verdict(at("2026-12-24T00:00:00Z"), None, end),
            Verdict::Due
        );
        assert_eq!(
            frozen.verdict(at("2026-12-29T00:00:00Z"), None, end),
            Verdict::Due
        );
    }

    #[test]
    fn a_short_lived_secret_is_not_due_on_the_day_it_is_made() {
        let (start, end) = (at("2026-12-01T00:00:00Z"), at("2026-12-31T00:00:00Z"));
        let verdict = |now: &str| policy().verdict(at(now), Some(start), end);
        assert_eq!(verdict("2026-12-20T23:59:59Z"), Verdict::Fresh);
        assert_eq!(verdict("2026-12-21T00:00:00Z"), Verdict::Due);
    }

    #[test]
    fn a_threshold_is_reached_7_days_before_the_end_at_the_latest() {
        let end = at("2026-12-31T00:00:00Z");
        assert_eq!(threshold(at("2026-11-30T00:00:00Z"), end), None);
        assert_eq!(threshold(at("2026-12-01T00:00:00Z"), end), Some(30));
        assert_eq!(threshold(at("2026-12-24T00:00:00Z"), end), Some(7));
        assert_eq!(threshold(at("2026-12-30T12:00:00Z"), end), Some(1));
        assert_eq!(threshold(end, end), None);
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

    #[test]
    fn a_wrong_word_in_the_tag_is_named() {
        for (tag, named) in [
            ("renew-before=soon", "renew-before"),
            ("freeze=2026-12-28/2026-12-01", "freeze"),
            ("holiday", "word"),
        ] {
            let error = policy().with_tag(Some(tag)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    proptest! {
        #[test]
        fn with_less_time_left_no_threshold_is_farther(a in 1_i64..4_000_000, b in 1_i64..4_000_000) {
            let end = at("2026-12-31T00:00:00Z");
            let threshold_at = |left: i64| threshold(end - jiff::SignedDuration::from_secs(left), end).unwrap_or(i64::MAX);
            prop_assert!(threshold_at(a.min(b)) <= threshold_at(a.max(b)));
        }

        #[test]
        fn no_tag_makes_the_reader_panic(tag in ".*") {
            let _ = policy().with_tag(Some(&tag));
        }
    }
}
