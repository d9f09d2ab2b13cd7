//! setSecret and testSecret against ShopCtrl: nothing is lost, and half-done is never green.

use serde_json::json;
use simulators::aws::secrets_manager::CURRENT;
use simulators::shopctrl::Status;

use crate::support::Scenario;
use crate::support::steps::TOKEN;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_shopctrl_changes_before_the_secret_signs_in() {
    use simulators::microsoft::directory::{Lag, Replica};
    let scenario = Scenario::begin().await;
    scenario
        .world
        .clock
        .advance(jiff::SignedDuration::from_hours(2));
    let late = Lag::Time(jiff::SignedDuration::from_hours(1));
    scenario.world.directory.set_token_replicas(vec![Replica {
        learns: late,
        forgets: Lag::None,
    }]);
    scenario.begin_rotation(TOKEN);
    scenario.take_step("createSecret", TOKEN).await;
    let failed = scenario.step("setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    assert!(
        failed.payload.to_string().contains("AADSTS70002"),
        "{}",
        failed.payload
    );
    assert!(
        !scenario
            .world
            .gate
            .operations()
            .contains(&"shopctrl PUT connection".to_owned())
    );
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_wants_a_person_waits_for_one_and_changes_nothing() {
    let scenario = Scenario::begin().await;
    // ShopCtrl's own grant is dead; ours, of the same account, is replaced below by a sign-in.
    let own = scenario
        .world
        .shopctrl
        .connection(scenario.mailbox.shop_id, "orders-out")
        .unwrap();
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-out", |c| {
            c.refresh_token = Some("dead".into())
        });
    scenario.rotate().await;
    let asked = scenario.details("Hand-over Required");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["connections"][0]["id"], "orders-out");
    let out = scenario
        .world
        .shopctrl
        .connection(scenario.mailbox.shop_id, "orders-out")
        .unwrap();
    assert_eq!(
        (out.secret, out.status),
        (own.secret.clone(), Status::Authorized),
        "nothing changed"
    );
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // Reattempts do not ask again.
    scenario
        .world
        .secrets_manager
        .reattempt(&scenario.mailbox.secret);
    scenario.settled().await;
    assert_eq!(scenario.details("Hand-over Required").len(), 1);
    // The person authorizes in ShopCtrl, with the secret that it holds.
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-out", |c| {
            c.refresh_token.clone_from(&own.refresh_token)
        });
    scenario
        .world
        .secrets_manager
        .reattempt(&scenario.mailbox.secret);
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_switched_off_is_not_promoted_unproved() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = false
        });
    scenario.rotate().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    let drift = scenario.details("Drift Found");
    assert_eq!(drift[0]["what"], json!("connection_disabled"));
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = true
        });
    scenario
        .world
        .secrets_manager
        .reattempt(&scenario.mailbox.secret);
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn shopctrl_down_for_hours_only_delays() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .shopctrl
        .set_down_until(scenario.world.clock.now() + jiff::SignedDuration::from_hours(5));
    scenario.check().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    scenario
        .world
        .clock
        .advance(jiff::SignedDuration::from_hours(6));
    scenario.check().await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_changed_while_a_rotation_waits_is_not_overwritten_by_it() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in ["createSecret", "setSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    // Somebody corrects the document by hand: another version, the same credential.
    let secret = scenario.secret();
    let text = secret.labelled(CURRENT).unwrap().text().unwrap().to_owned();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["description"] = json!("corrected");
    scenario
        .world
        .secrets_manager
        .place_version(
            &scenario.mailbox.secret,
            "22222222-2222-4333-8444-555555555555",
            Some(&document.to_string()),
            &[CURRENT],
        )
        .unwrap();
    for name in ["testSecret", "finishSecret"] {
        let failed = scenario.step(name, TOKEN).await;
        assert!(failed.function_error.is_some(), "{name}");
    }
    for _ in 0..2 {
        scenario.check().await;
        scenario
            .world
            .clock
            .advance(jiff::SignedDuration::from_hours(6));
    }
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    let secret = scenario.secret();
    let text = secret.labelled(CURRENT).unwrap().text().unwrap().to_owned();
    assert!(text.contains("corrected"), "the correction stands");
}
