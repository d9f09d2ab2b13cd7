//! The plan over weeks of checks, against a second one that was written to be slow and plain: by the minute, in time
//! zones without summer time (those with one: `shared::policy`).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shared::events::EventKind;
use shared::policy::Policy;
use shared::secret_store::versions::{CURRENT, PENDING};
use shared::tags;

use super::action::PlannedAction;
use super::found::Found;
use super::plan;
use super::tests::found;

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;
/// 2027-11-01, a Monday: all days are counted from here.
const MONDAY: &str = "2027-11-01T00:00:00Z";

/// One client secret and its policy; all in minutes since [`MONDAY`], or lengths in them.
#[derive(Debug, Clone)]
struct Life {
    attended: bool,
    rotation_on: bool,
    start: i64,
    end: i64,
    /// How far the clock on the wall is before UTC.
    offset: i64,
    renew_before: i64,
    hard_stop: i64,
    thresholds: BTreeSet<i64>,
    /// First day since [`MONDAY`], and how many.
    freeze: Option<(i64, i64)>,
    /// First and last day of the week, first and last hour.
    window: Option<(i64, i64, i64, i64)>,
}

impl Life {
    fn policy(&self) -> Policy {
        let zone = match self.offset {
            0 => "UTC",
            330 => "Asia/Kolkata",
            _ => "America/Phoenix",
        };
        let thresholds: Vec<String> = self.thresholds.iter().map(i64::to_string).collect();
        let mut tag = format!(
            "time-zone={zone} renew-before=PT{}M hard-stop=PT{}M thresholds={}",
            self.renew_before,
            self.hard_stop,
            thresholds.join("/")
        );
        let day = |day: i64| at(day * DAY).strftime("%Y-%m-%d").to_string();
        if let Some((first, count)) = self.freeze {
            tag += &format!(" freeze={}/{}", day(first), day(first + count - 1));
        }
        if let Some((first, last, from, to)) = self.window {
            let name = |day: i64| ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][index(day)];
            tag += &format!(
                " window={}-{}/{from:02}:00-{to:02}:00",
                name(first),
                name(last)
            );
        }
        Policy::default().with_tag(Some(&tag)).unwrap()
    }

    /// What a check finds, with nothing done yet.
    fn found(&self) -> Found {
        let mut found = found(&[("c", &[CURRENT])]);
        found.policy = self.policy();
        found.secret.rotation_enabled = self.rotation_on;
        let facts = found.facts.as_mut().unwrap();
        if !self.attended {
            facts.attended.clear();
        }
        facts.start = Some(at(self.start));
        facts.expires_at = Some(at(self.end));
        found
    }

    fn is_due(&self, now: i64) -> bool {
        let left = self.end - now;
        left <= self.renew_before && left * 3 <= self.end - self.start
    }

    fn is_frozen(&self, now: i64) -> bool {
        let today = (now + self.offset).div_euclid(DAY);
        self.freeze
            .is_some_and(|(first, count)| (first..first + count).any(|day| day == today))
    }

    fn is_open(&self, now: i64) -> bool {
        let Some((first, last, from, to)) = self.window else {
            return true;
        };
        let hour_of_the_week = (now + self.offset).rem_euclid(7 * DAY) / HOUR;
        // Each hour of the window, named by the week's.
        let mut hours = BTreeSet::new();
        let mut day = first;
        loop {
            let length = if to > from { to - from } else { to + 24 - from };
            hours.extend((0..length).map(|hour| (day * 24 + from + hour) % (7 * 24)));
            if day == last {
                break hours.contains(&hour_of_the_week);
            }
            day = (day + 1) % 7;
        }
    }

    fn begins(&self, now: i64) -> bool {
        let left = self.end - now;
        let may = self.is_open(now) && !self.is_frozen(now);
        self.rotation_on && (left <= 0 || self.is_due(now) && (may || left <= self.hard_stop))
    }

    /// The nearest threshold that was reached; 0 is the end.
    fn reached(&self, now: i64) -> Option<i64> {
        let left = self.end - now;
        let days = (0..=366).filter(|days| *days == 0 || self.thresholds.contains(days));
        days.filter(|days| left <= days * DAY).min()
    }
}

fn index(day: i64) -> usize {
    usize::try_from(day).unwrap()
}

fn at(minute: i64) -> Timestamp {
    MONDAY.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

/// The actions of a check, after which its tags are on the secret.
fn check(found: &mut Found, now: i64) -> Vec<PlannedAction> {
    let actions = plan(found, at(now)).unwrap().actions;
    for action in &actions {
        if let PlannedAction::Tag { key, value } = action {
            found.secret.tags.insert((*key).to_owned(), value.clone());
        }
    }
    actions
}

fn count(actions: &[PlannedAction], which: impl Fn(&PlannedAction) -> bool) -> usize {
    actions.iter().filter(|action| which(action)).count()
}

fn rotates(action: &PlannedAction) -> bool {
    matches!(action, PlannedAction::Rotate { .. })
}

/// The threshold that is published, 0 for the end.
fn reminder(action: &PlannedAction) -> Option<i64> {
    match action {
        PlannedAction::Publish(EventKind::ClientSecretExpiring { threshold_days, .. }) => {
            Some(*threshold_days)
        }
        PlannedAction::Publish(EventKind::ClientSecretExpired { .. }) => Some(0),
        _ => None,
    }
}

prop_compose! {
    fn lives()(
        attended: bool,
        rotation_on in prop::bool::weighted(0.8),
        life in prop_oneof![Just(DAY), Just(730 * DAY), DAY..800 * DAY],
        left in -3 * DAY..70 * DAY,
        offset in prop::sample::select(vec![0, 330, -420]),
        renew_before in prop_oneof![Just(30 * DAY), 0..60 * DAY],
        hard_stop in prop_oneof![Just(7 * DAY), 0..20 * DAY],
        thresholds in prop_oneof![
            Just(BTreeSet::from([1, 3, 7, 14, 30])),
            prop::collection::btree_set(1..60_i64, 1..6),
        ],
        freeze in prop::option::of((0..50_i64, 1..25_i64)),
        window in prop::option::of((0..7_i64, 0..7_i64, 0..24_i64, 0..24_i64)),
    ) -> Life {
        let window = window.filter(|(_, _, from, to)| from != to);
        let (start, end) = (left - life, left);
        Life { attended, rotation_on, start, end, offset, renew_before, hard_stop, thresholds, freeze, window }
    }
}

/// Pauses between checks: six hours, mostly; what a schedule may say; a week in which nobody checked.
fn pauses() -> impl Strategy<Value = Vec<i64>> {
    let pause = prop_oneof![8 => Just(6 * HOUR), 4 => 1..DAY, 1 => Just(7 * DAY)];
    prop::collection::vec(pause, 1..120)
}

fn checks(pauses: &[i64]) -> impl Iterator<Item = i64> {
    pauses.iter().scan(0, |now, pause| {
        *now += pause;
        Some(*now)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_rotation_begins_when_it_is_due_and_may_and_at_no_other_time(life in lives(), pauses in pauses()) {
        let mut found = life.found();
        for now in checks(&pauses) {
            let actions = check(&mut found, now);
            let expected = usize::from(life.begins(now));
            prop_assert_eq!(count(&actions, rotates), expected, "{} {:?}", at(now), found.policy);
            let announces = |action: &PlannedAction| matches!(action, PlannedAction::Publish(EventKind::RotationDue { .. }));
            prop_assert_eq!(count(&actions, announces), expected);
        }
    }

    #[test]
    fn what_has_begun_is_not_begun_again(life in lives(), pauses in pauses()) {
        let mut found = life.found();
        let mut begun = 0;
        for now in checks(&pauses) {
            let begins = count(&check(&mut found, now), rotates);
            if begins > 0 {
                let labels = [PENDING.to_owned(), "key-33333333-3333-4333-8333-333333333333".to_owned()];
                found.secret.versions.0.insert("t".to_owned(), labels.into());
            }
            begun += begins;
        }
        prop_assert_eq!(begun, usize::from(checks(&pauses).any(|now| life.begins(now))));
    }

    #[test]
    fn each_threshold_reminds_once_and_the_nearest_of_those_that_were_missed(life in lives(), pauses in pauses()) {
        // Whom nothing is asked of is reminded of less; the test below.
        let life = Life { attended: true, ..life };
        let mut found = life.found();
        let mut last = None;
        for now in checks(&pauses) {
            let reminders: Vec<i64> = check(&mut found, now).iter().filter_map(reminder).collect();
            let next = life.reached(now).filter(|days| last.is_none_or(|last| *days < last));
            prop_assert_eq!(&reminders, &Vec::from_iter(next), "{} {:?}", at(now), found.policy);
            last = next.or(last);
        }
    }

    #[test]
    fn what_renews_itself_reminds_nobody_while_only_a_window_is_waited_for(life in lives(), pauses in pauses()) {
        let life = Life { attended: false, rotation_on: true, ..life };
        let mut found = life.found();
        for now in checks(&pauses) {
            let held_by_freeze = life.is_due(now) && life.is_frozen(now) && life.end - now > life.hard_stop;
            let reminders = check(&mut found, now).iter().filter_map(reminder).count();
            prop_assert!(reminders == 0 || held_by_freeze || life.end <= now, "{} {:?}", at(now), found.policy);
        }
    }

    #[test]
    fn where_rotation_is_off_nothing_is_done(life in lives(), pauses in pauses(), issued: bool, pending: bool) {
        let life = Life { rotation_on: false, ..life };
        let mut found = life.found();
        if pending {
            let key = issued.then(|| "key-33333333-3333-4333-8333-333333333333".to_owned());
            let labels = [PENDING.to_owned()].into_iter().chain(key);
            found.secret.versions.0.insert("t".to_owned(), labels.collect());
        }
        for now in checks(&pauses) {
            for action in check(&mut found, now) {
                let looks_and_tells = match &action {
                    PlannedAction::Publish(_) => true,
                    PlannedAction::Tag { key, .. } => *key != tags::STATE,
                    PlannedAction::PublishRotated { .. } => true,
                    PlannedAction::Sweep(_)
                    | PlannedAction::Retire
                    | PlannedAction::DropPending { .. }
                    | PlannedAction::Rotate { .. }
                    | PlannedAction::Reattempt { .. }
                    | PlannedAction::Continue { .. } => false,
                };
                prop_assert!(looks_and_tells, "{action}");
            }
        }
    }
}

/// Due, in a freeze of three days that begins with the fifth.
fn in_a_freeze() -> Life {
    Life {
        attended: false,
        rotation_on: true,
        start: -700 * DAY,
        end: 25 * DAY,
        offset: 0,
        renew_before: 30 * DAY,
        hard_stop: 7 * DAY,
        thresholds: BTreeSet::from([7]),
        freeze: Some((4, 3)),
        window: None,
    }
}

/// createSecret asks Entra's clock: where that is ten minutes off it may refuse what the checker began, and leaves a
/// version that holds nothing.
fn refused_at(now: i64) -> Found {
    let mut found = in_a_freeze().found();
    assert_eq!(count(&check(&mut found, now), rotates), 1);
    found
        .secret
        .versions
        .0
        .insert("t".to_owned(), [PENDING.to_owned()].into());
    found
}

#[test]
fn what_entras_clock_refused_at_the_end_of_a_freeze_is_asked_for_again_by_the_next_check() {
    let ends = 7 * DAY;
    let mut found = refused_at(ends + 1);
    let actions = check(&mut found, ends + 1 + 6 * HOUR);
    let token = "t".to_owned();
    assert!(
        actions.contains(&PlannedAction::Reattempt { token }),
        "{actions:?}"
    );
}

#[test]
fn what_entras_clock_refused_at_the_beginning_of_a_freeze_is_dropped_and_begun_after_it() {
    let begins = 4 * DAY;
    let mut found = refused_at(begins - 1);
    let version = "t".to_owned();
    let actions = check(&mut found, begins - 1 + 6 * HOUR);
    assert!(
        actions.contains(&PlannedAction::DropPending { version }),
        "{actions:?}"
    );
    assert_eq!(count(&actions, rotates), 0);
    found.secret.versions.0.remove("t");
    assert_eq!(count(&check(&mut found, 7 * DAY), rotates), 1);
}

#[test]
fn after_a_week_without_a_check_what_has_ended_is_renewed_by_the_first_one() {
    let ended = Life {
        end: 20 * DAY,
        ..in_a_freeze()
    };
    let mut found = Life {
        freeze: Some((10, 40)),
        ..ended
    }
    .found();
    assert_eq!(
        count(&check(&mut found, 12 * DAY), rotates),
        0,
        "the freeze"
    );
    let actions = check(&mut found, 21 * DAY);
    assert_eq!(count(&actions, rotates), 1, "a week and more later");
    assert_eq!(actions.iter().find_map(reminder), Some(0));
    assert_eq!(
        check(&mut found, 21 * DAY + 6 * HOUR)
            .iter()
            .find_map(reminder),
        None
    );
}
