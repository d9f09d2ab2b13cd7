//! Doing less: where rotation was switched off or a freeze holds, and where what is known is only a late
//! replica's word.

use jiff::SignedDuration;
use serde_json::json;
use shared::credential::Marker;
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::Fault;
use simulators::microsoft::directory::application::NewSecret;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};
use uuid::Uuid;

use crate::end_state::{assert_whole, current_key, keys};
use crate::events::told;
use crate::kill_matrix::trouble::answer;
use crate::steps::{TOKEN, action, begin, rotate, step, succeeded};
use crate::whole_rotation::days;
use crate::whose::{check, check_daily, retired};

fn cancel(world: &World, mailbox: &Mailbox) {
    let secrets = &world.secrets_manager;
    secrets.cancel_rotation(&mailbox.secret).unwrap();
}

/// A credential of ours that was lost yesterday.
fn orphan(world: &World, mailbox: &Mailbox) -> Uuid {
    let token = "77777777-2222-4333-8444-555555555555";
    let new = NewSecret {
        display_name: Some(Marker::new(&mailbox.arn, token).display_name("")),
        start: Some(world.clock.now() - days(1)),
        ..NewSecret::default()
    };
    world
        .directory
        .add_secret(mailbox.app.app_id, new)
        .unwrap()
        .0
}

fn freeze(world: &World, mailbox: &Mailbox, for_days: i64) {
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    let now = world.clock.now();
    let policy = format!("freeze={}/{}", day(now), day(now + days(for_days)));
    let tag = [("shopmail:policy", policy.as_str())];
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &tag)
        .unwrap();
}

// === Rotation off ===

#[tokio::test(flavor = "multi_thread")]
async fn where_rotation_is_off_it_is_looked_at_reminded_of_reported_and_nothing_else() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let lost = orphan(&world, &mailbox);
    world.shopctrl.edit(12, "orders-in", |c| c.enabled = false);
    cancel(&world, &mailbox);
    let before = keys(&world, &mailbox);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    world.gate.clear();
    check_daily(&world, 170).await;
    for name in ["sweep", "retire"] {
        assert_eq!(action(&world, &mailbox, name).await["removed"], json!([]));
    }
    assert_eq!(keys(&world, &mailbox), before);
    assert!(before.contains(&lost) && before.contains(&mailbox.first_key));
    let now = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert_eq!(now.versions, secret.versions);
    let calls = world.gate.operations();
    let writes = |call: &&String| {
        let writes = [
            "addPassword",
            "removePassword",
            "PUT connection",
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "RotateSecret",
        ];
        writes.iter().any(|write| call.contains(write))
    };
    assert_eq!(calls.iter().find(writes), None);
    let told = told(&world);
    assert!(
        told.contains_key("Client Secret Expiring"),
        "reminded: {told:?}"
    );
    assert!(told.contains_key("Drift Found"), "looked at: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_was_not_told_yet_is_told_though_rotation_was_switched_off_since() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    for name in ["createSecret", "setSecret", "testSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    let kill = Fault::Kill { effect: false };
    world.gate.fail_next("events", "PutEvents", kill);
    step(&world, &mailbox, "finishSecret", TOKEN).await;
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    assert_eq!(told(&world).get("Client Secret Rotated"), None);
    cancel(&world, &mailbox);
    check_daily(&world, 1).await;
    assert_eq!(told(&world).get("Client Secret Rotated"), Some(&1));
}

// === Freezes ===

#[tokio::test(flavor = "multi_thread")]
async fn in_a_freeze_nothing_that_worked_is_removed_and_after_it_all_is() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let lost = orphan(&world, &mailbox);
    freeze(&world, &mailbox, 12);
    check_daily(&world, 12).await;
    let kept = keys(&world, &mailbox);
    assert!(kept.contains(&mailbox.first_key) && kept.contains(&lost));
    check_daily(&world, 2).await;
    let left = keys(&world, &mailbox);
    assert!(!left.contains(&mailbox.first_key) && !left.contains(&lost));
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_freeze_a_leaked_credential_goes_all_the_same() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    freeze(&world, &mailbox, 30);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let current = secret.labelled(CURRENT).unwrap().id.clone();
    let tag = [("shopmail:emergency", current.as_str())];
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &tag)
        .unwrap();
    check(&world).await;
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    let first = mailbox.first_key.to_string();
    assert_eq!(retired(&world), vec![(first, "emergency".to_owned())]);
}

// === What decides is known whole ===

#[tokio::test(flavor = "multi_thread")]
async fn a_short_lived_secret_is_not_due_because_it_could_not_be_looked_at() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        document: |document| document["lifetime"] = json!("P14D"),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    rotate(&world, &mailbox).await;
    let key = current_key(&world, &mailbox);
    // Before the first look of a check at it, and after.
    for _ in 0..2 {
        let busy = r#"{"Type":"User","message":"Rate Exceeded."}"#;
        let busy = answer(429, false, busy);
        world.gate.fail("lambda", "Invoke rotation", 0, 100, busy);
        check_daily(&world, 1).await;
        world.gate.heal();
        check_daily(&world, 1).await;
    }
    assert_eq!(told(&world).get("Rotation Due"), None);
    assert_eq!(current_key(&world, &mailbox), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_that_is_the_longest_allowed_is_not_refused_for_a_second() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    // What a clock of Graph's that is a second behind makes of a maximum of 180 days.
    let longest = days(180) - SignedDuration::from_secs(1);
    world.directory.change(mailbox.app.app_id, |app| {
        app.max_secret_lifetime = Some(longest);
    });
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let key = current_key(&world, &mailbox);
    let issued = credentials.iter().find(|c| c.key_id == key).unwrap();
    let life = issued.end.duration_since(issued.start);
    assert!(life > days(179), "{life}");
}

// === One look is none ===

#[tokio::test(flavor = "multi_thread")]
async fn what_one_late_replica_does_not_show_is_asked_for_over_other_connections() {
    let late = Replica {
        learns: Lag::Time(days(1)),
        ..Replica::default()
    };
    for replicas in [[late, Replica::default()], [Replica::default(), late]] {
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        world
            .directory
            .set_graph_habits(|habits| habits.reads_by_connection = true);
        rotate(&world, &mailbox).await;
        world.directory.set_graph_replicas(replicas.to_vec());
        let seen = action(&world, &mailbox, "probe").await;
        assert_eq!(seen["drift"], json!([]), "another connection shows it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_that_rests_on_graphs_list_alone_is_told_when_a_second_check_sees_it_too() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    world.add_mailbox(&plan).unwrap();
    check(&world).await;
    // All replicas are late for what was added; the token endpoint knows it.
    let late = Replica {
        learns: Lag::Time(days(60)),
        ..Replica::default()
    };
    world.directory.set_graph_replicas(vec![late]);
    check_daily(&world, 1).await;
    assert_eq!(told(&world).get("Drift Found"), None, "one look");
    check_daily(&world, 1).await;
    let drift = world.event_bridge.details("Drift Found");
    assert_eq!(drift.len(), 1);
    assert_eq!(drift[0]["what"], "credential_missing");
    check_daily(&world, 2).await;
    assert_eq!(world.event_bridge.details("Drift Found").len(), 1, "once");
}
