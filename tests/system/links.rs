//! The person's link, tested as an attacker would: nothing but the right sign-in changes a stored
//! grant, and no page or header says a word that somebody else chose.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Method;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::PENDING;
use simulators::browser::Page;
use simulators::microsoft::directory::account::{ConsentPolicy, Person};
use simulators::microsoft::directory::scope::ScopeEcho;
use simulators::microsoft::directory::sign_in::Decision;
use simulators::world::MailboxPlan;
use url::Url;

use crate::support::Scenario;
use crate::support::attempts::{
    attempts, clear_the_way, invite, quotes_microsoft, taken_back, way_back,
};
use crate::support::picture::Picture;
use crate::support::scenario::without_grant;
use crate::support::tickets::{Forged, link};
use crate::support::visitor::{SESSION, Visitor, ticket_of};

const ASKED: &str = "Authorization Required";

/// A JSON Web Token with another payload and the same signature.
fn with_payload(ticket: &str, change: impl FnOnce(&mut Value)) -> String {
    let parts: Vec<&str> = ticket.split('.').collect();
    let payload = BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap();
    let mut payload: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut payload);
    let payload = BASE64URL_NOPAD.encode(payload.to_string().as_bytes());
    format!("{}.{payload}.{}", parts[0], parts[2])
}

fn second_mailbox() -> MailboxPlan {
    MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        ..without_grant()
    }
}

/// The address that Microsoft sends the owner's browser back to.
async fn signed_in(
    scenario: &Scenario,
    visitor: &mut Visitor,
    link: &str,
    address: &str,
) -> String {
    let authorize = visitor.begin(link).await;
    let step = scenario
        .world
        .directory
        .sign_in_as(&authorize, address, Decision::Accept);
    way_back(step)
}

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap().1.into_owned()
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key != name)
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair(name, value);
    url.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_not_ours_to_the_letter_opens_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let good_link = scenario.link_in(ASKED);
    let good = ticket_of(&good_link);
    let other = scenario.beside(&second_mailbox());
    let mut visitor = scenario.visitor();
    visitor.begin(&good_link).await;
    let cookie = visitor.session().unwrap();

    let mut bad: Vec<(String, String)> = Vec::new();
    for at in [0, 5, good.len() / 2, good.len() - 20, good.len() - 1] {
        let mut altered = good.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        bad.push((
            format!("altered at {at}"),
            String::from_utf8(altered).unwrap(),
        ));
    }
    let payloads: [(&str, &str, Value); 6] = [
        ("purpose", "/purpose", json!("connect")),
        ("secret", "/secret", json!(other.mailbox.arn)),
        ("version", "/version", json!("another")),
        ("mailbox", "/mailbox", json!("mallory@shop.example")),
        ("audience", "/aud", json!("shopmail-session")),
        ("end", "/exp", json!(9_999_999_999_i64)),
    ];
    for (name, pointer, value) in payloads {
        let altered = with_payload(&good, |p| *p.pointer_mut(pointer).unwrap() = value);
        bad.push((format!("another {name}"), altered));
    }
    let payload = good.split('.').nth(1).unwrap();
    let signature = good.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", "HS512", "RS256"] {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        let header = BASE64URL_NOPAD.encode(header.as_bytes());
        bad.push((format!("alg {alg}"), format!("{header}.{payload}.")));
        bad.push((
            format!("alg {alg}, signed"),
            format!("{header}.{payload}.{signature}"),
        ));
    }
    let forged = Forged::like(&good_link);
    bad.push((
        "another key".to_owned(),
        forged
            .clone()
            .signed_with("another-key-of-more-than-32-characters")
            .text(),
    ));
    bad.push(("a session as a ticket".to_owned(), cookie));
    bad.push(("nothing".to_owned(), String::new()));
    bad.push(("a word".to_owned(), "ticket".to_owned()));
    bad.push(("much".to_owned(), "A.".repeat(3000)));
    bad.push((
        "a line end".to_owned(),
        format!("{good}\r\nSet-Cookie: a=b"),
    ));

    scenario.world.gate.clear();
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    for (what, ticket) in &bad {
        let url = link(&scenario.world, ticket);
        let page = scenario.visitor().get(&url).await;
        assert_eq!(
            (page.status, page.heading()),
            (400, "This link does not work"),
            "{what}"
        );
        let mut poster = scenario.visitor();
        let fields = [("ticket".to_owned(), ticket.clone())];
        let page = poster
            .post(&format!("{}/ticket", scenario.world.callback_url), &fields)
            .await;
        assert_eq!(page.status, 400, "{what}, posted");
    }
    for query in [
        String::new(),
        format!("?ticket={good}&ticket={good}"),
        format!("?Ticket={good}"),
        format!("?ticket={good}&ticket="),
    ] {
        let url = format!("{}/authorize{query}", scenario.world.callback_url);
        let page = scenario.visitor().get(&url).await;
        assert_eq!(page.status, 400, "{query}");
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    let asked = scenario.world.gate.operations();
    assert!(
        !asked
            .iter()
            .any(|op| op.contains("entra ") || op.contains("RotateSecret")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_for_its_own_secret_version_and_purpose_only() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let rotate = Forged::like(&scenario.link_in(ASKED));
    let other = scenario.beside(&second_mailbox());
    let connect = Forged::connect(&scenario);
    let current = connect.ticket.version.clone();
    let pending = rotate.ticket.version.clone();
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    let cases = [
        (
            "a rotation that is done",
            rotate.clone().with(|t| t.version.clone_from(&current)),
            (200, "Nothing left to do"),
        ),
        (
            "a rotation that was given up",
            rotate.clone().with(|t| "gone".clone_into(&mut t.version)),
            (410, "This link is out of date"),
        ),
        (
            "a pending version as if it were current",
            connect.clone().with(|t| t.version.clone_from(&pending)),
            (410, "This link is out of date"),
        ),
        (
            "another secret's version",
            rotate
                .clone()
                .with(|t| t.secret.clone_from(&other.mailbox.arn)),
            (410, "This link is out of date"),
        ),
        (
            "a secret that is not there",
            rotate.clone().with(|t| t.secret.push_str("-gone")),
            (500, "This has to be set right first"),
        ),
        (
            "an ended one",
            rotate.clone().ending_in(-1),
            (410, "This link has ended"),
        ),
    ];
    for (what, forged, expected) in cases {
        let mut visitor = scenario.visitor();
        let page = visitor.get(&forged.link(&scenario.world)).await;
        assert_eq!((page.status, page.heading()), expected, "{what}");
        assert_eq!(visitor.session(), None, "{what}");
        let ended = what == "an ended one";
        assert_eq!(page.has_form("/ticket"), ended, "{what}");
        assert_eq!(page.forms().len(), usize::from(ended), "{what}");
    }
    // A superseded one: the pending version is given up while the person signs in.
    let mut visitor = scenario.visitor();
    let back = signed_in(
        &scenario,
        &mut visitor,
        &rotate.link(&scenario.world),
        &scenario.mailbox.address,
    )
    .await;
    let store = &scenario.world.secrets_manager;
    store
        .place_version(&scenario.mailbox.secret, "newer", None, &[PENDING])
        .unwrap();
    let page = visitor.get(&back).await;
    assert_eq!(
        (page.status, page.heading()),
        (410, "This link is out of date")
    );
    let code = parameter(&back, "code");
    let redeemed =
        scenario.world.gate.calls().into_iter().any(|call| {
            call.service == "entra" && String::from_utf8_lossy(&call.body).contains(&code)
        });
    assert!(!redeemed, "its code is not even redeemed");
    let after = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    before.assert_kept_in(&after);
    assert_eq!(scenario.grant(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_its_own_session_state_and_code_changes_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let other = scenario.beside(&second_mailbox());
    other.start_to_wait().await;
    let links = scenario.details(ASKED);
    let [first, second] = [&links[0]["link"], &links[1]["link"]].map(|l| l.as_str().unwrap());
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);

    // The owner's own sign-in, under way in the owner's browser.
    let mut owner = scenario.visitor();
    let back = signed_in(&scenario, &mut owner, first, &scenario.mailbox.address).await;
    let cookie = owner.session().unwrap();
    // Somebody else's sign-in with the other link, in another browser.
    let mut attacker = scenario.visitor();
    let attackers_back = signed_in(&scenario, &mut attacker, second, &other.mailbox.address).await;
    let attackers_cookie = attacker.session().unwrap();

    let state = parameter(&back, "state");
    let mut altered_cookie = cookie.clone().into_bytes();
    altered_cookie[40] = if altered_cookie[40] == b'A' {
        b'B'
    } else {
        b'A'
    };
    let altered_cookie = String::from_utf8(altered_cookie).unwrap();
    let ticket = ticket_of(first);
    let bare = format!("{}/callback", scenario.world.callback_url);
    let cases: Vec<(&str, Option<&str>, String)> = vec![
        ("nothing at all", None, bare.clone()),
        ("no cookie", None, back.clone()),
        (
            "login CSRF: another's callback",
            Some(&cookie),
            attackers_back.clone(),
        ),
        ("another's cookie", Some(&attackers_cookie), back.clone()),
        ("an altered cookie", Some(&altered_cookie), back.clone()),
        ("half a cookie", Some(&cookie[..60]), back.clone()),
        ("an empty cookie", Some(""), back.clone()),
        ("the ticket as a cookie", Some(&ticket), back.clone()),
        ("no state", Some(&cookie), back.replace("state=", "stat=")),
        (
            "an empty state",
            Some(&cookie),
            with_parameter(&back, "state", ""),
        ),
        (
            "an altered state",
            Some(&cookie),
            with_parameter(&back, "state", &format!("{}A", &state[1..])),
        ),
        (
            "the state twice",
            Some(&cookie),
            format!("{back}&state={state}"),
        ),
        (
            "an error without state",
            Some(&cookie),
            format!("{bare}?error=access_denied"),
        ),
        (
            "an error with another state",
            Some(&cookie),
            format!("{bare}?error=access_denied&state=x"),
        ),
    ];
    for (what, cookie, url) in &cases {
        let mut visitor = scenario.visitor();
        if let Some(cookie) = cookie {
            visitor.set_session(cookie);
        }
        let page = visitor.get(url).await;
        assert_eq!(
            (page.status, page.heading()),
            (400, "Please start again"),
            "{what}"
        );
        assert_eq!(scenario.outcome(&page).await, "no-session", "{what}");
        assert_eq!(page.forms(), [], "{what}");
        assert!(
            !page.body.contains(&ticket),
            "no ticket without its session: {what}"
        );
    }
    // With the session and its state: the code is missing, or not this sign-in's.
    let without_code = back.replace("code=", "cod=");
    let twice = format!("{back}&code={}", parameter(&back, "code"));
    let injected = with_parameter(&back, "code", &parameter(&attackers_back, "code"));
    let invented = with_parameter(&back, "code", "1.AQinvented");
    for (what, url, expected) in [
        ("no code", without_code, "no-code"),
        ("the code twice", twice, "no-code"),
        ("another sign-in's code", injected, "start-again"),
        ("an invented code", invented, "start-again"),
    ] {
        let mut visitor = scenario.visitor();
        visitor.set_session(&cookie);
        let page = visitor.get(&url).await;
        assert_eq!(page.status, 400, "{what}: {}", page.body);
        assert_eq!(scenario.outcome(&page).await, expected, "{what}");
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    assert_eq!(scenario.details(ASKED).len(), 2);

    // After all that the owner's own way back is as good as before.
    let page = owner.get(&back).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once() {
    let scenario = Scenario::with(&without_grant()).await;
    let link = Forged::connect(&scenario).link(&scenario.world);
    // A whole sign-in, and then all of it again from the browser's history, cookie included.
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &link, &scenario.mailbox.address).await;
    let cookie = visitor.session().unwrap();
    let page = visitor.get(&back).await;
    assert_eq!(page.heading(), "The mailbox is connected");
    scenario.assert_granted();
    let before = scenario.picture();
    let page = visitor.get(&back).await;
    assert_eq!(scenario.outcome(&page).await, "no-session");
    visitor.set_session(&cookie);
    let page = visitor.get(&back).await;
    assert_eq!(page.heading(), "Please start again");
    assert_eq!(scenario.outcome(&page).await, "start-again");
    assert_eq!(scenario.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_links_in_one_browser_do_not_mix_and_nothing_foreign_ends_a_sign_in() {
    let scenario = Scenario::with(&without_grant()).await;
    let other = scenario.beside(&second_mailbox());
    let first = Forged::connect(&scenario).link(&scenario.world);
    let second = Forged::connect(&other).link(&scenario.world);
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    // The second link takes the browser over: what comes back of the first is not taken for it.
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &first, &scenario.mailbox.address).await;
    let seconds_back = signed_in(&scenario, &mut visitor, &second, &other.mailbox.address).await;
    let base = &scenario.world.callback_url;
    for stray in [
        back,
        format!("{base}/callback?error=access_denied&state=x"),
        format!("{base}/authorize?ticket=x"),
        format!("{base}/favicon.ico"),
    ] {
        let page = visitor.get(&stray).await;
        assert!(page.status >= 400, "{}", page.body);
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    let page = visitor.get(&seconds_back).await;
    assert_eq!(page.heading(), "The mailbox is connected", "{}", page.body);
    other.assert_granted();
    assert_eq!(scenario.grant(), None);
    assert_eq!(visitor.session(), None, "its own way back ends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sign_in_that_is_not_the_owners_ends_on_a_page_that_says_so_and_changes_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let other = scenario.beside(&second_mailbox());
    invite(&scenario.world);
    let link = scenario.link_in(ASKED);
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    for redirects in [false, true] {
        scenario.world.directory.set_refusals_redirect(redirects);
        for attempt in attempts() {
            let what = attempt.what;
            (attempt.prepare)(&scenario);
            let mut visitor = scenario.visitor();
            let authorize = visitor.begin(&link).await;
            let directory = &scenario.world.directory;
            let step = directory.sign_in_as(&authorize, attempt.address, attempt.decision);
            let back = taken_back(&scenario.world, step);
            let page = visitor.get(&back).await;
            let (status, name) = attempt.expected;
            assert_eq!(scenario.outcome(&page).await, name, "{what}: {}", page.body);
            assert_eq!(page.status, status, "{what}");
            assert!(!quotes_microsoft(&page.body), "{what}: {}", page.body);
            assert_eq!(visitor.session(), None, "{what}");
            // A way on: the same link again, and not into the same account.
            let other = ["wrong-account", "personal-account", "foreign-account"].contains(&name);
            let again = if other {
                format!("{link}&anew=1")
            } else {
                link.clone()
            };
            assert_eq!(page.way_on(), Some(again), "{what}: {}", page.body);
            clear_the_way(&scenario);
            let consents = "openid profile offline_access User.Read Mail.Read Mail.Send";
            directory.consent(scenario.mailbox.oid, scenario.mailbox.app.app_id, consents);
        }
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    let asked = scenario.world.gate.operations();
    assert!(!asked.contains(&"secretsmanager RotateSecret".to_owned()));

    // And the owner.
    let mut visitor = scenario.visitor();
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_without_every_permission_that_shopctrl_uses_is_not_stored() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let before = scenario.picture();
    for missing in ["Mail.Read", "Mail.Send"] {
        scenario
            .world
            .directory
            .set_scope_echo(ScopeEcho::Without(missing));
        let mut visitor = scenario.visitor();
        let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
        assert_eq!(scenario.outcome(&page).await, "consent-incomplete");
        assert_eq!(
            (page.status, page.heading()),
            (403, "A permission is missing")
        );
        assert_eq!(page.way_on(), Some(link.clone()));
    }
    // The consent that was there at the sign-in is taken back before the code is redeemed.
    scenario
        .world
        .directory
        .set_scope_echo(ScopeEcho::Qualified);
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &link, &scenario.mailbox.address).await;
    scenario
        .world
        .directory
        .withdraw_consent(scenario.mailbox.oid, scenario.mailbox.app.app_id);
    let page = visitor.get(&back).await;
    assert_eq!(scenario.outcome(&page).await, "declined", "{}", page.body);
    assert_eq!(scenario.picture(), before);
    // However the scopes are spelt, all of them are enough.
    scenario
        .world
        .directory
        .set_scope_echo(ScopeEcho::LowerCase);
    scenario
        .world
        .directory
        .set_consent_policy(scenario.world.tenant(), ConsentPolicy::Users);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_owner_is_known_by_id_and_not_by_address() {
    // The grant names the account; afterwards another account gets the address.
    let scenario = Scenario::begin().await;
    let before = scenario.picture();
    scenario
        .world
        .directory
        .change_account(scenario.mailbox.oid, |person| {
            *person = Person::with_mailbox("renamed@shop.example", &scenario.mailbox.password);
        });
    let impostor = Person::with_mailbox(&scenario.mailbox.address, "Pa55~impostor");
    scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), impostor);
    let link = Forged::connect(&scenario).link(&scenario.world);
    let page = scenario
        .visitor()
        .sign_in(&link, &scenario.mailbox.address, "Pa55~impostor")
        .await;
    assert_eq!(
        scenario.outcome(&page).await,
        "wrong-account",
        "{}",
        page.body
    );
    assert_eq!(scenario.picture(), before);
    let page = scenario
        .visitor()
        .sign_in(&link, "renamed@shop.example", &scenario.mailbox.password)
        .await;
    assert_eq!(scenario.outcome(&page).await, "connected", "{}", page.body);
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_fetch_every_address_change_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let ended = Forged::like(&link).ending_in(-60);
    let connect = Forged::connect(&scenario).link(&scenario.world);
    let base = &scenario.world.callback_url;
    let before = scenario.picture();
    let told = scenario.world.event_bridge.events().len();
    scenario.world.gate.clear();
    for url in [
        link.clone(),
        connect,
        ended.link(&scenario.world),
        format!("{base}/callback?code=1.AQ&state=a"),
        format!("{base}/callback?error=access_denied&state=a"),
        format!("{base}/ticket?ticket={}", ended.text()),
        format!("{base}/"),
        format!("{base}/favicon.ico"),
        format!("{base}/robots.txt"),
    ] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            // Without cookies, and with those of the request before.
            let mut previewer = scenario.visitor();
            for _ in 0..2 {
                previewer.send(method.clone(), &url, "", &[]).await;
            }
        }
    }
    assert_eq!(scenario.picture(), before);
    assert_eq!(scenario.world.event_bridge.events().len(), told);
    let reads = ["DescribeSecret", "GetSecretValue"];
    for call in scenario.world.gate.calls() {
        let read = reads.contains(&call.operation.as_str()) || call.service == "api-gateway";
        assert!(read, "{} {}", call.service, call.operation);
    }
    // The link works as if nobody had looked.
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_somebody_elses_gets_onto_a_page_into_a_header_or_into_the_log() {
    let strange = MailboxPlan {
        address: "o'brien&<b>@shop.example".replace("<b>", "co+%0a"),
        ..without_grant()
    };
    let scenario = Scenario::waiting_for_owner(&strange).await;
    let link = scenario.link_in(ASKED);
    let before = scenario.picture();
    let words = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "AADSTS65004: <b>press here</b> https://evil.example/",
        "AADSTS99999999999999999999999999: what",
        "x\r\nSet-Cookie: __Host-shopmail=evil\r\n\r\n<html>",
        "\u{202e}}\n{\"level\":\"ERROR\",\"outcome\":\"forged\"}",
        "{{7*7}}${7*7*31337}",
        "evilword",
    ];
    for word in words {
        for field in [
            "error",
            "error_description",
            "error_uri",
            "error_subcode",
            "claims",
        ] {
            let mut visitor = scenario.visitor();
            let authorize = visitor.begin(&link).await;
            let mut url = Url::parse(&format!("{}/callback", scenario.world.callback_url)).unwrap();
            url.query_pairs_mut()
                .append_pair("state", &parameter(&authorize, "state"))
                .append_pair(
                    "error",
                    if field == "error" {
                        word
                    } else {
                        "server_error"
                    },
                )
                .append_pair(field, word);
            let mut url: String = url.into();
            if field == "error" {
                url = with_parameter(&url, "error", word);
            }
            assert_silent(&scenario, &visitor.get(&url).await, word).await;
        }
        let base = &scenario.world.callback_url;
        let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
        for url in [
            format!("{base}/authorize?ticket={encoded}"),
            format!("{base}/{encoded}"),
            format!("{base}/callback?code={encoded}&state={encoded}"),
            format!("{base}/authorize?{encoded}={encoded}"),
        ] {
            assert_silent(&scenario, &scenario.visitor().get(&url).await, word).await;
        }
    }
    assert_eq!(scenario.picture(), before);

    // The mailbox's own name is on a page, as text.
    scenario.world.directory.add_account(
        scenario.world.tenant(),
        Person::with_mailbox("colleague@shop.example", "Pa55~colleague"),
    );
    let page = scenario
        .visitor()
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(scenario.outcome(&page).await, "wrong-account");
    assert!(
        page.body.contains("o'brien&amp;co+%0a@shop.example"),
        "{}",
        page.body
    );
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
}

async fn assert_silent(scenario: &Scenario, page: &Page, word: &str) {
    // The ticket of the way on is ours, and may hold any letters.
    let tickets = page.forms().into_iter().flat_map(|form| form.fields);
    let body = tickets.fold(page.body.clone(), |body, (_, value)| {
        body.replace(&value, "")
    });
    for part in [
        "alert",
        "evil",
        "press here",
        "7*7",
        "1535513",
        "forged",
        "99999999",
    ] {
        assert!(
            !body.contains(part),
            "{part} of {word} on {}: {body}",
            page.url
        );
        for (name, value) in &page.headers {
            assert!(!value.to_str().unwrap().contains(part), "{part} in {name}");
        }
    }
    assert_eq!(page.location(), None, "{word}");
    let lines = scenario.log_of(page).await;
    for line in &lines {
        let text = line.to_string();
        assert!(
            !text.contains('<') && !text.contains("press here"),
            "{text}"
        );
    }
    assert!(lines.iter().all(|line| line["outcome"] != "forged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_microsoft_is_ours_whatever_the_request_says() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let evil = [
        "redirect_uri",
        "redirect",
        "next",
        "return_to",
        "url",
        "client_id",
        "scope",
        "state",
        "response_mode",
        "login_hint",
        "prompt",
        "tenant",
    ];
    let more: String = evil
        .map(|name| format!("&{name}=https://evil.example/"))
        .concat();
    let mut visitor = scenario.visitor();
    let headers = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
    ];
    let page = visitor
        .send(Method::GET, &format!("{link}{more}"), "", &headers)
        .await;
    assert_eq!(page.status, 303);
    let location = page.location().unwrap();
    assert!(!location.contains("evil"), "{location}");
    assert!(
        location.starts_with(&scenario.world.directory.authority()),
        "{location}"
    );
    let redirect = format!("{}/callback", scenario.world.callback_url);
    assert_eq!(parameter(&location, "redirect_uri"), redirect);
    assert_eq!(
        parameter(&location, "client_id"),
        scenario.mailbox.app.app_id.to_string()
    );
    assert_eq!(parameter(&location, "response_mode"), "query");
    assert_eq!(parameter(&location, "code_challenge_method"), "S256");
    assert_eq!(parameter(&location, "login_hint"), scenario.mailbox.address);
    let cookies: Vec<&str> = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    let [cookie] = cookies[..] else {
        panic!("one cookie: {cookies:?}");
    };
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with(&format!("{SESSION}=")));
    let mut attributes: Vec<&str> = attributes.split(';').map(str::trim).collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "Max-Age=600",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );
    // It is sealed, and each sign-in has secrets of its own.
    let sealed = visitor.session().unwrap();
    let opened = BASE64URL_NOPAD.decode(sealed.as_bytes()).unwrap();
    let opened = String::from_utf8_lossy(&opened).into_owned();
    for secret in ["state", "nonce"].map(|name| parameter(&location, name)) {
        assert!(!opened.contains(&secret));
        assert!(secret.len() >= 43, "256 random bits: {secret}");
    }
    let again = scenario.visitor().begin(&link).await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(&location, name), parameter(&again, name));
    }
    assert_ne!(BASE64.encode(opened.as_bytes()), sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_or_method_that_is_not_ours_has_a_page_that_says_so() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let before = scenario.picture();
    let ticket = ticket_of(&scenario.link_in(ASKED));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/authorize/"),
        (Method::GET, "/Authorize"),
        (Method::GET, "/authorize/../callback/x"),
        (Method::GET, "//evil.example/authorize"),
        (Method::GET, "/ticket"),
        (Method::POST, "/authorize"),
        (Method::POST, "/callback"),
        (Method::PUT, "/ticket"),
        (Method::DELETE, "/ticket"),
        (Method::GET, "/.well-known/security.txt"),
    ] {
        let url = format!("{}{path}?ticket={ticket}", scenario.world.callback_url);
        let body = format!("ticket={ticket}");
        let page = scenario
            .visitor()
            .send(method.clone(), &url, &body, &form)
            .await;
        assert_eq!(
            (page.status, page.heading()),
            (404, "There is nothing here"),
            "{method} {path}"
        );
        assert_eq!(scenario.outcome(&page).await, "no-such-page");
        assert!(!page.body.contains(&ticket));
    }
    // A good ticket asks for no new one; a form that is none says so.
    let post = format!("{}/ticket", scenario.world.callback_url);
    for (body, status) in [
        (format!("ticket={ticket}"), 400),
        (format!("ticket={ticket}&ticket={ticket}"), 400),
        (String::new(), 400),
        ("\u{fffd}=%ff%fe&ticket=%00".to_owned(), 400),
        (format!("a={}", "b".repeat(100_000)), 400),
    ] {
        let page = scenario
            .visitor()
            .send(Method::POST, &post, &body, &form)
            .await;
        assert_eq!(page.status, status, "{}", page.body);
    }
    assert_eq!(scenario.picture(), before);
    assert_eq!(scenario.details(ASKED).len(), 1);
}
