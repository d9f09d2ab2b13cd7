//! The policy against a second one that was written to be slow and plain: it counts minutes, knows the calendar by
//! counting days, and the change of the clock by the law.

use std::collections::HashSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Hold, Policy, Verdict};

const DAY: i64 = 24 * 60;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Year, month and day of each day since 1970-01-01, a Thursday.
static DAYS: LazyLock<Vec<(i64, i64, i64)>> = LazyLock::new(|| {
    let mut days = Vec::new();
    for year in 1970..2045 {
        let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let lengths = [
            31,
            28 + i64::from(leap),
            31,
            30,
            31,
            30,
            31,
            31,
            30,
            31,
            30,
            31,
        ];
        for (month, length) in (1..).zip(lengths) {
            days.extend((1..=length).map(|day| (year, month, day)));
        }
    }
    days
});

fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let found = DAYS.iter().position(|date| *date == (year, month, day));
    i64::try_from(found.unwrap()).unwrap()
}

fn weekday(day: i64) -> i64 {
    (day + 3) % 7
}

fn written(day: i64) -> String {
    let (year, month, day) = DAYS[usize::try_from(day).unwrap()];
    format!("{year}-{month:02}-{day:02}")
}

/// The minutes in which the clock changes: summer time is from the first to the second.
fn summer(year: i64, zone: &str) -> (i64, i64) {
    let sundays = |month: i64| {
        let all = (1..=31).filter(move |day| *day <= if month == 11 { 30 } else { 31 });
        all.map(move |day| day_number(year, month, day))
            .filter(|day| weekday(*day) == 6)
    };
    match zone {
        // Directive 2000/84/EC: the last Sundays of March and October, 01:00 UTC.
        "Europe/Amsterdam" => (
            sundays(3).next_back().unwrap() * DAY + 60,
            sundays(10).next_back().unwrap() * DAY + 60,
        ),
        // 15 U.S.C. 260a: second Sunday of March and first of November, 02:00 by the clock of the day.
        "America/New_York" => (
            sundays(3).nth(1).unwrap() * DAY + 7 * 60,
            sundays(11).next().unwrap() * DAY + 6 * 60,
        ),
        _ => (i64::MAX, i64::MAX),
    }
}

#[derive(Debug, Clone)]
struct Plain {
    zone: &'static str,
    /// First and last day of the week, first and last minute of the day.
    windows: Vec<(i64, i64, i64, i64)>,
    /// First day and how many.
    freezes: Vec<(i64, i64)>,
    renew_before: i64,
    share: Option<(i64, i64)>,
    hard_stop: i64,
}

/// [`Plain`], worked out.
struct Oracle {
    plain: Plain,
    frozen_days: HashSet<i64>,
    open_minutes_of_the_week: HashSet<i64>,
    changes: Vec<(i64, i64)>,
}

impl Oracle {
    fn of(plain: &Plain) -> Self {
        let frozen = |(first, count): &(i64, i64)| *first..first + count;
        let mut open = HashSet::new();
        for (first, last, from, to) in &plain.windows {
            let mut day = *first;
            loop {
                let mut minute = day * DAY + from;
                // A minute at least, and at midnight only on the next day.
                loop {
                    open.insert(minute % (7 * DAY));
                    minute += 1;
                    if minute % DAY == to % DAY {
                        break;
                    }
                }
                if day % 7 == *last {
                    break;
                }
                day += 1;
            }
        }
        Self {
            frozen_days: plain.freezes.iter().flat_map(frozen).collect(),
            open_minutes_of_the_week: open,
            changes: (2024..2034).map(|year| summer(year, plain.zone)).collect(),
            plain: plain.clone(),
        }
    }

    fn hold(&self, now: i64) -> Option<Hold> {
        let standard = match self.plain.zone {
            "Europe/Amsterdam" => 60,
            "America/New_York" => -300,
            "Asia/Kolkata" => 330,
            _ => 0,
        };
        let in_summer = |(begins, ends): &(i64, i64)| *begins <= now && now < *ends;
        let summer = self.changes.iter().any(in_summer);
        let wall = now + standard + if summer { 60 } else { 0 };
        let (day, minute) = (wall / DAY, wall % DAY);
        if self.frozen_days.contains(&day) {
            return Some(Hold::Freeze);
        }
        let minute = weekday(day) * DAY + minute;
        let open = &self.open_minutes_of_the_week;
        (!open.is_empty() && !open.contains(&minute)).then_some(Hold::OutsideWindow)
    }

    fn verdict(&self, now: i64, start: i64, end: i64) -> Verdict {
        let (left, life) = (end - now, end - start);
        if left <= 0 {
            return Verdict::Expired;
        }
        let by_days = left <= self.plain.renew_before * DAY;
        let by_share = self.plain.share.is_some_and(|(n, d)| left * d <= life * n);
        let in_last_third = left * 3 <= life;
        if !(in_last_third && (by_days || by_share)) {
            return Verdict::Fresh;
        }
        match self.hold(now) {
            Some(hold) if left > self.plain.hard_stop * DAY => Verdict::Held(hold),
            _ => Verdict::Due,
        }
    }

    fn tag(&self) -> String {
        let Plain {
            zone,
            windows,
            freezes,
            renew_before,
            share,
            hard_stop,
        } = &self.plain;
        let mut tag =
            format!("time-zone={zone} renew-before=P{renew_before}D hard-stop=P{hard_stop}D");
        let time = |minute: &i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let name = |day: &i64| NAMES[usize::try_from(*day).unwrap()];
        for (first, last, from, to) in windows {
            let days = match first == last {
                true => name(first).to_owned(),
                false => format!("{}-{}", name(first), name(last)),
            };
            tag += &format!(" window={days}/{}-{}", time(from), time(to));
        }
        for (first, count) in freezes {
            tag += &format!(" freeze={}/{}", written(*first), written(first + count - 1));
        }
        if let Some((n, d)) = share {
            tag += &format!(" renew-share={n}/{d}");
        }
        tag
    }
}

fn windows() -> impl Strategy<Value = Vec<(i64, i64, i64, i64)>> {
    let window = (0..7_i64, 0..7_i64, 0..DAY, 0..=DAY);
    let real = |(_, _, from, to): &(i64, i64, i64, i64)| from != to;
    prop::collection::vec(window.prop_filter("not empty", real), 0..3)
}

/// Days on which calendars err: changes of the clock, leap days, ends of years, and others.
fn odd_day() -> impl Strategy<Value = i64> {
    let odd = [
        (2027, 3, 28),
        (2027, 10, 31),
        (2027, 3, 14),
        (2027, 11, 7),
        (2028, 2, 29),
        (2028, 3, 26),
        (2026, 12, 31),
    ];
    let odd = odd.map(|(year, month, day)| day_number(year, month, day));
    let odd = prop::sample::select(odd.to_vec());
    prop_oneof![3 => odd, 1 => day_number(2025, 1, 1)..day_number(2030, 1, 1)]
}

fn plain(day: i64) -> impl Strategy<Value = Plain> {
    let zones = [
        "UTC",
        "Europe/Amsterdam",
        "America/New_York",
        "Asia/Kolkata",
    ];
    let freeze = (day - 4..day + 4, 1..6_i64);
    let share = (1..5_i64, 15..40_i64);
    (
        prop::sample::select(zones.to_vec()),
        windows(),
        prop::collection::vec(freeze, 0..3),
        0..60_i64,
        prop::option::of(share),
        0..20_i64,
    )
        .prop_map(
            |(zone, windows, freezes, renew_before, share, hard_stop)| Plain {
                zone,
                windows,
                freezes,
                renew_before,
                share,
                hard_stop,
            },
        )
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Three days, minute by minute.
    #[test]
    fn the_policy_says_each_minute_what_the_plain_one_says(
        (day, plain) in odd_day().prop_flat_map(|day| (Just(day), plain(day))),
        life in prop_oneof![Just(1_i64), Just(730), Just(731), 1..800_i64],
        ends_after in -2 * DAY..60 * DAY,
    ) {
        let oracle = Oracle::of(&plain);
        let tag = oracle.tag();
        let policy = Policy::default().with_tag(Some(&tag)).unwrap();
        let end = day * DAY + ends_after;
        let start = end - life * DAY;
        let renewal = policy.renewal(minute(end).duration_since(minute(start)), minute(end));
        for now in (day - 1) * DAY..(day + 2) * DAY {
            let verdict = policy.verdict(minute(now), Some(minute(start)), minute(end));
            prop_assert_eq!(verdict, oracle.verdict(now, start, end), "{} at {}", tag, minute(now));
            prop_assert_eq!(policy.is_frozen(minute(now)), oracle.hold(now) == Some(Hold::Freeze));
            prop_assert_eq!(verdict == Verdict::Fresh, minute(now) < renewal.min(minute(end)));
        }
    }

    /// From the hard stop on, whatever stands in the tag.
    #[test]
    fn nothing_holds_back_past_the_hard_stop(
        (day, plain) in odd_day().prop_flat_map(|day| (Just(day), plain(day))),
        left in 1..20 * DAY,
    ) {
        let policy = Policy::default().with_tag(Some(&Oracle::of(&plain).tag())).unwrap();
        let end = minute(day * DAY);
        let held = policy.held(minute(day * DAY - left), Some(end));
        prop_assert!(held.is_none() || left > plain.hard_stop * DAY);
    }
}
