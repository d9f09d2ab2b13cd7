//! What there is to say of a superseded credential that is kept. Pure.

use jiff::Timestamp;
use shared::policy::Thresholds;
use shared::tags::superseded::{Warned, Why};

use super::superseded::{Owner, Superseded, Use};

/// The last of an end's default thresholds, in days: a policy's own are for the reminders of the client secret in use.
const LAST_WEEK: i64 = 7;

/// What there is to say of a superseded credential that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warning {
    /// How near its end is, and what else there is.
    pub(crate) warned: Warned,
    /// It was made by hand: whoever else was given it should know that it goes.
    pub(crate) by_hand: bool,
}

impl Warning {
    pub(crate) fn of(of: Superseded<'_>, now: Timestamp) -> Option<Self> {
        // One that is known by its id alone is not taken away.
        let by_hand = of.credential.marker().is_none() && of.owner != Owner::NamedOnly;
        let why = match of.used {
            Use::Since => Why::Used,
            Use::Unknown | Use::NotSince => Why::EndOnly,
        };
        let watched = of.attended && of.used != Use::NotSince;
        let end = of.credential.end.filter(|_| watched);
        let threshold = end.and_then(|end| Thresholds::default().reached(now, end));
        let threshold = threshold.filter(|days| *days <= LAST_WEEK);
        let warning = Self {
            warned: Warned { threshold, why },
            by_hand,
        };
        (why == Why::Used || by_hand || threshold.is_some()).then_some(warning)
    }

    /// Of one that leaked and is kept all the same.
    pub(crate) fn of_a_leak() -> Self {
        Self {
            warned: Warned {
                threshold: None,
                why: Why::Leaked,
            },
            by_hand: false,
        }
    }

    /// Than what was published before.
    pub(crate) fn says_more_than(self, before: Warned) -> bool {
        let Warned { threshold, why } = self.warned;
        let nearer =
            threshold.is_some_and(|now| before.threshold.is_none_or(|before| now < before));
        nearer || why != Why::EndOnly && why != before.why
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::superseded::tests::{at, issued, of};
    use super::*;

    #[test]
    fn the_end_of_a_superseded_secret_is_published_once_at_each_threshold_of_the_last_week() {
        let credential = issued();
        let attended = Superseded {
            attended: true,
            ..of(&credential)
        };
        let at_days =
            |days: i64| at("2027-01-15T00:00:00Z") - SignedDuration::from_hours(24 * days);
        assert_eq!(Warning::of(attended, at_days(8)), None);
        let week = Warning::of(attended, at_days(7)).unwrap();
        let three = Warning::of(attended, at_days(3)).unwrap();
        assert!(
            !Warning::of(attended, at_days(4))
                .unwrap()
                .says_more_than(week.warned)
        );
        assert!(three.says_more_than(week.warned));
        let unused = Superseded {
            used: Use::NotSince,
            ..attended
        };
        assert_eq!(Warning::of(unused, at_days(1)), None);
    }
}
