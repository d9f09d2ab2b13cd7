//! Days on which calendars err: the change of the clock, the leap day, a week without a check, an end that is over.

use std::sync::Arc;

use jiff::civil::{Date, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use serde_json::json;
use simulators::world::{MailboxPlan, World, short_waits};

use crate::support::Scenario;
use crate::support::scenario::{days, ending_in};

const POLICY: &str = "shopmail:policy";

/// A mailbox on the next such day.
async fn on_the_next(day: impl Fn(i16) -> Option<Date>, plan: &MailboxPlan) -> Scenario {
    let world = Arc::new(World::start(short_waits()).await.unwrap());
    let now = world.clock.now().to_zoned_datetime(TimeZone::UTC);
    let day = (now.year()..).find_map(|year| day(year).filter(|day| *day > now.date()));
    let midnight = TimeZone::UTC
        .to_timestamp(day.unwrap().at(0, 0, 0, 0))
        .unwrap();
    world
        .clock
        .advance(midnight.duration_since(world.clock.now()));
    let mailbox = world.add_mailbox(plan).unwrap();
    Scenario { world, mailbox }
}

fn today(scenario: &Scenario) -> Date {
    let now = scenario.world.clock.now();
    now.to_zoned_datetime(TimeZone::UTC).date()
}

fn the_leap_day(year: i16) -> Option<Date> {
    Date::new(year, 2, 29).ok()
}

fn later(scenario: &Scenario, hours: i64, minutes: i64) {
    let by = SignedDuration::from_hours(hours) + SignedDuration::from_mins(minutes);
    scenario.world.clock.advance(by);
}

fn is_renewed(scenario: &Scenario) -> bool {
    scenario.current_key() != scenario.mailbox.first_key
}

fn lives_for_two_years() -> MailboxPlan {
    MailboxPlan {
        document: |document| document["lifetime"] = json!("P730D"),
        ..MailboxPlan::default()
    }
}

fn lives_for_a_day() -> MailboxPlan {
    MailboxPlan {
        document: |document| document["lifetime"] = json!("P1D"),
        ..MailboxPlan::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_opens_by_the_clock_on_the_wall_after_it_went_forward_and_after_it_went_back() {
    // The European Union's clocks change on the last Sundays of these months (Directive 2000/84/EC).
    for (month, opens) in [(3, 7), (10, 8)] {
        let monday_after = |year| {
            let month = date(year, month, 1);
            let sunday = month.nth_weekday_of_month(-1, Weekday::Sunday).ok()?;
            sunday.tomorrow().ok()
        };
        let scenario = on_the_next(monday_after, &MailboxPlan::default()).await;
        scenario.put_tag(POLICY, "window=mon/09:00-09:30 time-zone=Europe/Amsterdam");
        // Before it opens, which on the Monday before was an hour later, or an hour earlier.
        later(&scenario, opens - 1, 5);
        scenario.check().await;
        assert!(!is_renewed(&scenario), "{month}: too early");
        later(&scenario, 0, 50);
        scenario.check().await;
        assert!(!is_renewed(&scenario), "{month}: five minutes before");
        later(&scenario, 0, 10);
        scenario.check().await;
        assert!(is_renewed(&scenario), "{month}: five minutes after");
        scenario.assert_whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_of_the_leap_day_ends_with_it_and_two_years_from_then_are_730_days() {
    let scenario = on_the_next(the_leap_day, &lives_for_two_years()).await;
    later(&scenario, 23, 55);
    let today = today(&scenario);
    scenario.put_tag(POLICY, &format!("freeze={today}/{today}"));
    scenario.check().await;
    assert!(!is_renewed(&scenario));
    later(&scenario, 0, 10);
    scenario.check().await;
    assert!(is_renewed(&scenario));
    let key = scenario.current_key();
    let credentials = scenario.credentials();
    let issued = credentials.iter().find(|c| c.key_id == key).unwrap();
    let life = issued.end.duration_since(issued.start);
    assert!(days(730) - life < SignedDuration::from_mins(5), "{life}");
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_of_two_years_over_a_leap_day_is_renewed_once_in_its_last_month() {
    let the_year_before = |year| the_leap_day(year + 1)?.checked_sub(1.year()).ok();
    let scenario = on_the_next(the_year_before, &lives_for_two_years()).await;
    scenario.check().await;
    let key = scenario.current_key();
    assert_ne!(key, scenario.mailbox.first_key);
    let ends = scenario.world.clock.now() + days(730);
    // Checks keep the grant alive, which 90 idle days would end.
    while scenario.current_key() == key {
        scenario.world.clock.advance(days(25));
        scenario.check().await;
    }
    let left = ends.duration_since(scenario.world.clock.now());
    assert!(days(5) <= left && left <= days(30), "{left}");
    assert_eq!(scenario.told().get("Client Secret Expired"), None);
    assert_eq!(scenario.told().get("Client Secret Rotated"), Some(&2));
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_week_without_a_check_the_next_one_renews_what_came_due_and_what_ended() {
    for (plan, reason, expired) in [
        (ending_in(33), "due", None),
        (lives_for_a_day(), "expired", Some(1)),
    ] {
        let scenario = Scenario::with(&plan).await;
        scenario.check().await;
        let key = scenario.current_key();
        scenario.world.clock.advance(days(7));
        scenario.check().await;
        assert_ne!(scenario.current_key(), key, "{reason}");
        let due = scenario.details("Rotation Due");
        assert_eq!(due.last().unwrap()["reason"], reason);
        let told = scenario.told();
        assert_eq!(
            told.get("Client Secret Expired").copied(),
            expired,
            "{told:?}"
        );
        assert_eq!(told.get("Client Secret Expiring"), None, "{told:?}");
        scenario.assert_whole();
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_ended_before_anybody_looked_waits_for_no_window_and_no_freeze() {
    let scenario = Scenario::begin().await;
    scenario.world.clock.advance(days(23));
    let today = today(&scenario);
    let (before, after) = (today.yesterday().unwrap(), today + 9.days());
    let in_three_days = (today + 3.days()).strftime("%a").to_string().to_lowercase();
    scenario.put_tag(
        POLICY,
        &format!("freeze={before}/{after} window={in_three_days}/09:00-10:00"),
    );
    scenario.check().await;
    assert!(is_renewed(&scenario));
    assert_eq!(scenario.told().get("Client Secret Expired"), Some(&1));
    assert_eq!(scenario.details("Rotation Due")[0]["reason"], "expired");
    scenario.assert_whole();
}
