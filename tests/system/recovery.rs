//! After expiry, after a leak, after somebody deleted the credential in the portal.

use jiff::SignedDuration;
use serde_json::json;
use simulators::gate::Calls;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::scenario::{days, ending_in};

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_stopped_at_expiry_flows_again_after_one_check() {
    let scenario = Scenario::begin().await;
    scenario.world.clock.advance(days(21));
    assert_eq!(
        scenario.world.shopctrl.outages().len(),
        2,
        "both directions stand still"
    );
    scenario.check().await;
    scenario.assert_whole();
    let expired = scenario.details("Client Secret Expired");
    assert_eq!(expired.len(), 1, "since when the mail stood still is told");
    assert!(expired[0]["expires_at"].is_string());
    assert_eq!(scenario.details("Rotation Due")[0]["reason"], "expired");
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secret_is_retired_at_once_after_its_successors_promotion() {
    let scenario = Scenario::with(&ending_in(100)).await;
    let secret = scenario.secret();
    let current = secret.labelled("AWSCURRENT").unwrap().id.clone();
    scenario.put_tag("shopmail:emergency", &current);
    scenario.rotate().await;
    // The promotion asks for a check, which knows what other secrets name.
    scenario.world.event_bridge.settled().await;
    scenario.assert_whole();
    assert!(
        !scenario.keys().contains(&scenario.mailbox.first_key),
        "gone at once"
    );
    let retired = &scenario.details("Credential Retired")[0];
    assert_eq!(retired["reason"], "emergency");
    assert_eq!(retired["stops"]["connections"], json!([]));
    let summary = retired["stops"]["summary"].as_str().unwrap();
    assert!(summary.contains("Whatever else used it"), "{summary}");
    // The tag speaks of that version only: the next rotation keeps its quarantine.
    let key = scenario.current_key();
    scenario.rotate().await;
    assert!(scenario.keys().contains(&key), "in quarantine");
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secrets_end_names_the_attended_connections_that_only_a_person_vouches_for() {
    let plan = MailboxPlan {
        document: |document| document["connections"][1]["delivery"] = json!("attended"),
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    let secret = scenario.secret();
    let current = secret.labelled("AWSCURRENT").unwrap().id.clone();
    scenario.put_tag("shopmail:emergency", &current);
    let token = scenario
        .world
        .secrets_manager
        .rotate(&scenario.mailbox.secret)
        .unwrap();
    scenario.settled().await;
    assert_eq!(
        scenario.current_key(),
        scenario.mailbox.first_key,
        "it waits"
    );
    // The person says that it is done, and it is not.
    attest(&scenario, &token, "orders-out");
    scenario
        .world
        .secrets_manager
        .reattempt(&scenario.mailbox.secret);
    scenario.settled().await;
    scenario.world.event_bridge.settled().await;
    assert!(
        !scenario.keys().contains(&scenario.mailbox.first_key),
        "gone"
    );
    assert_eq!(
        scenario.world.shopctrl.outages().len(),
        1,
        "that one has stopped"
    );
    let stops = &scenario.details("Credential Retired")[0]["stops"];
    assert_eq!(
        stops["connections"],
        json!([{"id": "orders-out", "direction": "sending", "why": "only_attested"}])
    );
    assert!(stops["summary"].as_str().unwrap().contains("orders-out"));
    scenario.assert_events_keep_their_schemas();
}

/// Files a statement in the grants document, as whoever may write it does by hand.
fn attest(scenario: &Scenario, token: &str, connection: &str) {
    let name = format!("{}/grants", scenario.mailbox.secret);
    let secret = scenario.world.secrets_manager.snapshot(&name).unwrap();
    let text = secret.labelled("AWSCURRENT").unwrap().text().unwrap();
    let mut grants: serde_json::Value = serde_json::from_str(text).unwrap();
    grants["handover"][token][connection] = json!({
        "state": "attested", "attested_by": scenario.mailbox.oid, "at": scenario.world.clock.now(),
        "evidence": "Status Authorized",
    });
    let version = "77777777-2222-4333-8444-555555555555";
    let store = &scenario.world.secrets_manager;
    store
        .place_version(&name, version, Some(&grants.to_string()), &["AWSCURRENT"])
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secrets_end_names_the_connections_that_hold_it_or_do_not_say() {
    let scenario = Scenario::begin().await;
    let old = scenario.world.shopctrl.connection(12, "orders-in").unwrap();
    scenario.rotate().await;
    // Later it turns out that the one before leaked, and it is back in one connection.
    scenario.world.shopctrl.edit(12, "orders-in", |connection| {
        connection.secret.clone_from(&old.secret);
        connection.key_id = old.key_id;
    });
    scenario
        .world
        .shopctrl
        .edit(12, "orders-out", |connection| connection.key_id = None);
    let secret = scenario.secret();
    let before = secret.labelled("AWSPREVIOUS").unwrap().id.clone();
    scenario.put_tag("shopmail:emergency", &before);
    scenario.action("retire").await;
    let stops = &scenario.details("Credential Retired")[0]["stops"];
    assert_eq!(
        stops["connections"],
        json!([
            {"id": "orders-in", "direction": "receiving", "why": "holds_it"},
            {"id": "orders-out", "direction": "sending", "why": "not_known"},
        ])
    );
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_was_deleted_in_the_portal_is_replaced_within_one_check() {
    let scenario = Scenario::with(&ending_in(100)).await;
    scenario
        .world
        .directory
        .delete_secret(scenario.mailbox.app.app_id, scenario.mailbox.first_key);
    assert_eq!(scenario.world.shopctrl.outages().len(), 2);
    scenario.check().await;
    scenario.assert_whole();
    assert_eq!(
        scenario.told().get("Drift Found"),
        Some(&1),
        "refused; that Graph does not list it is told when a second check sees it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_credential_that_was_deleted_gives_its_connections_back_and_the_rotation_up() {
    let scenario = Scenario::begin().await;
    // Delivered to one direction, then ShopCtrl is down for the other.
    scenario.world.gate.fail(
        Calls::of("shopctrl", "PUT connection").after(1).times(20),
        simulators::gate::Fault::Answer {
            effect: false,
            status: 503,
            headers: Vec::new(),
            body: String::new(),
        },
    );
    scenario.rotate().await;
    scenario.world.gate.heal();
    let pending = *scenario
        .keys()
        .iter()
        .find(|key| **key != scenario.mailbox.first_key && **key != scenario.mailbox.foreign_key)
        .unwrap();
    scenario
        .world
        .directory
        .delete_secret(scenario.mailbox.app.app_id, pending);
    for _ in 0..4 {
        scenario.check().await;
        scenario.world.clock.advance(SignedDuration::from_hours(6));
    }
    scenario.assert_whole();
    assert_eq!(scenario.tag("shopmail:state").as_deref(), Some("rotated"));
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_edited_by_hand_gets_the_current_secret_back_within_one_check() {
    let scenario = Scenario::with(&ending_in(100)).await;
    scenario
        .world
        .shopctrl
        .enter_secret(scenario.mailbox.shop_id, "orders-in", "a typo");
    assert_eq!(scenario.world.shopctrl.outages().len(), 1);
    scenario.world.check().await.unwrap();
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
    assert_eq!(scenario.told().get("Drift Found"), Some(&1));
    scenario.world.check().await.unwrap();
    assert_eq!(scenario.told().get("Drift Found"), Some(&1), "told once");
}
