//! Whose credential is it? Nothing that is somebody else's is touched, and nothing of ours is called
//! retired that lives.

use serde_json::json;
use shared::credential::Marker;
use simulators::aws::secrets_manager::{CURRENT, PREVIOUS};
use simulators::gate::Calls;
use simulators::microsoft::directory::application::{Audience, NewSecret, Registration};
use simulators::world::{Mailbox, MailboxPlan};
use uuid::Uuid;

use crate::support::Scenario;
use crate::support::scenario::{days, ending_in};
use crate::support::steps::{STEPS, TOKEN};

/// The token of a rotation in another region.
const THEIRS: &str = "77777777-2222-4333-8444-555555555555";

// === Replicas ===

/// A live credential that the primary region's stack issued with this name.
fn live_elsewhere(scenario: &Scenario, name: String) -> Uuid {
    let new = NewSecret {
        display_name: Some(name),
        start: Some(scenario.world.clock.now() - days(10)),
        end: Some(scenario.world.clock.now() + days(170)),
        ..NewSecret::default()
    };
    let app = scenario.mailbox.app.app_id;
    let (key, value) = scenario.world.directory.add_secret(app, new).unwrap();
    for id in ["orders-in", "orders-out"] {
        scenario
            .world
            .shopctrl
            .edit(scenario.mailbox.shop_id, id, |connection| {
                connection.secret = Some(value.clone());
                connection.key_id = Some(key);
            });
    }
    key
}

fn old_marker(mailbox: &Mailbox) -> String {
    let suffix = mailbox.arn.rsplit('-').next().unwrap();
    format!("smr1/{suffix}/{THEIRS} ShopCtrl mail")
}

fn marker_of_the_primary(mailbox: &Mailbox) -> String {
    let primary = mailbox.arn.replace("eu-west-1", "eu-central-1");
    Marker::new(&primary, THEIRS).display_name("ShopCtrl mail")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_reported_once_and_touched_by_no_step_and_no_action() {
    let scenario = Scenario::begin().await;
    live_elsewhere(&scenario, old_marker(&scenario.mailbox));
    scenario.begin_rotation(TOKEN);
    scenario
        .world
        .secrets_manager
        .make_replica(&scenario.mailbox.secret, "eu-central-1")
        .unwrap();
    let before = scenario.keys();
    let secret = scenario.secret();
    scenario.world.gate.clear();
    for name in STEPS {
        let refused = scenario.step(name, TOKEN).await;
        assert_eq!(refused.error_type(), Some("Refused"), "{}", refused.payload);
    }
    for name in ["sweep", "retire"] {
        let done = scenario.action(name).await;
        assert_eq!(done["removed"], json!([]));
    }
    scenario.check().await;
    assert_eq!(scenario.keys(), before);
    let now = scenario.secret();
    assert_eq!((now.versions, now.tags), (secret.versions, secret.tags));
    let outside = scenario.world.gate.operations();
    let touches = |call: &&String| {
        ["entra", "graph", "shopctrl"]
            .iter()
            .any(|s| call.starts_with(s))
    };
    assert_eq!(outside.iter().filter(touches).count(), 0, "{outside:?}");
    assert_eq!(
        scenario.told().into_keys().collect::<Vec<_>>(),
        ["Fleet Report"]
    );
    let report = &scenario.details("Fleet Report")[0];
    assert_eq!(
        (&report["replicas"], &report["failed"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(report["secrets"][0]["state"], "replica");
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_became_a_secret_of_its_own_removes_nothing_of_the_others() {
    for name in [old_marker, marker_of_the_primary] {
        let scenario = Scenario::with(&ending_in(100)).await;
        let name = name(&scenario.mailbox);
        let live = live_elsewhere(&scenario, name.clone());
        scenario
            .world
            .secrets_manager
            .make_replica(&scenario.mailbox.secret, "eu-central-1")
            .unwrap();
        scenario
            .world
            .secrets_manager
            .promote_replica(&scenario.mailbox.secret)
            .unwrap();
        scenario.check_daily(20).await;
        assert!(scenario.keys().contains(&live), "{name}");
        assert_eq!(scenario.retired(), vec![], "{name}");
        let held = scenario
            .world
            .shopctrl
            .connection(scenario.mailbox.shop_id, "orders-in");
        if name.starts_with("smr2/") {
            assert_eq!(held.unwrap().key_id, Some(live), "the connection is theirs");
        }
        assert_eq!(scenario.world.shopctrl.outages(), vec![]);
    }
}

// === The typed id ===

/// The document gets the id of somebody else's credential, and keeps the value.
fn mistype_the_id(scenario: &Scenario) {
    let mut document = scenario.document();
    document["key_id"] = json!(scenario.mailbox.foreign_key);
    document["expires_at"] = json!(scenario.world.clock.now() + days(700));
    scenario.put(&document);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_test_refuses_an_id_and_a_value_of_two_credentials() {
    let scenario = Scenario::begin().await;
    mistype_the_id(&scenario);
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.details("Rotation Failed").remove(0);
    assert!(told["what"].as_str().unwrap().contains("key_id"), "{told}");
    let next_step = told["next_step"].as_str().unwrap();
    assert!(next_step.contains("Secret ID"), "{next_step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_id_is_anothers_the_mail_is_renewed_in_time_and_the_stranger_is_kept() {
    let scenario = Scenario::begin().await;
    mistype_the_id(&scenario);
    scenario.check().await;
    let drift = scenario.details("Drift Found");
    assert!(drift.iter().any(|d| d["what"] == "key_id_is_anothers"));
    let renewed = scenario.current_key();
    assert!(
        renewed != scenario.mailbox.foreign_key && renewed != scenario.mailbox.first_key,
        "the value's own end is near, and adding harms nobody"
    );
    scenario.check_daily(40).await;
    let left = scenario.keys();
    assert!(left.contains(&scenario.mailbox.foreign_key), "a stranger's");
    assert_eq!(scenario.retired(), vec![]);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hint_all_goes_on_but_removing_what_a_person_typed() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .directory
        .set_graph_habits(|habits| habits.shows_hint = false);
    scenario.check().await;
    let second = scenario.current_key();
    assert_ne!(second, scenario.mailbox.first_key, "issued");
    scenario.check_daily(10).await;
    assert!(
        scenario.keys().contains(&scenario.mailbox.first_key),
        "kept"
    );
    scenario.check_daily(12).await;
    // It has ended, and its label is not needed any more.
    let first = scenario.mailbox.first_key.to_string();
    assert!(!scenario.labels().iter().any(|l| l.ends_with(&first)));
    assert_eq!(scenario.retired(), vec![]);
    // What carries our marker needs no hint.
    scenario.rotate().await;
    scenario.check_daily(9).await;
    assert!(!scenario.keys().contains(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_an_id_or_ends_in_a_line_break_is_named_once_entra_refuses_it_and_renewed()
{
    for (slip, code) in [
        (
            "11111111-aaaa-4bbb-8ccc-222222222222",
            "client_secret_is_an_id",
        ),
        ("abc~nonsense\n", "client_secret_ends_in_line_break"),
    ] {
        let scenario = Scenario::with(&ending_in(100)).await;
        let mut document = scenario.document();
        document["client_secret"] = json!(slip);
        scenario.put(&document);
        let ended = scenario.test_configuration().await;
        assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
        let told = scenario.details("Rotation Failed").remove(0);
        let named = format!("{} {}", told["what"], told["next_step"]);
        let words = if code.ends_with("id") {
            "Secret ID"
        } else {
            "line break"
        };
        assert!(named.contains(words), "{named}");
        scenario.check().await;
        let drift = scenario.details("Drift Found");
        assert!(drift.iter().any(|d| d["what"] == code), "{code}");
        scenario.assert_one_secret_everywhere();
        assert_ne!(
            scenario.current_key(),
            scenario.mailbox.first_key,
            "renewed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_alone_is_believed_by_the_second_check() {
    let scenario = Scenario::with(&ending_in(100)).await;
    // Mistyped behind the hint.
    let mut document = scenario.document();
    let value = document["client_secret"].as_str().unwrap().to_owned();
    document["client_secret"] = json!(format!("{value}x"));
    scenario.world.directory.note_secret(&format!("{value}x"));
    scenario.put(&document);
    scenario.check().await;
    assert_eq!(scenario.told().get("Rotation Due"), None, "one look");
    scenario.check_daily(1).await;
    assert_ne!(
        scenario.current_key(),
        scenario.mailbox.first_key,
        "renewed"
    );
    scenario.assert_one_secret_everywhere();
}

// === Shared app registrations ===

/// orders@ and support@, on one app registration with one first client secret.
async fn two_on_one_app() -> (Scenario, Scenario) {
    let plan = ending_in(100);
    let orders = Scenario::with(&plan).await;
    let support = orders.beside(&MailboxPlan {
        name: "support".to_owned(),
        address: "support@shop.example".to_owned(),
        shop_id: 13,
        beside: Some(orders.mailbox.clone()),
        ..plan
    });
    (orders, support)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_secret_that_two_mailboxes_share_goes_when_neither_needs_it() {
    let (orders, support) = two_on_one_app().await;
    orders.check().await;
    orders.rotate().await;
    orders.check_daily(20).await;
    let has_first = || orders.keys().contains(&orders.mailbox.first_key);
    assert!(has_first(), "support@ uses it");
    assert_eq!(orders.world.shopctrl.outages(), vec![]);
    support.rotate().await;
    orders.check_daily(6).await;
    assert!(has_first(), "in support@'s quarantine");
    orders.check_daily(3).await;
    assert!(!has_first(), "nobody needs it");
    orders.check_daily(2).await;
    let first = orders.mailbox.first_key.to_string();
    let told = orders.retired();
    assert_eq!(told.len(), 2, "once for each that named it: {told:?}");
    assert!(told.iter().all(|(key, _)| *key == first));
    for scenario in [&orders, &support] {
        assert!(!scenario.labels().iter().any(|l| l.ends_with(&first)));
        scenario.assert_one_secret_everywhere();
    }
    assert!(orders.keys().contains(&orders.mailbox.foreign_key));
    orders.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_others_word_and_beside_one_that_does_not_say_nothing_is_removed() {
    let (orders, support) = two_on_one_app().await;
    orders.rotate().await;
    orders.world.clock.advance(days(8));
    let event = json!({"Action": "retire", "SecretId": orders.mailbox.arn});
    let done = orders.world.invoke("rotation", &event).await.unwrap();
    assert_eq!(done.payload["removed"], json!([]), "without the set");
    // support@ was never looked at: it names nothing yet.
    orders.check().await;
    assert!(orders.keys().contains(&orders.mailbox.first_key));
    assert_eq!(orders.world.shopctrl.outages(), vec![]);
    support.assert_one_secret_everywhere();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_an_emergency_of_whoever_shares_the_secret_which_goes_after_the_last_promotion() {
    let (orders, support) = two_on_one_app().await;
    orders.check().await;
    let secret = orders.secret();
    let leaked = secret.labelled(CURRENT).unwrap().id.clone();
    orders.put_tag("shopmail:emergency", &leaked);
    orders.rotate().await;
    orders.world.event_bridge.settled().await;
    for scenario in [&orders, &support] {
        scenario.settled().await;
    }
    orders.world.event_bridge.settled().await;
    let due = orders.details("Rotation Due");
    let for_support = due
        .iter()
        .find(|event| event["secret"] == support.mailbox.secret);
    assert_eq!(for_support.unwrap()["reason"], "emergency", "said at once");
    assert_ne!(support.current_key(), orders.mailbox.first_key);
    assert!(
        !orders.keys().contains(&orders.mailbox.first_key),
        "at once"
    );
    let told = orders.retired();
    // Once for each that named it; whichever comes second may find it gone.
    let first = orders.mailbox.first_key.to_string();
    let reasons: Vec<&str> = told.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(told.iter().all(|(key, _)| *key == first), "{told:?}");
    assert!(
        [["emergency", "emergency"], ["emergency", "already_gone"]]
            .contains(&[reasons[0], reasons[1]])
            && reasons.len() == 2,
        "{told:?}"
    );
    assert_eq!(
        orders.world.shopctrl.outages(),
        vec![],
        "and after the last promotion"
    );
    for scenario in [&orders, &support] {
        scenario.assert_one_secret_everywhere();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_test_refuses_two_mailboxes_on_an_app_with_two_places() {
    let (orders, _) = two_on_one_app().await;
    let app = orders.mailbox.app.app_id;
    orders
        .world
        .directory
        .change(app, |app| app.sign_in_audience = Audience::AnyAndPersonal);
    let ended = orders.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = orders.details("Rotation Failed").remove(0);
    assert!(told["what"].as_str().unwrap().contains("shopmail/support"));
}

// === Imported, moved, gone ===

#[tokio::test(flavor = "multi_thread")]
async fn what_was_superseded_in_another_app_registration_is_removed_there() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let before = scenario.current_key();
    // The shop moves to another app registration.
    let app = scenario.world.directory.register(
        scenario.world.tenant(),
        Registration {
            owners: [scenario.world.rotator().service_principal_id].into(),
            ..Registration::default()
        },
    );
    let new = NewSecret {
        end: Some(scenario.world.clock.now() + days(300)),
        ..NewSecret::default()
    };
    let (key, value) = scenario
        .world
        .directory
        .add_secret(app.app_id, new)
        .unwrap();
    let mut document = scenario.document();
    document["client_id"] = json!(app.app_id);
    document["key_id"] = json!(key);
    document["client_secret"] = json!(value);
    document["expires_at"] = json!(scenario.world.clock.now() + days(300));
    scenario.put(&document);
    for id in ["orders-in", "orders-out"] {
        scenario
            .world
            .shopctrl
            .edit(scenario.mailbox.shop_id, id, |connection| {
                connection.client_id = app.app_id;
                connection.secret = Some(value.clone());
                connection.key_id = Some(key);
            });
    }
    scenario.check_daily(9).await;
    assert_eq!(scenario.keys(), vec![scenario.mailbox.foreign_key]);
    let told: Vec<String> = scenario.retired().into_iter().map(|(key, _)| key).collect();
    assert!(told.contains(&before.to_string()), "{told:?}");
    assert_eq!(told.len(), 2, "each once, after it was removed");
    let credentials = scenario.world.directory.credentials(app.app_id);
    assert!(
        credentials
            .iter()
            .any(|credential| credential.key_id == key)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_removed_is_told_as_already_gone() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let app = scenario.mailbox.app.app_id;
    scenario
        .world
        .directory
        .delete_secret(app, scenario.mailbox.first_key);
    scenario.check_daily(9).await;
    let first = scenario.mailbox.first_key.to_string();
    assert_eq!(scenario.retired(), vec![(first, "already_gone".to_owned())]);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_service_principal_is_not_called_gone_while_it_signs_in() {
    let scenario = Scenario::begin().await;
    let end = scenario.world.clock.now() + days(40);
    let new = NewSecret {
        end: Some(end),
        on_service_principal: true,
        ..NewSecret::default()
    };
    let app = scenario.mailbox.app.app_id;
    let (key, value) = scenario.world.directory.add_secret(app, new).unwrap();
    let mut document = scenario.document();
    document["key_id"] = json!(key);
    document["client_secret"] = json!(value);
    document["expires_at"] = json!(end);
    let label = format!("key-{key}");
    let version = "99999999-2222-4333-8444-000000000000";
    scenario
        .world
        .secrets_manager
        .place_version(
            &scenario.mailbox.secret,
            version,
            Some(&document.to_string()),
            &[CURRENT, &label],
        )
        .unwrap();
    scenario.rotate().await;
    let secret = scenario.secret();
    assert_eq!(secret.labelled(PREVIOUS).unwrap().id, version);
    scenario.check_daily(12).await;
    assert!(
        !scenario
            .retired()
            .iter()
            .any(|(told, _)| *told == key.to_string())
    );
    assert!(
        scenario
            .labels()
            .iter()
            .any(|l| l.ends_with(&key.to_string()))
    );
    scenario.check_daily(30).await;
    assert!(
        scenario
            .retired()
            .contains(&(key.to_string(), "already_gone".to_owned())),
        "once Entra refuses its value too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_told_after_its_removal_and_not_where_it_is_refused() {
    let scenario = Scenario::begin().await;
    let name = Marker::new(&scenario.mailbox.arn, THEIRS).display_name("ShopCtrl mail");
    let new = NewSecret {
        display_name: Some(name),
        start: Some(scenario.world.clock.now() - days(1)),
        ..NewSecret::default()
    };
    let app = scenario.mailbox.app.app_id;
    let (orphan, _) = scenario.world.directory.add_secret(app, new).unwrap();
    let forbidden = simulators::gate::Fault::Answer {
        effect: false,
        status: 403,
        headers: Vec::new(),
        body: r#"{"error":{"code":"Authorization_RequestDenied","message":"x"}}"#.to_owned(),
    };
    scenario.world.gate.fail(
        Calls::of("graph", "POST removePassword").times(100),
        forbidden,
    );
    scenario.check().await;
    assert!(scenario.keys().contains(&orphan));
    assert_eq!(scenario.retired(), vec![], "it lives");
    scenario.world.gate.heal();
    // Killed between the removal and what is told of it.
    let kill = simulators::gate::Fault::Kill { effect: true };
    scenario
        .world
        .gate
        .fail_next("graph", "POST removePassword", kill);
    scenario.world.clock.advance(days(1));
    scenario.world.check().await.unwrap();
    assert!(!scenario.keys().contains(&orphan));
    assert_eq!(scenario.retired(), vec![], "swallowed");
    scenario.check_daily(2).await;
    assert_eq!(
        scenario.retired(),
        vec![(orphan.to_string(), "orphan".to_owned())]
    );
    assert_eq!(scenario.tag("shopmail:removing").as_deref(), Some(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_succeeds_beside_a_neighbour_on_the_same_app() {
    let (orders, support) = two_on_one_app().await;
    orders.check().await;
    orders.begin_rotation(TOKEN);
    for name in STEPS {
        orders.take_step(name, TOKEN).await;
    }
    orders.assert_one_secret_everywhere();
    support.assert_one_secret_everywhere();
}
