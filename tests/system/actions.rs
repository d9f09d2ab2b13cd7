//! What the checker asks of the rotation function: inspect, sweep, retire.

use std::sync::Arc;

use serde_json::json;
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::replication::{Lag, Replica};

use crate::support::Scenario;
use crate::support::scenario::days;

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_look_sees_entras_end_and_every_drift_and_changes_nothing() {
    let scenario = Scenario::begin().await;
    let values = scenario.world.secrets_manager.stored_values();
    let end = scenario.world.clock.now() + days(3);
    scenario.world.directory.set_secret_end(
        scenario.mailbox.app.app_id,
        scenario.mailbox.first_key,
        end,
    );
    let healthy = scenario.facts().await;
    let seen: jiff::Timestamp = healthy["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(seen.duration_since(end).abs() < jiff::SignedDuration::from_secs(1));
    assert_eq!(healthy["drift"], json!([]));
    assert_eq!(healthy["problems"], json!([]));

    scenario
        .world
        .shopctrl
        .edit(12, "orders-out", |c| c.enabled = false);
    scenario
        .world
        .directory
        .delete_secret(scenario.mailbox.app.app_id, scenario.mailbox.first_key);
    let drifted = scenario.facts().await;
    let codes: Vec<&str> = drifted["drift"]
        .as_array()
        .unwrap()
        .iter()
        .map(|drift| drift["what"].as_str().unwrap())
        .collect();
    for code in [
        "credential_missing",
        "secret_refused",
        "connection_disabled",
    ] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
    assert_eq!(scenario.world.secrets_manager.stored_values(), values);
    assert_eq!(
        scenario.world.event_bridge.events(),
        Vec::<serde_json::Value>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_credential_that_shopctrl_still_holds_is_not_retired() {
    let scenario = Scenario::begin().await;
    let old = scenario.world.shopctrl.connection(12, "orders-in").unwrap();
    scenario.rotate().await;
    scenario.assert_whole();
    // A person puts the old secret back into one connection.
    scenario.world.shopctrl.edit(12, "orders-in", |connection| {
        connection.secret.clone_from(&old.secret);
        connection.key_id = old.key_id;
    });
    scenario.world.clock.advance(days(8));
    let kept = scenario.action("retire").await;
    assert_eq!(kept["removed"], json!([]));
    assert!(scenario.keys().contains(&scenario.mailbox.first_key));
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
    // The sweep delivers the current one, and then the old one can go.
    scenario.action("sweep").await;
    scenario.action("retire").await;
    assert!(!scenario.keys().contains(&scenario.mailbox.first_key));
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_taken_back_by_hand_keeps_both_credentials_that_are_in_use() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let key = scenario.current_key();
    let secret = scenario.secret();
    let previous = secret.labelled("AWSPREVIOUS").unwrap();
    // Undone by hand: the old version is current again, and a retirement far in the future asks
    // ShopCtrl first.
    let document = previous.text().unwrap().to_owned();
    scenario
        .world
        .secrets_manager
        .place_version(
            &scenario.mailbox.secret,
            "99999999-2222-4333-8444-000000000000",
            Some(&document),
            &["AWSCURRENT"],
        )
        .unwrap();
    scenario.world.clock.advance(days(8));
    scenario.action("retire").await;
    let left = scenario.keys();
    assert!(
        left.contains(&scenario.mailbox.first_key),
        "the current document's"
    );
    assert!(left.contains(&key), "what the connections hold");
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
}

/// What Graph says of a credential that it does not know, or not yet.
fn no_such_credential() -> Fault {
    Fault::Answer {
        effect: false,
        status: 400,
        headers: Vec::new(),
        body: r#"{"error":{"code":"Request_BadRequest","message":"No password credential found with keyId 'x'."}}"#.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_credential_is_not_believed_while_graph_still_lists_it() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.clock.advance(days(8));
    scenario.world.gate.fail(
        Calls::of("graph", "POST removePassword").times(2),
        no_such_credential(),
    );
    let retired = scenario.action("retire").await;
    assert_eq!(retired["removed"], json!([scenario.mailbox.first_key]));
    assert!(
        !scenario.keys().contains(&scenario.mailbox.first_key),
        "removed in the end"
    );
    let told = scenario.details("Credential Retired");
    assert_eq!(told.len(), 1);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_credential_as_long_as_graph_lists_it_keeps_the_label_for_the_next_check() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.clock.advance(days(8));
    scenario.world.gate.fail(
        Calls::of("graph", "POST removePassword").times(100),
        no_such_credential(),
    );
    scenario.world.check().await.unwrap();
    assert_eq!(scenario.details("Credential Retired").len(), 0, "not green");
    assert!(scenario.keys().contains(&scenario.mailbox.first_key));
    scenario.world.gate.heal();
    scenario
        .world
        .clock
        .advance(jiff::SignedDuration::from_hours(6));
    scenario.world.check().await.unwrap();
    assert!(!scenario.keys().contains(&scenario.mailbox.first_key));
    assert_eq!(scenario.details("Credential Retired").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_a_person_removes_in_the_moment_of_its_removal_counts_as_retired() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.clock.advance(days(8));
    let (directory, app, key) = (
        Arc::clone(&scenario.world.directory),
        scenario.mailbox.app.app_id,
        scenario.mailbox.first_key,
    );
    scenario.world.gate.direct(move |call| {
        if call.operation == "POST removePassword" {
            directory.delete_secret(app, key);
        }
        None
    });
    let retired = scenario.action("retire").await;
    assert_eq!(retired["removed"], json!([scenario.mailbox.first_key]));
    assert_eq!(scenario.details("Credential Retired").len(), 1);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labels_of_what_was_removed_go_once_no_replica_shows_it_and_it_is_told_once() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.clock.advance(days(8));
    let of_the_old = || {
        let secret = scenario.secret();
        let labels = secret.versions.into_iter().flat_map(|v| v.labels);
        let old = scenario.mailbox.first_key.to_string();
        labels.filter(|label| label.ends_with(&old)).count()
    };
    scenario.action("retire").await;
    assert_eq!(of_the_old(), 1, "retired-");
    let lags = Lag::Time(jiff::SignedDuration::from_hours(1));
    let lagging = Replica {
        forgets: lags,
        ..Replica::default()
    };
    scenario
        .world
        .directory
        .set_graph_replicas(vec![Replica::default(), lagging]);
    for _ in 0..3 {
        scenario.action("sweep").await;
        scenario.action("retire").await;
        assert_eq!(of_the_old(), 1, "a replica shows it");
    }
    scenario.world.clock.advance(days(1));
    scenario.action("retire").await;
    assert_eq!(of_the_old(), 0);
    assert_eq!(scenario.details("Credential Retired").len(), 1);
    scenario.assert_whole();
}
