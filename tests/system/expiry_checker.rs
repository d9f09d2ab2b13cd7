//! The checker: what it starts, what it says, and that it only says so in a dry run.

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::credential::Marker;
use simulators::secrets_manager::{CURRENT, PENDING};
use simulators::world::{MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, keys, orphans, tag};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::steps::rotate;
use crate::whole_rotation::days;

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let values = world.secrets_manager.stored_values();
    let before = world
        .secrets_manager
        .snapshot(&mailbox.secret)
        .unwrap()
        .tags;
    let done = world
        .invoke("expiry-checker", &json!({"dry_run": true}))
        .await
        .unwrap();
    assert_eq!(done.function_error, None);
    let actions = done.payload["secrets"][0]["actions"].to_string();
    assert!(actions.contains("start a rotation"), "{actions}");
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(world.secrets_manager.stored_values(), values);
    assert_eq!(
        world
            .secrets_manager
            .snapshot(&mailbox.secret)
            .unwrap()
            .tags,
        before
    );
    assert_eq!(world.event_bridge.events(), Vec::<Value>::new());
    let writes = world.gate.operations();
    let writes = writes.iter().filter(|o| {
        ["Put", "Update", "Tag", "Rotate", "Password"]
            .iter()
            .any(|w| o.contains(w))
    });
    assert_eq!(writes.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_threshold_reminds_once_and_then_it_is_said_that_it_is_over() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(40),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    // A rotation that cannot be: Entra allows no new secrets, so only the reminders are left.
    world
        .directory
        .change(mailbox.app.app_id, |app| app.secrets_blocked = true);
    let mut thresholds = Vec::new();
    for _ in 0..45 {
        for _ in 0..2 {
            world.check().await.unwrap();
            world.secrets_manager.settled(&mailbox.secret).await;
        }
        world.clock.advance(days(1));
    }
    for detail in world.event_bridge.details("Client Secret Expiring") {
        assert_eq!(detail["contact"], "owner@agency.example");
        thresholds.push(detail["threshold_days"].as_i64().unwrap());
    }
    assert_eq!(thresholds, vec![30, 14, 7, 3, 1]);
    assert_eq!(told(&world).get("Client Secret Expired"), Some(&1));
    assert!(
        told(&world).contains_key("Rotation Failed"),
        "an administrator hears why"
    );
    assert_eq!(keys(&world, &mailbox).len(), 2, "and nothing was issued");
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_is_told_by_the_next_check() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .directory
        .change(mailbox.app.app_id, |app| app.secrets_blocked = true);
    world
        .shopctrl
        .enter_secret(mailbox.shop_id, "orders-in", "a typo");
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
        world.gate.fail(service, writes, 0, 100, down);
    }
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    world.gate.heal();
    assert_eq!(world.event_bridge.events(), Vec::<Value>::new());
    world.clock.advance(SignedDuration::from_hours(6));
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    let told = told(&world);
    for kind in ["Rotation Due", "Drift Found"] {
        assert_eq!(told.get(kind), Some(&1), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_end_counts_and_not_the_documents() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let end = world.clock.now() + days(10);
    world
        .directory
        .set_secret_end(mailbox.app.app_id, mailbox.first_key, end);
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_cleared_within_one_check_and_foreign_credentials_never() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let suffix = mailbox.arn.rsplit('-').next().unwrap().to_owned();
    let add = |name: String| {
        let secret = simulators::directory::application::NewSecret {
            display_name: Some(name),
            ..Default::default()
        };
        world
            .directory
            .add_secret(mailbox.app.app_id, secret)
            .unwrap()
            .0
    };
    let token = "99999999-2222-4333-8444-555555555555";
    let lost = add(Marker::new(&mailbox.arn, token).display_name("ShopCtrl mail"));
    let others = add(format!("smr1/Zz9Zz9/{token} ShopCtrl mail"));
    // Of this secret or of one that it was a replica of: nothing tells.
    let whose = add(format!("smr1/{suffix}/{token} ShopCtrl mail"));
    assert_eq!(orphans(&world, &mailbox).len(), 2);
    world.clock.advance(SignedDuration::from_mins(2));
    world.check().await.unwrap();
    let left = keys(&world, &mailbox);
    assert!(!left.contains(&lost), "ours is gone");
    assert!(left.contains(&others), "another installation's stays");
    assert!(left.contains(&whose), "nobody knows whose it is");
    assert!(left.contains(&mailbox.foreign_key));
    assert!(left.contains(&mailbox.first_key));
    let retired = world.event_bridge.details("Credential Retired");
    assert_eq!(retired[0]["reason"], "orphan");
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_holds_a_rotation_back_until_its_hard_stop() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let first = world.clock.now().strftime("%Y-%m-%d").to_string();
    let last = (world.clock.now() + days(60))
        .strftime("%Y-%m-%d")
        .to_string();
    let freeze = format!("freeze={first}/{last}");
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &[("shopmail:policy", &freeze)])
        .unwrap();
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // Somebody presses "rotate now": nothing is issued, and the next check clears what it left.
    rotate(&world, &mailbox).await;
    assert_eq!(keys(&world, &mailbox).len(), 2, "nothing was issued");
    world.check().await.unwrap();
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert!(secret.labelled(PENDING).is_none());
    // Within a week of the end mail counts more than the freeze.
    world.clock.advance(days(14));
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_mailbox_does_not_stop_the_others() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = |name: &str, shop_id: i64| MailboxPlan {
        name: name.to_owned(),
        address: format!("{name}@shop.example"),
        shop_id,
        ..MailboxPlan::default()
    };
    let broken = MailboxPlan {
        document: |document| document["lifetime"] = json!("half a year"),
        ..plan("broken", 1)
    };
    let broken = world.add_mailbox(&broken).unwrap();
    let good = world.add_mailbox(&plan("good", 2)).unwrap();
    let checked = world.check().await.unwrap();
    world.secrets_manager.settled(&good.secret).await;
    assert_whole(&world, &good);
    assert_ne!(current_key(&world, &good), good.first_key);
    let report = world.event_bridge.details("Fleet Report").remove(0);
    assert_eq!(
        (&report["checked"], &report["failed"]),
        (&json!(2), &json!(1))
    );
    let failures = checked.payload["secrets"].to_string();
    assert!(
        failures.contains("lifetime") && !failures.contains("half a year"),
        "{failures}"
    );
    assert_eq!(current_key(&world, &broken), broken.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_died_is_continued_by_the_checks_alone() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    // Killed in setSecret, and Secrets Manager never reattempts by itself here.
    world.gate.fail_next(
        "shopctrl",
        "PUT connection",
        simulators::gate::Fault::Kill { effect: true },
    );
    rotate(&world, &mailbox).await;
    let stuck = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let token = stuck.labelled(PENDING).unwrap().id.clone();
    assert_ne!(stuck.labelled(CURRENT).unwrap().id, token);
    // The reattempt that the check asks for fails too, and the next check invokes the steps itself.
    world.gate.fail_next(
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
        world.check().await.unwrap();
        world.secrets_manager.settled(&mailbox.secret).await;
        world.clock.advance(SignedDuration::from_hours(6));
    }
    let done = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert_eq!(
        done.labelled(CURRENT).unwrap().id,
        token,
        "the same rotation"
    );
    assert_whole(&world, &mailbox);
    assert_eq!(
        tag(&world, &mailbox, "shopmail:state").as_deref(),
        Some("rotated")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_continues_goes_on_behind_its_cursor_with_the_time_that_it_began_with() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = |name: &str, shop_id: i64| MailboxPlan {
        name: name.to_owned(),
        address: format!("{name}@shop.example"),
        shop_id,
        ..MailboxPlan::default()
    };
    let first = world.add_mailbox(&plan("alpha", 1)).unwrap();
    let second = world.add_mailbox(&plan("beta", 2)).unwrap();
    let began = (world.clock.now() - days(30)).to_string();
    let event = json!({
        "detail-type": "Check Continues", "source": "shopmail",
        "detail": {"id": "00", "cursor": first.arn, "time": began},
    });
    let done = world.invoke("expiry-checker", &event).await.unwrap();
    assert_eq!(done.function_error, None, "{}", done.payload);
    let secrets = done.payload["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["secret"], second.secret.as_str());
    // 30 days ago the secret was not due yet.
    assert_eq!(secrets[0]["state"], "healthy");
    assert_eq!(done.payload["continues_after"], Value::Null);
}
