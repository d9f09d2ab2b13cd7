//! Whose credential is it? Nothing that is somebody else's is touched, and nothing of ours is called
//! retired that lives.

use serde_json::{Value, json};
use shared::credential::Marker;
use simulators::aws::secrets_manager::{CURRENT, PREVIOUS};
use simulators::microsoft::directory::application::{Audience, NewSecret, Registration};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};
use uuid::Uuid;

use crate::configuration_test::test_configuration;
use crate::end_state::{assert_one_secret_everywhere, assert_whole, current_key, keys, tag};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::steps::{STEPS, TOKEN, action, begin, rotate, step, succeeded};
use crate::whole_rotation::days;

/// The token of a rotation in another region.
const THEIRS: &str = "77777777-2222-4333-8444-555555555555";

pub async fn check_daily(world: &World, for_days: i64) {
    for _ in 0..for_days {
        world.clock.advance(days(1));
        check(world).await;
    }
}

pub async fn check(world: &World) {
    let checked = world.check().await.unwrap();
    assert_eq!(checked.function_error, None, "{}", checked.payload);
    for secret in world.secrets_manager.secrets() {
        world.secrets_manager.settled(&secret.name).await;
    }
    world.event_bridge.settled().await;
}

fn document(world: &World, mailbox: &Mailbox) -> Value {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    serde_json::from_str(secret.labelled(CURRENT).unwrap().text().unwrap()).unwrap()
}

fn put(world: &World, mailbox: &Mailbox, document: &Value) {
    let store = &world.secrets_manager;
    store
        .store_value(&mailbox.secret, &document.to_string())
        .unwrap();
}

pub fn labels(world: &World, mailbox: &Mailbox) -> Vec<String> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    secret.versions.into_iter().flat_map(|v| v.labels).collect()
}

pub fn retired(world: &World) -> Vec<(String, String)> {
    let told = world.event_bridge.details("Credential Retired");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = told.iter();
    told.map(|event| (text(&event["key_id"]), text(&event["reason"])))
        .collect()
}

// === Replicas ===

/// A live credential that the primary region's stack issued with this name.
fn live_elsewhere(world: &World, mailbox: &Mailbox, name: String) -> Uuid {
    let new = NewSecret {
        display_name: Some(name),
        start: Some(world.clock.now() - days(10)),
        end: Some(world.clock.now() + days(170)),
        ..NewSecret::default()
    };
    let app = mailbox.app.app_id;
    let (key, value) = world.directory.add_secret(app, new).unwrap();
    for id in ["orders-in", "orders-out"] {
        world.shopctrl.edit(mailbox.shop_id, id, |connection| {
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
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    live_elsewhere(&world, &mailbox, old_marker(&mailbox));
    begin(&world, &mailbox, TOKEN);
    world
        .secrets_manager
        .make_replica(&mailbox.secret, "eu-central-1")
        .unwrap();
    let before = keys(&world, &mailbox);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    world.gate.clear();
    for name in STEPS {
        let refused = step(&world, &mailbox, name, TOKEN).await;
        assert_eq!(refused.error_type(), Some("Refused"), "{}", refused.payload);
    }
    for name in ["sweep", "retire"] {
        let done = action(&world, &mailbox, name).await;
        assert_eq!(done["removed"], json!([]));
    }
    check(&world).await;
    assert_eq!(keys(&world, &mailbox), before);
    let now = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert_eq!((now.versions, now.tags), (secret.versions, secret.tags));
    let outside = world.gate.operations();
    let touches = |call: &&String| {
        ["entra", "graph", "shopctrl"]
            .iter()
            .any(|s| call.starts_with(s))
    };
    assert_eq!(outside.iter().filter(touches).count(), 0, "{outside:?}");
    assert_eq!(
        told(&world).into_keys().collect::<Vec<_>>(),
        ["Fleet Report"]
    );
    let report = &world.event_bridge.details("Fleet Report")[0];
    assert_eq!(
        (&report["replicas"], &report["failed"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(report["secrets"][0]["state"], "replica");
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_became_a_secret_of_its_own_removes_nothing_of_the_others() {
    for name in [old_marker, marker_of_the_primary] {
        let world = World::start(short_waits()).await.unwrap();
        let plan = MailboxPlan {
            ends_in: days(100),
            ..MailboxPlan::default()
        };
        let mailbox = world.add_mailbox(&plan).unwrap();
        let name = name(&mailbox);
        let live = live_elsewhere(&world, &mailbox, name.clone());
        world
            .secrets_manager
            .make_replica(&mailbox.secret, "eu-central-1")
            .unwrap();
        world
            .secrets_manager
            .promote_replica(&mailbox.secret)
            .unwrap();
        check_daily(&world, 20).await;
        assert!(keys(&world, &mailbox).contains(&live), "{name}");
        assert_eq!(retired(&world), vec![], "{name}");
        let held = world.shopctrl.connection(mailbox.shop_id, "orders-in");
        if name.starts_with("smr2/") {
            assert_eq!(held.unwrap().key_id, Some(live), "the connection is theirs");
        }
        assert_eq!(world.shopctrl.outages(), vec![]);
    }
}

// === The typed id ===

/// The document gets the id of somebody else's credential, and keeps the value.
fn mistype_the_id(world: &World, mailbox: &Mailbox) {
    let mut document = document(world, mailbox);
    document["key_id"] = json!(mailbox.foreign_key);
    document["expires_at"] = json!(world.clock.now() + days(700));
    put(world, mailbox, &document);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_test_refuses_an_id_and_a_value_of_two_credentials() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    mistype_the_id(&world, &mailbox);
    let ended = test_configuration(&world, &mailbox).await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = world.event_bridge.details("Rotation Failed").remove(0);
    assert!(told["what"].as_str().unwrap().contains("key_id"), "{told}");
    let next_step = told["next_step"].as_str().unwrap();
    assert!(next_step.contains("Secret ID"), "{next_step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_id_is_anothers_the_mail_is_renewed_in_time_and_the_stranger_is_kept() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    mistype_the_id(&world, &mailbox);
    check(&world).await;
    let drift = world.event_bridge.details("Drift Found");
    assert!(drift.iter().any(|d| d["what"] == "key_id_is_anothers"));
    let renewed = current_key(&world, &mailbox);
    assert!(
        renewed != mailbox.foreign_key && renewed != mailbox.first_key,
        "the value's own end is near, and adding harms nobody"
    );
    check_daily(&world, 40).await;
    let left = keys(&world, &mailbox);
    assert!(left.contains(&mailbox.foreign_key), "a stranger's");
    assert_eq!(retired(&world), vec![]);
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hint_all_goes_on_but_removing_what_a_person_typed() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .directory
        .set_graph_habits(|habits| habits.shows_hint = false);
    check(&world).await;
    let second = current_key(&world, &mailbox);
    assert_ne!(second, mailbox.first_key, "issued");
    check_daily(&world, 10).await;
    assert!(keys(&world, &mailbox).contains(&mailbox.first_key), "kept");
    check_daily(&world, 12).await;
    // It has ended, and its label is not needed any more.
    let first = mailbox.first_key.to_string();
    assert!(!labels(&world, &mailbox).iter().any(|l| l.ends_with(&first)));
    assert_eq!(retired(&world), vec![]);
    // What carries our marker needs no hint.
    rotate(&world, &mailbox).await;
    check_daily(&world, 9).await;
    assert!(!keys(&world, &mailbox).contains(&second));
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
        let world = World::start(short_waits()).await.unwrap();
        let plan = MailboxPlan {
            ends_in: days(100),
            ..MailboxPlan::default()
        };
        let mailbox = world.add_mailbox(&plan).unwrap();
        let mut document = document(&world, &mailbox);
        document["client_secret"] = json!(slip);
        put(&world, &mailbox, &document);
        let ended = test_configuration(&world, &mailbox).await;
        assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
        let told = world.event_bridge.details("Rotation Failed").remove(0);
        let named = format!("{} {}", told["what"], told["next_step"]);
        let words = if code.ends_with("id") {
            "Secret ID"
        } else {
            "line break"
        };
        assert!(named.contains(words), "{named}");
        check(&world).await;
        let drift = world.event_bridge.details("Drift Found");
        assert!(drift.iter().any(|d| d["what"] == code), "{code}");
        assert_one_secret_everywhere(&world, &mailbox);
        assert_ne!(current_key(&world, &mailbox), mailbox.first_key, "renewed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_alone_is_believed_by_the_second_check() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    // Mistyped behind the hint.
    let mut document = document(&world, &mailbox);
    let value = document["client_secret"].as_str().unwrap().to_owned();
    document["client_secret"] = json!(format!("{value}x"));
    world.directory.note_secret(&format!("{value}x"));
    put(&world, &mailbox, &document);
    check(&world).await;
    assert_eq!(told(&world).get("Rotation Due"), None, "one look");
    check_daily(&world, 1).await;
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key, "renewed");
    assert_one_secret_everywhere(&world, &mailbox);
}

// === Shared app registrations ===

/// orders@ and support@, on one app registration with one first client secret.
async fn two_on_one_app() -> (World, Mailbox, Mailbox) {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(100),
        ..MailboxPlan::default()
    };
    let orders = world.add_mailbox(&plan).unwrap();
    let support = MailboxPlan {
        name: "support".to_owned(),
        address: "support@shop.example".to_owned(),
        shop_id: 13,
        beside: Some(orders.clone()),
        ..plan
    };
    let support = world.add_mailbox(&support).unwrap();
    (world, orders, support)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_secret_that_two_mailboxes_share_goes_when_neither_needs_it() {
    let (world, orders, support) = two_on_one_app().await;
    check(&world).await;
    rotate(&world, &orders).await;
    check_daily(&world, 20).await;
    let has_first = || keys(&world, &orders).contains(&orders.first_key);
    assert!(has_first(), "support@ uses it");
    assert_eq!(world.shopctrl.outages(), vec![]);
    rotate(&world, &support).await;
    check_daily(&world, 6).await;
    assert!(has_first(), "in support@'s quarantine");
    check_daily(&world, 3).await;
    assert!(!has_first(), "nobody needs it");
    check_daily(&world, 2).await;
    let first = orders.first_key.to_string();
    let told = retired(&world);
    assert_eq!(told.len(), 2, "once for each that named it: {told:?}");
    assert!(told.iter().all(|(key, _)| *key == first));
    for mailbox in [&orders, &support] {
        assert!(!labels(&world, mailbox).iter().any(|l| l.ends_with(&first)));
        assert_one_secret_everywhere(&world, mailbox);
    }
    assert!(keys(&world, &orders).contains(&orders.foreign_key));
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_others_word_and_beside_one_that_does_not_say_nothing_is_removed() {
    let (world, orders, support) = two_on_one_app().await;
    rotate(&world, &orders).await;
    world.clock.advance(days(8));
    let event = json!({"Action": "retire", "SecretId": orders.arn});
    let done = world.invoke("rotation", &event).await.unwrap();
    assert_eq!(done.payload["removed"], json!([]), "without the set");
    // support@ was never looked at: it names nothing yet.
    check(&world).await;
    assert!(keys(&world, &orders).contains(&orders.first_key));
    assert_eq!(world.shopctrl.outages(), vec![]);
    assert_one_secret_everywhere(&world, &support);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_an_emergency_of_whoever_shares_the_secret_which_goes_after_the_last_promotion() {
    let (world, orders, support) = two_on_one_app().await;
    check(&world).await;
    let secret = world.secrets_manager.snapshot(&orders.secret).unwrap();
    let leaked = secret.labelled(CURRENT).unwrap().id.clone();
    world
        .secrets_manager
        .put_tags(&orders.secret, &[("shopmail:emergency", &leaked)])
        .unwrap();
    rotate(&world, &orders).await;
    world.event_bridge.settled().await;
    for mailbox in [&orders, &support] {
        world.secrets_manager.settled(&mailbox.secret).await;
    }
    world.event_bridge.settled().await;
    let due = world.event_bridge.details("Rotation Due");
    let for_support = due.iter().find(|event| event["secret"] == support.secret);
    assert_eq!(for_support.unwrap()["reason"], "emergency", "said at once");
    assert_ne!(current_key(&world, &support), orders.first_key);
    assert!(
        !keys(&world, &orders).contains(&orders.first_key),
        "at once"
    );
    let told = retired(&world);
    // Once for each that named it; whichever comes second may find it gone.
    let first = orders.first_key.to_string();
    let reasons: Vec<&str> = told.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(told.iter().all(|(key, _)| *key == first), "{told:?}");
    assert!(
        [["emergency", "emergency"], ["emergency", "already_gone"]]
            .contains(&[reasons[0], reasons[1]])
            && reasons.len() == 2,
        "{told:?}"
    );
    assert_eq!(
        world.shopctrl.outages(),
        vec![],
        "and after the last promotion"
    );
    for mailbox in [&orders, &support] {
        assert_one_secret_everywhere(&world, mailbox);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_test_refuses_two_mailboxes_on_an_app_with_two_places() {
    let (world, orders, _) = two_on_one_app().await;
    let app = orders.app.app_id;
    world
        .directory
        .change(app, |app| app.sign_in_audience = Audience::AnyAndPersonal);
    let ended = test_configuration(&world, &orders).await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = world.event_bridge.details("Rotation Failed").remove(0);
    assert!(told["what"].as_str().unwrap().contains("shopmail/support"));
}

// === Imported, moved, gone ===

#[tokio::test(flavor = "multi_thread")]
async fn what_was_superseded_in_another_app_registration_is_removed_there() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let before = current_key(&world, &mailbox);
    // The shop moves to another app registration.
    let app = world.directory.register(
        world.tenant(),
        Registration {
            owners: [world.rotator().service_principal_id].into(),
            ..Registration::default()
        },
    );
    let new = NewSecret {
        end: Some(world.clock.now() + days(300)),
        ..NewSecret::default()
    };
    let (key, value) = world.directory.add_secret(app.app_id, new).unwrap();
    let mut document = document(&world, &mailbox);
    document["client_id"] = json!(app.app_id);
    document["key_id"] = json!(key);
    document["client_secret"] = json!(value);
    document["expires_at"] = json!(world.clock.now() + days(300));
    put(&world, &mailbox, &document);
    for id in ["orders-in", "orders-out"] {
        world.shopctrl.edit(mailbox.shop_id, id, |connection| {
            connection.client_id = app.app_id;
            connection.secret = Some(value.clone());
            connection.key_id = Some(key);
        });
    }
    check_daily(&world, 9).await;
    assert_eq!(keys(&world, &mailbox), vec![mailbox.foreign_key]);
    let told: Vec<String> = retired(&world).into_iter().map(|(key, _)| key).collect();
    assert!(told.contains(&before.to_string()), "{told:?}");
    assert_eq!(told.len(), 2, "each once, after it was removed");
    let credentials = world.directory.credentials(app.app_id);
    assert!(
        credentials
            .iter()
            .any(|credential| credential.key_id == key)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_removed_is_told_as_already_gone() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    rotate(&world, &mailbox).await;
    let app = mailbox.app.app_id;
    world.directory.delete_secret(app, mailbox.first_key);
    check_daily(&world, 9).await;
    let first = mailbox.first_key.to_string();
    assert_eq!(retired(&world), vec![(first, "already_gone".to_owned())]);
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_service_principal_is_not_called_gone_while_it_signs_in() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let end = world.clock.now() + days(40);
    let new = NewSecret {
        end: Some(end),
        on_service_principal: true,
        ..NewSecret::default()
    };
    let app = mailbox.app.app_id;
    let (key, value) = world.directory.add_secret(app, new).unwrap();
    let mut document = document(&world, &mailbox);
    document["key_id"] = json!(key);
    document["client_secret"] = json!(value);
    document["expires_at"] = json!(end);
    let label = format!("key-{key}");
    let version = "99999999-2222-4333-8444-000000000000";
    world
        .secrets_manager
        .place_version(
            &mailbox.secret,
            version,
            Some(&document.to_string()),
            &[CURRENT, &label],
        )
        .unwrap();
    rotate(&world, &mailbox).await;
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert_eq!(secret.labelled(PREVIOUS).unwrap().id, version);
    check_daily(&world, 12).await;
    assert!(
        !retired(&world)
            .iter()
            .any(|(told, _)| *told == key.to_string())
    );
    assert!(
        labels(&world, &mailbox)
            .iter()
            .any(|l| l.ends_with(&key.to_string()))
    );
    check_daily(&world, 30).await;
    assert!(
        retired(&world).contains(&(key.to_string(), "already_gone".to_owned())),
        "once Entra refuses its value too"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_told_after_its_removal_and_not_where_it_is_refused() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let name = Marker::new(&mailbox.arn, THEIRS).display_name("ShopCtrl mail");
    let new = NewSecret {
        display_name: Some(name),
        start: Some(world.clock.now() - days(1)),
        ..NewSecret::default()
    };
    let app = mailbox.app.app_id;
    let (orphan, _) = world.directory.add_secret(app, new).unwrap();
    let forbidden = simulators::gate::Fault::Answer {
        effect: false,
        status: 403,
        headers: Vec::new(),
        body: r#"{"error":{"code":"Authorization_RequestDenied","message":"x"}}"#.to_owned(),
    };
    world
        .gate
        .fail("graph", "POST removePassword", 0, 100, forbidden);
    check(&world).await;
    assert!(keys(&world, &mailbox).contains(&orphan));
    assert_eq!(retired(&world), vec![], "it lives");
    world.gate.heal();
    // Killed between the removal and what is told of it.
    let kill = simulators::gate::Fault::Kill { effect: true };
    world.gate.fail_next("graph", "POST removePassword", kill);
    world.clock.advance(days(1));
    world.check().await.unwrap();
    assert!(!keys(&world, &mailbox).contains(&orphan));
    assert_eq!(retired(&world), vec![], "swallowed");
    check_daily(&world, 2).await;
    assert_eq!(
        retired(&world),
        vec![(orphan.to_string(), "orphan".to_owned())]
    );
    assert_eq!(
        tag(&world, &mailbox, "shopmail:removing").as_deref(),
        Some("")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_succeeds_beside_a_neighbour_on_the_same_app() {
    let (world, orders, support) = two_on_one_app().await;
    check(&world).await;
    begin(&world, &orders, TOKEN);
    for name in STEPS {
        succeeded(name, &step(&world, &orders, name, TOKEN).await);
    }
    assert_one_secret_everywhere(&world, &orders);
    assert_one_secret_everywhere(&world, &support);
}
