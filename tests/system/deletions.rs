//! Deleted by hand: the mailbox secret (and restored within its window), the app registration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;

use crate::support::Scenario;
use crate::support::scenario::days;

async fn checks(scenario: &Scenario, times: usize) {
    for _ in 0..times {
        scenario.check().await;
        scenario.world.clock.advance(SignedDuration::from_hours(6));
    }
}

/// The secret is marked for deletion just before the first call of this operation takes effect.
fn delete_before(scenario: &Scenario, operation: &'static str) {
    let (store, secret) = (
        Arc::clone(&scenario.world.secrets_manager),
        scenario.mailbox.secret.clone(),
    );
    let done = AtomicBool::new(false);
    scenario.world.gate.direct(move |call| {
        let it = format!("{} {}", call.service, call.operation) == operation;
        if it && !done.swap(true, Ordering::SeqCst) {
            store.schedule_deletion(&secret, 7).unwrap();
        }
        None
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_secret_is_marked_for_deletion_goes_on_after_its_restoration() {
    for operation in [
        "graph POST addPassword",
        "secretsmanager PutSecretValue",
        "shopctrl PUT connection",
        "shopctrl POST connection test",
        "secretsmanager UpdateSecretVersionStage",
    ] {
        println!("{operation}");
        let scenario = Scenario::begin().await;
        delete_before(&scenario, operation);
        scenario.rotate().await;
        let marked = scenario.secret();
        assert!(marked.deleted.is_some(), "{operation} was reached");
        let before = marked.versions;
        checks(&scenario, 4).await;
        let after = scenario.secret();
        assert_eq!(after.versions, before, "left alone as long as it is marked");
        assert_eq!(scenario.world.shopctrl.outages(), vec![], "mail flows");
        assert!(
            scenario
                .told()
                .get("Rotation Failed")
                .is_none_or(|times| *times == 1)
        );

        scenario
            .world
            .secrets_manager
            .restore(&scenario.mailbox.secret)
            .unwrap();
        scenario
            .world
            .secrets_manager
            .reattempt(&scenario.mailbox.secret);
        scenario.settled().await;
        checks(&scenario, 3).await;
        scenario.assert_whole();
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
        assert_eq!(scenario.keys().len(), 3, "new, in quarantine, foreign");
        assert_eq!(scenario.told().get("Client Secret Rotated"), Some(&1));
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_a_secret_that_is_marked_for_deletion_alone_and_renews_it_once_restored() {
    let scenario = Scenario::begin().await;
    // Marked between the list and the look.
    delete_before(&scenario, "secretsmanager DescribeSecret");
    checks(&scenario, 3).await;
    let told_of_it = scenario.told();
    assert_eq!(told_of_it.keys().collect::<Vec<_>>(), ["Fleet Report"]);
    assert_eq!(scenario.keys().len(), 2, "nothing was issued");

    scenario
        .world
        .secrets_manager
        .restore(&scenario.mailbox.secret)
        .unwrap();
    checks(&scenario, 1).await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_app_registration_is_told_once_with_no_rotation_begun_until_it_is_restored() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .directory
        .delete_registration(scenario.mailbox.app.app_id);
    checks(&scenario, 8).await;
    let drift = scenario.details("Drift Found");
    assert_eq!(drift.len(), 1, "told once: {drift:?}");
    assert_eq!(drift[0]["what"], "registration_missing");
    assert!(
        !scenario.told().contains_key("Rotation Due"),
        "{:?}",
        scenario.told()
    );
    assert!(!scenario.told().contains_key("Rotation Failed"));
    let report = scenario.details("Fleet Report");
    assert!(
        report.iter().all(|report| report["failed"] == 1),
        "never green"
    );

    scenario
        .world
        .directory
        .restore_registration(scenario.mailbox.app.app_id);
    checks(&scenario, 1).await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_app_registration_is_deleted_ends_with_advice_and_goes_on_when_restored() {
    for operation in ["GET application", "POST token client_credentials"] {
        println!("{operation}");
        let scenario = Scenario::begin().await;
        let (directory, app) = (
            Arc::clone(&scenario.world.directory),
            scenario.mailbox.app.app_id,
        );
        let created = AtomicBool::new(operation == "GET application");
        let done = AtomicBool::new(false);
        scenario.world.gate.direct(move |call| {
            if call.operation == "PutSecretValue" {
                created.store(true, Ordering::SeqCst);
            }
            let it = call.operation == operation && created.load(Ordering::SeqCst);
            if it && !done.swap(true, Ordering::SeqCst) {
                directory.delete_registration(app);
            }
            None
        });
        scenario.rotate().await;
        for _ in 0..3 {
            scenario
                .world
                .secrets_manager
                .reattempt(&scenario.mailbox.secret);
            scenario.settled().await;
        }
        checks(&scenario, 6).await;
        let failed = scenario.details("Rotation Failed");
        assert_eq!(
            scenario.told().get("Rotation Failed"),
            Some(&1),
            "{failed:?}"
        );
        let advice = failed[0]["next_step"].as_str().unwrap();
        assert!(advice.contains("app registration"), "{advice}");
        assert_eq!(scenario.details("Client Secret Rotated").len(), 0);

        scenario
            .world
            .directory
            .restore_registration(scenario.mailbox.app.app_id);
        scenario
            .world
            .secrets_manager
            .reattempt(&scenario.mailbox.secret);
        scenario.settled().await;
        checks(&scenario, 3).await;
        scenario.assert_whole();
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
        assert_eq!(scenario.orphans(), Vec::<uuid::Uuid>::new());
        assert_eq!(scenario.told().get("Client Secret Rotated"), Some(&1));
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_deleted_for_good_is_forgotten_without_an_alarm() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .secrets_manager
        .schedule_deletion(&scenario.mailbox.secret, 7)
        .unwrap();
    scenario.world.clock.advance(days(8));
    scenario.world.check().await.unwrap();
    assert!(
        scenario
            .world
            .secrets_manager
            .snapshot(&scenario.mailbox.secret)
            .is_none()
    );
    assert_eq!(scenario.told().keys().collect::<Vec<_>>(), ["Fleet Report"]);
    assert_eq!(scenario.keys().len(), 2, "what is in Entra stays");
}
