//! A person is asked when nobody else can go on, signs in, and the rest goes by itself.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::account::Person;

use crate::support::Scenario;
use crate::support::scenario::without_grant;

/// The event that asks a mailbox's owner.
const ASKED: &str = "Authorization Required";

fn asked(scenario: &Scenario) -> usize {
    scenario.details(ASKED).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_without_grant_waits_for_the_owner_and_ends_whole_after_the_sign_in() {
    let scenario = Scenario::with(&without_grant()).await;
    scenario.check().await;
    let failed = scenario.failures();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].starts_with("setSecret: "), "{failed:?}");
    assert!(failed[0].contains("WaitingForPerson"), "{failed:?}");
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);

    let asks = scenario.details(ASKED);
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0]["mailbox"], scenario.mailbox.address);
    assert_eq!(asks[0]["reason"], "no_grant");
    assert_eq!(asks[0]["contact"], "owner@agency.example");
    assert!(scenario.details("Rotation Failed").is_empty());

    // Whatever tries again meanwhile asks nobody again and issues nothing again.
    scenario.reattempt().await;
    let checked = scenario.world.check().await.unwrap();
    assert_eq!(checked.payload["secrets"][0]["state"], "waiting_for_person");
    assert_eq!(asked(&scenario), 1, "the link is good yet");
    let credentials = scenario.credentials();
    assert_eq!(
        credentials.len(),
        3,
        "the first, the new and the foreign one"
    );

    let mut visitor = scenario.visitor();
    let page = visitor
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.heading(), "Thank you, that was all");
    assert_eq!(scenario.outcome(&page).await, "rotation-goes-on");
    assert_eq!(visitor.session(), None, "the sign-in is over");
    let lines = scenario.log_of(&page).await;
    assert!(lines.iter().all(|line| line["span"]["step"] == "callback"
        && line["span"]["secret"] == scenario.mailbox.arn
        && line["span"]["token"].is_string()));

    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    assert_eq!(asked(&scenario), 1);
    assert_eq!(scenario.details("Client Secret Rotated").len(), 1);

    // The link again: there is nothing left to do, and nothing is done.
    let before = scenario.picture();
    let page = visitor.open(&scenario.link_in(ASKED)).await;
    assert_eq!(
        (page.status, page.heading()),
        (200, "Nothing left to do"),
        "{}",
        page.body
    );
    assert_eq!(scenario.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_is_kept_until_its_owner_gives_another() {
    let scenario = Scenario::begin().await;
    let colleague = Person::with_mailbox("colleague@shop.example", "Pa55~colleague");
    scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), colleague);
    scenario
        .world
        .directory
        .revoke_sessions(scenario.mailbox.oid);
    let dead = scenario.grant();
    // ShopCtrl's own refresh token died with it: ShopCtrl waits for a person too.
    authorize_shopctrl_anew(&scenario);

    scenario.start_to_wait().await;
    let asks = scenario.details(ASKED);
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0]["reason"], "invalid_grant AADSTS50173");
    assert_eq!(scenario.grant(), dead, "the old grant is kept");

    let link = scenario.link_in(ASKED);
    let mut visitor = scenario.visitor();
    let before = scenario.picture();
    let page = visitor
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(
        (page.status, page.heading()),
        (403, "That was another account"),
        "{}",
        page.body
    );
    assert_eq!(scenario.picture(), before);
    scenario.reattempt().await;
    assert_eq!(asked(&scenario), 1);

    let mut visitor = scenario.visitor();
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
}

fn authorize_shopctrl_anew(scenario: &Scenario) {
    for connection in scenario.world.shopctrl.connections() {
        if connection.shop_id == scenario.mailbox.shop_id {
            let authorized = scenario.world.shopctrl.authorize_as(
                scenario.mailbox.shop_id,
                &connection.id,
                &scenario.mailbox.address,
            );
            authorized.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_onboarding_the_configuration_test_asks_for_the_first_grant_and_no_rotation_starts() {
    let scenario = Scenario::with(&without_grant()).await;
    let before = scenario.picture();
    scenario
        .world
        .secrets_manager
        .test_rotation(&scenario.mailbox.secret)
        .unwrap();
    scenario.settled().await;
    assert_eq!(scenario.failures(), Vec::<String>::new(), "the test passes");
    assert_eq!(scenario.picture(), before);
    assert_eq!(asked(&scenario), 1);

    let mut visitor = scenario.visitor();
    let link = scenario.link_in(ASKED);
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(
        (page.status, page.heading()),
        (200, "The mailbox is connected"),
        "{}",
        page.body
    );
    assert_eq!(scenario.outcome(&page).await, "connected");
    scenario.settled().await;
    scenario.assert_granted();
    let secret = scenario.secret();
    assert!(secret.unfinished_rotation().is_none());
    assert!(
        !scenario
            .world
            .gate
            .operations()
            .contains(&"secretsmanager RotateSecret".to_owned())
    );
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);

    // A test of the configuration again finds the grant, and asks nobody.
    scenario
        .world
        .secrets_manager
        .test_rotation(&scenario.mailbox.secret)
        .unwrap();
    scenario.settled().await;
    assert_eq!(asked(&scenario), 1);
    // And the rotation that comes one day needs nobody.
    scenario.rotate().await;
    scenario.assert_whole();
    assert_eq!(asked(&scenario), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sign_ins_at_once_end_in_one_grant_and_one_rotation() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let (mut one, mut two) = (scenario.visitor(), scenario.visitor());
    let pages = tokio::join!(
        one.sign_in_as_owner(&link, &scenario.mailbox),
        two.sign_in_as_owner(&link, &scenario.mailbox),
    );
    for page in [pages.0, pages.1] {
        assert!(
            ["Thank you, that was all", "Nothing left to do"].contains(&page.heading()),
            "{}",
            page.body
        );
    }
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
    assert_eq!(scenario.details("Client Secret Rotated").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_keeps_the_grants_that_others_store_meanwhile() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    // Behind the callback's back others sign in: after each of its reads, and between its write and
    // its swap.
    let others = [
        ("GetSecretValue", "one@shop.example"),
        ("GetSecretValue", "two@shop.example"),
        ("PutSecretValue", "three@shop.example"),
    ];
    let companion = format!("{}/grants", scenario.mailbox.secret);
    let left = Mutex::new(others.to_vec());
    let grant = json!({
        "oid": scenario.mailbox.oid, "tid": scenario.world.tenant(), "scopes": ["mail.read"],
        "refresh_token": "of somebody else", "redeemed_at": scenario.world.clock.now(),
    });
    let (store, name) = (
        Arc::clone(&scenario.world.secrets_manager),
        companion.clone(),
    );
    scenario.world.gate.watch(move |call| {
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
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    for (_, address) in others {
        let kept = scenario.grant_of(address);
        assert!(kept.is_some(), "the grant of {address}");
    }
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pushing_on_fails_the_page_thanks_all_the_same_and_the_next_check_goes_on() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let fault = Fault::Answer {
        effect: false,
        status: 500,
        headers: Vec::new(),
        body: json!({"__type": "InternalServiceError"}).to_string(),
    };
    scenario
        .world
        .gate
        .fail(Calls::of("secretsmanager", "RotateSecret").times(4), fault);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert_eq!(
        (page.status, page.heading()),
        (200, "Thank you, that was all"),
        "{}",
        page.body
    );
    scenario.assert_granted();
    scenario.settled().await;
    let secret = scenario.secret();
    assert!(secret.labelled(PENDING).is_some());
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    scenario.world.gate.heal();

    scenario.world.clock.advance(SignedDuration::from_hours(1));
    scenario.check().await;
    scenario.assert_whole();
    assert_eq!(asked(&scenario), 1);
}
