//! What a ticket is good for, and what is none.

use data_encoding::BASE64URL_NOPAD;
use http::Method;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::PENDING;

use super::{ASKED, parameter, second_mailbox, signed_in};
use crate::support::Scenario;
use crate::support::picture::Picture;
use crate::support::scenario::without_grant;
use crate::support::tickets::{Forged, link};
use crate::support::visitor::ticket_of;

/// A JSON Web Token with another payload and the same signature.
fn with_payload(ticket: &str, change: impl FnOnce(&mut Value)) -> String {
    let parts: Vec<&str> = ticket.split('.').collect();
    let payload = BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap();
    let mut payload: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut payload);
    let payload = BASE64URL_NOPAD.encode(payload.to_string().as_bytes());
    format!("{}.{payload}.{}", parts[0], parts[2])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_not_ours_to_the_letter_opens_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    scenario.world.api_gateway.lift_limits();
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
        let heading = match what.as_str() {
            "another key" => "This link does not work any more",
            _ => "This link does not work",
        };
        assert_eq!((page.status, page.heading()), (400, heading), "{what}");
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
        // Whoever had a link that was good once may have the newer one sent.
        let anew = page.status == 410;
        assert_eq!(page.has_form("/ticket"), anew, "{what}");
        assert_eq!(page.forms().len(), usize::from(anew), "{what}");
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
    let page = visitor.open(&back).await;
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
