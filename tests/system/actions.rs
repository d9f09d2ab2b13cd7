//! What the checker asks of the rotation function: probe, sweep, retire.

use std::sync::Arc;

use serde_json::json;
use simulators::gate::Fault;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::{MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, keys};
use crate::steps::{action, rotate};
use crate::whole_rotation::days;

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_sees_entras_end_and_every_drift_and_changes_nothing() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let values = world.secrets_manager.stored_values();
    let end = world.clock.now() + days(3);
    world
        .directory
        .set_secret_end(mailbox.app.app_id, mailbox.first_key, end);
    let healthy = action(&world, &mailbox, "probe").await;
    let seen: jiff::Timestamp = healthy["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(seen.duration_since(end).abs() < jiff::SignedDuration::from_secs(1));
    assert_eq!(healthy["drift"], json!([]));
    assert_eq!(healthy["problems"], json!([]));

    world.shopctrl.edit(12, "orders-out", |c| c.enabled = false);
    world
        .directory
        .delete_secret(mailbox.app.app_id, mailbox.first_key);
    let drifted = action(&world, &mailbox, "probe").await;
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
    assert_eq!(world.secrets_manager.stored_values(), values);
    assert_eq!(world.event_bridge.events(), Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_credential_that_shopctrl_still_holds_is_not_retired() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let old = world.shopctrl.connection(12, "orders-in").unwrap();
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    // A person puts the old secret back into one connection.
    world.shopctrl.edit(12, "orders-in", |connection| {
        connection.secret.clone_from(&old.secret);
        connection.key_id = old.key_id;
    });
    world.clock.advance(days(8));
    let kept = action(&world, &mailbox, "retire").await;
    assert_eq!(kept["removed"], json!([]));
    assert!(keys(&world, &mailbox).contains(&mailbox.first_key));
    assert_eq!(world.shopctrl.outages(), vec![]);
    // The sweep delivers the current one, and then the old one can go.
    action(&world, &mailbox, "sweep").await;
    action(&world, &mailbox, "retire").await;
    assert!(!keys(&world, &mailbox).contains(&mailbox.first_key));
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_taken_back_by_hand_keeps_both_credentials_that_are_in_use() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let key = current_key(&world, &mailbox);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let previous = secret.labelled("AWSPREVIOUS").unwrap();
    // Undone by hand: the old version is current again, and a retirement far in the future asks
    // ShopCtrl first.
    let document = previous.text().unwrap().to_owned();
    world
        .secrets_manager
        .place_version(
            &mailbox.secret,
            "99999999-2222-4333-8444-000000000000",
            Some(&document),
            &["AWSCURRENT"],
        )
        .unwrap();
    world.clock.advance(days(8));
    action(&world, &mailbox, "retire").await;
    let left = keys(&world, &mailbox);
    assert!(left.contains(&mailbox.first_key), "the current document's");
    assert!(left.contains(&key), "what the connections hold");
    assert_eq!(world.shopctrl.outages(), vec![]);
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
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.clock.advance(days(8));
    world
        .gate
        .fail("graph", "POST removePassword", 0, 2, no_such_credential());
    let retired = action(&world, &mailbox, "retire").await;
    assert_eq!(retired["removed"], json!([mailbox.first_key]));
    assert!(
        !keys(&world, &mailbox).contains(&mailbox.first_key),
        "removed in the end"
    );
    let told = world.event_bridge.details("Credential Retired");
    assert_eq!(told.len(), 1);
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_credential_as_long_as_graph_lists_it_keeps_the_label_for_the_next_check() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.clock.advance(days(8));
    world
        .gate
        .fail("graph", "POST removePassword", 0, 100, no_such_credential());
    world.check().await.unwrap();
    assert_eq!(
        world.event_bridge.details("Credential Retired").len(),
        0,
        "not green"
    );
    assert!(keys(&world, &mailbox).contains(&mailbox.first_key));
    world.gate.heal();
    world.clock.advance(jiff::SignedDuration::from_hours(6));
    world.check().await.unwrap();
    assert!(!keys(&world, &mailbox).contains(&mailbox.first_key));
    assert_eq!(world.event_bridge.details("Credential Retired").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_a_person_removes_in_the_moment_of_its_removal_counts_as_retired() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.clock.advance(days(8));
    let (directory, app, key) = (
        Arc::clone(&world.directory),
        mailbox.app.app_id,
        mailbox.first_key,
    );
    world.gate.direct(move |call| {
        if call.operation == "POST removePassword" {
            directory.delete_secret(app, key);
        }
        None
    });
    let retired = action(&world, &mailbox, "retire").await;
    assert_eq!(retired["removed"], json!([mailbox.first_key]));
    assert_eq!(world.event_bridge.details("Credential Retired").len(), 1);
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labels_of_what_was_removed_go_once_no_replica_shows_it_and_it_is_told_once() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.clock.advance(days(8));
    let of_the_old = || {
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        let labels = secret.versions.into_iter().flat_map(|v| v.labels);
        let old = mailbox.first_key.to_string();
        labels.filter(|label| label.ends_with(&old)).count()
    };
    action(&world, &mailbox, "retire").await;
    assert_eq!(of_the_old(), 1, "retired-");
    let lags = Lag::Time(jiff::SignedDuration::from_hours(1));
    let lagging = Replica {
        forgets: lags,
        ..Replica::default()
    };
    world
        .directory
        .set_graph_replicas(vec![Replica::default(), lagging]);
    for _ in 0..3 {
        action(&world, &mailbox, "sweep").await;
        action(&world, &mailbox, "retire").await;
        assert_eq!(of_the_old(), 1, "a replica shows it");
    }
    world.clock.advance(days(1));
    action(&world, &mailbox, "retire").await;
    assert_eq!(of_the_old(), 0);
    assert_eq!(world.event_bridge.details("Credential Retired").len(), 1);
    assert_whole(&world, &mailbox);
}
