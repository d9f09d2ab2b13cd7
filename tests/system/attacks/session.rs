//! What an attacker gets without the right session: nothing.

use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::CURRENT;
use simulators::world::{MailboxPlan, TICKET_KEY};

use super::visit::{
    FORM, RECEIVING, SENDING, Visit, assert_only_looked, encoded, methods, paths, sealed, unsealed,
    with, without,
};
use crate::support::Scenario;
use crate::support::hand_over::{attended, field, fields, reveal, say};
use crate::support::picture::Picture;
use crate::support::tickets::Forged;
use crate::support::visitor::{SESSION, SIGNED_IN, ticket_of};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_session_of_its_sign_in_no_request_shows_or_changes_anything() {
    let visit = Visit::begin(&attended()).await;
    let good = visit.visitor.cookie(SIGNED_IN).unwrap();
    let content = unsealed(SIGNED_IN, &good);
    let mut altered = good.clone().into_bytes();
    altered[60] = if altered[60] == b'A' { b'B' } else { b'A' };
    let ticket = ticket_of(&visit.scenario.hand_over_link());
    let another_key = "another-key-of-more-than-32-characters";
    let cookies: [(&str, Option<String>); 9] = [
        ("no cookie", None),
        ("an empty one", Some(String::new())),
        ("an altered one", Some(String::from_utf8(altered).unwrap())),
        ("half of one", Some(good[..good.len() / 2].to_owned())),
        (
            "of another key",
            Some(sealed(another_key, SIGNED_IN, &content)),
        ),
        (
            "sealed for another name",
            Some(sealed(TICKET_KEY, SESSION, &content)),
        ),
        (
            "of an hour ago",
            Some(visit.aged(SignedDuration::from_mins(61))),
        ),
        ("the ticket", Some(ticket.clone())),
        (
            "with a ticket that is none",
            Some(visit.crafted(|s| s["ticket"] = json!("x"))),
        ),
    ];
    let body = encoded(&visit.statement());
    let before = visit.standing();
    visit.scenario.world.gate.clear();
    for (what, cookie) in &cookies {
        for path in paths() {
            for method in methods() {
                let mut stranger = visit.scenario.visitor();
                if let Some(cookie) = cookie {
                    stranger.set_cookie(SIGNED_IN, cookie);
                }
                let url = visit.url(&format!("{path}?ticket={ticket}&{body}"));
                let answer = stranger.send(method.clone(), &url, &body, &FORM).await;
                let get = [Method::GET, Method::HEAD].contains(&method);
                // A form's address that is opened leads to the hand-over, which is among these.
                let expected = match path {
                    "/start" if get => 200..300,
                    "/reveal" | "/attest" if get => 300..400,
                    _ => 400..500,
                };
                assert!(
                    expected.contains(&answer.status),
                    "{what}: {method} {path}: {}",
                    answer.status
                );
                assert!(
                    !answer.body.contains(&visit.secret),
                    "{what}: {method} {path}"
                );
                assert_eq!(
                    answer.headers.get("set-cookie"),
                    None,
                    "{what}: {method} {path}"
                );
                let on = (300..400)
                    .contains(&answer.status)
                    .then(|| visit.url("/handover"));
                assert_eq!(answer.location(), on, "{what}: {method} {path}");
            }
        }
    }
    assert_eq!(visit.standing(), before);
    assert_only_looked(&visit.scenario.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_right_session_only_a_post_with_its_own_form_counts() {
    let mut visit = Visit::begin(&attended()).await;
    let statement = visit.statement();
    let mut other = visit.scenario.visitor();
    let others_page = visit.scenario.come_in(&mut other).await;
    let others_form = fields(&others_page, "/attest")[0].1.clone();
    assert_ne!(others_form, statement[0].1);
    let before = visit.standing();
    visit.scenario.world.gate.clear();
    let query = encoded(&statement);
    for path in ["/handover", "/reveal", "/attest", "/calendar", "/start"] {
        for method in methods()
            .into_iter()
            .filter(|method| method != Method::POST)
        {
            let url = visit.url(&format!("{path}?{query}"));
            let answer = visit
                .visitor
                .send(method.clone(), &url, &query, &FORM)
                .await;
            assert!(!answer.body.contains(&visit.secret), "{method} {path}");
            let get = [Method::GET, Method::HEAD].contains(&method);
            let shown = path == "/handover" && get;
            assert_eq!(answer.status == 200, shown, "{method} {path}");
        }
    }
    assert_only_looked(&visit.scenario.world);
    let twice = |name: &str| {
        let mut fields = statement.clone();
        let (_, value) = fields
            .iter()
            .find(|(known, _)| known == name)
            .unwrap()
            .clone();
        fields.push((name.to_owned(), value));
        fields
    };
    let cases = [
        ("no form", without(&statement, "form"), 403),
        ("an empty form", with(&statement, "form", ""), 403),
        (
            "another session's form",
            with(&statement, "form", &others_form),
            403,
        ),
        ("the form twice", twice("form"), 403),
        ("no connection", without(&statement, "connection"), 400),
        ("the connection twice", twice("connection"), 400),
        (
            "no such connection",
            with(&statement, "connection", "orders"),
            400,
        ),
        (
            "markup",
            with(&statement, "connection", "<script>alert(1)</script>"),
            400,
        ),
        (
            "a line end",
            with(&statement, "connection", "orders-in\r\nSet-Cookie: a=b"),
            400,
        ),
        (
            "much",
            with(&statement, "connection", &"a".repeat(20_000)),
            403,
        ),
    ];
    for (what, fields, status) in cases {
        for path in ["/reveal", "/attest"] {
            let url = visit.url(path);
            let answer = visit.visitor.post(&url, &fields).await;
            assert_eq!(answer.status, status, "{what} at {path}: {}", answer.body);
            assert!(!answer.body.contains(&visit.secret), "{what} at {path}");
            assert!(!answer.body.contains("alert("), "{what} at {path}");
        }
    }
    for (what, fields) in [
        ("nothing said", without(&statement, "said")),
        ("another word", with(&statement, "said", "attested")),
        ("said twice", twice("said")),
    ] {
        let url = visit.url("/attest");
        let answer = visit.visitor.post(&url, &fields).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
    }
    assert_eq!(visit.standing(), before);
    assert_eq!(visit.pushes(), 0);
    // After all that the page's own form is as good as before.
    let page = visit.page.clone();
    let shown = reveal(&mut visit.visitor, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_of_one_kind_does_not_pass_for_the_other() {
    let mut visit = Visit::begin(&attended()).await;
    let link = visit
        .scenario
        .hand_over_link()
        .replace("/start", "/authorize");
    visit.visitor.begin(&link).await;
    let (under_way, signed_in) = (
        visit.visitor.cookie(SESSION).unwrap(),
        visit.visitor.cookie(SIGNED_IN).unwrap(),
    );
    let before = visit.standing();
    let page = visit
        .with_cookie(&under_way)
        .get(&visit.url("/handover"))
        .await;
    assert_eq!(visit.scenario.outcome(&page).await, "no-session");
    let mut swapped = visit.scenario.visitor();
    swapped.set_session(&signed_in);
    let form = unsealed(SIGNED_IN, &signed_in)["form"]
        .as_str()
        .unwrap()
        .to_owned();
    let back = visit.url(&format!("/callback?code=1.AQx&state={form}"));
    let page = swapped.open(&back).await;
    assert_eq!(visit.scenario.outcome(&page).await, "no-session");
    assert_eq!(visit.standing(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_shown_for_ten_minutes_after_a_sign_in_and_the_rest_for_an_hour() {
    let visit = Visit::begin(&attended()).await;
    let mut later = visit.with_cookie(&visit.aged(SignedDuration::from_mins(11)));
    let page = later.get(&visit.url("/handover")).await;
    assert_eq!(page.heading(), RECEIVING);
    assert!(!page.has_form("/reveal#secret"), "{}", page.body);
    assert!(page.body.contains("within ten minutes"), "{}", page.body);
    let forced = later.post(&visit.url("/reveal"), &visit.statement()).await;
    assert_eq!(
        (forced.status, forced.heading()),
        (403, "Please sign in once more")
    );
    assert!(!forced.body.contains(&visit.secret));
    assert!(forced.way_on().unwrap().contains("/authorize?ticket="));
    assert_eq!(visit.refusals(), [json!("old_sign_in")]);
    // What the person has done in ShopCtrl meanwhile can be said yet.
    let next = say(&mut later, &page, "authorized").await;
    assert_eq!(next.heading(), SENDING, "{}", next.body);
    assert_eq!(visit.revealed(), 0);
    visit.scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_the_mailbox_gets_another_owner() {
    let mut visit = Visit::begin(&attended()).await;
    let name = format!("{}/grants", visit.scenario.mailbox.secret);
    let mut grants: Value = serde_json::from_str(&visit.scenario.current_text(&name)).unwrap();
    grants["grants"][&visit.scenario.mailbox.address]["oid"] =
        json!("99999999-9999-4999-8999-999999999999");
    let store = &visit.scenario.world.secrets_manager;
    store
        .place_version(
            &name,
            "another-owner-of-this-mailbox-000000",
            Some(&grants.to_string()),
            &[CURRENT],
        )
        .unwrap();
    let (before, told) = visit.standing();
    for (method, path) in [
        (Method::GET, "/handover"),
        (Method::GET, "/calendar"),
        (Method::POST, "/reveal"),
        (Method::POST, "/attest"),
    ] {
        let (url, body) = (visit.url(path), encoded(&visit.statement()));
        let page = visit.visitor.send(method, &url, &body, &FORM).await;
        assert_eq!(
            (page.status, page.heading()),
            (403, "That was another account"),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret), "{path}");
    }
    let (after, told_after) = visit.standing();
    assert_eq!(after, before);
    // The attempt to reveal, and nothing else.
    assert_eq!(visit.refusals(), [json!("another_account")]);
    assert_eq!(told_after, told + 1);
    visit.scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_grant_opens_no_hand_over() {
    let mut visit = Visit::begin(&attended()).await;
    let connect = Forged::connect(&visit.scenario).link(&visit.scenario.world);
    let mut visitor = visit.scenario.visitor();
    let page = visitor
        .sign_in_as_owner(&connect, &visit.scenario.mailbox)
        .await;
    assert_eq!(visit.scenario.outcome(&page).await, "hand-over-remains");
    assert_eq!(visitor.cookie(SIGNED_IN), None);
    visit.scenario.settled().await;
    // And a session that somebody made of it shows nothing of the current version either.
    let current = visit.scenario.current_text(&visit.scenario.mailbox.secret);
    let document: Value = serde_json::from_str(&current).unwrap();
    let made = visit.crafted(|session| session["ticket"] = json!(ticket_of(&connect)));
    visit.visitor.set_cookie(SIGNED_IN, &made);
    let before = visit.standing().0;
    for path in ["/reveal", "/attest"] {
        let (url, statement) = (visit.url(path), visit.statement());
        let page = visit.visitor.post(&url, &statement).await;
        assert!(
            !page
                .body
                .contains(document["client_secret"].as_str().unwrap()),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret), "{path}");
    }
    assert_eq!(visit.refusals(), [json!("not_pending")]);
    assert_eq!(visit.standing().0, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hand_overs_in_one_browser_do_not_mix() {
    let orders = Scenario::with(&attended()).await;
    let sales = orders.beside(&MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        ..attended()
    });
    let world = &orders.world;
    orders.check().await;
    let mut visitor = orders.visitor();
    let first = orders.come_in(&mut visitor).await;
    let second = sales.come_in(&mut visitor).await;
    assert!(
        second.body.contains(&sales.mailbox.address),
        "{}",
        second.body
    );
    let before = Picture::of(world, &[&orders.mailbox, &sales.mailbox]);
    let told = world.event_bridge.events().len();
    // The first tab's buttons, pressed in the session of the second.
    for (action, filled) in [
        ("/reveal#secret", vec![]),
        ("/attest", vec![("said", "authorized")]),
    ] {
        let page = visitor.press(&first, action, &filled).await;
        assert_eq!(
            (page.status, page.heading()),
            (403, "Please sign in once more"),
            "{action}"
        );
    }
    // Even with the second's form no connection of the first is meant.
    let mine = fields(&second, "/attest");
    let crossed = with(
        &with(&mine, "connection", "orders-in"),
        "said",
        "authorized",
    );
    let attest = format!("{}/attest", world.callback_url);
    let page = visitor.post(&attest, &crossed).await;
    assert_eq!(page.status, 400, "{}", page.body);
    assert_eq!(
        Picture::of(world, &[&orders.mailbox, &sales.mailbox]),
        before
    );
    assert_eq!(world.event_bridge.events().len(), told);
    let shown = reveal(&mut visitor, &second).await;
    assert_eq!(field(&shown, "client-secret"), Some(sales.pending_secret()));
}
