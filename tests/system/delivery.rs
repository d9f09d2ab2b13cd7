//! setSecret and testSecret against ShopCtrl: nothing is lost, and half-done is never green.

use serde_json::json;
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::Fault;
use simulators::shopctrl::Status;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key};
use crate::steps::{TOKEN, begin, rotate, step, succeeded};

/// The secret that a connection holds.
fn holds(world: &World, mailbox: &Mailbox, id: &str) -> Option<String> {
    world
        .shopctrl
        .connection(mailbox.shop_id, id)
        .unwrap()
        .secret
}

fn is_current(world: &World, mailbox: &Mailbox, token: &str) -> bool {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    secret.labelled(CURRENT).unwrap().id == token
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_shopctrl_changes_before_the_secret_signs_in() {
    use simulators::microsoft::directory::{Lag, Replica};
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world.clock.advance(jiff::SignedDuration::from_hours(2));
    let late = Lag::Time(jiff::SignedDuration::from_hours(1));
    world.directory.set_token_replicas(vec![Replica {
        learns: late,
        forgets: Lag::None,
    }]);
    begin(&world, &mailbox, TOKEN);
    succeeded(
        "createSecret",
        &step(&world, &mailbox, "createSecret", TOKEN).await,
    );
    let failed = step(&world, &mailbox, "setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    assert!(
        failed.payload.to_string().contains("AADSTS70002"),
        "{}",
        failed.payload
    );
    assert!(
        !world
            .gate
            .operations()
            .contains(&"shopctrl PUT connection".to_owned())
    );
    assert_eq!(world.shopctrl.outages(), vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_direction_delivered_and_the_other_not_is_never_promoted_and_is_resumed() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    succeeded(
        "createSecret",
        &step(&world, &mailbox, "createSecret", TOKEN).await,
    );
    let down = Fault::Answer {
        effect: false,
        status: 503,
        headers: Vec::new(),
        body: String::new(),
    };
    world.gate.fail("shopctrl", "PUT connection", 1, 50, down);
    let failed = step(&world, &mailbox, "setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    assert_ne!(
        holds(&world, &mailbox, "orders-in"),
        holds(&world, &mailbox, "orders-out"),
        "half done"
    );
    // Whoever calls the later steps now gets no promotion.
    for name in ["testSecret", "finishSecret"] {
        let failed = step(&world, &mailbox, name, TOKEN).await;
        assert!(failed.function_error.is_some(), "{name}");
    }
    assert!(!is_current(&world, &mailbox, TOKEN));
    assert_eq!(world.event_bridge.details("Client Secret Rotated").len(), 0);
    assert_eq!(
        world.shopctrl.outages(),
        vec![],
        "and mail flows in both directions"
    );
    world.gate.heal();
    for name in ["setSecret", "testSecret", "finishSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_the_secret_and_fails_its_test_is_put_back() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let old = holds(&world, &mailbox, "orders-in");
    world
        .shopctrl
        .fail_tests_with_next_secret(mailbox.shop_id, "orders-in", "no connection");
    rotate(&world, &mailbox).await;
    assert_eq!(
        current_key(&world, &mailbox),
        mailbox.first_key,
        "not promoted"
    );
    assert_eq!(holds(&world, &mailbox, "orders-in"), old, "put back");
    assert_eq!(world.shopctrl.outages(), vec![]);
    world
        .shopctrl
        .fail_tests(mailbox.shop_id, "orders-in", None);
    world.secrets_manager.reattempt(&mailbox.secret);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_wants_a_person_waits_for_one_and_changes_nothing() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    // ShopCtrl's own grant is dead; ours, of the same account, is replaced below by a sign-in.
    let own = world
        .shopctrl
        .connection(mailbox.shop_id, "orders-out")
        .unwrap();
    world.shopctrl.edit(mailbox.shop_id, "orders-out", |c| {
        c.refresh_token = Some("dead".into())
    });
    rotate(&world, &mailbox).await;
    let asked = world.event_bridge.details("Hand-over Required");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["connections"][0]["id"], "orders-out");
    let out = world
        .shopctrl
        .connection(mailbox.shop_id, "orders-out")
        .unwrap();
    assert_eq!(
        (out.secret, out.status),
        (own.secret.clone(), Status::Authorized),
        "nothing changed"
    );
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // Reattempts do not ask again.
    world.secrets_manager.reattempt(&mailbox.secret);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(world.event_bridge.details("Hand-over Required").len(), 1);
    // The person authorizes in ShopCtrl, with the secret that it holds.
    world.shopctrl.edit(mailbox.shop_id, "orders-out", |c| {
        c.refresh_token.clone_from(&own.refresh_token)
    });
    world.secrets_manager.reattempt(&mailbox.secret);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_switched_off_is_not_promoted_unproved() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .shopctrl
        .edit(mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = false
        });
    rotate(&world, &mailbox).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    let drift = world.event_bridge.details("Drift Found");
    assert_eq!(drift[0]["what"], json!("connection_disabled"));
    world
        .shopctrl
        .edit(mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = true
        });
    world.secrets_manager.reattempt(&mailbox.secret);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn shopctrl_down_for_hours_only_delays() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .shopctrl
        .set_down_until(world.clock.now() + jiff::SignedDuration::from_hours(5));
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    world.clock.advance(jiff::SignedDuration::from_hours(6));
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_changed_while_a_rotation_waits_is_not_overwritten_by_it() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    for name in ["createSecret", "setSecret"] {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    // Somebody corrects the document by hand: another version, the same credential.
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let text = secret.labelled(CURRENT).unwrap().text().unwrap().to_owned();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["description"] = json!("corrected");
    world
        .secrets_manager
        .place_version(
            &mailbox.secret,
            "22222222-2222-4333-8444-555555555555",
            Some(&document.to_string()),
            &[CURRENT],
        )
        .unwrap();
    for name in ["testSecret", "finishSecret"] {
        let failed = step(&world, &mailbox, name, TOKEN).await;
        assert!(failed.function_error.is_some(), "{name}");
    }
    for _ in 0..2 {
        world.check().await.unwrap();
        world.secrets_manager.settled(&mailbox.secret).await;
        world.clock.advance(jiff::SignedDuration::from_hours(6));
    }
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let text = secret.labelled(CURRENT).unwrap().text().unwrap().to_owned();
    assert!(text.contains("corrected"), "the correction stands");
}
