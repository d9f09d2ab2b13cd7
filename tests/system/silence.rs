//! Nothing fails in silence, and nothing shouts: what stands still for a day reaches a person with its
//! words, the same thing is told once, and what goes its way reminds nobody.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::gate::Fault;
use simulators::world::{MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, tag};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::kill_matrix::trouble::answer;
use crate::steps::rotate;
use crate::whole_rotation::days;
use crate::whose::{check, check_daily};

/// Of each state `failed` of all reports so far: its words.
fn reported_failures(world: &World) -> Vec<Value> {
    let reports = world.event_bridge.details("Fleet Report");
    let secrets = reports
        .iter()
        .flat_map(|report| report["secrets"].as_array().unwrap().clone());
    let failed = secrets.filter(|secret| secret["state"] == "failed");
    failed.map(|secret| secret["failure"].clone()).collect()
}

async fn check_every_six_hours(world: &World, times: u32) {
    for _ in 0..times {
        world.clock.advance(SignedDuration::from_hours(6));
        check(world).await;
    }
}

// === Silence ===

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_cannot_be_looked_at_for_a_day_reaches_a_person_with_words() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let down = Fault::Answer {
        effect: false,
        status: 503,
        headers: vec![("Retry-After".to_owned(), "0.01".to_owned())],
        body: "{}".to_owned(),
    };
    world.gate.fail("graph", "*", 0, 10_000, down);
    check_every_six_hours(&world, 4).await;
    assert_eq!(told(&world).get("Rotation Stalled"), None, "not a day yet");
    check_every_six_hours(&world, 8).await;
    let stalled = world.event_bridge.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    let (what, next) = (&stalled[0]["what"], &stalled[0]["next_step"]);
    assert!(what.as_str().unwrap().contains("503"), "{what}");
    assert!(next.as_str().unwrap().contains("log of rotation"), "{next}");
    assert_eq!(stalled[0]["contact"], "owner@agency.example");
    let failures = reported_failures(&world);
    assert_eq!(failures.len(), 12);
    assert!(failures.iter().all(Value::is_string), "{failures:?}");
    assert_events_keep_their_schemas(&world);
    // Well again, and broken again: that is another time.
    world.gate.heal();
    check(&world).await;
    let well = tag(&world, &mailbox, "shopmail:stalled");
    assert_eq!(well.as_deref(), Some("none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_function_that_dies_at_every_call_reaches_a_person() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let died = json!({"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: exit status 1"});
    let died = Fault::Answer {
        effect: false,
        status: 200,
        headers: vec![("X-Amz-Function-Error".to_owned(), "Unhandled".to_owned())],
        body: died.to_string(),
    };
    world
        .gate
        .fail("lambda", "Invoke rotation", 0, 10_000, died);
    check_every_six_hours(&world, 6).await;
    let stalled = world.event_bridge.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    let what = stalled[0]["what"].as_str().unwrap();
    assert!(what.contains("it died"), "{what}");
    assert!(stalled[0]["expires_at"].is_string(), "by the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_whose_mail_check_is_off_is_told_what_to_switch_on() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world.shopctrl.set_check_mail(12, false);
    check(&world).await;
    check_daily(&world, 4).await;
    assert_ne!(told(&world).get("Rotation Started"), None);
    let stalled = world.event_bridge.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    assert_eq!(stalled[0]["step"], "testSecret");
    let next = stalled[0]["next_step"].as_str().unwrap();
    assert!(next.contains("look at Check mail"), "{stalled:?}");
    assert_events_keep_their_schemas(&world);
    world.shopctrl.set_check_mail(12, true);
    check_daily(&world, 2).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_secrets_manager_attempts_in_vain_is_told_with_its_step_and_code() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let down = answer(503, false, "{}");
    world
        .gate
        .fail("graph", "POST addPassword", 0, 10_000, down);
    check(&world).await;
    check_daily(&world, 3).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    let stalled = world.event_bridge.details("Rotation Stalled");
    assert_eq!(stalled.len(), 1, "{stalled:?}");
    assert_eq!(stalled[0]["step"], "createSecret");
    let what = stalled[0]["what"].as_str().unwrap();
    assert!(what.contains("answered 503"), "{stalled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_mail_is_not_healthy_and_says_what_to_do() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.shopctrl.edit(12, "orders-in", |c| c.enabled = false);
    let checked = world.check().await.unwrap();
    let report = &checked.payload["secrets"][0];
    assert_eq!(report["state"], "failed");
    let failure = report["failures"][0].as_str().unwrap();
    assert!(failure.contains("orders-in"), "{failure}");
    assert!(failure.contains("Switch Enable on"), "{failure}");
    let drift = &world.event_bridge.details("Drift Found")[0];
    assert_eq!(drift["mended"], Value::Null);
}

// === Shouting ===

#[tokio::test(flavor = "multi_thread")]
async fn the_same_failure_is_told_once_another_at_once_and_what_stays_at_each_threshold() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(26),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let app = mailbox.app.app_id;
    world
        .directory
        .change(app, |app| app.secrets_blocked = true);
    let failed = || world.event_bridge.details("Rotation Failed").len();
    check_every_six_hours(&world, 20).await;
    assert_eq!(failed(), 1);
    let denied = r#"{"error":{"code":"Authorization_RequestDenied","message":"no"}}"#;
    let denied = answer(403, false, denied);
    world
        .gate
        .fail("graph", "POST addPassword", 0, 10_000, denied);
    check_every_six_hours(&world, 6).await;
    assert_eq!(
        failed(),
        2,
        "{:?}",
        world.event_bridge.details("Rotation Failed")
    );
    // What stays stands still: told after a day, after a week, and with two weeks left.
    check_every_six_hours(&world, 26).await;
    assert_eq!(failed(), 2);
    let stalled = world.event_bridge.details("Rotation Stalled");
    assert_eq!(stalled.len(), 3, "{stalled:?}");
    assert_eq!(stalled[2]["step"], "createSecret");
    assert_eq!(stalled[2]["code"], "Authorization_RequestDenied");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_same_check_mends_is_told_as_mended() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.shopctrl.enter_secret(12, "orders-in", "a typo");
    let checked = world.check().await.unwrap();
    let report = &checked.payload["secrets"][0];
    assert_eq!(
        (&report["state"], &report["failures"]),
        (&json!("healthy"), &json!([]))
    );
    let drifts = world.event_bridge.details("Drift Found");
    assert!(!drifts.is_empty());
    assert!(
        drifts.iter().all(|drift| drift["mended"] == true),
        "{drifts:?}"
    );
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_renews_itself_in_time_reminds_nobody() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        document: |document| document["lifetime"] = json!("P20D"),
        ..MailboxPlan::default()
    };
    world.add_mailbox(&plan).unwrap();
    check(&world).await;
    check_daily(&world, 45).await;
    let told = told(&world);
    assert_eq!(told.get("Client Secret Rotated"), Some(&4), "{told:?}");
    for kind in [
        "Client Secret Expiring",
        "Rotation Stalled",
        "Rotation Failed",
    ] {
        assert_eq!(told.get(kind), None, "{told:?}");
    }
}
