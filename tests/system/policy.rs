//! The policy of settings and tag: windows, freezes, thresholds, and clocks that differ.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use simulators::aws::event_bridge::EventBridge;
use simulators::aws::secrets_manager::PENDING;
use simulators::clock::Clock;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::hand_over::attended;
use crate::support::scenario::{days, ending_in};

const POLICY: &str = "shopmail:policy";

fn today(scenario: &Scenario) -> Date {
    let now = scenario.world.clock.now();
    now.to_zoned_datetime(TimeZone::UTC).date()
}

/// All of the day that comes so many days after today.
fn window_in(scenario: &Scenario, days: i64) -> String {
    let day = today(scenario) + SignedDuration::from_hours(24 * days);
    let day = day.strftime("%a").to_string().to_lowercase();
    format!("window={day}/00:00-24:00")
}

/// A check whose clock is so far before the world's.
async fn check_by_a_clock_ahead(scenario: &Scenario, ahead: SignedDuration) {
    let clock = Clock::starting_at(scenario.world.clock.now() + ahead);
    let event = EventBridge::scheduled_event(&clock);
    let checked = scenario.world.invoke("expiry-checker", &event).await;
    assert_eq!(checked.unwrap().function_error, None);
    scenario.settled().await;
}

/// Sets the clock forward to this time of today.
fn set_to(scenario: &Scenario, hour: i8, minute: i8) {
    let then = today(scenario).at(hour, minute, 0, 0);
    let then: Timestamp = TimeZone::UTC.to_timestamp(then).unwrap();
    let clock = &scenario.world.clock;
    clock.advance(then.duration_since(clock.now()));
}

fn is_renewed(scenario: &Scenario) -> bool {
    scenario.current_key() != scenario.mailbox.first_key
}

// === Windows ===

#[tokio::test(flavor = "multi_thread")]
async fn a_check_waits_for_the_window_and_reminds_nobody_meanwhile() {
    let scenario = Scenario::begin().await;
    scenario.put_tag(POLICY, &window_in(&scenario, 3));
    for _ in 0..2 {
        scenario.check().await;
        assert!(!is_renewed(&scenario));
        scenario.world.clock.advance(days(1));
    }
    assert_eq!(scenario.told().get("Client Secret Expiring"), None);
    scenario.world.clock.advance(days(1));
    scenario.check().await;
    assert!(is_renewed(&scenario));
    scenario.assert_whole();
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_delivers_by_hand_is_told_before_the_window_that_it_is_begun_in_time() {
    let scenario = Scenario::with(&attended()).await;
    scenario.put_tag(POLICY, &window_in(&scenario, 3));
    scenario.check().await;
    let told = scenario.details("Client Secret Expiring");
    assert_eq!(told[0]["renewal"], "not_due");
    assert_eq!(scenario.told().get("Hand-over Required"), None);
    scenario.world.clock.advance(days(3));
    scenario.check().await;
    assert_eq!(scenario.told().get("Hand-over Required"), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_holds_back_neither_the_backstop_nor_what_is_past_the_hard_stop_or_leaked() {
    let asked = Scenario::begin().await;
    asked.put_tag(POLICY, &window_in(&asked, 3));
    asked.rotate().await;
    assert!(is_renewed(&asked), "Secrets Manager asked for it");

    let late = Scenario::with(&ending_in(6)).await;
    late.put_tag(POLICY, &window_in(&late, 3));
    late.check().await;
    assert!(is_renewed(&late));

    let leaked = Scenario::begin().await;
    leaked.put_tag(POLICY, &window_in(&leaked, 3));
    let current = leaked.secret();
    let current = current.labelled(simulators::aws::secrets_manager::CURRENT);
    leaked.put_tag("shopmail:emergency", &current.unwrap().id);
    leaked.check().await;
    assert!(is_renewed(&leaked));
}

// === Settings and tag ===

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_of_the_settings_holds_for_all_and_a_tag_brings_its_own_hard_stop() {
    let first = Timestamp::UNIX_EPOCH.strftime("%Y-%m-%d").to_string();
    let freeze = format!("{first}/2090-12-31");
    let settings = [("FREEZE", freeze.as_str()), ("TIME_ZONE", "Asia/Tokyo")];
    let scenario = Scenario::with_settings(&settings, &MailboxPlan::default()).await;
    scenario.check().await;
    scenario.rotate().await;
    assert_eq!(scenario.keys().len(), 2, "nothing was issued");
    scenario.check().await;
    assert!(scenario.secret().labelled(PENDING).is_none());
    scenario.put_tag(POLICY, "hard-stop=P25D");
    scenario.check().await;
    assert!(is_renewed(&scenario));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_reminded_and_asked_again_at_the_thresholds_of_the_policy() {
    let scenario = Scenario::with(&attended()).await;
    scenario.put_tag(POLICY, "thresholds=18/16");
    scenario.check().await;
    scenario.check_daily(5).await;
    let told = scenario.details("Client Secret Expiring");
    let told: Vec<_> = told.iter().map(|event| &event["threshold_days"]).collect();
    assert_eq!(told, [&json!(18), &json!(16)]);
    assert_eq!(scenario.told().get("Hand-over Required"), Some(&3));
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_word_is_reported_by_name_issues_nothing_and_once_corrected_all_goes_on() {
    let scenario = Scenario::begin().await;
    scenario.put_tag(POLICY, "time-zone=Europe/Nowhere");
    let checked = scenario.world.check().await.unwrap();
    let failures = checked.payload["secrets"].to_string();
    assert!(failures.contains("time-zone is not"), "{failures}");
    scenario.settled().await;
    assert_eq!(scenario.keys().len(), 2, "nothing was issued");
    scenario.put_tag(POLICY, "time-zone=Europe/Amsterdam");
    scenario.world.clock.advance(days(1));
    scenario.check().await;
    scenario.check().await;
    scenario.assert_whole();
    assert!(is_renewed(&scenario));
}

// === Clocks that differ ===

const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_ahead_begins_as_the_freeze_ends_is_refused_and_renewed_by_the_next_check() {
    let scenario = Scenario::begin().await;
    let day = today(&scenario);
    scenario.put_tag(POLICY, &format!("freeze={}/{day}", day - days(3)));
    set_to(&scenario, 23, 55);
    check_by_a_clock_ahead(&scenario, TEN_MINUTES).await;
    assert_eq!(
        scenario.keys().len(),
        2,
        "Entra's clock says that it is frozen"
    );
    scenario.world.clock.advance(SignedDuration::from_hours(6));
    scenario.check().await;
    assert!(is_renewed(&scenario));
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_behind_begins_as_the_freeze_begins_is_refused_and_renewed_after_it() {
    let scenario = Scenario::begin().await;
    let tomorrow = today(&scenario) + days(1);
    scenario.put_tag(POLICY, &format!("freeze={tomorrow}/{}", tomorrow + days(2)));
    set_to(&scenario, 23, 59);
    scenario.world.clock.advance(SignedDuration::from_mins(5));
    check_by_a_clock_ahead(&scenario, -TEN_MINUTES).await;
    assert_eq!(
        scenario.keys().len(),
        2,
        "Entra's clock says that it is frozen"
    );
    scenario.check_daily(1).await;
    assert!(scenario.secret().labelled(PENDING).is_none());
    assert!(!is_renewed(&scenario));
    scenario.check_daily(2).await;
    assert!(is_renewed(&scenario));
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ten_minutes_off_renews_a_life_of_a_day_in_time() {
    for ahead in [TEN_MINUTES, -TEN_MINUTES] {
        let plan = MailboxPlan {
            document: |document| document["lifetime"] = json!("P1D"),
            ..MailboxPlan::default()
        };
        let scenario = Scenario::with(&plan).await;
        check_by_a_clock_ahead(&scenario, ahead).await;
        let mut keys = vec![scenario.current_key()];
        for _ in 0..8 {
            scenario.world.clock.advance(SignedDuration::from_hours(6));
            check_by_a_clock_ahead(&scenario, ahead).await;
            keys.push(scenario.current_key());
        }
        assert_eq!(scenario.told().get("Client Secret Expired"), None);
        keys.dedup();
        assert_eq!(keys.len(), 3, "one each 18 hours: {keys:?}");
        scenario.assert_whole();
    }
}
