//! How often the checker is called: the template's CheckSchedule as it is, and what follows from it. Pure.

use std::str::FromStr;

use jiff::Timestamp;

use crate::period::Period;

/// A schedule expression of EventBridge (EventBridge guide, *Schedule expressions for rules*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckSchedule {
    /// `rate(6 hours)`: at intervals.
    Rate(Period),
    /// `cron(...)`: at times of its own.
    Cron,
}

/// The text is no schedule expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a schedule expression such as rate(6 hours) or cron(0 6 * * ? *)")]
pub struct NotASchedule;

impl CheckSchedule {
    /// The time from one check to the next, where it is always the same.
    #[must_use]
    pub fn interval(self) -> Option<Period> {
        match self {
            Self::Rate(interval) => Some(interval),
            Self::Cron => None,
        }
    }

    /// The weekly report that the check at `now` publishes, by the Monday it is of: it is the first check from Monday
    /// 06:00 UTC on. Without an interval that is not known, and each check of the day from then on publishes it, with
    /// the same time: none at all would be worse.
    #[must_use]
    pub fn weekly_report_due(self, now: Timestamp) -> Option<Timestamp> {
        let past = (now.as_second() - A_MONDAY).rem_euclid(A_WEEK);
        let monday = Timestamp::from_second(now.as_second() - past).ok()?;
        let is_first = now.duration_since(monday) < self.interval().unwrap_or(AT_LEAST).signed();
        is_first.then_some(monday)
    }
}

impl FromStr for CheckSchedule {
    type Err = NotASchedule;

    fn from_str(text: &str) -> Result<Self, NotASchedule> {
        let text = text.strip_suffix(')').ok_or(NotASchedule)?;
        if text.strip_prefix("cron(").is_some() {
            return Ok(Self::Cron);
        }
        let rate = text.strip_prefix("rate(").ok_or(NotASchedule)?;
        let (value, unit) = rate.trim().split_once(' ').ok_or(NotASchedule)?;
        let value: u32 = value.parse().map_err(|_| NotASchedule)?;
        let seconds = match unit.trim() {
            "minute" | "minutes" => 60,
            "hour" | "hours" => 3_600,
            "day" | "days" => 86_400,
            _ => return Err(NotASchedule),
        };
        match u64::from(value) * seconds {
            0 => Err(NotASchedule),
            interval => Ok(Self::Rate(Period::seconds(interval))),
        }
    }
}

/// Checks come at least so often, or the alarm on silence sounds.
const AT_LEAST: Period = Period::days(1);

const A_WEEK: i64 = 7 * 86_400;

/// A Monday, 5 January 1970, 06:00 UTC, in Unix seconds: the weekly report is of each week from then on.
const A_MONDAY: i64 = 4 * 86_400 + 6 * 3_600;

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> Option<Period> {
        text.parse::<CheckSchedule>().unwrap().interval()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_has_an_interval_and_a_cron_expression_none() {
        assert_eq!(interval("rate(6 hours)"), Some(Period::seconds(6 * 3_600)));
        assert_eq!(interval("rate(1 day)"), Some(Period::days(1)));
        assert_eq!(interval("rate(90 minutes)"), Some(Period::seconds(5_400)));
        assert_eq!(interval("cron(0 6 * * ? *)"), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "rate",
            "rate(6 hours",
            "rate(0 hours)",
            "rate(-1 hours)",
            "rate(6)",
            "rate(6 weeks)",
            "PT6H",
            "every 6 hours",
        ] {
            assert_eq!(text.parse::<CheckSchedule>(), Err(NotASchedule), "{text}");
        }
    }

    /// How often it is due in a year of checks, and on which days.
    fn due_in_a_year(first: &str, interval: Period) -> Vec<Timestamp> {
        let (mut now, end) = (at(first), at("2028-01-03T00:00:00Z"));
        let mut due = Vec::new();
        while now < end {
            due.extend(CheckSchedule::Rate(interval).weekly_report_due(now));
            now += interval.signed();
        }
        due
    }

    #[test]
    fn it_is_due_once_a_week_however_often_is_checked() {
        let intervals = [
            Period::seconds(60 * 60),
            Period::seconds(6 * 60 * 60),
            Period::seconds(7 * 60 * 60),
            Period::days(1),
        ];
        for interval in intervals {
            for first in ["2027-01-04T06:00:00Z", "2027-01-04T03:17:42.5Z"] {
                let due = due_in_a_year(first, interval);
                assert_eq!(due.len(), 52, "{interval} from {first}");
                assert!(due.windows(2).all(|two| two[0] < two[1]), "each its own");
            }
        }
    }

    #[test]
    fn the_first_check_from_monday_morning_on_publishes_it() {
        let six_hours = CheckSchedule::Rate(Period::seconds(6 * 3_600));
        let due = |now: &str| six_hours.weekly_report_due(at(now));
        assert_eq!(due("2026-11-30T05:59:59Z"), None, "a Monday");
        let monday = Some(at("2026-11-30T06:00:00Z"));
        assert_eq!(due("2026-11-30T06:00:00Z"), monday);
        assert_eq!(due("2026-11-30T11:59:59Z"), monday);
        assert_eq!(due("2026-11-30T12:00:00Z"), None);
        assert_eq!(due("2026-12-01T06:00:00Z"), None);
        assert_eq!(due("2026-11-29T06:00:00Z"), None, "a Sunday");
    }

    #[test]
    fn without_a_known_interval_each_check_of_the_day_publishes_it_with_the_same_time() {
        let due = |now: &str| CheckSchedule::Cron.weekly_report_due(at(now));
        let monday = Some(at("2026-11-30T06:00:00Z"));
        assert_eq!(due("2026-11-30T06:00:00Z"), monday);
        assert_eq!(due("2026-12-01T05:59:59Z"), monday);
        assert_eq!(due("2026-12-01T06:00:00Z"), None);
    }
}
