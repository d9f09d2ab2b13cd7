//! A person is asked when nobody else can go on, signs in, and the rest goes by itself.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::gate::Fault;
use simulators::microsoft::directory::account::Person;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key};
use crate::picture::{Picture, assert_granted, grant, grant_of};
use crate::steps::rotate;
use crate::support::callback_log::{log_of, outcome};
use crate::support::visitor::{Visitor, failures, link_in};

/// The event that asks a mailbox's owner.
const ASKED: &str = "Authorization Required";

/// A mailbox whose owner has never signed in to our callback.
pub fn without_grant() -> MailboxPlan {
    MailboxPlan {
        granted: false,
        ..MailboxPlan::default()
    }
}

/// A world in which a rotation waits for the mailbox's owner.
pub async fn waiting(plan: &MailboxPlan) -> (World, Mailbox) {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(plan).unwrap();
    start_to_wait(&world, &mailbox).await;
    (world, mailbox)
}

/// Rotates until the owner is needed.
pub async fn start_to_wait(world: &World, mailbox: &Mailbox) {
    rotate(world, mailbox).await;
    let failures = failures(world);
    let last = failures.last().expect("it fails");
    assert!(last.contains("WaitingForPerson"), "{last}");
}

fn asked(world: &World) -> usize {
    world.event_bridge.details(ASKED).len()
}

async fn reattempt(world: &World, mailbox: &Mailbox) {
    assert!(world.secrets_manager.reattempt(&mailbox.secret));
    world.secrets_manager.settled(&mailbox.secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_without_grant_waits_for_the_owner_and_ends_whole_after_the_sign_in() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&without_grant()).unwrap();
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    let failed = failures(&world);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].starts_with("testSecret: "), "{failed:?}");
    assert!(failed[0].contains("WaitingForPerson"), "{failed:?}");
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);

    let asks = world.event_bridge.details(ASKED);
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0]["mailbox"], mailbox.address);
    assert_eq!(asks[0]["reason"], "no_grant");
    assert_eq!(asks[0]["contact"], "owner@agency.example");
    assert!(world.event_bridge.details("Rotation Failed").is_empty());

    // Whatever tries again meanwhile asks nobody again and issues nothing again.
    reattempt(&world, &mailbox).await;
    let checked = world.check().await.unwrap();
    assert_eq!(checked.payload["secrets"][0]["state"], "waiting_for_person");
    assert_eq!(asked(&world), 1, "the link is good yet");
    let credentials = world.directory.credentials(mailbox.app.app_id);
    assert_eq!(
        credentials.len(),
        3,
        "the first, the new and the foreign one"
    );

    let mut visitor = Visitor::new(&world);
    let page = visitor
        .sign_in_as_owner(&link_in(&world, ASKED), &mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.heading(), "Thank you, that was all");
    assert_eq!(outcome(&world, &page).await, "rotation-goes-on");
    assert_eq!(visitor.session(), None, "the sign-in is over");
    let lines = log_of(&world, &page).await;
    assert!(lines.iter().all(|line| line["span"]["step"] == "callback"
        && line["span"]["secret"] == mailbox.arn
        && line["span"]["token"].is_string()));

    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    assert_eq!(asked(&world), 1);
    assert_eq!(world.event_bridge.details("Client Secret Rotated").len(), 1);

    // The link again: there is nothing left to do, and nothing is done.
    let before = Picture::of(&world, &[&mailbox]);
    let page = visitor.open(&link_in(&world, ASKED)).await;
    assert_eq!(
        (page.status, page.heading()),
        (200, "Nothing left to do"),
        "{}",
        page.body
    );
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_link_has_a_new_one_sent_once_and_only_to_the_contact() {
    let mut settings = short_waits();
    settings.insert("TICKET_LIFETIME".to_owned(), "PT1S".to_owned());
    let world = World::start(settings).await.unwrap();
    let mailbox = world.add_mailbox(&without_grant()).unwrap();
    start_to_wait(&world, &mailbox).await;
    let old = link_in(&world, ASKED);
    until_ended(&world).await;

    let mut visitor = Visitor::new(&world);
    let page = visitor.open(&old).await;
    assert_eq!((page.status, page.heading()), (410, "This link has ended"));
    assert_eq!(asked(&world), 1, "opening it asks for nothing");
    let sent = visitor.press(&page, "/ticket", &[]).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    assert!(!sent.body.contains("ticket="), "it gets none itself");
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(asked(&world), 2);
    assert_ne!(link_in(&world, ASKED), old);

    // It has ended too by now or not: a reattempt asks anew when it has, and only then.
    until_ended(&world).await;
    reattempt(&world, &mailbox).await;
    assert_eq!(asked(&world), 3);
}

/// Waits until the last link is over: a whole second at most.
async fn until_ended(world: &World) {
    let asks = world.event_bridge.details(ASKED);
    let ends = asks.last().unwrap()["link_expires_at"].as_str().unwrap();
    let ends: jiff::Timestamp = ends.parse().unwrap();
    while shared::clock::machine() <= ends {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_for_a_new_link_brings_one() {
    let (world, mailbox) = waiting(&without_grant()).await;
    // The contact's link is good; this one, of the same rotation, has ended long ago.
    let ended = crate::links::Forged::like(&link_in(&world, ASKED)).ending_in(-60);
    let mut visitor = Visitor::new(&world);
    for _ in 0..5 {
        let page = visitor.open(&ended.link(&world)).await;
        let sent = visitor.press(&page, "/ticket", &[]).await;
        assert_eq!(sent.status, 202, "{}", sent.body);
        world.secrets_manager.settled(&mailbox.secret).await;
    }
    assert_eq!(asked(&world), 1, "the link that was sent is good yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_is_kept_until_its_owner_gives_another() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let colleague = Person::with_mailbox("colleague@shop.example", "Pa55~colleague");
    world.directory.add_account(world.tenant(), colleague);
    world.directory.revoke_sessions(mailbox.oid);
    let dead = grant(&world, &mailbox);
    // ShopCtrl's own refresh token died with it: ShopCtrl waits for a person too.
    authorize_shopctrl_anew(&world, &mailbox);

    start_to_wait(&world, &mailbox).await;
    let asks = world.event_bridge.details(ASKED);
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0]["reason"], "invalid_grant AADSTS50173");
    assert_eq!(grant(&world, &mailbox), dead, "the old grant is kept");

    let link = link_in(&world, ASKED);
    let mut visitor = Visitor::new(&world);
    let before = Picture::of(&world, &[&mailbox]);
    let page = visitor
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(
        (page.status, page.heading()),
        (403, "That was another account"),
        "{}",
        page.body
    );
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
    reattempt(&world, &mailbox).await;
    assert_eq!(asked(&world), 1);

    let mut visitor = Visitor::new(&world);
    let page = visitor.sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
}

fn authorize_shopctrl_anew(world: &World, mailbox: &Mailbox) {
    for connection in world.shopctrl.connections() {
        if connection.shop_id == mailbox.shop_id {
            let authorized =
                world
                    .shopctrl
                    .authorize_as(mailbox.shop_id, &connection.id, &mailbox.address);
            authorized.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_onboarding_the_configuration_test_asks_for_the_first_grant_and_no_rotation_starts() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&without_grant()).unwrap();
    let before = Picture::of(&world, &[&mailbox]);
    world
        .secrets_manager
        .test_rotation(&mailbox.secret)
        .unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(failures(&world), Vec::<String>::new(), "the test passes");
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
    assert_eq!(asked(&world), 1);

    let mut visitor = Visitor::new(&world);
    let link = link_in(&world, ASKED);
    let page = visitor.sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(
        (page.status, page.heading()),
        (200, "The mailbox is connected"),
        "{}",
        page.body
    );
    assert_eq!(outcome(&world, &page).await, "connected");
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_granted(&world, &mailbox);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert!(secret.unfinished_rotation().is_none());
    assert!(
        !world
            .gate
            .operations()
            .contains(&"secretsmanager RotateSecret".to_owned())
    );
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);

    // A test of the configuration again finds the grant, and asks nobody.
    world
        .secrets_manager
        .test_rotation(&mailbox.secret)
        .unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(asked(&world), 1);
    // And the rotation that comes one day needs nobody.
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    assert_eq!(asked(&world), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_first_link_has_a_new_one_sent_too() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&without_grant()).unwrap();
    let ended = crate::links::Forged::connect(&world, &mailbox).ending_in(-60);
    let mut visitor = Visitor::new(&world);
    let page = visitor.open(&ended.link(&world)).await;
    let sent = visitor.press(&page, "/ticket", &[]).await;
    assert_eq!(sent.status, 202, "{}", sent.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(asked(&world), 1, "the page said that one is on its way");
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    let page = visitor
        .sign_in_as_owner(&link_in(&world, ASKED), &mailbox)
        .await;
    assert_eq!(page.heading(), "The mailbox is connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sign_ins_at_once_end_in_one_grant_and_one_rotation() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let link = link_in(&world, ASKED);
    let (mut one, mut two) = (Visitor::new(&world), Visitor::new(&world));
    let pages = tokio::join!(
        one.sign_in_as_owner(&link, &mailbox),
        two.sign_in_as_owner(&link, &mailbox),
    );
    for page in [pages.0, pages.1] {
        assert!(
            ["Thank you, that was all", "Nothing left to do"].contains(&page.heading()),
            "{}",
            page.body
        );
    }
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
    assert_eq!(world.event_bridge.details("Client Secret Rotated").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_keeps_the_grants_that_others_store_meanwhile() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let link = link_in(&world, ASKED);
    // Behind the callback's back others sign in: after each of its reads, and between its write and
    // its swap.
    let others = [
        ("GetSecretValue", "one@shop.example"),
        ("GetSecretValue", "two@shop.example"),
        ("PutSecretValue", "three@shop.example"),
    ];
    let companion = format!("{}/grants", mailbox.secret);
    let left = Mutex::new(others.to_vec());
    let grant = json!({
        "oid": mailbox.oid, "tid": world.tenant(), "scopes": ["mail.read"],
        "refresh_token": "of somebody else", "redeemed_at": world.clock.now(),
    });
    let (store, name) = (Arc::clone(&world.secrets_manager), companion.clone());
    world.gate.watch(move |call| {
        let mut left = left.lock().unwrap();
        let about = String::from_utf8_lossy(&call.body).contains(&format!("{name}\""));
        let next = left
            .iter()
            .position(|(operation, _)| about && *operation == call.operation);
        let Some((_, address)) = next.map(|at| left.remove(at)) else {
            return;
        };
        let secret = store.snapshot(&name).unwrap();
        let current = secret.labelled(CURRENT).unwrap().text().unwrap();
        let mut grants: Value = serde_json::from_str(current).unwrap();
        grants["grants"][address] = grant.clone();
        store
            .place_version(&name, address, Some(&grants.to_string()), &[CURRENT])
            .unwrap();
    });
    let page = Visitor::new(&world).sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for (_, address) in others {
        let kept = grant_of(&world, &mailbox, address);
        assert!(kept.is_some(), "the grant of {address}");
    }
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pushing_on_fails_the_page_thanks_all_the_same_and_the_next_check_goes_on() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let fault = Fault::Answer {
        effect: false,
        status: 500,
        headers: Vec::new(),
        body: json!({"__type": "InternalServiceError"}).to_string(),
    };
    world
        .gate
        .fail("secretsmanager", "RotateSecret", 0, 4, fault);
    let page = Visitor::new(&world)
        .sign_in_as_owner(&link_in(&world, ASKED), &mailbox)
        .await;
    assert_eq!(
        (page.status, page.heading()),
        (200, "Thank you, that was all"),
        "{}",
        page.body
    );
    assert_granted(&world, &mailbox);
    world.secrets_manager.settled(&mailbox.secret).await;
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert!(secret.labelled(PENDING).is_some());
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    world.gate.heal();

    world.clock.advance(SignedDuration::from_hours(1));
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_eq!(asked(&world), 1);
}
