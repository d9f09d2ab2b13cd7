//! Many mailboxes: how deeply each is looked at, which rotations go before the others, what a dry run says. What a
//! tenant that hangs costs the others is in tests/fleet.

use jiff::SignedDuration;
use serde_json::json;
use simulators::gate::Calls;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::{days, ending_in, without_grant};

const HOURLY: [(&str, &str); 1] = [("CHECK_SCHEDULE", "rate(1 hour)")];

/// A mailbox of the same tenant, with its own app.
fn another(number: i64, plan: MailboxPlan) -> MailboxPlan {
    MailboxPlan {
        name: format!("more{number}"),
        address: format!("more{number}@shop.example"),
        shop_id: 20 + number,
        ..plan
    }
}

fn count(scenario: &Scenario, of: &str) -> usize {
    let operations = scenario.world.gate.operations();
    operations.iter().filter(|name| name.contains(of)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_at_rest_is_looked_at_with_all_that_depends_on_it_once_a_day() {
    let scenario = Scenario::with_settings(&HOURLY, &ending_in(100)).await;
    scenario.check().await;
    let connections = count(&scenario, "GET connection");
    let listed = count(&scenario, "ownedObjects");
    for _ in 0..24 {
        scenario.world.clock.advance(SignedDuration::from_hours(1));
        scenario.check().await;
    }
    let looked = count(&scenario, "GET connection") - connections;
    assert_eq!(looked, 2, "both, once");
    assert_eq!(count(&scenario, "ownedObjects") - listed, 24);
    assert_eq!(scenario.told().get("Fleet Report"), Some(&25));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_light_look_leaves_in_doubt_is_looked_at_deeply_by_the_same_check() {
    let scenario = Scenario::with_settings(&HOURLY, &ending_in(100)).await;
    scenario.check().await;
    let end = scenario.world.clock.now() + days(10);
    let (app, key) = (scenario.mailbox.app.app_id, scenario.mailbox.first_key);
    scenario.world.directory.set_secret_end(app, key, end);
    // Wherever the day's deep look is, it is in none of these two hours for both.
    scenario.world.clock.advance(SignedDuration::from_hours(1));
    scenario.check().await;
    assert_ne!(scenario.current_key(), key, "renewed by that check");
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_many_are_due_two_of_a_tenant_go_before_and_the_others_follow_once_one_is_through() {
    let scenario = Scenario::with(&ending_in(25)).await;
    let more: Vec<Scenario> = (0..11)
        .map(|number| scenario.beside(&another(number, ending_in(26))))
        .collect();
    let renewed = || {
        let all = more.iter().chain([&scenario]);
        all.filter(|one| one.current_key() != one.mailbox.first_key)
            .count()
    };
    // The first look notes their ends, by which the next one knows how many are due.
    scenario.world.gate.fail(
        Calls::of("secretsmanager", "RotateSecret").times(100),
        answer(500, false, "{}"),
    );
    scenario.check().await;
    scenario.world.gate.heal();
    assert_eq!(renewed(), 0);
    scenario.world.clock.advance(SignedDuration::from_hours(6));
    scenario.check().await;
    assert_eq!(renewed(), 2, "the one that ends first, and that of the day");
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    scenario.world.clock.advance(SignedDuration::from_hours(6));
    scenario.check().await;
    assert_eq!(renewed(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_which_people_a_rotation_will_need() {
    let scenario = Scenario::with(&without_grant()).await;
    let event = json!({"dry_run": true});
    let done = scenario
        .world
        .invoke("expiry-checker", &event)
        .await
        .unwrap();
    let needs = &done.payload["secrets"][0]["needs"];
    assert_eq!(needs, &json!(["the owner of orders@shop.example"]));
    let table = done.payload["table"][0].as_str().unwrap();
    for words in ["start a rotation", "needs the owner of orders@shop.example"] {
        assert!(table.contains(words), "{table}");
    }
}
