//! What a finished rotation, a rotation that gave up and a person's hand leave behind on the labels.

use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS};
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::application::{Audience, NewSecret};
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::days;
use crate::support::steps::TOKEN;

fn labels(scenario: &Scenario, label: &str) -> Vec<String> {
    let secret = scenario.secret();
    let labelled = secret.labelled(label);
    labelled.map_or(Vec::new(), |version| {
        version.labels.iter().cloned().collect()
    })
}

/// Makes a credential in the portal, and puts a document with it under these labels.
fn renew_by_hand(scenario: &Scenario) -> uuid::Uuid {
    let new = NewSecret {
        end: Some(scenario.world.clock.now() + days(300)),
        ..NewSecret::default()
    };
    let (key, value) = scenario
        .world
        .directory
        .add_secret(scenario.mailbox.app.app_id, new)
        .unwrap();
    let secret = scenario.secret();
    let text = secret.labelled(CURRENT).unwrap().text().unwrap();
    let mut document: Value = serde_json::from_str(text).unwrap();
    document["key_id"] = json!(key);
    document["client_secret"] = json!(value);
    document["expires_at"] = json!(scenario.world.clock.now() + days(300));
    let (version, label) = ("99999999-2222-4333-8444-000000000000", format!("key-{key}"));
    let put = scenario.world.secrets_manager.place_version(
        &scenario.mailbox.secret,
        version,
        Some(&document.to_string()),
        &[CURRENT, &label],
    );
    put.unwrap();
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn awspending_left_on_a_promoted_version_does_not_take_a_renewal_by_hand_back() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .secrets_manager
        .configure(|settings| settings.leave_pending_on_current = true);
    scenario.rotate().await;
    assert!(labels(&scenario, CURRENT).contains(&PENDING.to_owned()));
    let by_hand = renew_by_hand(&scenario);
    let both = [PENDING, PREVIOUS].map(str::to_owned);
    let previous = labels(&scenario, PREVIOUS);
    assert!(
        both.iter().all(|label| previous.contains(label)),
        "{previous:?}"
    );

    for _ in 0..3 {
        scenario.world.clock.advance(days(1));
        scenario.world.check().await.unwrap();
        scenario
            .world
            .secrets_manager
            .reattempt(&scenario.mailbox.secret);
        scenario.settled().await;
        assert_eq!(scenario.current_key(), by_hand);
    }
    assert_eq!(labels(&scenario, PENDING), Vec::<String>::new());
    scenario.assert_one_secret_everywhere();
    // And the way is free for the next one.
    scenario.rotate().await;
    assert_ne!(scenario.current_key(), by_hand);
    scenario.assert_one_secret_everywhere();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_superseded_once_and_is_current_again_has_its_whole_quarantine() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let (new, secret) = (scenario.current_key(), &scenario.world.secrets_manager);
    let version_of = |label: &str| {
        let secret = secret.snapshot(&scenario.mailbox.secret).unwrap();
        secret.labelled(label).unwrap().id.clone()
    };
    // Undone, marked as superseded by a check, and done again.
    let (newer, older) = (version_of(CURRENT), version_of(PREVIOUS));
    secret
        .move_label(&scenario.mailbox.secret, CURRENT, Some(&older))
        .unwrap();
    scenario.action("retire").await;
    let marked = labels(&scenario, PREVIOUS);
    assert!(
        marked.iter().any(|l| l.starts_with("superseded-")),
        "{marked:?}"
    );
    secret
        .move_label(&scenario.mailbox.secret, CURRENT, Some(&newer))
        .unwrap();
    scenario.world.clock.advance(days(1));
    scenario.action("sweep").await;
    scenario.world.clock.advance(days(50));
    scenario.rotate().await;
    scenario.world.clock.advance(days(6));
    scenario.action("retire").await;
    assert!(scenario.keys().contains(&new), "in quarantine");
    scenario.world.clock.advance(days(2));
    scenario.action("retire").await;
    assert!(!scenario.keys().contains(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_secret_that_ended_unused_does_not_hold_the_second_place() {
    let plan = MailboxPlan {
        granted: false,
        document: |document| document["lifetime"] = json!("P7D"),
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    let app = scenario.mailbox.app.app_id;
    scenario
        .world
        .directory
        .delete_secret(app, scenario.mailbox.foreign_key);
    scenario
        .world
        .directory
        .change(app, |app| app.sign_in_audience = Audience::AnyAndPersonal);
    scenario.rotate().await;
    let pending = scenario
        .keys()
        .into_iter()
        .find(|key| *key != scenario.mailbox.first_key);
    let pending = pending.expect("it waits for its owner");
    scenario.world.clock.advance(days(8));
    for _ in 0..3 {
        scenario.world.clock.advance(days(1));
        scenario.check().await;
    }
    let left = scenario.keys();
    assert!(!left.contains(&pending), "the ended one is gone");
    assert_eq!(left.len(), 2, "and another one is issued: {left:?}");
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_answer_was_lost_counts_though_graph_words_the_next_one_in_its_own_way() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.clock.advance(days(8));
    let other_words =
        r#"{"error":{"code":"Request_ResourceNotFound","message":"Resource 'x' does not exist."}}"#;
    let remove = ("graph", "POST removePassword");
    let lost = answer(504, true, "");
    scenario.world.gate.fail_next(remove.0, remove.1, lost);
    scenario
        .world
        .gate
        .fail_next(remove.0, remove.1, answer(404, false, other_words));
    let retired = scenario.action("retire").await;
    assert_eq!(retired["removed"], json!([scenario.mailbox.first_key]));
    assert_eq!(scenario.details("Credential Retired").len(), 1);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_issued_is_told_though_secrets_manager_never_calls_create_secret_again() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    scenario
        .world
        .gate
        .fail_next("events", "PutEvents", Fault::Kill { effect: false });
    let killed = scenario.step("createSecret", TOKEN).await;
    assert!(killed.function_error.is_some());
    assert_eq!(scenario.details("Rotation Started").len(), 0);
    let refusal = r#"{"__type":"InvalidRequestException","Message":"A previous rotation isn't complete. That rotation will be reattempted."}"#;
    let refused = answer(400, false, refusal);
    scenario.world.gate.fail(
        Calls::of("secretsmanager", "RotateSecret").times(100),
        refused,
    );
    for _ in 0..2 {
        scenario.world.clock.advance(days(1));
        scenario.world.check().await.unwrap();
    }
    assert_eq!(scenario.details("Rotation Started").len(), 1);
    assert_eq!(scenario.details("Client Secret Rotated").len(), 1);
    scenario.assert_whole();
}
