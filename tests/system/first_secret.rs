//! A mailbox whose first document has no client secret, because nobody knows the one that ShopCtrl uses: the first
//! rotation issues one, and what is in use is left alone to its end.

use serde_json::{Value, json};
use simulators::gate::Fault;
use simulators::microsoft::directory::application::Audience;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::hand_over::ASKED;
use crate::support::scenario::days;

/// As the template has it, once it is said which client secret is in use.
fn named(document: &mut Value) {
    document["client_secret"] = json!("");
    document["expires_at"] = json!("");
}

/// As the template has it.
fn unnamed(document: &mut Value) {
    named(document);
    document["key_id"] = json!("");
}

/// ShopCtrl works, and we know neither value nor grant.
fn first(delivery: &str, document: fn(&mut Value)) -> MailboxPlan {
    MailboxPlan {
        delivery: delivery.to_owned(),
        ends_in: days(100),
        granted: false,
        reveal_to_owner: true,
        document,
        ..MailboxPlan::default()
    }
}

fn holds_the_first(scenario: &Scenario) -> bool {
    let directory = &scenario.world.directory;
    let first = directory.secret_value(scenario.mailbox.first_key);
    let connections = scenario.world.shopctrl.connections();
    let mut ours = connections
        .iter()
        .filter(|connection| connection.shop_id == scenario.mailbox.shop_id);
    ours.all(|connection| connection.secret == first)
}

fn first_is_in_entra(scenario: &Scenario) -> bool {
    scenario.keys().contains(&scenario.mailbox.first_key)
}

async fn hand_over(scenario: &Scenario) {
    let mut visitor = scenario.visitor();
    let receiving = scenario.come_in(&mut visitor).await;
    let sending = scenario
        .hand_over_one(&mut visitor, &receiving, "orders-in")
        .await;
    scenario
        .hand_over_one(&mut visitor, &sending, "orders-out")
        .await;
    scenario.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_hands_over_the_first_secret_and_the_old_one_is_kept_to_its_end() {
    for (document, is_named) in [(named as fn(&mut Value), true), (unnamed, false)] {
        let scenario = Scenario::waiting_for_hand_over(&first("attended", document)).await;
        assert!(holds_the_first(&scenario), "nothing in use is touched");
        let due = scenario.details("Rotation Due").remove(0);
        assert_eq!(due["reason"], "due");
        assert_eq!(due["expires_at"].is_string(), is_named);
        let asked = scenario.details(ASKED).remove(0);
        assert_eq!(asked["due_by"].is_string(), is_named);
        let start = scenario.visitor().open(&scenario.hand_over_link()).await;
        let unknown = start.body.contains("Nobody knows when that one ends");
        assert_eq!(unknown, !is_named, "{}", start.body);
        // No other check asks again, nor for anything that could not be had.
        scenario.check_daily(2).await;
        assert_eq!(scenario.details(ASKED).len(), 1);
        assert_eq!(scenario.told().get("Authorization Required"), None);

        hand_over(&scenario).await;
        scenario.assert_whole();
        scenario.check_daily(40).await;
        scenario.assert_whole();
        assert!(first_is_in_entra(&scenario), "kept");
        // Past its end it is nobody's here, and nobody's to remove.
        scenario.check_daily(70).await;
        assert!(first_is_in_entra(&scenario), "not removed");
        assert_eq!(scenario.retired(), vec![]);
        let key = scenario.mailbox.first_key.to_string();
        let labels = scenario.labels();
        assert!(
            !labels.iter().any(|label| label.ends_with(&key)),
            "{labels:?}"
        );
        let ending = scenario.told().get("Superseded Secret Ending").copied();
        assert_eq!(ending, is_named.then_some(3), "7, 3 and 1 days before");
        assert_eq!(scenario.told().get("Drift Found"), None);
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_secret_goes_to_shopctrl_by_itself_once_the_owner_has_signed_in() {
    for document in [named as fn(&mut Value), unnamed] {
        let scenario = Scenario::with(&first("api", document)).await;
        scenario.check().await;
        scenario.assert_waits();
        let link = scenario.link_in("Authorization Required");
        let mut visitor = scenario.visitor();
        let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
        assert_eq!(page.status, 200, "{}", page.body);
        scenario.settled().await;
        scenario.assert_whole();
        scenario.check_daily(30).await;
        scenario.assert_whole();
        assert!(first_is_in_entra(&scenario), "kept");
        assert_eq!(scenario.retired(), vec![]);
        let told = scenario.told();
        assert_eq!(told["Authorization Required"], 1);
        for nothing in ["Drift Found", "Superseded Secret Ending"] {
            assert_eq!(told.get(nothing), None, "{nothing}");
        }
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_that_the_first_secret_would_be_issued() {
    let scenario = Scenario::with(&first("attended", unnamed)).await;
    let before = scenario.keys();
    let done = scenario
        .world
        .invoke("expiry-checker", &json!({"dry_run": true}))
        .await
        .unwrap();
    assert_eq!(done.function_error, None, "{}", done.payload);
    let secret = &done.payload["secrets"][0];
    assert_eq!(secret["state"], "due", "{secret}");
    assert_eq!(secret["expires_at"], Value::Null);
    let actions = secret["actions"].to_string();
    assert!(actions.contains("start a rotation"), "{actions}");
    assert_eq!(scenario.keys(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_without_a_first_secret_passes_and_a_wrong_id_in_it_does_not() {
    let scenario = Scenario::with(&first("attended", unnamed)).await;
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
    assert_eq!(scenario.told().get("Authorization Required"), None);

    let scenario = Scenario::with(&first("attended", |document| {
        named(document);
        document["key_id"] = json!("99999999-0000-4000-8000-000000000000");
        document["connections"][0]["shopctrl"]["shop_id"] = json!(999);
    }))
    .await;
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.details("Rotation Failed").remove(0);
    let what = told["what"].as_str().unwrap();
    assert!(what.contains("or leave it empty"), "{what}");
    assert!(what.contains("shop 999"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_on_the_way_to_the_first_secret_leaves_no_orphan_and_the_old_one_alone() {
    for (service, operation, effect) in [
        ("graph", "POST addPassword", true),
        ("secretsmanager", "PutSecretValue", true),
        ("shopctrl", "PUT connection", true),
        ("secretsmanager", "UpdateSecretVersionStage", false),
    ] {
        let plan = MailboxPlan {
            granted: true,
            ..first("api", named)
        };
        let scenario = Scenario::with(&plan).await;
        let gate = &scenario.world.gate;
        gate.fail_next(service, operation, Fault::Kill { effect });
        // Where the check itself does it, that one ends with it.
        drop(scenario.world.check().await.unwrap());
        scenario.settled().await;
        scenario.check_daily(3).await;
        println!("{service} {operation}");
        scenario.assert_whole();
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
        assert!(first_is_in_entra(&scenario), "{operation}: kept");
        assert_eq!(
            scenario.keys().len(),
            3,
            "{operation}: one new, two of others"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_entra_allows_two_the_first_secret_takes_the_free_place_and_no_other() {
    let scenario = Scenario::with(&first("attended", unnamed)).await;
    scenario.change_app(|app| app.sign_in_audience = Audience::AnyAndPersonal);
    scenario.check().await;
    let told = scenario.details("Rotation Failed").remove(0);
    let next = told["next_step"].as_str().unwrap();
    assert!(
        next.contains("remove a client secret that nobody uses"),
        "{next}"
    );
    let (app, foreign) = (scenario.mailbox.app.app_id, scenario.mailbox.foreign_key);
    scenario.world.directory.delete_secret(app, foreign);
    scenario.check_daily(2).await;
    scenario.assert_waits();
    assert!(first_is_in_entra(&scenario) && holds_the_first(&scenario));
    hand_over(&scenario).await;
    scenario.assert_one_secret_everywhere();
    assert!(first_is_in_entra(&scenario));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_secret_of_which_only_the_id_is_known_is_replaced_and_a_person_is_told_that_it_stays()
 {
    let plan = MailboxPlan {
        granted: true,
        ..first("api", named)
    };
    let scenario = Scenario::with(&plan).await;
    let current = scenario.secret().labelled("AWSCURRENT").unwrap().id.clone();
    scenario.put_tag("shopmail:emergency", &current);
    scenario.check().await;
    scenario.check_daily(2).await;
    scenario.assert_whole();
    assert!(first_is_in_entra(&scenario), "nothing ties it to a value");
    let drift = scenario.details("Drift Found");
    assert_eq!(drift[0]["what"], "leaked_secret_still_valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_fails_its_test_with_the_first_secret_cannot_be_put_back_and_a_person_is_told()
 {
    let plan = MailboxPlan {
        granted: true,
        ..first("api", named)
    };
    let scenario = Scenario::with(&plan).await;
    scenario.world.shopctrl.fail_tests_with_next_secret(
        scenario.mailbox.shop_id,
        "orders-in",
        "no connection",
    );
    scenario.check().await;
    let told = scenario.details("Rotation Failed").remove(0);
    let what = told["what"].as_str().unwrap();
    assert!(
        what.contains("is not known, and cannot be put back"),
        "{what}"
    );
    assert!(
        scenario.secret().labelled("AWSPENDING").is_some(),
        "not promoted"
    );
    assert!(first_is_in_entra(&scenario));
}
