//! When a rotation may begin, by a clock on the wall: windows, freezes, and whose wall.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// Windows and freezes, and the time zone of both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calendar {
    /// Whose days and hours they are.
    pub zone: Zone,
    /// Times of the week in which a rotation may begin; none: at any time.
    pub windows: Vec<Window>,
    /// Days on which nothing is begun, and nothing that worked is taken away.
    pub freezes: Vec<Freeze>,
}

/// Why nothing is begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Today is in a freeze.
    Freeze,
    /// It is none of the times of the week in which a rotation may begin.
    OutsideWindow,
}

impl Calendar {
    /// What holds a rotation back that would begin now.
    #[must_use]
    pub fn hold(&self, now: Timestamp) -> Option<Hold> {
        let now = self.zone.0.to_datetime(now);
        if self.freezes.iter().any(|freeze| freeze.has(now.date())) {
            return Some(Hold::Freeze);
        }
        let open = self.windows.is_empty() || self.windows.iter().any(|window| window.has(now));
        (!open).then_some(Hold::OutsideWindow)
    }
}

/// A time zone of the IANA database, such as `Europe/Amsterdam`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The database has no such time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a time zone of the IANA database here (/usr/share/zoneinfo), such as Europe/Amsterdam"
)]
pub struct NotAZone;

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = NotAZone;

    fn from_str(name: &str) -> Result<Self, NotAZone> {
        let zone = TimeZone::get(name).map_err(|_| NotAZone)?;
        // `Etc/Unknown` is one, and says nothing.
        match zone.is_unknown() {
            true => Err(NotAZone),
            false => Ok(Self(zone)),
        }
    }
}

/// Hours of some days of the week: `mon-fri/09:00-17:00`. Where its end is not after its beginning it goes on past
/// midnight, and belongs to the day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    first: Weekday,
    last: Weekday,
    /// Minutes of the day.
    from: i16,
    /// The first minute that is not in it; 1440 is the day's end.
    to: i16,
}

/// The text is not a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not <days>/<from>-<to> such as mon-fri/09:00-17:00 or sat/22:00-04:00, or any")]
pub struct NotAWindow;

const DAY: i16 = 24 * 60;

impl Window {
    /// The whole week.
    const ANY: Self = Self {
        first: Weekday::Monday,
        last: Weekday::Sunday,
        from: 0,
        to: DAY,
    };

    fn has(self, now: DateTime) -> bool {
        let minute = i16::from(now.hour()) * 60 + i16::from(now.minute());
        let today = now.date().weekday();
        if self.from < self.to {
            return self.begins_on(today) && (self.from..self.to).contains(&minute);
        }
        self.begins_on(today) && self.from <= minute
            || self.begins_on(today.previous()) && minute < self.to
    }

    fn begins_on(self, day: Weekday) -> bool {
        self.first.until(day) <= self.first.until(self.last)
    }
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        if text == "any" {
            return Ok(Self::ANY);
        }
        let read = || {
            let (days, times) = text.split_once('/')?;
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let (from, to) = times.split_once('-')?;
            let (from, to) = (minute_of_day(from)?, minute_of_day(to)?);
            let window = Self {
                first: weekday(first)?,
                last: weekday(last)?,
                from,
                to,
            };
            (from != to && from < DAY).then_some(window)
        };
        read().ok_or(NotAWindow)
    }
}

fn weekday(name: &str) -> Option<Weekday> {
    match name {
        "mon" => Some(Weekday::Monday),
        "tue" => Some(Weekday::Tuesday),
        "wed" => Some(Weekday::Wednesday),
        "thu" => Some(Weekday::Thursday),
        "fri" => Some(Weekday::Friday),
        "sat" => Some(Weekday::Saturday),
        "sun" => Some(Weekday::Sunday),
        _ => None,
    }
}

/// Of `09:00`; `24:00` is the end of a day.
fn minute_of_day(text: &str) -> Option<i16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |part: &str| {
        let two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i16>().ok().filter(|_| two)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY).then_some(at)
}

/// First and last day, both included: `2026-11-23/2026-12-28`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    first: Date,
    last: Date,
}

/// The text is not a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not <first day>/<last day>, such as 2026-11-23/2026-12-28")]
pub struct NotAFreeze;

impl Freeze {
    fn has(self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }
}

impl FromStr for Freeze {
    type Err = NotAFreeze;

    fn from_str(text: &str) -> Result<Self, NotAFreeze> {
        let read = || {
            let (first, last) = text.split_once('/')?;
            let (first, last): (Date, Date) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(Self { first, last })
        };
        read().ok_or(NotAFreeze)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zone: &str, window: &str, freeze: &str) -> Calendar {
        Calendar {
            zone: zone.parse().unwrap(),
            windows: window
                .split_whitespace()
                .map(|w| w.parse().unwrap())
                .collect(),
            freezes: freeze
                .split_whitespace()
                .map(|f| f.parse().unwrap())
                .collect(),
        }
    }

    fn hold(calendar: &Calendar, now: &str) -> Option<Hold> {
        calendar.hold(now.parse().unwrap())
    }

    /// Hours of UTC in which a window is open, on the day that is named.
    fn open_minutes(calendar: &Calendar, day: &str) -> usize {
        let midnight: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        let minutes = (0..24 * 60).map(|minute| midnight + jiff::SignedDuration::from_mins(minute));
        minutes.filter(|now| calendar.hold(*now).is_none()).count()
    }

    #[test]
    fn working_hours_follow_the_clock_on_the_wall_over_both_changes_of_it() {
        let office = calendar("Europe/Amsterdam", "mon-fri/09:00-17:00", "");
        let outside = Some(Hold::OutsideWindow);
        // The clock goes forward on Sunday 2027-03-28, and back on Sunday 2027-10-31.
        for (opens, closed) in [
            ("2027-03-26T08:00:00Z", "2027-03-26T07:59:59Z"),
            ("2027-03-29T07:00:00Z", "2027-03-29T06:59:59Z"),
            ("2027-10-29T07:00:00Z", "2027-10-29T06:59:59Z"),
            ("2027-11-01T08:00:00Z", "2027-11-01T07:59:59Z"),
        ] {
            assert_eq!(hold(&office, opens), None, "{opens}");
            assert_eq!(hold(&office, closed), outside, "{closed}");
        }
        assert_eq!(hold(&office, "2027-03-29T14:59:59Z"), None);
        assert_eq!(hold(&office, "2027-03-29T15:00:00Z"), outside);
        assert_eq!(hold(&office, "2027-03-28T10:00:00Z"), outside, "a Sunday");
    }

    #[test]
    fn an_hour_that_the_clock_leaves_out_opens_nothing_and_one_that_comes_twice_opens_twice() {
        let night = calendar("Europe/Amsterdam", "sun/02:00-03:00", "");
        assert_eq!(open_minutes(&night, "2027-03-21"), 60);
        assert_eq!(open_minutes(&night, "2027-03-28"), 0);
        assert_eq!(open_minutes(&night, "2027-10-31"), 120);
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = calendar("UTC", "fri/22:00-04:00", "");
        let open = |now| hold(&night, now).is_none();
        // 2026-11-27 is a Friday.
        assert!(!open("2026-11-27T03:59:00Z") && !open("2026-11-27T21:59:00Z"));
        assert!(open("2026-11-27T22:00:00Z") && open("2026-11-28T03:59:59Z"));
        assert!(!open("2026-11-28T04:00:00Z") && !open("2026-11-28T22:00:00Z"));
        let weekend = calendar("UTC", "sat-mon/00:00-24:00", "");
        let open = |now| hold(&weekend, now).is_none();
        assert!(open("2026-11-28T00:00:00Z") && open("2026-11-30T23:59:59Z"));
        assert!(!open("2026-11-27T23:59:59Z") && !open("2026-12-01T00:00:00Z"));
    }

    #[test]
    fn a_freeze_has_the_days_of_its_zone_the_leap_day_and_the_hour_more_too() {
        let zoned = |freeze| calendar("America/New_York", "", freeze);
        let leap = zoned("2028-02-29/2028-02-29");
        assert_eq!(hold(&leap, "2028-02-29T04:59:59Z"), None);
        assert_eq!(hold(&leap, "2028-02-29T05:00:00Z"), Some(Hold::Freeze));
        assert_eq!(hold(&leap, "2028-03-01T04:59:59Z"), Some(Hold::Freeze));
        assert_eq!(hold(&leap, "2028-03-01T05:00:00Z"), None);
        // 25 hours, from 04:00 to 05:00 of UTC.
        let back = zoned("2027-11-07/2027-11-07");
        assert_eq!(hold(&back, "2027-11-07T04:00:00Z"), Some(Hold::Freeze));
        assert_eq!(hold(&back, "2027-11-08T04:59:59Z"), Some(Hold::Freeze));
        assert_eq!(hold(&back, "2027-11-08T05:00:00Z"), None);
        assert!("2027-02-29/2027-03-01".parse::<Freeze>().is_err());
    }

    #[test]
    fn a_freeze_goes_before_a_window() {
        let both = calendar("UTC", "mon-fri/09:00-17:00", "2026-11-23/2026-11-23");
        assert_eq!(hold(&both, "2026-11-23T10:00:00Z"), Some(Hold::Freeze));
        assert_eq!(hold(&both, "2026-11-23T03:00:00Z"), Some(Hold::Freeze));
    }

    #[test]
    fn what_is_no_window_freeze_or_zone_is_refused() {
        for text in [
            "",
            "mon",
            "09:00-17:00",
            "mon/09:00",
            "mon/9:00-17:00",
            "Mon/09:00-17:00",
            "mon-fri/09:00-09:00",
            "mon/24:00-09:00",
            "mon/09:00-24:01",
            "mon/09:60-10:00",
            "mon-/09:00-17:00",
            "monday/09:00-17:00",
            "mon/+9:00-17:00",
            "mon-fri-sun/09:00-17:00",
            "any/09:00-17:00",
            "ANY",
        ] {
            assert_eq!(text.parse::<Window>(), Err(NotAWindow), "{text}");
        }
        for text in [
            "",
            "2026-11-23",
            "2026-12-28/2026-11-23",
            "2026-11-23/",
            "23.11./28.12.",
        ] {
            assert_eq!(text.parse::<Freeze>(), Err(NotAFreeze), "{text}");
        }
        for text in [
            "",
            "CEST",
            "Europe/Amsterdm",
            "../Europe/Amsterdam",
            "/etc/localtime",
            "Etc/Unknown",
            "+01:00",
        ] {
            assert_eq!(text.parse::<Zone>(), Err(NotAZone), "{text}");
        }
    }
}
