//! Doing less: where rotation was switched off or a freeze holds, and where what is known is only a late
//! replica's word.

use jiff::SignedDuration;
use serde_json::json;
use shared::credential::Marker;
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::application::NewSecret;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::MailboxPlan;
use uuid::Uuid;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::{days, ending_in};
use crate::support::steps::TOKEN;

fn cancel(scenario: &Scenario) {
    let secrets = &scenario.world.secrets_manager;
    secrets.cancel_rotation(&scenario.mailbox.secret).unwrap();
}

/// A credential of ours that was lost yesterday.
fn orphan(scenario: &Scenario) -> Uuid {
    let token = "77777777-2222-4333-8444-555555555555";
    let new = NewSecret {
        display_name: Some(Marker::new(&scenario.mailbox.arn, token).display_name("")),
        start: Some(scenario.world.clock.now() - days(1)),
        ..NewSecret::default()
    };
    scenario
        .world
        .directory
        .add_secret(scenario.mailbox.app.app_id, new)
        .unwrap()
        .0
}

fn freeze(scenario: &Scenario, for_days: i64) {
    let day = |at: jiff::Timestamp| at.strftime("%Y-%m-%d").to_string();
    let now = scenario.world.clock.now();
    let policy = format!("freeze={}/{}", day(now), day(now + days(for_days)));
    scenario.put_tag("shopmail:policy", policy.as_str());
}

// === Rotation off ===

#[tokio::test(flavor = "multi_thread")]
async fn where_rotation_is_off_it_is_looked_at_reminded_of_reported_and_nothing_else() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let lost = orphan(&scenario);
    scenario
        .world
        .shopctrl
        .edit(12, "orders-in", |c| c.enabled = false);
    cancel(&scenario);
    let before = scenario.keys();
    let secret = scenario.secret();
    scenario.world.gate.clear();
    scenario.check_daily(170).await;
    for name in ["sweep", "retire"] {
        assert_eq!(scenario.action(name).await["removed"], json!([]));
    }
    assert_eq!(scenario.keys(), before);
    assert!(before.contains(&lost) && before.contains(&scenario.mailbox.first_key));
    let now = scenario.secret();
    assert_eq!(now.versions, secret.versions);
    let calls = scenario.world.gate.operations();
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
    let told = scenario.told();
    assert!(
        told.contains_key("Client Secret Expiring"),
        "reminded: {told:?}"
    );
    assert!(told.contains_key("Drift Found"), "looked at: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_that_was_not_told_yet_is_told_though_rotation_was_switched_off_since() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in ["createSecret", "setSecret", "testSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    let kill = Fault::Kill { effect: false };
    scenario.world.gate.fail_next("events", "PutEvents", kill);
    scenario.step("finishSecret", TOKEN).await;
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    assert_eq!(scenario.told().get("Client Secret Rotated"), None);
    cancel(&scenario);
    scenario.check_daily(1).await;
    assert_eq!(scenario.told().get("Client Secret Rotated"), Some(&1));
}

// === Freezes ===

#[tokio::test(flavor = "multi_thread")]
async fn in_a_freeze_nothing_that_worked_is_removed_and_after_it_all_is() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let lost = orphan(&scenario);
    freeze(&scenario, 12);
    scenario.check_daily(12).await;
    let kept = scenario.keys();
    assert!(kept.contains(&scenario.mailbox.first_key) && kept.contains(&lost));
    scenario.check_daily(2).await;
    let left = scenario.keys();
    assert!(!left.contains(&scenario.mailbox.first_key) && !left.contains(&lost));
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_freeze_a_leaked_credential_goes_all_the_same() {
    let scenario = Scenario::begin().await;
    freeze(&scenario, 30);
    let secret = scenario.secret();
    let current = secret.labelled(CURRENT).unwrap().id.clone();
    scenario.put_tag("shopmail:emergency", current.as_str());
    scenario.check().await;
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    let first = scenario.mailbox.first_key.to_string();
    assert_eq!(scenario.retired(), vec![(first, "emergency".to_owned())]);
}

// === What decides is known whole ===

#[tokio::test(flavor = "multi_thread")]
async fn a_short_lived_secret_is_not_due_because_it_could_not_be_looked_at() {
    let plan = MailboxPlan {
        document: |document| document["lifetime"] = json!("P14D"),
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    scenario.rotate().await;
    let key = scenario.current_key();
    // Before the first look of a check at it, and after.
    for _ in 0..2 {
        let busy = r#"{"Type":"User","message":"Rate Exceeded."}"#;
        let busy = answer(429, false, busy);
        scenario
            .world
            .gate
            .fail(Calls::of("lambda", "Invoke rotation").times(100), busy);
        scenario.check_daily(1).await;
        scenario.world.gate.heal();
        scenario.check_daily(1).await;
    }
    assert_eq!(scenario.told().get("Rotation Due"), None);
    assert_eq!(scenario.current_key(), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_that_is_the_longest_allowed_is_not_refused_for_a_second() {
    let scenario = Scenario::begin().await;
    // What a clock of Graph's that is a second behind makes of a maximum of 180 days.
    let longest = days(180) - SignedDuration::from_secs(1);
    scenario.change_app(|app| {
        app.max_secret_lifetime = Some(longest);
    });
    scenario.rotate().await;
    scenario.assert_whole();
    let credentials = scenario.credentials();
    let key = scenario.current_key();
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
        let scenario = Scenario::begin().await;
        scenario
            .world
            .directory
            .set_graph_habits(|habits| habits.reads_by_connection = true);
        scenario.rotate().await;
        scenario
            .world
            .directory
            .set_graph_replicas(replicas.to_vec());
        let seen = scenario.facts().await;
        assert_eq!(seen["drift"], json!([]), "another connection shows it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_that_rests_on_graphs_list_alone_is_told_when_a_second_check_sees_it_too() {
    let scenario = Scenario::with(&ending_in(100)).await;
    scenario.check().await;
    // All replicas are late for what was added; the token endpoint knows it.
    let late = Replica {
        learns: Lag::Time(days(60)),
        ..Replica::default()
    };
    scenario.world.directory.set_graph_replicas(vec![late]);
    scenario.check_daily(1).await;
    assert_eq!(scenario.told().get("Drift Found"), None, "one look");
    scenario.check_daily(1).await;
    let drift = scenario.details("Drift Found");
    assert_eq!(drift.len(), 1);
    assert_eq!(drift[0]["what"], "credential_missing");
    scenario.check_daily(2).await;
    assert_eq!(scenario.details("Drift Found").len(), 1, "once");
}
