//! Labels as Secrets Manager keeps them: twenty for a secret over all its versions, moments late, and
//! perhaps gone from a version that AWSCURRENT leaves.

use serde_json::json;
use simulators::aws::secrets_manager::{CURRENT, PENDING, PREVIOUS, Settings};
use simulators::gate::Fault;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::{days, ending_in};
use crate::support::steps::TOKEN;

/// Versions that hold nothing of ours, with so many labels in all.
fn fill(scenario: &Scenario, labels: usize) {
    let all: Vec<String> = (0..labels).map(|n| format!("of-somebody-{n:02}")).collect();
    for (half, version) in all.chunks(labels.div_ceil(2)).zip(["a", "b"]) {
        let half: Vec<&str> = half.iter().map(String::as_str).collect();
        let id = format!("{version}2222222-2222-4333-8444-000000000000");
        scenario
            .world
            .secrets_manager
            .place_version(&scenario.mailbox.secret, &id, Some("x"), &half)
            .unwrap();
    }
}

fn empty(scenario: &Scenario) {
    for label in scenario.labels() {
        if label.starts_with("of-somebody-") {
            let store = &scenario.world.secrets_manager;
            store
                .move_label(&scenario.mailbox.secret, &label, None)
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_has_no_room_for_its_labels_issues_nothing_and_names_the_versions() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    // AWSCURRENT, AWSPENDING; to come are key- on both, proved, AWSPREVIOUS.
    fill(&scenario, 15);
    let before = scenario.keys();
    let failed = scenario.step("createSecret", TOKEN).await;
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
    assert_eq!(scenario.keys(), before, "nothing was issued");
    empty(&scenario);
    fill(&scenario, 14);
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_credential_goes_though_no_label_can_be_added() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let leaked = scenario.secret();
    let leaked = leaked.labelled(PREVIOUS).unwrap().id.clone();
    scenario.put_tag("shopmail:emergency", leaked.as_str());
    fill(&scenario, 20 - scenario.labels().len());
    let done = scenario.action("retire").await;
    assert_eq!(done["removed"], json!([scenario.mailbox.first_key]));
    assert!(!scenario.keys().contains(&scenario.mailbox.first_key));
    let first = scenario.mailbox.first_key.to_string();
    assert_eq!(scenario.retired(), vec![(first, "emergency".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kept_version_has_one_label_of_ours() {
    let scenario = Scenario::begin().await;
    for _ in 0..5 {
        scenario.rotate().await;
        scenario.check_daily(1).await;
    }
    let secret = scenario.secret();
    for version in &secret.versions {
        let current = version.labels.contains(CURRENT);
        let of_current = |label: &str| current && label == "proved";
        let ours = version.labels.iter();
        let ours = ours.filter(|label| !label.starts_with("AWS") && !of_current(label));
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
        let scenario = Scenario::begin().await;
        scenario.world.secrets_manager.configure(late);
        scenario.begin_rotation(TOKEN);
        for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
            scenario.take_step(name, TOKEN).await;
        }
        scenario.assert_whole();
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
        let calls = scenario.world.gate.operations();
        let tested = calls
            .iter()
            .filter(|c| *c == "shopctrl POST connection test");
        assert_eq!(tested.count(), 2, "it was proved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_stay_late_cost_attempts_and_never_a_proof() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .secrets_manager
        .configure(|settings| settings.lagging_describes = 40);
    scenario.begin_rotation(TOKEN);
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let _ = scenario.step(name, TOKEN).await;
        assert_eq!(scenario.current_key(), scenario.mailbox.first_key, "{name}");
    }
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
    scenario
        .world
        .secrets_manager
        .configure(|settings| settings.lagging_describes = 0);
    scenario.check_daily(3).await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promoted_without_the_proof_that_test_secret_records() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in ["createSecret", "setSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    let refused = scenario.step("finishSecret", TOKEN).await;
    assert_eq!(
        refused.error_type(),
        Some("Temporary"),
        "{}",
        refused.payload
    );
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // The proof of a rotation that was given up is none for the next one.
    let store = &scenario.world.secrets_manager;
    let other = "33333333-2222-4333-8444-555555555555";
    store
        .place_version(&scenario.mailbox.secret, other, Some("x"), &["proved"])
        .unwrap();
    let refused = scenario.step("finishSecret", TOKEN).await;
    assert_eq!(
        refused.error_type(),
        Some("Temporary"),
        "{}",
        refused.payload
    );
    for name in ["testSecret", "finishSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    scenario.assert_whole();
    let secret = scenario.secret();
    let proved = secret.labelled("proved").unwrap();
    assert!(proved.labels.contains(CURRENT), "taken from the other one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_already_is_not_issued_again_though_its_label_shows_late() {
    // The value shows at once, or as late as the label: then what was issued again is removed.
    for (late_values, issued) in [(0, 1), (2, 2)] {
        let scenario = Scenario::begin().await;
        scenario.begin_rotation(TOKEN);
        let before = scenario.keys().len();
        scenario.world.secrets_manager.configure(|settings| {
            (settings.lagging_describes, settings.lagging_values) = (1, late_values);
        });
        for _ in 0..2 {
            scenario.take_step("createSecret", TOKEN).await;
        }
        let calls = scenario.world.gate.operations();
        let adding = calls.iter().filter(|c| *c == "graph POST addPassword");
        assert_eq!(adding.count(), issued);
        assert_eq!(scenario.keys().len(), before + 1);
        for name in ["setSecret", "testSecret", "finishSecret"] {
            scenario.take_step(name, TOKEN).await;
        }
        scenario.assert_whole();
    }
}

// === Other answers ===

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_goes_as_awscurrent_moves_away_is_put_back() {
    for kill in [false, true] {
        let scenario = Scenario::with(&ending_in(100)).await;
        scenario
            .world
            .secrets_manager
            .configure(|settings| settings.custom_labels_stay = false);
        scenario.world.check().await.unwrap();
        if kill {
            // After AWSCURRENT was moved, and before anything else.
            let moves = |call: &simulators::gate::Call| {
                let body = String::from_utf8_lossy(&call.body).into_owned();
                call.operation == "UpdateSecretVersionStage" && body.contains(CURRENT)
            };
            scenario
                .world
                .gate
                .direct(move |call| moves(call).then_some(Fault::Kill { effect: true }));
        }
        scenario.rotate().await;
        scenario.world.gate.direct(|_| None);
        scenario.check_daily(2).await;
        let secret = scenario.secret();
        let previous = secret.labelled(PREVIOUS).unwrap().labels.clone();
        let first = scenario.mailbox.first_key.to_string();
        assert!(previous.iter().any(|l| l.ends_with(&first)), "{previous:?}");
        scenario.check_daily(8).await;
        assert!(!scenario.keys().contains(&scenario.mailbox.first_key));
        scenario.assert_whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_parameter_that_is_no_race_is_not_taken_for_one() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in ["createSecret", "setSecret", "testSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    let replica = r#"{"__type":"InvalidParameterException","Message":"Operation not permitted on a replica secret. Call must be made in primary secret's region."}"#;
    scenario.world.gate.fail_next(
        "secretsmanager",
        "UpdateSecretVersionStage",
        answer(400, false, replica),
    );
    let failed = scenario.step("finishSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    scenario.take_step("finishSecret", TOKEN).await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_with_an_absurd_number_is_put_right_and_panics_nobody() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let secret = scenario.secret();
    let previous = secret.labelled(PREVIOUS).unwrap().id.clone();
    for absurd in [
        format!("superseded-{}", i64::MAX),
        format!("superseded-{}-{}", i64::MAX, scenario.mailbox.first_key),
        "superseded--9223372036854775808".to_owned(),
    ] {
        let store = &scenario.world.secrets_manager;
        let set = store.move_label(&scenario.mailbox.secret, &absurd, Some(&previous));
        set.unwrap();
    }
    scenario.check_daily(1).await;
    scenario.world.clock.advance(days(8));
    scenario.check_daily(2).await;
    assert!(!scenario.keys().contains(&scenario.mailbox.first_key));
    let left = scenario.labels();
    assert!(
        !left.iter().any(|l| l.starts_with("superseded-")),
        "{left:?}"
    );
    assert!(!left.contains(&PENDING.to_owned()));
}
