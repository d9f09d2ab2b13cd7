//! Bad input gets a clear error and loses nothing.

use std::sync::Arc;

use serde_json::{Value, json};
use simulators::aws::lambda::{Function, InvocationResult, function_arn};
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::binaries;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::support::Scenario;
use crate::support::scenario::without_grant;
use crate::support::tickets::Forged;

/// In every wrong value, so that an error that quotes one is found.
const WRONG: &str = "wr0ng~value";

fn assert_refused(result: &InvocationResult, parts: &[&str], event: &Value) {
    assert_eq!(result.error_type(), Some("Refused"), "{event}: {result:?}");
    let message = result.payload["errorMessage"].as_str().unwrap();
    for part in parts {
        assert!(message.contains(part), "{part} for {event}: {message}");
    }
    assert!(!message.contains(WRONG), "{event}: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_wrong_shape_is_refused_and_the_field_is_named() {
    let scenario = Scenario::begin().await;
    let before = scenario.picture();
    let arn = &scenario.mailbox.arn;
    let http = |change: fn(&mut Value)| {
        let mut event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/authorize", "rawQueryString": "",
            "headers": {}, "isBase64Encoded": false,
            "requestContext": {"http": {"method": "GET", "path": "/authorize", "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "x"}, "stage": "$default", "requestId": "r"},
        });
        change(&mut event);
        event
    };
    let cases = vec![
        ("rotation", json!(null), "SecretId"),
        ("rotation", json!([WRONG]), "SecretId"),
        ("rotation", json!({}), "SecretId"),
        ("rotation", json!({"SecretId": 1}), "SecretId"),
        ("rotation", json!({"SecretId": ""}), "SecretId"),
        ("rotation", json!({"SecretId": arn}), "Step"),
        (
            "rotation",
            json!({"SecretId": arn, "Step": WRONG, "ClientRequestToken": "t"}),
            "Step",
        ),
        (
            "rotation",
            json!({"SecretId": arn, "Step": "CreateSecret", "ClientRequestToken": "t"}),
            "Step",
        ),
        (
            "rotation",
            json!({"SecretId": arn, "Step": "createSecret"}),
            "ClientRequestToken",
        ),
        (
            "rotation",
            json!({"SecretId": arn, "Step": "createSecret", "ClientRequestToken": [WRONG]}),
            "ClientRequestToken",
        ),
        (
            "rotation",
            json!({"SecretId": arn, "Action": WRONG}),
            "Action",
        ),
        (
            "rotation",
            json!({"SecretId": arn, "Action": "Retire"}),
            "Action",
        ),
        (
            "rotation",
            json!({"SecretId": arn, "Action": {"retire": WRONG}}),
            "Action",
        ),
        ("expiry-checker", json!(null), "object"),
        ("expiry-checker", json!([WRONG]), "object"),
        ("expiry-checker", json!({"time": WRONG}), "time"),
        ("expiry-checker", json!({"dry_run": WRONG}), "dry_run"),
        (
            "expiry-checker",
            json!({"detail-type": "Check Continues", "detail": {"time": WRONG}}),
            "detail.time",
        ),
        (
            "expiry-checker",
            json!({"detail-type": "Check Continues", "detail": {"cursor": [WRONG]}}),
            "detail.cursor",
        ),
        ("oauth-callback", json!(null), "version"),
        (
            "oauth-callback",
            json!({"version": "1.0", "path": WRONG}),
            "version",
        ),
        (
            "oauth-callback",
            json!({"version": "2.0"}),
            "requestContext.http.method",
        ),
        (
            "oauth-callback",
            http(|event| event["cookies"] = json!(WRONG)),
            "cookies",
        ),
        (
            "oauth-callback",
            http(|event| event["requestContext"] = json!(WRONG)),
            "requestContext.http.method",
        ),
    ];
    for (function, event, field) in &cases {
        let result = scenario.world.invoke(function, event).await.unwrap();
        assert_refused(&result, &["reading the event", field], event);
    }
    assert_eq!(scenario.picture(), before);
    assert!(scenario.world.event_bridge.events().is_empty());
    // Nothing at all was called.
    assert_eq!(scenario.world.gate.operations(), Vec::<String>::new());
    // Odd, and yet a request.
    let odd = http(|event| event["isBase64Encoded"] = json!(true));
    let answered = scenario.world.invoke("oauth-callback", &odd).await.unwrap();
    assert_eq!(answered.payload["statusCode"], 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_with_a_token_that_is_not_pending_or_without_rotation_does_nothing() {
    let scenario = Scenario::begin().await;
    let store = &scenario.world.secrets_manager;
    let old = "00000000-0000-4000-8000-00000000000a";
    store
        .place_version(&scenario.mailbox.secret, old, Some("{}"), &["AWSPREVIOUS"])
        .unwrap();
    // A secret that nobody switched rotation on for, with a pending version.
    let document = scenario.current_text(&scenario.mailbox.secret);
    let off = store.create("shopmail/off", &document, &[]).unwrap();
    let pending = "00000000-0000-4000-8000-00000000000b";
    store
        .place_version(&off, pending, None, &[PENDING])
        .unwrap();
    // And a pending version with a value that createSecret did not store.
    let copied = "00000000-0000-4000-8000-00000000000c";
    store
        .place_version(
            &scenario.mailbox.secret,
            copied,
            Some(&document),
            &[PENDING],
        )
        .unwrap();
    let before = scenario.picture();
    scenario.world.gate.clear();
    let gone = scenario
        .mailbox
        .arn
        .replace("shopmail/orders", "shopmail/gone");
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        for (arn, token, why) in [
            (
                &scenario.mailbox.arn,
                "00000000-0000-4000-8000-0000000000ff",
                "no version with this token",
            ),
            (&scenario.mailbox.arn, old, "not AWSPENDING"),
            (&off, pending, "rotation of the secret is off"),
        ] {
            let event = json!({"Step": step, "SecretId": arn, "ClientRequestToken": token});
            let result = scenario.world.invoke("rotation", &event).await.unwrap();
            assert_refused(&result, &["checking the labels", why], &event);
        }
        let event = json!({"Step": step, "SecretId": gone, "ClientRequestToken": old});
        let result = scenario.world.invoke("rotation", &event).await.unwrap();
        assert_eq!(result.error_type(), Some("Misconfigured"), "{result:?}");
        let message = result.payload["errorMessage"].as_str().unwrap();
        assert!(
            message.contains("Check that the secret exists"),
            "{message}"
        );
        if step != "testSecret" {
            let event = json!({"Step": step, "SecretId": scenario.mailbox.arn, "ClientRequestToken": copied});
            let result = scenario.world.invoke("rotation", &event).await.unwrap();
            assert_refused(&result, &["the pending version holds"], &event);
        }
    }
    for action in ["probe", "sweep", "retire"] {
        let event = json!({"Action": action, "SecretId": gone});
        let result = scenario.world.invoke("rotation", &event).await.unwrap();
        assert_eq!(result.error_type(), Some("Misconfigured"), "{result:?}");
    }
    assert_eq!(scenario.picture(), before);
    let changes = scenario.world.gate.operations();
    let change =
        |op: &&String| op.contains("Put") || op.contains("Update") || op.contains("Password");
    assert_eq!(
        changes
            .iter()
            .filter(change)
            .filter(|op| !op.contains("PutEvents"))
            .count(),
        0,
        "{changes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_rotation_is_off_the_checker_says_so_and_starts_nothing() {
    let scenario = Scenario::begin().await;
    let store = &scenario.world.secrets_manager;
    let document = scenario.current_text(&scenario.mailbox.secret);
    let grants = scenario.current_text(&format!("{}/grants", scenario.mailbox.secret));
    let tags = [("shopmail:managed", "mailbox")];
    store.create("shopmail/off", &document, &tags).unwrap();
    store.create("shopmail/off/grants", &grants, &[]).unwrap();
    // Only that one is looked at.
    store
        .put_tags(&scenario.mailbox.secret, &[("shopmail:managed", "no")])
        .unwrap();
    let before = scenario.picture();
    let checked = scenario.world.check().await.unwrap();
    assert_eq!(checked.function_error, None);
    assert_eq!(checked.payload["secrets"][0]["state"], "failed");
    let drift = scenario.details("Drift Found");
    assert_eq!(drift.len(), 1, "{drift:?}");
    assert_eq!(drift[0]["what"], "rotation_off");
    let after = scenario.picture();
    before.assert_kept_in(&after);
    assert_eq!(after.credentials(), before.credentials(), "none was issued");
}

/// A wrong document: how it is made, and the field that every error must name.
type Wrong = (&'static str, fn(&Value) -> String, &'static str);

fn with(document: &Value, change: impl FnOnce(&mut Value)) -> String {
    let mut document = document.clone();
    change(&mut document);
    document.to_string()
}

fn set(document: &Value, pointer: &str, value: Value) -> String {
    with(document, |document| {
        *document.pointer_mut(pointer).unwrap() = value
    })
}

fn wrong_documents() -> Vec<Wrong> {
    vec![
        ("no JSON", |_| WRONG.to_owned(), "not JSON"),
        ("empty", |_| String::new(), "not JSON"),
        (
            "cut off",
            |d| {
                let text = d.to_string();
                text[..text.len() / 2].to_owned()
            },
            "not JSON",
        ),
        ("a list", |_| json!([WRONG]).to_string(), "field [0]"),
        ("a text", |_| json!(WRONG).to_string(), "expected struct"),
        ("text behind it", |d| format!("{d} {WRONG}"), "text behind"),
        (
            "a field lacking",
            |d| {
                with(d, |d| {
                    d.as_object_mut().unwrap().remove("client_secret");
                })
            },
            "client_secret",
        ),
        (
            "a field unknown",
            |d| with(d, |d| d["clientsecret"] = json!(WRONG)),
            "clientsecret",
        ),
        (
            "an unknown field within",
            |d| with(d, |d| d["connections"][0]["mail"] = json!(WRONG)),
            "mail",
        ),
        (
            "a newer version",
            |d| set(d, "/version", json!(2)),
            "version",
        ),
        (
            "a protocol",
            |d| set(d, "/connections/0/protocol", json!(WRONG)),
            "connections[0].protocol",
        ),
        (
            "a protocol for the other direction",
            |d| set(d, "/connections/0/protocol", json!("smtp")),
            "connections[0].protocol",
        ),
        (
            "a direction",
            |d| set(d, "/connections/1/direction", json!(WRONG)),
            "connections[1].direction",
        ),
        (
            "a duration",
            |d| set(d, "/lifetime", json!(WRONG)),
            "lifetime",
        ),
        (
            "a duration in months",
            |d| set(d, "/lifetime", json!("P6M")),
            "lifetime",
        ),
        (
            "a duration too long",
            |d| set(d, "/lifetime", json!("P9999D")),
            "lifetime",
        ),
        (
            "a mailbox",
            |d| set(d, "/connections/0/mailbox", json!(format!("{WRONG}<a@b>"))),
            "connections[0].mailbox",
        ),
        (
            "a mailbox with a line end",
            |d| {
                set(
                    d,
                    "/connections/0/mailbox",
                    json!("a@b.example\r\nBcc: c@d"),
                )
            },
            "connections[0].mailbox",
        ),
        (
            "an id",
            |d| set(d, "/connections/0/id", json!(format!("../{WRONG}"))),
            "connections[0].id",
        ),
        (
            "an id twice",
            |d| set(d, "/connections/1/id", d["connections"][0]["id"].clone()),
            "connections[1].id",
        ),
        (
            "no connection",
            |d| set(d, "/connections", json!([])),
            "connections",
        ),
        (
            "a tenant",
            |d| set(d, "/tenant_id", json!(WRONG)),
            "tenant_id",
        ),
        ("a cloud", |d| set(d, "/cloud", json!(WRONG)), "cloud"),
        (
            "a rotator",
            |d| set(d, "/rotator/kind", json!(WRONG)),
            "rotator",
        ),
        (
            "a time",
            |d| set(d, "/expires_at", json!(WRONG)),
            "expires_at",
        ),
        (
            "a client secret that is none",
            |d| set(d, "/client_secret", json!([WRONG])),
            "client_secret",
        ),
        (
            "an address with a password",
            |d| {
                set(
                    d,
                    "/connections/0/shopctrl/api",
                    json!(format!("https://u:{WRONG}@h")),
                )
            },
            "shopctrl.api",
        ),
        (
            "a delivery",
            |d| set(d, "/connections/0/delivery", json!(WRONG)),
            "connections[0].delivery",
        ),
        (
            "an account to reveal to",
            |d| with(d, |d| d["reveal_to"] = json!([WRONG])),
            "reveal_to[0]",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_document_is_named_by_its_field_and_never_by_its_value_and_nothing_is_lost() {
    let scenario = Scenario::begin().await;
    let store = &scenario.world.secrets_manager;
    let good = scenario.current_text(&scenario.mailbox.secret);
    let document: Value = serde_json::from_str(&good).unwrap();
    let secret = document["client_secret"].as_str().unwrap();
    let first = store.snapshot(&scenario.mailbox.secret).unwrap();
    let first = first.labelled(CURRENT).unwrap().id.clone();
    let token = "00000000-0000-4000-8000-00000000000a";
    for (at, (what, make, field)) in wrong_documents().into_iter().enumerate() {
        let version = format!("00000000-0000-4000-8000-0000000001{at:02}");
        let text = make(&document);
        store
            .place_version(&scenario.mailbox.secret, &version, Some(&text), &[CURRENT])
            .unwrap();
        store
            .place_version(&scenario.mailbox.secret, token, None, &[PENDING])
            .unwrap();
        let before = scenario.picture();
        let told = scenario.details("Rotation Failed").len();
        let clear = |text: &str, whence: &str| {
            assert!(
                text.contains("reading the mailbox document"),
                "{what}, {whence}: {text}"
            );
            assert!(text.contains(field), "{what}, {whence}: {text}");
            for value in [WRONG, secret, "a@b"] {
                assert!(!text.contains(value), "{what}, {whence}: {text}");
            }
        };
        for event in [
            json!({"Step": "createSecret", "SecretId": scenario.mailbox.arn, "ClientRequestToken": token}),
            // The pending version holds nothing: a configuration test.
            json!({"Step": "testSecret", "SecretId": scenario.mailbox.arn, "ClientRequestToken": token}),
            json!({"Action": "probe", "SecretId": scenario.mailbox.arn}),
            json!({"Action": "sweep", "SecretId": scenario.mailbox.arn}),
        ] {
            let result = scenario.world.invoke("rotation", &event).await.unwrap();
            assert_eq!(
                result.error_type(),
                Some("Misconfigured"),
                "{what}: {result:?}"
            );
            clear(
                result.payload["errorMessage"].as_str().unwrap(),
                &event.to_string(),
            );
        }
        let failed = scenario.details("Rotation Failed");
        assert_eq!(failed.len(), told + 2, "of the two steps: {what}");
        for event in failed.iter().skip(told) {
            clear(event["what"].as_str().unwrap(), "the event");
            assert_eq!(event["error_type"], "Misconfigured");
        }
        let checked = scenario
            .world
            .invoke("expiry-checker", &json!({"dry_run": true}))
            .await
            .unwrap();
        assert_eq!(checked.payload["secrets"][0]["state"], "failed", "{what}");
        clear(
            &checked.payload["secrets"][0]["failures"].to_string(),
            "the check",
        );

        let link = Forged::connect(&scenario).link(&scenario.world);
        let page = scenario.visitor().get(&link).await;
        assert_eq!(page.status, 500, "{what}");
        assert_eq!(scenario.outcome(&page).await, "misconfigured");
        let lines = scenario.log_of(&page).await;
        clear(&json!(lines).to_string(), "the callback's log");
        assert!(!page.body.contains("document"), "{}", page.body);
        assert_eq!(scenario.picture(), before, "{what}");
    }
    let logs = scenario.world.lambda.logs();
    assert!(!logs.iter().any(|line| line.line.contains(WRONG)));

    // Corrected, all goes on as if nothing had been.
    store
        .place_version(&scenario.mailbox.secret, &first, Some(&good), &[CURRENT])
        .unwrap();
    scenario.world.check().await.unwrap();
    store.settled(&scenario.mailbox.secret).await;
    scenario.world.check().await.unwrap();
    store.settled(&scenario.mailbox.secret).await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn all_missing_settings_are_told_in_one_message_and_the_process_ends() {
    let world = World::start(short_waits()).await.unwrap();
    let binaries = binaries::build().unwrap();
    for (name, missing, wrong) in [
        ("rotation", "CALLBACK_URL", "SIGN_IN_INTERVAL"),
        ("oauth-callback", "CALLBACK_URL", "REQUEST_TIMEOUT"),
        ("expiry-checker", "ROTATION_FUNCTION", "INVOKE_TIMEOUT"),
    ] {
        let function = Function::new(name, &binaries[name])
            .env("AWS_REGION", "")
            .env("AWS_DEFAULT_REGION", "")
            .env(wrong, WRONG);
        world.lambda.register(function);
        let result = world.invoke(name, &json!({})).await.unwrap();
        assert_eq!(result.error_type(), Some("Misconfigured"), "{result:?}");
        let logs = world.lambda.logs().into_iter();
        let of_function: Vec<String> = logs
            .filter(|line| line.function == name)
            .map(|line| line.line)
            .collect();
        let [line] = of_function.as_slice() else {
            panic!("one line says it: {of_function:?}");
        };
        serde_json::from_str::<Value>(line).expect("JSON");
        for part in [
            "reading the settings".to_owned(),
            "AWS_REGION is missing".to_owned(),
            format!("{missing} is missing"),
            format!("{wrong} is "),
            "Set these environment variables".to_owned(),
        ] {
            assert!(line.contains(&part), "{part}: {line}");
        }
        assert!(!line.contains(WRONG), "{line}");
    }
}

#[test]
fn a_function_started_by_hand_says_in_one_sentence_that_it_runs_under_lambda() {
    for (name, binary) in binaries::build().unwrap() {
        let mut started = std::process::Command::new(binary);
        let ended = started.env_remove("AWS_LAMBDA_RUNTIME_API").output();
        let ended = ended.unwrap();
        assert_eq!(ended.status.code(), Some(1), "{name}");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert!(said.contains("function of AWS Lambda"), "{name}: {said}");
        assert!(ended.stdout.is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_wrong_grants_secret_is_told_and_the_rotation_goes_on_when_it_is_there() {
    let scenario = Scenario::begin().await;
    let store = &scenario.world.secrets_manager;
    let document = scenario.current_text(&scenario.mailbox.secret);
    let grants = scenario.current_text(&format!("{}/grants", scenario.mailbox.secret));
    let tags = [("shopmail:managed", "mailbox")];
    store.create("shopmail/bare", &document, &tags).unwrap();
    store
        .set_rotation("shopmail/bare", &function_arn("rotation"), None)
        .unwrap();
    let arn = store.snapshot("shopmail/bare").unwrap().arn;
    let bare = Scenario {
        world: Arc::clone(&scenario.world),
        mailbox: Mailbox {
            secret: "shopmail/bare".to_owned(),
            arn,
            ..scenario.mailbox.clone()
        },
    };
    let before = bare.picture();
    // The configuration test finds it before anything is issued.
    store.test_rotation(&bare.mailbox.secret).unwrap();
    bare.settled().await;
    let told = scenario.failures();
    let told = told.last().unwrap();
    for part in [
        "Misconfigured",
        "reading the grants",
        "shopmail/bare/grants",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("mailbox document"), "{told}");
    assert_eq!(bare.picture(), before);
    // A sign-in finds it too.
    let link = Forged::connect(&bare).link(&scenario.world);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &bare.mailbox)
        .await;
    assert_eq!(page.status, 500, "{}", page.body);
    assert_eq!(scenario.outcome(&page).await, "misconfigured");
    assert_eq!(bare.picture(), before);
    // It is there, and wrong.
    let grants_name = "shopmail/bare/grants";
    store
        .create(
            grants_name,
            &json!({"version": 1, "grants": WRONG}).to_string(),
            &[],
        )
        .unwrap();
    let before = bare.picture();
    store.test_rotation(&bare.mailbox.secret).unwrap();
    bare.settled().await;
    let told = scenario.failures();
    let told = told.last().unwrap();
    assert!(told.contains("field grants"), "{told}");
    assert!(!told.contains(WRONG), "{told}");
    assert_eq!(bare.picture(), before);

    // A rotation that was started all the same stands still without harm, and goes on afterwards.
    bare.rotate().await;
    before.assert_kept_in(&bare.picture());
    store
        .place_version(grants_name, "good", Some(&grants), &[CURRENT])
        .unwrap();
    bare.reattempt().await;
    bare.assert_whole();
    bare.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_shopctrl_login_is_told_before_anything_is_issued() {
    let scenario = Scenario::with(&MailboxPlan {
        document: |document| {
            for at in 0..2 {
                document["connections"][at]["shopctrl"]["credentials"] =
                    json!("shopmail-shopctrl/gone");
            }
        },
        ..MailboxPlan::default()
    })
    .await;
    let store = &scenario.world.secrets_manager;
    let before = scenario.picture();
    let clear = |told: &[String]| {
        let told = told.last().unwrap();
        for part in [
            "Misconfigured",
            "reading the ShopCtrl login",
            "shopmail-shopctrl/gone",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("mailbox document"), "{told}");
    };
    store.test_rotation(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    clear(&scenario.failures());
    assert_eq!(scenario.picture().without_grants(), before.without_grants());
    // A rotation that was started all the same stands before the delivery; ShopCtrl holds the old one.
    store.rotate(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    clear(&scenario.failures());
    assert_eq!(scenario.world.shopctrl.outages(), vec![]);
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // Wrong ones: not JSON, a field that is not known; the value is not told.
    for (at, login) in [
        WRONG.to_owned(),
        json!({"username": "u", "passwort": WRONG}).to_string(),
    ]
    .iter()
    .enumerate()
    {
        match at {
            0 => {
                store.create("shopmail-shopctrl/gone", login, &[]).unwrap();
            }
            _ => store
                .place_version("shopmail-shopctrl/gone", "second", Some(login), &[CURRENT])
                .unwrap(),
        }
        store.reattempt(&scenario.mailbox.secret);
        store.settled(&scenario.mailbox.secret).await;
        let told = scenario.failures();
        let told = told.last().unwrap();
        assert!(
            told.contains("ShopCtrl login") && told.contains("Misconfigured"),
            "{told}"
        );
        assert!(!told.contains(WRONG), "{told}");
    }
    let (name, password) = simulators::world::SHOPCTRL_LOGIN;
    let login = json!({"username": name, "password": password}).to_string();
    store
        .place_version("shopmail-shopctrl/gone", "good", Some(&login), &[CURRENT])
        .unwrap();
    assert!(store.reattempt(&scenario.mailbox.secret));
    store.settled(&scenario.mailbox.secret).await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_key_that_can_be_guessed_signs_and_opens_nothing() {
    let scenario = Scenario::with(&without_grant()).await;
    let store = &scenario.world.secrets_manager;
    let short = "short~ticket~key";
    store
        .place_version("shopmail-ticket-key", "short", Some(short), &[CURRENT])
        .unwrap();
    let before = scenario.picture();
    store.test_rotation(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    let told = scenario.failures();
    assert!(
        told[0].contains("Misconfigured") && told[0].contains("fewer than 32 characters"),
        "{told:?}"
    );
    assert!(!told[0].contains(short));
    assert_eq!(
        scenario.details("Authorization Required"),
        Vec::<Value>::new()
    );
    let link = Forged::connect(&scenario).link(&scenario.world);
    let page = scenario.visitor().get(&link).await;
    assert_eq!(
        (page.status, scenario.outcome(&page).await.as_str()),
        (500, "misconfigured")
    );
    assert_eq!(scenario.picture(), before);

    // With a key all goes on; a link that an older key signed does not work any more.
    let key = "a-new-ticket-key-of-more-than-32-characters";
    store
        .place_version("shopmail-ticket-key", "new", Some(key), &[CURRENT])
        .unwrap();
    let page = scenario.visitor().get(&link).await;
    assert_eq!(scenario.outcome(&page).await, "invalid-ticket");
    store.test_rotation(&scenario.mailbox.secret).unwrap();
    store.settled(&scenario.mailbox.secret).await;
    let link = scenario.link_in("Authorization Required");
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(scenario.outcome(&page).await, "connected", "{}", page.body);
}
