//! When a client secret is renewed, when its people are reminded, and when nothing may be begun.

mod calendar;
#[cfg(test)]
mod oracle;
mod share;
mod thresholds;
mod words;

use jiff::{SignedDuration, Timestamp};

pub use calendar::{Calendar, Freeze, Hold, Window, Zone};
pub use share::Share;
pub use thresholds::{Thresholds, tightened};
pub use words::TAG;

use crate::period::Period;

/// The policy of one mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// So long before its end a client secret is renewed at the latest; but never before the last third of its life.
    pub renew_before: Period,
    /// And in this last share of its life, where that is more.
    pub renew_share: Share,
    /// From here to the end nothing holds a rotation back any more.
    pub hard_stop: Period,
    /// When its people are reminded.
    pub thresholds: Thresholds,
    /// When a rotation may begin.
    pub calendar: Calendar,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            renew_before: Period::days(30),
            renew_share: Share::default(),
            hard_stop: Period::days(7),
            thresholds: Thresholds::default(),
            calendar: Calendar::default(),
        }
    }
}

/// What the policy says of a client secret now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do yet.
    Fresh,
    /// Renew it.
    Due,
    /// It would be due, but has to wait.
    Held(Hold),
    /// It has ended: mail stands still.
    Expired,
}

impl Policy {
    /// What to do about a client secret that lives from `start` (where that is known) to `end`. A
    /// short-lived one is renewed in the last third of its life, or it would always be due.
    #[must_use]
    pub fn verdict(&self, now: Timestamp, start: Option<Timestamp>, end: Timestamp) -> Verdict {
        let left = end.duration_since(now);
        let before_end = self.before_end(start.map(|start| end.duration_since(start)));
        if !left.is_positive() {
            return Verdict::Expired;
        }
        if left > before_end {
            return Verdict::Fresh;
        }
        self.held(now, Some(end))
            .map_or(Verdict::Due, Verdict::Held)
    }

    /// When a client secret that lives for `lifetime` and ends at `end` is renewed, freezes and windows left aside.
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
        let days = self.renew_before.signed();
        lifetime.map_or(days, |lifetime| {
            let share = self.renew_share.of(lifetime);
            days.max(share).min(lifetime / 3)
        })
    }

    /// What holds a rotation back that would begin now, of a client secret that ends at `end` (where that is known):
    /// nothing from the hard stop on. Without an end there is no hard stop, so a window holds nothing back there,
    /// which the checks might miss each week; a freeze has a last day of its own.
    #[must_use]
    pub fn held(&self, now: Timestamp, end: Option<Timestamp>) -> Option<Hold> {
        let hold = self.calendar.hold(now)?;
        let holds = match (end, hold) {
            (Some(end), _) => !self.is_in_hard_stop(now, end),
            (None, Hold::Freeze) => true,
            (None, Hold::OutsideWindow) => false,
        };
        holds.then_some(hold)
    }

    /// Whether so little is left of a client secret that ends at `end` that nothing holds its renewal back any more.
    #[must_use]
    pub fn is_in_hard_stop(&self, now: Timestamp, end: Timestamp) -> bool {
        end.duration_since(now) <= self.hard_stop.signed()
    }

    /// Whether a freeze has begun and not ended: nothing that worked is taken away then.
    #[must_use]
    pub fn is_frozen(&self, now: Timestamp) -> bool {
        self.calendar.hold(now) == Some(Hold::Freeze)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tag: &str) -> Policy {
        Policy::default().with_tag(Some(tag)).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const END: &str = "2026-12-31T00:00:00Z";

    fn verdict(policy: &Policy, now: &str) -> Verdict {
        policy.verdict(at(now), None, at(END))
    }

    #[test]
    fn renews_when_little_time_is_left_and_not_in_a_freeze_before_the_hard_stop() {
        let plain = Policy::default();
        assert_eq!(verdict(&plain, "2026-11-30T23:59:59Z"), Verdict::Fresh);
        assert_eq!(verdict(&plain, "2026-12-01T00:00:00Z"), Verdict::Due);
        for after in [END, "2026-12-31T00:00:01Z", "2030-12-31T00:00:00Z"] {
            assert_eq!(verdict(&plain, after), Verdict::Expired);
        }
        let frozen = tagged("freeze=2026-12-10/2026-12-31");
        let held = Verdict::Held(Hold::Freeze);
        assert_eq!(verdict(&frozen, "2026-12-09T23:59:59Z"), Verdict::Due);
        assert_eq!(verdict(&frozen, "2026-12-10T00:00:00Z"), held);
        assert_eq!(verdict(&frozen, "2026-12-23T23:59:59Z"), held);
        assert_eq!(verdict(&frozen, "2026-12-24T00:00:00Z"), Verdict::Due);
        assert_eq!(verdict(&frozen, END), Verdict::Expired);
    }

    #[test]
    fn waits_for_a_window_but_not_past_the_hard_stop_nor_for_one_where_no_end_is_known() {
        let office = tagged("window=mon-fri/09:00-17:00 time-zone=Europe/Amsterdam");
        let held = Verdict::Held(Hold::OutsideWindow);
        // 2026-12-12 is a Saturday.
        assert_eq!(verdict(&office, "2026-12-12T10:00:00Z"), held);
        assert_eq!(verdict(&office, "2026-12-14T07:59:59Z"), held);
        assert_eq!(verdict(&office, "2026-12-14T08:00:00Z"), Verdict::Due);
        assert_eq!(verdict(&office, "2026-12-24T00:00:00Z"), Verdict::Due);
        let night = at("2026-12-12T10:00:00Z");
        assert_eq!(office.held(night, None), None);
        let frozen = tagged("freeze=2026-12-12/2026-12-12");
        assert_eq!(frozen.held(night, None), Some(Hold::Freeze));
    }

    #[test]
    fn renews_in_a_share_of_the_life_with_a_floor_of_days_and_never_before_the_last_third() {
        let days_before = |tag: &str, lifetime: i64| {
            let end = at(END);
            let renewal = tagged(tag).renewal(SignedDuration::from_hours(24 * lifetime), end);
            end.duration_since(renewal).as_hours()
        };
        for (tag, lifetime, hours) in [
            ("default", 730, 30 * 24),
            ("renew-share=1/10", 730, 73 * 24),
            ("renew-share=1/10", 180, 30 * 24),
            ("renew-share=1/10 renew-before=P14D", 180, 18 * 24),
            ("renew-share=1/3 renew-before=P1D", 730, 730 * 8),
            ("renew-before=P400D", 730, 730 * 8),
            ("renew-share=1/10", 30, 10 * 24),
            ("default", 1, 8),
            ("renew-share=none", 1, 8),
        ] {
            assert_eq!(days_before(tag, lifetime), hours, "{tag}, {lifetime} days");
        }
    }

    #[test]
    fn a_life_of_a_day_is_renewed_in_its_last_8_hours_at_any_time_and_one_of_two_years_when_it_may()
    {
        let busy = tagged("freeze=2026-11-01/2026-12-31 window=mon/09:00-10:00");
        let end = at(END);
        let of_a_day = |hours_left| {
            let hours = SignedDuration::from_hours;
            busy.verdict(end - hours(hours_left), Some(end - hours(24)), end)
        };
        assert_eq!(of_a_day(9), Verdict::Fresh);
        assert_eq!(
            of_a_day(8),
            Verdict::Due,
            "its whole life is past the hard stop"
        );
        assert_eq!(of_a_day(0), Verdict::Expired);
        // Made a little later than now, by Entra's clock.
        let ahead = busy.verdict(
            at("2026-12-29T23:50:00Z"),
            Some(at("2026-12-30T00:00:00Z")),
            end,
        );
        assert_eq!(ahead, Verdict::Fresh);
        // Two years with a leap day in them.
        let (start, end) = (at("2027-03-01T00:00:00Z"), at("2029-03-01T00:00:00Z"));
        let share = tagged("renew-share=1/17 renew-before=P1D");
        let verdict = |now: &str| share.verdict(at(now), Some(start), end);
        assert_eq!(verdict("2029-01-16T23:59:59Z"), Verdict::Fresh);
        assert_eq!(
            verdict("2029-01-17T00:00:00Z"),
            Verdict::Due,
            "43 days of 731"
        );
    }

    #[test]
    fn a_clock_that_is_ten_minutes_off_moves_each_border_by_ten_minutes_and_no_more() {
        let policy = tagged("freeze=2026-12-10/2026-12-12 window=mon-sun/06:00-24:00");
        let minutes = SignedDuration::from_mins;
        let frozen = Verdict::Held(Hold::Freeze);
        let closed = Verdict::Held(Hold::OutsideWindow);
        for (border, before, after) in [
            ("2026-12-01T06:00:00Z", closed, Verdict::Due),
            ("2026-12-10T00:00:00Z", Verdict::Due, frozen),
            ("2026-12-13T00:00:00Z", frozen, closed),
            ("2026-12-24T00:00:00Z", Verdict::Due, Verdict::Due),
            ("2026-12-31T00:00:00Z", Verdict::Due, Verdict::Expired),
        ] {
            for (off, says) in [(-10, before), (-1, before), (0, after), (10, after)] {
                let now = at(border) + minutes(off);
                assert_eq!(policy.verdict(now, None, at(END)), says, "{border} {off}");
            }
        }
    }
}
