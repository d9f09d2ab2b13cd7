//! The order in which setSecret goes: the grants first, then one direction with ShopCtrl's test of it, then the other.
//! What it comes to half way has its name, and is gone on with.

use serde_json::{Value, json};
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::{Calls, Fault};
use simulators::world::MailboxPlan;

use crate::kill_matrix::site::describe;
use crate::support::Scenario;
use crate::support::hand_over::attended;
use crate::support::scenario::{days, ending_in, without_grant};
use crate::support::steps::TOKEN;

const NAME: &str = "receiving has the new secret, sending not yet";

/// What ShopCtrl was asked to take and to test, in order, and whether the grant was redeemed before.
fn touched(scenario: &Scenario) -> Vec<String> {
    let calls = scenario.world.gate.calls();
    let calls = calls.iter().filter(|call| {
        let grant = call.service == "entra" && call.operation == "POST token refresh_token";
        // ShopCtrl redeems its own by itself.
        grant || call.service == "shopctrl" && !call.operation.starts_with("GET")
    });
    let mut touched: Vec<String> = calls.map(describe).collect();
    touched.dedup();
    touched
}

/// The secret that a connection holds.
fn holds(scenario: &Scenario, id: &str) -> Option<String> {
    let shopctrl = &scenario.world.shopctrl;
    let connection = shopctrl.connection(scenario.mailbox.shop_id, id);
    connection.unwrap().secret
}

fn answer(status: u16, body: &Value) -> Fault {
    Fault::Answer {
        effect: false,
        status,
        headers: Vec::new(),
        body: body.to_string(),
    }
}

/// Entra says that the owner has to sign in again.
fn dead() -> Fault {
    let body = json!({"error": "invalid_grant", "error_codes": [50173], "error_description": "AADSTS50173"});
    answer(400, &body)
}

fn redeems() -> Calls {
    Calls::of("entra", "POST token refresh_token").times(50)
}

async fn issued(plan: &MailboxPlan) -> Scenario {
    let scenario = Scenario::with(plan).await;
    scenario.begin_rotation(TOKEN);
    scenario.take_step("createSecret", TOKEN).await;
    scenario.world.gate.clear();
    scenario
}

/// Before anything is given to ShopCtrl.
fn assert_untouched(scenario: &Scenario) {
    assert!(!touched(scenario).iter().any(|call| call.contains("PUT")));
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
}

const IN_ORDER: [&str; 5] = [
    "POST token refresh_token",
    "PUT connection [receiving]",
    "POST connection test [receiving]",
    "PUT connection [sending]",
    "POST connection test [sending]",
];

#[tokio::test(flavor = "multi_thread")]
async fn between_the_directions_it_has_a_name_is_never_promoted_and_goes_on_with_what_is_left() {
    let scenario = issued(&MailboxPlan::default()).await;
    let gate = &scenario.world.gate;
    let sending = Calls::of("shopctrl", "PUT connection").after(1).times(50);
    gate.fail(sending, answer(503, &json!({})));
    let failed = scenario.step("setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    let words = failed.payload.to_string();
    assert!(words.contains(NAME), "{words}");
    assert_ne!(
        holds(&scenario, "orders-in"),
        holds(&scenario, "orders-out")
    );
    // Whoever calls the later steps now gets no promotion.
    for name in ["testSecret", "finishSecret"] {
        let failed = scenario.step(name, TOKEN).await;
        assert!(failed.function_error.is_some(), "{name}");
    }
    // A dry run, which moves nothing, and the report of a check name it.
    let event = json!({"dry_run": true});
    let dry_run = scenario
        .world
        .invoke("expiry-checker", &event)
        .await
        .unwrap();
    let answered = &dry_run.payload["secrets"][0];
    assert_eq!(answered["half_done"], "sending_not_yet", "{answered:#}");
    let table = dry_run.payload["table"].to_string();
    assert!(table.contains(NAME), "{table}");
    let checked = scenario.world.check().await.unwrap();
    assert_eq!(checked.function_error, None, "{}", checked.payload);
    scenario.settled().await;
    let reports = scenario.details("Fleet Report");
    let entry = &reports.last().unwrap()["secrets"][0];
    assert_eq!(entry["half_done"], "sending_not_yet", "{entry:#}");
    // And whoever is told that it stands still is told where.
    for _ in 0..5 {
        scenario.world.clock.advance(days(1) / 4);
        scenario.world.check().await.unwrap();
        scenario.world.settle().await;
    }
    let stalled = scenario.details("Rotation Stalled");
    assert_eq!(stalled[0]["half_done"], "sending_not_yet", "{stalled:#?}");
    assert_eq!(scenario.details("Client Secret Rotated").len(), 0);
    assert_eq!(scenario.world.shopctrl.outages(), vec![], "mail flows");
    gate.heal();
    gate.clear();
    scenario.take_step("setSecret", TOKEN).await;
    let mut left = IN_ORDER.to_vec();
    left.remove(1);
    assert_eq!(
        touched(&scenario),
        left,
        "receiving is tested, and not given it twice"
    );
    for name in ["testSecret", "finishSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    scenario.assert_events_keep_their_schemas();
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_directions_is_gone_on_with_from_there() {
    let scenario = issued(&MailboxPlan::default()).await;
    let gate = &scenario.world.gate;
    let sending = Calls::of("shopctrl", "PUT connection").after(1).times(1);
    gate.fail(sending, Fault::Kill { effect: false });
    let killed = scenario.step("setSecret", TOKEN).await;
    assert!(killed.function_error.is_some());
    gate.heal();
    gate.clear();
    for name in ["setSecret", "testSecret", "finishSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    let given = touched(&scenario);
    let given = given.iter().filter(|call| call.starts_with("PUT"));
    assert_eq!(given.collect::<Vec<_>>(), ["PUT connection [sending]"]);
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn receiving_that_fails_its_test_is_put_back_and_sending_is_not_touched() {
    let scenario = Scenario::begin().await;
    let (old, shop) = (holds(&scenario, "orders-in"), scenario.mailbox.shop_id);
    let shopctrl = &scenario.world.shopctrl;
    shopctrl.fail_tests_with_next_secret(shop, "orders-in", "no connection");
    scenario.rotate().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    assert_eq!(holds(&scenario, "orders-in"), old, "put back");
    let touched = touched(&scenario);
    assert!(
        !touched.iter().any(|call| call.contains("sending")),
        "{touched:?}"
    );
    let failed = scenario.details("Rotation Failed");
    assert_eq!(failed[0]["step"], "setSecret", "{failed:#?}");
    assert_eq!(failed[0].get("half_done"), None);
    assert_eq!(shopctrl.outages(), vec![]);
    shopctrl.fail_tests(shop, "orders-in", None);
    scenario.reattempt().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_that_fails_its_test_is_put_back_and_whoever_hears_of_it_hears_that_receiving_is_done()
 {
    let scenario = Scenario::begin().await;
    let (old, shop) = (holds(&scenario, "orders-out"), scenario.mailbox.shop_id);
    let shopctrl = &scenario.world.shopctrl;
    shopctrl.fail_tests_with_next_secret(shop, "orders-out", "no connection");
    scenario.rotate().await;
    assert_eq!(holds(&scenario, "orders-out"), old, "put back");
    assert_ne!(holds(&scenario, "orders-in"), old);
    let failed = scenario.details("Rotation Failed");
    assert_eq!(failed[0]["half_done"], "sending_not_yet", "{failed:#?}");
    scenario.assert_events_keep_their_schemas();
    shopctrl.fail_tests(shop, "orders-out", None);
    scenario.reattempt().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_grant_nothing_is_given_while_there_is_time_and_one_sign_in_goes_on_in_order() {
    for plan in [without_grant(), MailboxPlan::default()] {
        let scenario = Scenario::with(&plan).await;
        if plan.granted {
            // ShopCtrl has its own.
            let grant = scenario.grant().unwrap();
            let token = grant["refresh_token"].as_str().unwrap();
            scenario.world.directory.expire_refresh_token(token);
        }
        scenario.start_to_wait().await;
        assert_untouched(&scenario);
        assert_eq!(scenario.details("Authorization Required").len(), 1);
        // The check that comes, too.
        scenario.check().await;
        assert_untouched(&scenario);
        scenario.world.gate.clear();
        let link = scenario.link_in("Authorization Required");
        let mut visitor = scenario.visitor();
        visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
        scenario.settled().await;
        let touched = touched(&scenario);
        let at = |what: &str| touched.iter().position(|call| call == what);
        assert!(
            at(IN_ORDER[2]) < at(IN_ORDER[3]),
            "also where the pages offer it: {touched:?}"
        );
        scenario.assert_whole();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_waiting_for_a_grant_would_cost_mail_it_is_given_all_the_same_and_asked_for() {
    // A first document, of which nobody said which secret is in use.
    let first = MailboxPlan {
        document: |document| {
            for field in ["client_secret", "expires_at", "key_id"] {
                document[field] = json!("");
            }
        },
        ..MailboxPlan::default()
    };
    let never = |_: &Scenario| {};
    type Prepare = fn(&Scenario);
    let cases: [(&str, MailboxPlan, Prepare); 4] = [
        ("in the hard stop", ending_in(6), never),
        ("it has ended", ending_in(1), |scenario| {
            scenario.world.clock.advance(days(2));
        }),
        ("it was removed", ending_in(20), |scenario| {
            let directory = &scenario.world.directory;
            let app = scenario.mailbox.app.app_id;
            directory.delete_secret(app, scenario.mailbox.first_key);
        }),
        ("its end is not known", first, never),
    ];
    for (what, plan, prepare) in cases {
        let scenario = issued(&plan).await;
        prepare(&scenario);
        scenario.world.gate.fail(redeems(), dead());
        scenario.world.gate.clear();
        let waits = scenario.step("setSecret", TOKEN).await;
        assert_eq!(waits.error_type(), Some("WaitingForPerson"), "{what}");
        let pending = Some(scenario.pending_secret());
        for id in ["orders-in", "orders-out"] {
            assert_eq!(holds(&scenario, id), pending, "{what}");
        }
        assert_eq!(
            scenario.details("Authorization Required").len(),
            1,
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_cannot_be_redeemed_just_now_touches_nothing_and_asks_nobody() {
    let scenario = issued(&MailboxPlan::default()).await;
    let down = answer(503, &json!({}));
    scenario.world.gate.fail(redeems(), down);
    let failed = scenario.step("setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    assert_untouched(&scenario);
    assert_eq!(scenario.details("Authorization Required").len(), 0);
    scenario.world.gate.heal();
    for name in ["setSecret", "testSecret", "finishSecret"] {
        scenario.take_step(name, TOKEN).await;
    }
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn near_the_end_a_grant_that_cannot_be_redeemed_just_now_holds_nothing_back() {
    let scenario = issued(&ending_in(6)).await;
    let down = answer(503, &json!({}));
    scenario.world.gate.fail(redeems(), down);
    let failed = scenario.step("setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    let pending = Some(scenario.pending_secret());
    for id in ["orders-in", "orders-out"] {
        assert_eq!(holds(&scenario, id), pending, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_and_a_missing_grant_are_one_request() {
    let plan = MailboxPlan {
        granted: false,
        ..attended()
    };
    let scenario = Scenario::with(&plan).await;
    scenario.start_to_wait().await;
    scenario.check().await;
    assert_eq!(scenario.told().get("Hand-over Required"), Some(&1));
    assert_eq!(scenario.told().get("Authorization Required"), None);
    // The one link is enough for both.
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    assert!(
        page.body
            .contains("Receiving has the new secret, sending not yet.")
    );
    scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    scenario.settled().await;
    scenario.assert_granted();
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shopctrl_sent_since_is_logged_where_it_shows_it_and_never_waited_for() {
    for (fault, said) in [
        (None, "it has sent mail"),
        (Some(404), "not known"),
        (Some(503), "not known"),
    ] {
        let scenario = Scenario::begin().await;
        if let Some(status) = fault {
            let looks = Calls::of("shopctrl", "GET Emails").times(50);
            let fault = answer(status, &json!({}));
            scenario.world.gate.fail(looks, fault);
        }
        scenario.rotate().await;
        let lines = scenario.world.lambda.logs();
        let looks = lines
            .iter()
            .filter(|line| line.line.contains("its sending"));
        let looks: Vec<&str> = looks.map(|line| line.line.as_str()).collect();
        assert_eq!(looks.len(), 1, "one look: {looks:?}");
        assert!(looks[0].contains(said), "{looks:?}");
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
        let secret = scenario.secret();
        assert!(secret.labelled(CURRENT).is_some());
    }
}
