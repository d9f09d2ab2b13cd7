//! Whether the backstop comes when it should: Secrets Manager's own schedule, for the day on which nobody checks.
//! Pure.

use jiff::{SignedDuration, Timestamp};
use shared::drift::DriftKind;
use shared::rotation::inspection::Facts;

use super::found::Found;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// `AutomaticallyAfterDays` is at most 1,000 (Secrets Manager API, RotationRulesType); a rate is taken to be, too.
const MOST_DAYS: i64 = 1000;
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where the schedule does not fall between the client secret's renewal and its last week.
pub fn misplaced(found: &Found, facts: &Facts, now: Timestamp) -> Option<DriftKind> {
    let secret = &found.secret;
    let (start, next) = facts.start.zip(secret.next_rotation)?;
    let settled = secret.rotation_enabled && secret.versions.in_progress().is_none();
    // The dates move on after a promotion, and for a moment are still the ones before it.
    let stale = secret.last_rotated.is_some_and(|rotated| rotated < start);
    // A date that is over is a rotation that failed, which is told elsewhere.
    if !settled || stale || next <= now {
        return None;
    }
    let end = facts.expires_at?;
    let lifetime = end.duration_since(start);
    let renewal = found.policy.renewal(lifetime, end);
    // A short-lived one has no week to spare.
    let last_week = WEEK.min(end.duration_since(renewal) / 2);
    // "On or before this date": the latest moment of a window, which is within a day (Secrets Manager API,
    // DescribeSecret, NextRotationDate; RotationRulesType, Duration). No window of a schedule that fits a life of some
    // days is so long.
    let tolerance = DAY.min(last_week);
    if next < renewal.checked_sub(tolerance).unwrap_or(renewal) {
        return Some(DriftKind::BackstopEarly);
    }
    // A secret that a person put was of any age that day, and its successor will not be.
    if !facts.issued_here {
        return None;
    }
    // What a person took for the hand-over is no fault of the schedule's.
    let counted_from = secret.last_rotated.unwrap_or(start);
    let late = next.duration_since(counted_from) > lifetime - last_week + tolerance;
    late.then_some(DriftKind::BackstopLate)
}

/// Days after which a schedule falls in the middle of where it belongs, for a client secret that lives as long as this one.
pub fn days(found: &Found, facts: &Facts) -> i64 {
    // One that a person made lives as long as they wished, and its successor by the delivery, if nobody said otherwise.
    let known = facts
        .start
        .zip(facts.expires_at)
        .filter(|_| facts.issued_here);
    let by_delivery = if facts.has_attended() { 730 } else { 180 };
    let since = Timestamp::UNIX_EPOCH;
    let (start, end) = known.unwrap_or((since, since + DAY * by_delivery));
    let lifetime = end.duration_since(start);
    let renewal = found.policy.renewal(lifetime, end);
    let left = end.duration_since(renewal);
    let before_end = (left + WEEK.min(left / 2)) / 2;
    ((lifetime - before_end).as_hours() / 24).clamp(1, MOST_DAYS)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, found};
    use super::*;
    use proptest::prelude::*;
    use shared::secret_store::versions::{CURRENT, PENDING};

    const NOW: &str = "2026-11-23T00:00:00Z";
    const END: &str = "2028-11-20T00:00:00Z";

    /// Made and promoted in the hour before [`NOW`], for two years but two days, to be rotated so many days later.
    fn scheduled_in(days: i64) -> Found {
        let mut found = found(&[("c", &[CURRENT])]);
        let facts = found.facts.as_mut().unwrap();
        facts.start = Some(at("2026-11-22T23:00:00Z"));
        facts.expires_at = Some(at(END));
        facts.issued_here = true;
        found.secret.last_rotated = Some(at("2026-11-22T23:30:00Z"));
        found.secret.next_rotation = Some(at(NOW) + DAY * i32::try_from(days).unwrap());
        found
    }

    fn judged(found: &Found) -> Option<DriftKind> {
        misplaced(found, found.facts.as_ref().unwrap(), at(NOW))
    }

    #[test]
    fn the_backstop_belongs_between_the_renewal_and_the_last_week() {
        // 728 days, and renewed 30 before their end.
        let early = Some(DriftKind::BackstopEarly);
        let late = Some(DriftKind::BackstopLate);
        for (days, judgement) in [
            (160, early),
            (696, early),
            (698, None),
            (710, None),
            (721, None),
            (723, late),
            (900, late),
        ] {
            assert_eq!(judged(&scheduled_in(days)), judgement, "{days} days");
        }
    }

    #[test]
    fn the_days_that_are_advised_are_as_they_should_be() {
        for lifetime in [7, 14, 90, 180, 728] {
            let mut found = scheduled_in(0);
            let start = found.facts.as_ref().unwrap().start.unwrap();
            found.facts.as_mut().unwrap().expires_at = Some(start + DAY * lifetime);
            let days = i32::try_from(days(&found, found.facts.as_ref().unwrap())).unwrap();
            found.secret.next_rotation = Some(at(NOW) + DAY * days);
            assert_eq!(judged(&found), None, "{lifetime}: {days} days");
        }
    }

    #[test]
    fn for_one_that_a_person_made_the_days_of_its_successor_are_advised() {
        let advised = |attended: &[&str]| {
            let mut found = scheduled_in(0);
            let facts = found.facts.as_mut().unwrap();
            facts.issued_here = false;
            facts.expires_at = Some(at("2299-12-31T00:00:00Z"));
            facts.attended = attended
                .iter()
                .map(|id| serde_json::from_value((*id).into()).unwrap())
                .collect();
            days(&found, found.facts.as_ref().unwrap())
        };
        assert_eq!((advised(&[]), advised(&["orders-in"])), (161, 711));
    }

    #[test]
    fn nothing_is_said_by_dates_that_say_nothing() {
        let with = |change: &dyn Fn(&mut Found)| {
            let mut found = scheduled_in(160);
            change(&mut found);
            judged(&found)
        };
        assert_eq!(with(&|found| found.secret.next_rotation = None), None);
        assert_eq!(
            with(&|found| found.secret.next_rotation = Some(at(NOW))),
            None
        );
        assert_eq!(with(&|found| found.secret.rotation_enabled = false), None);
        let before = Some(at("2026-11-22T22:00:00Z"));
        assert_eq!(with(&|found| found.secret.last_rotated = before), None);
        let unknown = |found: &mut Found| found.facts.as_mut().unwrap().start = None;
        assert_eq!(with(&unknown), None);
        let rotating = |found: &mut Found| {
            let pending = ("t".to_owned(), [PENDING.to_owned()].into());
            found.secret.versions.0.extend([pending]);
        };
        assert_eq!(with(&rotating), None);
    }

    #[test]
    fn a_secret_that_a_person_put_makes_no_schedule_late_and_neither_does_a_slow_hand_over() {
        let mut by_hand = scheduled_in(900);
        by_hand.facts.as_mut().unwrap().issued_here = false;
        assert_eq!(judged(&by_hand), None);
        // Promoted 29 days after it was issued.
        let mut slow = scheduled_in(710);
        slow.facts.as_mut().unwrap().start = Some(at("2026-10-25T00:00:00Z"));
        slow.facts.as_mut().unwrap().expires_at = Some(at("2028-10-23T00:00:00Z"));
        assert_eq!(judged(&slow), None);
    }

    #[test]
    fn for_a_life_of_a_day_the_backstop_comes_in_its_last_hours_and_never_after_its_end() {
        for (hours, judgement) in [
            (11, Some(DriftKind::BackstopEarly)),
            (13, None),
            (20, None),
            (23, None),
            (25, Some(DriftKind::BackstopLate)),
            (40, Some(DriftKind::BackstopLate)),
        ] {
            let mut found = scheduled_in(0);
            let facts = found.facts.as_mut().unwrap();
            facts.start = Some(at(NOW));
            facts.expires_at = Some(at(NOW) + DAY);
            found.secret.last_rotated = Some(at(NOW));
            found.secret.next_rotation = Some(at(NOW) + SignedDuration::from_hours(hours));
            assert_eq!(judged(&found), judgement, "{hours} hours");
        }
    }

    #[test]
    fn a_policy_that_renews_earlier_leaves_room_for_an_earlier_backstop_and_a_window_for_none() {
        let with = |tag: &str, days| {
            let mut found = scheduled_in(days);
            found.policy = found.policy.with_tag(Some(tag)).unwrap();
            judged(&found)
        };
        let early = Some(DriftKind::BackstopEarly);
        // A sixth of 728 days is 121.
        assert_eq!(with("renew-share=1/6", 600), early);
        assert_eq!(with("renew-share=1/6", 610), None);
        assert_eq!(with("renew-share=1/6", 710), None);
        let office = "window=mon/09:00-10:00 time-zone=Europe/Amsterdam";
        assert_eq!(with(office, 710), None);
        assert_eq!(with(office, 723), Some(DriftKind::BackstopLate));
    }

    #[test]
    fn half_a_year_with_a_backstop_of_160_days_is_as_it_should_be_and_so_is_a_week_with_5() {
        for (lifetime, days) in [(180, 160), (7, 5), (14, 11), (2, 1)] {
            let mut found = scheduled_in(days);
            let start = found.facts.as_ref().unwrap().start.unwrap();
            found.facts.as_mut().unwrap().expires_at = Some(start + DAY * lifetime);
            assert_eq!(judged(&found), None, "{lifetime} days");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_life_too_early_is_a_day_before_the_renewal_and_past_the_end_is_late(
            life in prop_oneof![Just(1), Just(730), 1..=1000_i64],
            before in 0..400_i64,
            share in 3..30_i64,
            from_end in prop_oneof![-72..72_i64, -30 * 24..0_i64, -24_000..1_200_i64],
        ) {
            let hour = (24 * life + from_end).max(1);
            let mut found = scheduled_in(0);
            let tag = format!("renew-before=P{before}D renew-share=1/{share}");
            found.policy = found.policy.with_tag(Some(&tag)).unwrap();
            let facts = found.facts.as_mut().unwrap();
            facts.start = Some(at(NOW));
            facts.expires_at = Some(at(NOW) + SignedDuration::from_hours(24 * life));
            found.secret.last_rotated = Some(at(NOW));
            found.secret.next_rotation = Some(at(NOW) + SignedDuration::from_hours(hour));
            let judged = judged(&found);
            let end = 24 * life;
            let is_due_at = |hour: i64| {
                let left = end - hour;
                left * 3 <= end && (left <= 24 * before || left * share <= end)
            };
            let in_last_week = end - hour < 7 * 24;
            if hour > end {
                prop_assert_eq!(judged, Some(DriftKind::BackstopLate));
            } else if !is_due_at(hour) {
                prop_assert_ne!(judged, Some(DriftKind::BackstopLate));
                if !is_due_at(hour + 25) {
                    prop_assert_eq!(judged, Some(DriftKind::BackstopEarly));
                }
            } else {
                prop_assert_ne!(judged, Some(DriftKind::BackstopEarly));
                if !in_last_week {
                    prop_assert_eq!(judged, None);
                }
                // Far into the last week of a life that has one to spare.
                if is_due_at(end - 14 * 24) && end - hour < 5 * 24 {
                    prop_assert_eq!(judged, Some(DriftKind::BackstopLate));
                }
            }
        }
    }
}
