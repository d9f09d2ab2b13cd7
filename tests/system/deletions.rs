//! Deleted by hand: the mailbox secret (and restored within its window), the app registration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, keys, orphans};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::steps::rotate;
use crate::whole_rotation::days;

async fn checks(world: &World, mailbox: &Mailbox, times: usize) {
    for _ in 0..times {
        world.check().await.unwrap();
        world.secrets_manager.settled(&mailbox.secret).await;
        world.clock.advance(SignedDuration::from_hours(6));
    }
}

/// The secret is marked for deletion just before the first call of this operation takes effect.
fn delete_before(world: &World, mailbox: &Mailbox, operation: &'static str) {
    let (store, secret) = (Arc::clone(&world.secrets_manager), mailbox.secret.clone());
    let done = AtomicBool::new(false);
    world.gate.direct(move |call| {
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
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        delete_before(&world, &mailbox, operation);
        rotate(&world, &mailbox).await;
        let marked = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        assert!(marked.deleted.is_some(), "{operation} was reached");
        let before = marked.versions;
        checks(&world, &mailbox, 4).await;
        let after = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        assert_eq!(after.versions, before, "left alone as long as it is marked");
        assert_eq!(world.shopctrl.outages(), vec![], "mail flows");
        assert!(
            told(&world)
                .get("Rotation Failed")
                .is_none_or(|times| *times == 1)
        );

        world.secrets_manager.restore(&mailbox.secret).unwrap();
        world.secrets_manager.reattempt(&mailbox.secret);
        world.secrets_manager.settled(&mailbox.secret).await;
        checks(&world, &mailbox, 3).await;
        assert_whole(&world, &mailbox);
        assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
        assert_eq!(
            keys(&world, &mailbox).len(),
            3,
            "new, in quarantine, foreign"
        );
        assert_eq!(told(&world).get("Client Secret Rotated"), Some(&1));
        assert_events_keep_their_schemas(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_a_secret_that_is_marked_for_deletion_alone_and_renews_it_once_restored() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    // Marked between the list and the look.
    delete_before(&world, &mailbox, "secretsmanager DescribeSecret");
    checks(&world, &mailbox, 3).await;
    let told_of_it = told(&world);
    assert_eq!(told_of_it.keys().collect::<Vec<_>>(), ["Fleet Report"]);
    assert_eq!(keys(&world, &mailbox).len(), 2, "nothing was issued");

    world.secrets_manager.restore(&mailbox.secret).unwrap();
    checks(&world, &mailbox, 1).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_app_registration_is_told_once_with_no_rotation_begun_until_it_is_restored() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world.directory.delete_registration(mailbox.app.app_id);
    checks(&world, &mailbox, 8).await;
    let drift = world.event_bridge.details("Drift Found");
    assert_eq!(drift.len(), 1, "told once: {drift:?}");
    assert_eq!(drift[0]["what"], "registration_missing");
    assert!(
        !told(&world).contains_key("Rotation Due"),
        "{:?}",
        told(&world)
    );
    assert!(!told(&world).contains_key("Rotation Failed"));
    let report = world.event_bridge.details("Fleet Report");
    assert!(
        report.iter().all(|report| report["failed"] == 1),
        "never green"
    );

    world.directory.restore_registration(mailbox.app.app_id);
    checks(&world, &mailbox, 1).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_app_registration_is_deleted_ends_with_advice_and_goes_on_when_restored() {
    for operation in ["GET application", "POST token client_credentials"] {
        println!("{operation}");
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        let (directory, app) = (Arc::clone(&world.directory), mailbox.app.app_id);
        let created = AtomicBool::new(operation == "GET application");
        let done = AtomicBool::new(false);
        world.gate.direct(move |call| {
            if call.operation == "PutSecretValue" {
                created.store(true, Ordering::SeqCst);
            }
            let it = call.operation == operation && created.load(Ordering::SeqCst);
            if it && !done.swap(true, Ordering::SeqCst) {
                directory.delete_registration(app);
            }
            None
        });
        rotate(&world, &mailbox).await;
        for _ in 0..3 {
            world.secrets_manager.reattempt(&mailbox.secret);
            world.secrets_manager.settled(&mailbox.secret).await;
        }
        checks(&world, &mailbox, 6).await;
        let failed = world.event_bridge.details("Rotation Failed");
        assert_eq!(told(&world).get("Rotation Failed"), Some(&1), "{failed:?}");
        let advice = failed[0]["next_step"].as_str().unwrap();
        assert!(advice.contains("app registration"), "{advice}");
        assert_eq!(world.event_bridge.details("Client Secret Rotated").len(), 0);

        world.directory.restore_registration(mailbox.app.app_id);
        world.secrets_manager.reattempt(&mailbox.secret);
        world.secrets_manager.settled(&mailbox.secret).await;
        checks(&world, &mailbox, 3).await;
        assert_whole(&world, &mailbox);
        assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
        assert_eq!(orphans(&world, &mailbox), Vec::<uuid::Uuid>::new());
        assert_eq!(told(&world).get("Client Secret Rotated"), Some(&1));
        assert_events_keep_their_schemas(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_deleted_for_good_is_forgotten_without_an_alarm() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .secrets_manager
        .schedule_deletion(&mailbox.secret, 7)
        .unwrap();
    world.clock.advance(days(8));
    world.check().await.unwrap();
    assert!(world.secrets_manager.snapshot(&mailbox.secret).is_none());
    assert_eq!(told(&world).keys().collect::<Vec<_>>(), ["Fleet Report"]);
    assert_eq!(keys(&world, &mailbox).len(), 2, "what is in Entra stays");
}
