//! Labels as Secrets Manager keeps them: twenty for a secret over all its versions, moments late, and
//! perhaps gone from a version that AWSCURRENT leaves.

use serde_json::json;
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS, Settings};
use simulators::gate::Fault;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, keys};
use crate::kill_matrix::trouble::answer;
use crate::steps::{TOKEN, action, begin, rotate, step, succeeded};
use crate::whole_rotation::days;
use crate::whose::{check_daily, labels, retired};

/// Versions that hold nothing of ours, with so many labels in all.
fn fill(world: &World, mailbox: &Mailbox, labels: usize) {
    let all: Vec<String> = (0..labels).map(|n| format!("of-somebody-{n:02}")).collect();
    for (half, version) in all.chunks(labels.div_ceil(2)).zip(["a", "b"]) {
        let half: Vec<&str> = half.iter().map(String::as_str).collect();
        let id = format!("{version}2222222-2222-4333-8444-000000000000");
        world
            .secrets_manager
            .place_version(&mailbox.secret, &id, Some("x"), &half)
            .unwrap();
    }
}

fn empty(world: &World, mailbox: &Mailbox) {
    for label in labels(world, mailbox) {
        if label.starts_with("of-somebody-") {
            let store = &world.secrets_manager;
            store.move_label(&mailbox.secret, &label, None).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_has_no_room_for_its_labels_issues_nothing_and_names_the_versions() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    // AWSCURRENT, AWSPENDING; to come are key- on both, proved, AWSPREVIOUS.
    fill(&world, &mailbox, 15);
    let before = keys(&world, &mailbox);
    let failed = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    let words = failed.payload.to_string();
    for named in [
        "a2222222-2222-4333-8444-000000000000 (8)",
        "b2222222-2222-4333-8444-000000000000 (7)",
    ] {
        assert!(words.contains(named), "{words}");
    }
    assert_eq!(keys(&world, &mailbox), before, "nothing was issued");
    empty(&world, &mailbox);
    fill(&world, &mailbox, 14);
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_credential_goes_though_no_label_can_be_added() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let leaked = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let leaked = leaked.labelled(PREVIOUS).unwrap().id.clone();
    let tag = [("shopmail:emergency", leaked.as_str())];
    world
        .secrets_manager
        .put_tags(&mailbox.secret, &tag)
        .unwrap();
    fill(&world, &mailbox, 20 - labels(&world, &mailbox).len());
    let done = action(&world, &mailbox, "retire").await;
    assert_eq!(done["removed"], json!([mailbox.first_key]));
    assert!(!keys(&world, &mailbox).contains(&mailbox.first_key));
    let first = mailbox.first_key.to_string();
    assert_eq!(retired(&world), vec![(first, "emergency".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kept_version_has_one_label_of_ours() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    for _ in 0..5 {
        rotate(&world, &mailbox).await;
        check_daily(&world, 1).await;
    }
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    for version in &secret.versions {
        let ours = version.labels.iter().filter(|l| !l.starts_with("AWS"));
        assert_eq!(ours.count(), 1, "{:?}", version.labels);
    }
    assert_eq!(secret.versions.len(), 6);
}

// === Late ===

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_version_whose_label_shows_late_is_waited_for_and_is_no_configuration_test() {
    let late: [fn(&mut Settings); 3] = [
        |settings| settings.lagging_describes = 1,
        |settings| settings.lagging_values = 1,
        |settings| (settings.lagging_describes, settings.lagging_values) = (2, 2),
    ];
    for late in late {
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        world.secrets_manager.configure(late);
        begin(&world, &mailbox, TOKEN);
        for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
        }
        assert_whole(&world, &mailbox);
        assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
        let calls = world.gate.operations();
        let tested = calls
            .iter()
            .filter(|c| *c == "shopctrl POST connection test");
        assert_eq!(tested.count(), 2, "it was proved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_stay_late_cost_attempts_and_never_a_proof() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .secrets_manager
        .configure(|settings| settings.lagging_describes = 40);
    begin(&world, &mailbox, TOKEN);
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let _ = step(&world, &mailbox, name, TOKEN).await;
        assert_eq!(current_key(&world, &mailbox), mailbox.first_key, "{name}");
    }
    assert_eq!(world.shopctrl.outages(), vec![]);
    world
        .secrets_manager
        .configure(|settings| settings.lagging_describes = 0);
    check_daily(&world, 3).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promoted_without_the_proof_that_test_secret_records() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    for name in ["createSecret", "setSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    let refused = step(&world, &mailbox, "finishSecret", TOKEN).await;
    assert_eq!(
        refused.error_type(),
        Some("Temporary"),
        "{}",
        refused.payload
    );
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // The proof of a rotation that was given up is none for the next one.
    let store = &world.secrets_manager;
    let other = "33333333-2222-4333-8444-555555555555";
    store
        .place_version(&mailbox.secret, other, Some("x"), &["proved"])
        .unwrap();
    let refused = step(&world, &mailbox, "finishSecret", TOKEN).await;
    assert_eq!(
        refused.error_type(),
        Some("Temporary"),
        "{}",
        refused.payload
    );
    for name in ["testSecret", "finishSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    assert_whole(&world, &mailbox);
    let left = labels(&world, &mailbox);
    assert!(
        !left.contains(&"proved".to_owned()),
        "gone with the promotion"
    );
}

// === Other answers ===

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_goes_as_awscurrent_moves_away_is_put_back() {
    for kill in [false, true] {
        let world = World::start(short_waits()).await.unwrap();
        let plan = MailboxPlan {
            ends_in: days(100),
            ..MailboxPlan::default()
        };
        let mailbox = world.add_mailbox(&plan).unwrap();
        world
            .secrets_manager
            .configure(|settings| settings.custom_labels_stay = false);
        world.check().await.unwrap();
        if kill {
            // After AWSCURRENT was moved, and before anything else.
            let moves = |call: &simulators::gate::Call| {
                let body = String::from_utf8_lossy(&call.body).into_owned();
                call.operation == "UpdateSecretVersionStage" && body.contains(CURRENT)
            };
            world
                .gate
                .direct(move |call| moves(call).then_some(Fault::Kill { effect: true }));
        }
        rotate(&world, &mailbox).await;
        world.gate.direct(|_| None);
        check_daily(&world, 2).await;
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        let previous = secret.labelled(PREVIOUS).unwrap().labels.clone();
        let first = mailbox.first_key.to_string();
        assert!(previous.iter().any(|l| l.ends_with(&first)), "{previous:?}");
        check_daily(&world, 8).await;
        assert!(!keys(&world, &mailbox).contains(&mailbox.first_key));
        assert_whole(&world, &mailbox);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_parameter_that_is_no_race_is_not_taken_for_one() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    for name in ["createSecret", "setSecret", "testSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    let replica = r#"{"__type":"InvalidParameterException","Message":"Operation not permitted on a replica secret. Call must be made in primary secret's region."}"#;
    world.gate.fail_next(
        "secretsmanager",
        "UpdateSecretVersionStage",
        answer(400, false, replica),
    );
    let failed = step(&world, &mailbox, "finishSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    succeeded(
        "finishSecret",
        &step(&world, &mailbox, "finishSecret", TOKEN).await,
    );
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_with_an_absurd_number_is_put_right_and_panics_nobody() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let previous = secret.labelled(PREVIOUS).unwrap().id.clone();
    for absurd in [
        format!("superseded-{}", i64::MAX),
        format!("superseded-{}-{}", i64::MAX, mailbox.first_key),
        "superseded--9223372036854775808".to_owned(),
    ] {
        let store = &world.secrets_manager;
        let set = store.move_label(&mailbox.secret, &absurd, Some(&previous));
        set.unwrap();
    }
    check_daily(&world, 1).await;
    world.clock.advance(days(8));
    check_daily(&world, 2).await;
    assert!(!keys(&world, &mailbox).contains(&mailbox.first_key));
    let left = labels(&world, &mailbox);
    assert!(
        !left.iter().any(|l| l.starts_with("superseded-")),
        "{left:?}"
    );
    assert!(!left.contains(&PENDING.to_owned()));
}
