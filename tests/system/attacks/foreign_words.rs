//! Addresses and names that are somebody else's, and who may show our pages.

use std::sync::{Arc, Mutex};

use serde_json::json;
use simulators::gate::Fault;
use simulators::world::MailboxPlan;

use super::visit::{Visit, with};
use crate::support::Scenario;
use crate::support::hand_over::{attended, field, reveal, say};
use crate::support::visitor::SIGNED_IN;

/// A mailbox whose sending connection ShopCtrl cannot take over without a person, delivered by `api`.
async fn interaction_required() -> Scenario {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-out", |connection| {
            connection.refresh_token = Some("dead".to_owned());
        });
    scenario.check().await;
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_to_authorize_at_leads_to_microsofts_sign_in_of_this_app_or_to_shopctrl_only() {
    let scenario = interaction_required().await;
    let named = Arc::new(Mutex::new(String::new()));
    let answer = Arc::clone(&named);
    scenario.world.gate.direct(move |call| {
        let put = call.service == "shopctrl" && call.operation == "PUT connection";
        let url = answer.lock().unwrap().clone();
        let body = json!({"error": "interaction_required", "authorize_url": url});
        put.then(|| Fault::Answer {
            effect: false,
            status: 409,
            headers: Vec::new(),
            body: body.to_string(),
        })
    });
    let microsoft = scenario.world.directory.authority();
    let (_, host) = microsoft.split_once("://").unwrap();
    let shop = scenario.world.shopctrl_url.clone();
    let app = scenario.mailbox.app.app_id;
    let at_microsoft = |query: &str| format!("{microsoft}/common/oauth2/v2.0/authorize?{query}");
    let evil = [
        "javascript:alert('evil')".to_owned(),
        "JavaScript://evil.example/%0aalert(1)".to_owned(),
        "data:text/html,evil".to_owned(),
        "//evil.example/".to_owned(),
        "/evil".to_owned(),
        "evil".to_owned(),
        "https://evil.example/".to_owned(),
        format!("http://{host}.evil.example/?client_id={app}"),
        format!("http://{host}@evil.example/?client_id={app}"),
        format!("http://evil.example@{host}/?client_id={app}"),
        format!("http://:evil@{host}/?client_id={app}"),
        format!("http://evil.example\\@{host}/?client_id={app}"),
        format!("https://{host}/evil?client_id={app}"),
        format!("ftp://{host}/evil?client_id={app}"),
        "http://127.0.0.1:1/evil".to_owned(),
        format!("{shop}/{}", "evil".repeat(400)),
        // Microsoft's own sign-in, but to another app: a consent for somebody else.
        at_microsoft("client_id=evil"),
        at_microsoft(&format!("client_id=evil&client_id={app}")),
        at_microsoft(&format!("client_id={app}&client_id=evil")),
        at_microsoft("evil"),
    ];
    let link = scenario.hand_over_link().replace("/start", "/authorize");
    for url in evil {
        named.lock().unwrap().clone_from(&url);
        let mut visitor = scenario.visitor();
        let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
        assert_eq!(scenario.outcome(&page).await, "authorize-remains", "{url}");
        for answer in &visitor.answers {
            assert!(!answer.body.contains("evil"), "{url}: {}", answer.body);
            let location = answer.location().unwrap_or_default();
            assert!(!location.contains("evil"), "{url}: {location}");
        }
        assert_eq!(visitor.cookie(SIGNED_IN), None, "{url}");
        scenario.settled().await;
    }
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // ShopCtrl's own, with markup in it: it is an address and nothing else.
    for url in [
        format!("{shop}/authorize?next=\"><script>alert(1)</script>&'x"),
        at_microsoft(&format!(
            "client_id={app}&state=\"><img src=x onerror=alert(1)>"
        )),
    ] {
        named.lock().unwrap().clone_from(&url);
        let mut visitor = scenario.visitor();
        let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
        assert_eq!(page.heading(), "Sending mail: authorize ShopCtrl", "{url}");
        assert!(
            !page.body.contains("alert(1)</script>") && !page.body.contains("<img"),
            "{}",
            page.body
        );
        let shown = url.replace('&', "&amp;").replace('"', "&quot;");
        let shown = shown.replace('<', "&lt;").replace('>', "&gt;");
        assert!(
            page.body.contains(&format!(
                "href=\"{shown}\" target=\"_blank\" rel=\"noopener noreferrer\""
            )),
            "{}",
            page.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_odd_letters_are_text_on_every_page_and_in_the_calendar() {
    let plan = MailboxPlan {
        address: "o'brien&co;b**x**+%0d%0a{}$`@shop.example".to_owned(),
        document: |document| {
            for connection in document["connections"].as_array_mut().unwrap() {
                let ui = connection["shopctrl"]["ui"].as_str().unwrap().to_owned();
                let link = format!("{ui}?tab=a'b|12&control=c\"<b>**x**</b>");
                connection["shopctrl"]["settings_link"] = json!(link);
                connection["shopctrl"]["ui"] = json!(format!("{ui}/a'b&c\"<b>**x**</b>"));
            }
            document["description"] = json!("<script>alert(1)</script>");
        },
        ..attended()
    };
    let mut visit = Visit::begin(&plan).await;
    visit
        .scenario
        .put_tag("shopmail:shop", "<script>alert(1)</script>");
    let page = visit.page.clone();
    assert!(
        page.body
            .contains("o'brien&amp;co;b**x**+%0d%0a{}$`@shop.example"),
        "{}",
        page.body
    );
    let link = "?tab=a'b|12&amp;control=c&quot;&lt;b&gt;**x**&lt;/b&gt;\" target=\"_blank\"";
    assert!(page.body.contains(link), "{}", page.body);
    let shown = reveal(&mut visit.visitor, &page).await;
    visit.scenario.paste("orders-in", &visit.secret);
    let next = say(&mut visit.visitor, &shown, "other").await;
    let next = say(&mut visit.visitor, &next, "authorized").await;
    visit.scenario.paste("orders-out", &visit.secret);
    say(&mut visit.visitor, &next, "authorized").await;
    visit.scenario.settled().await;
    let done = visit.visitor.get(&visit.url("/handover")).await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
    let calendar = visit.visitor.get(&visit.url("/calendar")).await;
    assert_eq!(
        calendar.headers["content-type"],
        "text/calendar; charset=utf-8"
    );
    assert_eq!(
        calendar.headers["content-disposition"],
        "attachment; filename=\"shopmail.ics\""
    );
    let unfolded = calendar.body.replace("\r\n ", "");
    assert_eq!(unfolded.matches("\r\nBEGIN:").count(), 2, "{unfolded}");
    assert!(unfolded.contains("o'brien&co\\;b**x**"), "{unfolded}");
    for answer in &visit.visitor.answers {
        for foreign in [
            "o'brien&co",
            "<script>alert",
            "<b>**",
            "<b>x</b>**",
            "\"<b>",
        ] {
            let page = answer.body.starts_with("<!DOCTYPE");
            assert!(
                !page || !answer.body.contains(foreign),
                "{foreign}: {}",
                answer.body
            );
        }
        for (name, value) in &answer.headers {
            let value = value.to_str().unwrap();
            assert!(
                !value.contains("o'brien") && !value.contains("alert"),
                "{name}: {value}"
            );
        }
    }
    visit.scenario.assert_whole();
    visit.scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_the_hand_over_may_be_framed_cached_or_spied_on() {
    // The browser holds every answer of ours to it; here it gets them all, the refusals too.
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    let shown = reveal(&mut visit.visitor, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
    for id in ["orders-in", "orders-out"] {
        visit.scenario.paste(id, &visit.secret);
        let fields = with(&visit.statement(), "connection", id);
        let url = visit.url("/attest");
        visit.visitor.post(&url, &fields).await;
    }
    visit.scenario.settled().await;
    for path in ["/handover", "/calendar", "/start", "/reveal", "/nothing"] {
        let url = visit.url(path);
        visit.visitor.get(&url).await;
        visit.scenario.visitor().get(&url).await;
    }
    let answers = &visit.visitor.answers;
    let of_type = |name: &str| {
        let found = answers.iter().filter(|answer| {
            answer
                .headers
                .get("content-type")
                .is_some_and(|value| value.to_str().unwrap().starts_with(name))
        });
        found.count()
    };
    assert!(of_type("text/html") >= 7 && of_type("text/calendar") == 1);
    for answer in answers {
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{}", answer.url);
        assert_eq!(
            answer.headers["cache-control"], "no-store",
            "{}",
            answer.url
        );
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-"), "{cookie}");
            for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(cookie.contains(attribute), "{attribute}: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }
}
