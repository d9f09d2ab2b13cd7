//! After expiry, after a leak, after somebody deleted the credential in the portal.

use jiff::SignedDuration;
use serde_json::json;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, keys, tag};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::steps::{action, rotate};
use crate::whole_rotation::days;

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_stopped_at_expiry_flows_again_after_one_check() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world.clock.advance(days(21));
    assert_eq!(
        world.shopctrl.outages().len(),
        2,
        "both directions stand still"
    );
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    let expired = world.event_bridge.details("Client Secret Expired");
    assert_eq!(expired.len(), 1, "since when the mail stood still is told");
    assert!(expired[0]["expires_at"].is_string());
    assert_eq!(
        world.event_bridge.details("Rotation Due")[0]["reason"],
        "expired"
    );
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secret_is_retired_at_once_after_its_successors_promotion() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let current = secret.labelled("AWSCURRENT").unwrap().id.clone();
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &[("shopmail:emergency", &current)])
        .unwrap();
    rotate(&world, &mailbox).await;
    // The promotion asks for a check, which knows what other secrets name.
    world.event_bridge.settled().await;
    assert_whole(&world, &mailbox);
    assert!(
        !keys(&world, &mailbox).contains(&mailbox.first_key),
        "gone at once"
    );
    let retired = &world.event_bridge.details("Credential Retired")[0];
    assert_eq!(retired["reason"], "emergency");
    assert_eq!(retired["stops"]["connections"], json!([]));
    let summary = retired["stops"]["summary"].as_str().unwrap();
    assert!(summary.contains("Whatever else used it"), "{summary}");
    // The tag speaks of that version only: the next rotation keeps its quarantine.
    let key = current_key(&world, &mailbox);
    rotate(&world, &mailbox).await;
    assert!(keys(&world, &mailbox).contains(&key), "in quarantine");
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secrets_end_names_the_attended_connections_that_only_a_person_vouches_for() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        document: |document| document["connections"][1]["delivery"] = json!("attended"),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let current = secret.labelled("AWSCURRENT").unwrap().id.clone();
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &[("shopmail:emergency", &current)])
        .unwrap();
    let token = world.secrets_manager.rotate(&mailbox.secret).unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key, "it waits");
    // The person says that it is done, and it is not.
    attest(&world, &mailbox, &token, "orders-out");
    world.secrets_manager.reattempt(&mailbox.secret);
    world.secrets_manager.settled(&mailbox.secret).await;
    world.event_bridge.settled().await;
    assert!(!keys(&world, &mailbox).contains(&mailbox.first_key), "gone");
    assert_eq!(world.shopctrl.outages().len(), 1, "that one has stopped");
    let stops = &world.event_bridge.details("Credential Retired")[0]["stops"];
    assert_eq!(
        stops["connections"],
        json!([{"id": "orders-out", "direction": "sending", "why": "only_attested"}])
    );
    assert!(stops["summary"].as_str().unwrap().contains("orders-out"));
    assert_events_keep_their_schemas(&world);
}

/// Files a statement in the grants document, as whoever may write it does by hand.
fn attest(world: &World, mailbox: &Mailbox, token: &str, connection: &str) {
    let name = format!("{}/grants", mailbox.secret);
    let secret = world.secrets_manager.snapshot(&name).unwrap();
    let text = secret.labelled("AWSCURRENT").unwrap().text().unwrap();
    let mut grants: serde_json::Value = serde_json::from_str(text).unwrap();
    grants["handover"][token][connection] = json!({
        "state": "attested", "attested_by": mailbox.oid, "at": world.clock.now(),
        "evidence": "Status Authorized",
    });
    let version = "77777777-2222-4333-8444-555555555555";
    let store = &world.secrets_manager;
    store
        .place_version(&name, version, Some(&grants.to_string()), &["AWSCURRENT"])
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secrets_end_names_the_connections_that_hold_it_or_do_not_say() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let old = world.shopctrl.connection(12, "orders-in").unwrap();
    rotate(&world, &mailbox).await;
    // Later it turns out that the one before leaked, and it is back in one connection.
    world.shopctrl.edit(12, "orders-in", |connection| {
        connection.secret.clone_from(&old.secret);
        connection.key_id = old.key_id;
    });
    world
        .shopctrl
        .edit(12, "orders-out", |connection| connection.key_id = None);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let before = secret.labelled("AWSPREVIOUS").unwrap().id.clone();
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &[("shopmail:emergency", &before)])
        .unwrap();
    action(&world, &mailbox, "retire").await;
    let stops = &world.event_bridge.details("Credential Retired")[0]["stops"];
    assert_eq!(
        stops["connections"],
        json!([
            {"id": "orders-in", "direction": "receiving", "why": "holds_it"},
            {"id": "orders-out", "direction": "sending", "why": "not_known"},
        ])
    );
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_was_deleted_in_the_portal_is_replaced_within_one_check() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    world
        .directory
        .delete_secret(mailbox.app.app_id, mailbox.first_key);
    assert_eq!(world.shopctrl.outages().len(), 2);
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_eq!(
        told(&world).get("Drift Found"),
        Some(&1),
        "refused; that Graph does not list it is told when a second check sees it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_credential_that_was_deleted_gives_its_connections_back_and_the_rotation_up() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    // Delivered to one direction, then ShopCtrl is down for the other.
    world.gate.fail(
        "shopctrl",
        "PUT connection",
        1,
        20,
        simulators::gate::Fault::Answer {
            effect: false,
            status: 503,
            headers: Vec::new(),
            body: String::new(),
        },
    );
    rotate(&world, &mailbox).await;
    world.gate.heal();
    let pending = *keys(&world, &mailbox)
        .iter()
        .find(|key| **key != mailbox.first_key && **key != mailbox.foreign_key)
        .unwrap();
    world.directory.delete_secret(mailbox.app.app_id, pending);
    for _ in 0..4 {
        world.check().await.unwrap();
        world.secrets_manager.settled(&mailbox.secret).await;
        world.clock.advance(SignedDuration::from_hours(6));
    }
    assert_whole(&world, &mailbox);
    assert_eq!(
        tag(&world, &mailbox, "shopmail:state").as_deref(),
        Some("rotated")
    );
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_edited_by_hand_gets_the_current_secret_back_within_one_check() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    world
        .shopctrl
        .enter_secret(mailbox.shop_id, "orders-in", "a typo");
    assert_eq!(world.shopctrl.outages().len(), 1);
    world.check().await.unwrap();
    assert_eq!(world.shopctrl.outages(), vec![]);
    assert_eq!(told(&world).get("Drift Found"), Some(&1));
    world.check().await.unwrap();
    assert_eq!(told(&world).get("Drift Found"), Some(&1), "told once");
}
