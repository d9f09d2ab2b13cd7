//! Nothing fails in silence, and nothing shouts: what stands still for a day reaches a person with its
//! words, the same thing is told once, and what goes its way reminds nobody.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::gate::{Calls, Fault};
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::ending_in;

/// Of each state `failed` or `unreachable` of all reports so far: its words.
fn reported_failures(scenario: &Scenario) -> Vec<Value> {
    let reports = scenario.details("Fleet Report");
    let secrets = reports
        .iter()
        .flat_map(|report| report["secrets"].as_array().unwrap().clone());
    let states = ["failed", "unreachable"];
    let failed = secrets.filter(|secret| states.contains(&secret["state"].as_str().unwrap()));
    failed.map(|secret| secret["failure"].clone()).collect()
}

async fn check_every_six_hours(scenario: &Scenario, times: u32) {
    for _ in 0..times {
        scenario.world.clock.advance(SignedDuration::from_hours(6));
        scenario.check().await;
    }
}

// === Silence ===

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_cannot_be_looked_at_for_a_day_reaches_a_person_with_words() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let down = Fault::Answer {
        effect: false,
        status: 503,
        headers: vec![("Retry-After".to_owned(), "0.01".to_owned())],
        body: "{}".to_owned(),
    };
    scenario
        .world
        .gate
        .fail(Calls::of("graph", "*").times(10_000), down);
    check_every_six_hours(&scenario, 4).await;
    assert_eq!(
        scenario.told().get("Rotation Stalled"),
        None,
        "not a day yet"
    );
    check_every_six_hours(&scenario, 8).await;
    let stalled = scenario.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    let (what, next) = (&stalled[0]["what"], &stalled[0]["next_step"]);
    assert!(what.as_str().unwrap().contains("503"), "{what}");
    assert!(next.as_str().unwrap().contains("Out of reach"), "{next}");
    assert_eq!(stalled[0]["contact"], "owner@agency.example");
    let failures = reported_failures(&scenario);
    assert_eq!(failures.len(), 12);
    assert!(failures.iter().all(Value::is_string), "{failures:?}");
    scenario.assert_events_keep_their_schemas();
    // Well again, and broken again: that is another time.
    scenario.world.gate.heal();
    scenario.check().await;
    let well = scenario.tag("shopmail:stalled");
    assert_eq!(well.as_deref(), Some("none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_function_that_dies_at_every_call_reaches_a_person() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let died = json!({"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: exit status 1"});
    let died = Fault::Answer {
        effect: false,
        status: 200,
        headers: vec![("X-Amz-Function-Error".to_owned(), "Unhandled".to_owned())],
        body: died.to_string(),
    };
    scenario
        .world
        .gate
        .fail(Calls::of("lambda", "Invoke rotation").times(10_000), died);
    check_every_six_hours(&scenario, 6).await;
    let stalled = scenario.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    let what = stalled[0]["what"].as_str().unwrap();
    assert!(what.contains("it died"), "{what}");
    assert!(stalled[0]["expires_at"].is_string(), "by the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_mail_check_is_off_is_told_what_to_switch_on() {
    let scenario = Scenario::begin().await;
    scenario.world.shopctrl.set_check_mail(12, false);
    scenario.check().await;
    scenario.check_daily(4).await;
    assert_ne!(scenario.told().get("Rotation Started"), None);
    let stalled = scenario.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    assert_eq!(stalled[0]["step"], "testSecret");
    let next = stalled[0]["next_step"].as_str().unwrap();
    assert!(next.contains("look at Check mail"), "{stalled:?}");
    scenario.assert_events_keep_their_schemas();
    scenario.world.shopctrl.set_check_mail(12, true);
    scenario.check_daily(2).await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_secrets_manager_attempts_in_vain_is_told_with_its_step_and_code() {
    let scenario = Scenario::begin().await;
    let down = answer(503, false, "{}");
    scenario
        .world
        .gate
        .fail(Calls::of("graph", "POST addPassword").times(10_000), down);
    scenario.check().await;
    scenario.check_daily(3).await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    let stalled = scenario.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    assert_eq!(stalled[0]["step"], "createSecret");
    let what = stalled[0]["what"].as_str().unwrap();
    assert!(what.contains("answered 503"), "{stalled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_mail_is_not_healthy_and_says_what_to_do() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario
        .world
        .shopctrl
        .edit(12, "orders-in", |c| c.enabled = false);
    let checked = scenario.world.check().await.unwrap();
    let report = &checked.payload["secrets"][0];
    assert_eq!(report["state"], "failed");
    let failure = report["failures"][0].as_str().unwrap();
    assert!(failure.contains("orders-in"), "{failure}");
    assert!(failure.contains("switch Enable on"), "{failure}");
    let drift = &scenario.details("Drift Found")[0];
    assert_eq!(drift["mended"], Value::Null);
}

// === Shouting ===

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_is_told_once_another_at_once_and_what_stays_at_each_threshold() {
    let scenario = Scenario::with(&ending_in(26)).await;
    let app = scenario.mailbox.app.app_id;
    scenario
        .world
        .directory
        .change(app, |app| app.secrets_blocked = Some(true));
    let failed = || scenario.details("Rotation Failed").len();
    check_every_six_hours(&scenario, 20).await;
    assert_eq!(failed(), 1);
    let denied = r#"{"error":{"code":"Authorization_RequestDenied","message":"no"}}"#;
    let denied = answer(403, false, denied);
    scenario
        .world
        .gate
        .fail(Calls::of("graph", "POST addPassword").times(10_000), denied);
    check_every_six_hours(&scenario, 6).await;
    assert_eq!(failed(), 2, "{:?}", scenario.details("Rotation Failed"));
    // What stays stands still: told after a day, after a week, and with two weeks left.
    check_every_six_hours(&scenario, 26).await;
    assert_eq!(failed(), 2);
    let stalled = scenario.details("Rotation Stalled");
    assert_eq!(stalled.len(), 3, "{stalled:?}");
    assert_eq!(stalled[2]["step"], "createSecret");
    assert_eq!(stalled[2]["code"], "Authorization_RequestDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_same_check_mends_is_told_as_mended() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario
        .world
        .shopctrl
        .enter_secret(12, "orders-in", "a typo");
    let checked = scenario.world.check().await.unwrap();
    let report = &checked.payload["secrets"][0];
    assert_eq!(
        (&report["state"], &report["failures"]),
        (&json!("healthy"), &json!([]))
    );
    let drifts = scenario.details("Drift Found");
    assert!(!drifts.is_empty());
    assert!(
        drifts.iter().all(|drift| drift["mended"] == true),
        "{drifts:?}"
    );
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_renews_itself_in_time_reminds_nobody() {
    let plan = MailboxPlan {
        document: |document| document["lifetime"] = json!("P20D"),
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    scenario.check().await;
    scenario.check_daily(45).await;
    let told = scenario.told();
    assert_eq!(told.get("Client Secret Rotated"), Some(&4), "{told:?}");
    for kind in [
        "Client Secret Expiring",
        "Rotation Stalled",
        "Rotation Failed",
    ] {
        assert_eq!(told.get(kind), None, "{told:?}");
    }
}
