//! Buttons pressed without end, and services that do not answer.

use http::Method;
use simulators::gate::{Calls, Fault};

use super::visit::{FORM, RECEIVING, SENDING, Visit, assert_only_looked, down, encoded, with};
use crate::support::Scenario;
use crate::support::hand_over::{attended, field, reveal, say};

#[tokio::test(flavor = "multi_thread")]
async fn a_button_pressed_fifty_times_is_pressed_once() {
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    visit.scenario.world.gate.clear();
    visit.scenario.paste("orders-in", &visit.secret);
    visit.scenario.paste("orders-out", &visit.secret);
    let fields = with(&visit.statement(), "connection", "orders-out");
    let url = visit.url("/attest");
    visit.visitor.post(&url, &fields).await;
    // The last statement pushes the rotation on: once, and not into the one that is running.
    for _ in 0..50 {
        say(&mut visit.visitor, &page, "authorized").await;
    }
    visit.scenario.settled().await;
    assert_eq!(visit.scenario.details("Hand-over Attested").len(), 2);
    assert_eq!(visit.pushes(), 1);
    visit.scenario.assert_whole();
    visit.scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reveal_is_told_and_a_flood_of_them_writes_nothing() {
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    let (before, _) = visit.standing();
    visit.scenario.world.gate.clear();
    for _ in 0..10 {
        let shown = reveal(&mut visit.visitor, &page).await;
        assert_eq!(
            field(&shown, "client-secret").as_deref(),
            Some(&*visit.secret)
        );
        // Leaving the page covers it again.
        let again = visit.visitor.get(&visit.url("/handover")).await;
        assert!(!again.body.contains(&visit.secret));
    }
    assert_eq!(visit.standing().0, before);
    assert_eq!(visit.pushes(), 0);
    let told = visit.scenario.details("Client Secret Revealed");
    let ids: std::collections::BTreeSet<&str> = told
        .iter()
        .map(|told| told["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        (told.len(), ids.len()),
        (10, 10),
        "each is an event of its own"
    );
    for told in &told {
        assert_eq!(told["by"], visit.scenario.mailbox.oid.to_string());
        assert_eq!(told["connection"], "orders-in");
    }
    visit.scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_callbacks_reaches_neither_microsoft_nor_the_store() {
    let mut visit = Visit::begin(&attended()).await;
    let link = visit
        .scenario
        .hand_over_link()
        .replace("/start", "/authorize");
    visit.visitor.begin(&link).await;
    let before = visit.standing();
    visit.scenario.world.gate.clear();
    for n in 0..40 {
        let back = visit.url(&format!("/callback?code=1.AQ{n}&state={n}"));
        let page = visit.visitor.open(&back).await;
        assert_eq!((page.status, page.heading()), (400, "Please start again"));
    }
    assert_eq!(visit.standing(), before);
    assert_only_looked(&visit.scenario.world);
    // Neither the sign-in under way nor the hand-over was ended by it.
    assert!(visit.visitor.session().is_some());
    let page = visit.visitor.get(&visit.url("/handover")).await;
    assert_eq!(page.heading(), RECEIVING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_what_is_no_link_costs_no_call_and_keeps_nobody_out() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut flood = scenario.visitor();
    let at = |path: &str| format!("{}{path}", scenario.world.callback_url);
    scenario.world.gate.clear();
    for n in 0..50 {
        for path in [
            "/start?ticket=",
            "/authorize?ticket=a.b.",
            "/callback?code=c&state=",
        ] {
            flood.get(&at(&format!("{path}{n}"))).await;
        }
    }
    let mut throttled = None;
    for _ in 0..50 {
        let body = "ticket=e30.e30.e30";
        let page = flood.send(Method::POST, &at("/ticket"), body, &FORM).await;
        throttled = Some(page).filter(|page| page.status == 429).or(throttled);
    }
    let asked = scenario.world.gate.operations();
    let only_pages = asked
        .iter()
        .all(|operation| operation.starts_with("api-gateway"));
    assert!(only_pages, "not even the key is read: {asked:?}");
    // What API Gateway refuses it refuses in its own words: no page of ours, no header of ours.
    let throttled = throttled.expect("the limit of template.yaml");
    assert_eq!(throttled.body, r#"{"message":"Too Many Requests"}"#);
    assert_eq!(throttled.headers.get("content-security-policy"), None);
    // The person comes in all the same.
    let page = scenario.come_in(&mut scenario.visitor()).await;
    assert_eq!(page.heading(), RECEIVING);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_not_shown_and_not_recorded() {
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    let before = visit.standing();
    for fault in [down(503), Fault::Reset { effect: false }, Fault::NotJson] {
        for attempt in ["/reveal", "/attest"] {
            visit
                .scenario
                .world
                .gate
                .fail(Calls::of("events", "PutEvents").times(20), fault.clone());
            let (url, statement) = (visit.url(attempt), visit.statement());
            let answer = visit.visitor.post(&url, &statement).await;
            visit.scenario.world.gate.heal();
            assert_eq!(
                (answer.status, answer.heading()),
                (503, "That did not work just now"),
                "{attempt}"
            );
            assert!(!answer.body.contains(&visit.secret));
        }
    }
    assert_eq!(
        visit.standing().0,
        before.0,
        "and \"nothing was changed\" is true"
    );
    let shown = reveal(&mut visit.visitor, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
    let next = say(&mut visit.visitor, &shown, "authorized").await;
    assert_eq!(next.heading(), SENDING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_shows_nothing_and_a_shopctrl_that_does_not_keeps_nobody() {
    let mut visit = Visit::begin(&attended()).await;
    let before = visit.standing();
    for (method, path) in [
        (Method::GET, "/handover"),
        (Method::POST, "/reveal"),
        (Method::POST, "/attest"),
    ] {
        visit
            .scenario
            .world
            .gate
            .fail(Calls::of("secretsmanager", "*").times(100), down(500));
        let (url, body) = (visit.url(path), encoded(&visit.statement()));
        let page = visit.visitor.send(method, &url, &body, &FORM).await;
        visit.scenario.world.gate.heal();
        assert_eq!(
            (page.status, page.heading()),
            (503, "That did not work just now"),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret));
    }
    assert_eq!(visit.standing(), before);
    // ShopCtrl's interface is down; its screens are not.
    visit.scenario.world.gate.fail(
        Calls::of("shopctrl", "*").times(10_000),
        Fault::Reset { effect: false },
    );
    let page = visit.visitor.get(&visit.url("/handover")).await;
    assert_eq!(page.heading(), RECEIVING);
    let next = say(&mut visit.visitor, &page, "other").await;
    assert!(next.body.contains("That did not work yet"), "{}", next.body);
    let next = say(&mut visit.visitor, &next, "authorized").await;
    assert_eq!(next.heading(), SENDING);
    let end = say(&mut visit.visitor, &next, "authorized").await;
    assert!(
        end.body.contains("ShopCtrl cannot be asked just now"),
        "{}",
        end.body
    );
}
