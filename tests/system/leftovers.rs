//! What a finished rotation, a rotation that gave up and a person's hand leave behind on the labels.

use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS};
use simulators::gate::Fault;
use simulators::microsoft::directory::application::{Audience, NewSecret};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_one_secret_everywhere, assert_whole, current_key, keys};
use crate::kill_matrix::trouble::answer;
use crate::steps::{TOKEN, action, begin, rotate, step};
use crate::whole_rotation::days;

fn labels(world: &World, mailbox: &Mailbox, label: &str) -> Vec<String> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let labelled = secret.labelled(label);
    labelled.map_or(Vec::new(), |version| {
        version.labels.iter().cloned().collect()
    })
}

/// Makes a credential in the portal, and puts a document with it under these labels.
fn renew_by_hand(world: &World, mailbox: &Mailbox) -> uuid::Uuid {
    let new = NewSecret {
        end: Some(world.clock.now() + days(300)),
        ..NewSecret::default()
    };
    let (key, value) = world.directory.add_secret(mailbox.app.app_id, new).unwrap();
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let text = secret.labelled(CURRENT).unwrap().text().unwrap();
    let mut document: Value = serde_json::from_str(text).unwrap();
    document["key_id"] = json!(key);
    document["client_secret"] = json!(value);
    document["expires_at"] = json!(world.clock.now() + days(300));
    let (version, label) = ("99999999-2222-4333-8444-000000000000", format!("key-{key}"));
    let put = world.secrets_manager.place_version(
        &mailbox.secret,
        version,
        Some(&document.to_string()),
        &[CURRENT, &label],
    );
    put.unwrap();
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn awspending_left_on_a_promoted_version_does_not_take_a_renewal_by_hand_back() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .secrets_manager
        .configure(|settings| settings.leave_pending_on_current = true);
    rotate(&world, &mailbox).await;
    assert!(labels(&world, &mailbox, CURRENT).contains(&PENDING.to_owned()));
    let by_hand = renew_by_hand(&world, &mailbox);
    let both = [PENDING, PREVIOUS].map(str::to_owned);
    let previous = labels(&world, &mailbox, PREVIOUS);
    assert!(
        both.iter().all(|label| previous.contains(label)),
        "{previous:?}"
    );

    for _ in 0..3 {
        world.clock.advance(days(1));
        world.check().await.unwrap();
        world.secrets_manager.reattempt(&mailbox.secret);
        world.secrets_manager.settled(&mailbox.secret).await;
        assert_eq!(current_key(&world, &mailbox), by_hand);
    }
    assert_eq!(labels(&world, &mailbox, PENDING), Vec::<String>::new());
    assert_one_secret_everywhere(&world, &mailbox);
    // And the way is free for the next one.
    rotate(&world, &mailbox).await;
    assert_ne!(current_key(&world, &mailbox), by_hand);
    assert_one_secret_everywhere(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_superseded_once_and_is_current_again_has_its_whole_quarantine() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let (new, secret) = (current_key(&world, &mailbox), &world.secrets_manager);
    let version_of = |label: &str| {
        let secret = secret.snapshot(&mailbox.secret).unwrap();
        secret.labelled(label).unwrap().id.clone()
    };
    // Undone, marked as superseded by a check, and done again.
    let (newer, older) = (version_of(CURRENT), version_of(PREVIOUS));
    secret
        .move_label(&mailbox.secret, CURRENT, Some(&older))
        .unwrap();
    action(&world, &mailbox, "retire").await;
    let marked = labels(&world, &mailbox, PREVIOUS);
    assert!(
        marked.iter().any(|l| l.starts_with("superseded-")),
        "{marked:?}"
    );
    secret
        .move_label(&mailbox.secret, CURRENT, Some(&newer))
        .unwrap();
    world.clock.advance(days(1));
    action(&world, &mailbox, "sweep").await;
    world.clock.advance(days(50));
    rotate(&world, &mailbox).await;
    world.clock.advance(days(6));
    action(&world, &mailbox, "retire").await;
    assert!(keys(&world, &mailbox).contains(&new), "in quarantine");
    world.clock.advance(days(2));
    action(&world, &mailbox, "retire").await;
    assert!(!keys(&world, &mailbox).contains(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_secret_that_ended_unused_does_not_hold_the_second_place() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        granted: false,
        document: |document| document["lifetime"] = json!("P7D"),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let app = mailbox.app.app_id;
    world.directory.delete_secret(app, mailbox.foreign_key);
    world
        .directory
        .change(app, |app| app.sign_in_audience = Audience::AnyAndPersonal);
    rotate(&world, &mailbox).await;
    let pending = keys(&world, &mailbox)
        .into_iter()
        .find(|key| *key != mailbox.first_key);
    let pending = pending.expect("it waits for its owner");
    world.clock.advance(days(8));
    for _ in 0..3 {
        world.clock.advance(days(1));
        world.check().await.unwrap();
        world.secrets_manager.settled(&mailbox.secret).await;
    }
    let left = keys(&world, &mailbox);
    assert!(!left.contains(&pending), "the ended one is gone");
    assert_eq!(left.len(), 2, "and another one is issued: {left:?}");
    assert_eq!(world.shopctrl.outages(), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_answer_was_lost_counts_though_graph_words_the_next_one_in_its_own_way() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    world.clock.advance(days(8));
    let other_words =
        r#"{"error":{"code":"Request_ResourceNotFound","message":"Resource 'x' does not exist."}}"#;
    let remove = ("graph", "POST removePassword");
    let lost = answer(504, true, "");
    world.gate.fail(remove.0, remove.1, 0, 1, lost);
    world
        .gate
        .fail(remove.0, remove.1, 0, 1, answer(404, false, other_words));
    let retired = action(&world, &mailbox, "retire").await;
    assert_eq!(retired["removed"], json!([mailbox.first_key]));
    assert_eq!(world.event_bridge.details("Credential Retired").len(), 1);
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_issued_is_told_though_secrets_manager_never_calls_create_secret_again() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    world
        .gate
        .fail_next("events", "PutEvents", Fault::Kill { effect: false });
    let killed = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert!(killed.function_error.is_some());
    assert_eq!(world.event_bridge.details("Rotation Started").len(), 0);
    let refusal = r#"{"__type":"InvalidRequestException","Message":"A previous rotation isn't complete. That rotation will be reattempted."}"#;
    let refused = answer(400, false, refusal);
    world
        .gate
        .fail("secretsmanager", "RotateSecret", 0, 100, refused);
    for _ in 0..2 {
        world.clock.advance(days(1));
        world.check().await.unwrap();
    }
    assert_eq!(world.event_bridge.details("Rotation Started").len(), 1);
    assert_eq!(world.event_bridge.details("Client Secret Rotated").len(), 1);
    assert_whole(&world, &mailbox);
}
