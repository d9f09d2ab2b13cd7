//! The checker: what it starts, what it says, and that it only says so in a dry run.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::credential::Marker;
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::gate::{Calls, Fault};
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::in_process::in_virtual_time;
use crate::support::scenario::{days, ending_in};

fn named(name: &str, shop_id: i64) -> MailboxPlan {
    MailboxPlan {
        name: name.to_owned(),
        address: format!("{name}@shop.example"),
        shop_id,
        ..MailboxPlan::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let scenario = Scenario::begin().await;
    let values = scenario.world.secrets_manager.stored_values();
    let before = scenario.secret().tags;
    let done = scenario
        .world
        .invoke("expiry-checker", &json!({"dry_run": true}))
        .await
        .unwrap();
    assert_eq!(done.function_error, None);
    let actions = done.payload["secrets"][0]["actions"].to_string();
    assert!(actions.contains("start a rotation"), "{actions}");
    scenario.settled().await;
    assert_eq!(scenario.world.secrets_manager.stored_values(), values);
    assert_eq!(scenario.secret().tags, before);
    assert_eq!(scenario.world.event_bridge.events(), Vec::<Value>::new());
    let writes = scenario.world.gate.operations();
    let writes = writes.iter().filter(|o| {
        ["Put", "Update", "Tag", "Rotate", "Password"]
            .iter()
            .any(|w| o.contains(w))
    });
    assert_eq!(writes.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_threshold_reminds_once_and_then_it_is_said_that_it_is_over() {
    let scenario = Scenario::with(&ending_in(40)).await;
    // A rotation that cannot be: Entra allows no new secrets, so only the reminders are left.
    scenario.change_app(|app| app.secrets_blocked = Some(true));
    let mut thresholds = Vec::new();
    for _ in 0..45 {
        for _ in 0..2 {
            scenario.check().await;
        }
        scenario.world.clock.advance(days(1));
    }
    for detail in scenario.details("Client Secret Expiring") {
        assert_eq!(detail["contact"], "owner@agency.example");
        thresholds.push(detail["threshold_days"].as_i64().unwrap());
    }
    assert_eq!(thresholds, vec![30, 14, 7, 3, 1]);
    assert_eq!(scenario.told().get("Client Secret Expired"), Some(&1));
    assert!(
        scenario.told().contains_key("Rotation Failed"),
        "an administrator hears why"
    );
    assert_eq!(scenario.keys().len(), 2, "and nothing was issued");
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_is_told_by_the_next_check() {
    let scenario = Scenario::begin().await;
    scenario.change_app(|app| app.secrets_blocked = Some(true));
    scenario
        .world
        .shopctrl
        .enter_secret(scenario.mailbox.shop_id, "orders-in", "a typo");
    // EventBridge is down; ShopCtrl too, so that the sweep does not mend what was found.
    for service in ["events", "shopctrl"] {
        let down = simulators::gate::Fault::Answer {
            effect: false,
            status: 503,
            headers: Vec::new(),
            body: "{}".into(),
        };
        let writes = if service == "events" {
            "*"
        } else {
            "PUT connection"
        };
        scenario
            .world
            .gate
            .fail(Calls::of(service, writes).times(100), down);
    }
    // This check fails: it could tell nothing.
    scenario.world.check().await.unwrap();
    scenario.settled().await;
    scenario.world.gate.heal();
    assert_eq!(scenario.world.event_bridge.events(), Vec::<Value>::new());
    scenario.world.clock.advance(SignedDuration::from_hours(6));
    scenario.check().await;
    let told = scenario.told();
    for kind in ["Rotation Due", "Drift Found"] {
        assert_eq!(told.get(kind), Some(&1), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_end_counts_and_not_the_documents() {
    let scenario = Scenario::with(&ending_in(100)).await;
    let end = scenario.world.clock.now() + days(10);
    scenario.world.directory.set_secret_end(
        scenario.mailbox.app.app_id,
        scenario.mailbox.first_key,
        end,
    );
    scenario.check().await;
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_cleared_within_one_check_and_foreign_credentials_never() {
    let scenario = Scenario::with(&ending_in(100)).await;
    let suffix = scenario.mailbox.arn.rsplit('-').next().unwrap().to_owned();
    let add = |name: String| {
        let secret = simulators::microsoft::directory::application::NewSecret {
            display_name: Some(name),
            ..Default::default()
        };
        scenario
            .world
            .directory
            .add_secret(scenario.mailbox.app.app_id, secret)
            .unwrap()
            .0
    };
    let token = "99999999-2222-4333-8444-555555555555";
    let lost = add(Marker::new(&scenario.mailbox.arn, token).display_name("ShopCtrl mail"));
    let others = add(format!("smr1/Zz9Zz9/{token} ShopCtrl mail"));
    // Of this secret or of one that it was a replica of: nothing tells.
    let whose = add(format!("smr1/{suffix}/{token} ShopCtrl mail"));
    assert_eq!(scenario.orphans().len(), 2);
    scenario.world.clock.advance(SignedDuration::from_mins(2));
    scenario.world.check().await.unwrap();
    let left = scenario.keys();
    assert!(!left.contains(&lost), "ours is gone");
    assert!(left.contains(&others), "another installation's stays");
    assert!(left.contains(&whose), "nobody knows whose it is");
    assert!(left.contains(&scenario.mailbox.foreign_key));
    assert!(left.contains(&scenario.mailbox.first_key));
    let retired = scenario.details("Credential Retired");
    assert_eq!(retired[0]["reason"], "orphan");
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_holds_a_rotation_back_until_its_hard_stop() {
    let scenario = Scenario::begin().await;
    let first = scenario.world.clock.now().strftime("%Y-%m-%d").to_string();
    let last = (scenario.world.clock.now() + days(60))
        .strftime("%Y-%m-%d")
        .to_string();
    let freeze = format!("freeze={first}/{last}");
    scenario.put_tag("shopmail:policy", &freeze);
    scenario.check().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // Somebody presses "rotate now": nothing is issued, and the next check clears what it left.
    scenario.rotate().await;
    assert_eq!(scenario.keys().len(), 2, "nothing was issued");
    scenario.world.check().await.unwrap();
    let secret = scenario.secret();
    assert!(secret.labelled(PENDING).is_none());
    // Within a week of the end mail counts more than the freeze.
    scenario.world.clock.advance(days(14));
    scenario.check().await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_mailbox_does_not_stop_the_others() {
    let broken = MailboxPlan {
        document: |document| document["lifetime"] = json!("half a year"),
        ..named("broken", 1)
    };
    let broken = Scenario::with(&broken).await;
    let good = broken.beside(&named("good", 2));
    let checked = good.world.check().await.unwrap();
    good.settled().await;
    good.assert_whole();
    assert_ne!(good.current_key(), good.mailbox.first_key);
    let report = good.details("Fleet Report").remove(0);
    assert_eq!(
        (&report["checked"], &report["failed"]),
        (&json!(2), &json!(1))
    );
    let failures = checked.payload["secrets"].to_string();
    assert!(
        failures.contains("lifetime") && !failures.contains("half a year"),
        "{failures}"
    );
    assert_eq!(broken.current_key(), broken.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_died_is_continued_by_the_checks_alone() {
    let scenario = Scenario::begin().await;
    // Killed in setSecret, and Secrets Manager never reattempts by itself here.
    scenario.world.gate.fail_next(
        "shopctrl",
        "PUT connection",
        simulators::gate::Fault::Kill { effect: true },
    );
    scenario.rotate().await;
    let stuck = scenario.secret();
    let token = stuck.labelled(PENDING).unwrap().id.clone();
    assert_ne!(stuck.labelled(CURRENT).unwrap().id, token);
    // The reattempt that the check asks for fails too, and the next check invokes the steps itself.
    scenario.world.gate.fail_next(
        "secretsmanager",
        "RotateSecret",
        simulators::gate::Fault::Answer {
            effect: false,
            status: 500,
            headers: Vec::new(),
            body: "{}".into(),
        },
    );
    for _ in 0..3 {
        scenario.check().await;
        scenario.world.clock.advance(SignedDuration::from_hours(6));
    }
    let done = scenario.secret();
    assert_eq!(
        done.labelled(CURRENT).unwrap().id,
        token,
        "the same rotation"
    );
    scenario.assert_whole();
    assert_eq!(scenario.tag("shopmail:state").as_deref(), Some("rotated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_continues_goes_on_with_the_tenants_that_are_left_and_the_time_that_it_began_with()
 {
    let far = |name, shop_id, tenant| MailboxPlan {
        ends_in: days(100),
        tenant,
        ..named(name, shop_id)
    };
    let first = Scenario::with(&far("alpha", 1, None)).await;
    let world = &first.world;
    let other = world.add_tenant("other.example", &[2]).unwrap();
    let second = first.beside(&far("beta", 2, Some(other.clone())));
    first.check().await;
    let began = world.clock.now().to_string();
    world.clock.advance(days(80));
    let event = json!({
        "detail-type": "Check Continues", "source": "shopmail",
        "detail": {"id": "00", "tenants": [other.id], "part": 2, "time": began},
    });
    let done = world.invoke("expiry-checker", &event).await.unwrap();
    assert_eq!(done.function_error, None, "{}", done.payload);
    assert_eq!(done.payload["counts"]["checked"], 1, "{}", done.payload);
    let secrets = done.payload["secrets"].as_array().unwrap();
    assert_eq!(secrets[0]["secret"], second.mailbox.secret.as_str());
    // 80 days ago the secret was not due yet.
    assert_eq!(secrets[0]["state"], "healthy");
    assert_eq!(done.payload["continues_with"], Value::Null);
}

#[test]
fn what_there_is_no_time_for_is_left_to_the_next_part_and_reported_once() {
    in_virtual_time(|it| async move {
        let (world, _network) = (&it.world, &it.network);
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        // Of a quarter of an hour two minutes are kept for what is begun, and one for the end.
        let long = Fault::Delay(Duration::from_secs(13 * 60));
        world
            .gate
            .fail(Calls::of("lambda", "Invoke rotation"), long);
        let done = world.check().await.unwrap();
        assert_eq!(done.function_error, None, "{}", done.payload);
        world.settle().await;
        let continued = world.event_bridge.details("Check Continues");
        assert_eq!(continued.len(), 1, "{}", done.payload);
        assert_eq!(continued[0]["part"], 2);
        let reports = world.event_bridge.details("Fleet Report");
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0]["part"], 2);
        let rotated = world.event_bridge.details("Client Secret Rotated");
        assert_eq!(rotated[0]["secret"], mailbox.secret.as_str());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_begins_while_another_one_is_under_way_does_nothing_and_one_after_it_does() {
    let scenario = Scenario::begin().await;
    let world = &scenario.world;
    let (before, after) = (SignedDuration::from_mins(5), SignedDuration::from_mins(25));
    let lease = |began: jiff::Timestamp| {
        let until = began + SignedDuration::from_mins(20);
        let lease = format!("{}/{}", began.as_second(), until.as_second());
        let tag = ("shopmail:check", lease.as_str());
        world
            .secrets_manager
            .put_tags("shopmail-ticket-key", &[tag])
            .unwrap();
    };
    lease(world.clock.now() - before);
    let done = world.check().await.unwrap();
    assert!(done.payload["under_way"].is_string(), "{}", done.payload);
    assert_eq!(scenario.told().get("Fleet Report"), None);
    // That one died.
    lease(world.clock.now() - after);
    scenario.check().await;
    assert_eq!(scenario.told().get("Fleet Report"), Some(&1));
    let key = world
        .secrets_manager
        .snapshot("shopmail-ticket-key")
        .unwrap();
    assert_eq!(key.tags["shopmail:check"], "none", "given back");
}
