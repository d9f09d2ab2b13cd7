//! Wrong mailbox documents.

use serde_json::{Value, json};
use simulators::aws::secrets_manager::{CURRENT, PENDING};

use super::WRONG;
use crate::support::Scenario;
use crate::support::tickets::Forged;

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
                    d.as_object_mut().unwrap().remove("tenant_id");
                })
            },
            "tenant_id",
        ),
        (
            "a value without its id",
            |d| set(d, "/key_id", json!("")),
            "key_id",
        ),
        (
            "a rotator of its own without a value",
            |d| {
                with(d, |d| {
                    d["rotator"] = json!({"kind": "self"});
                    d["client_secret"] = json!("");
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
            "a deep link to elsewhere",
            |d| {
                with(d, |d| {
                    let place = &mut d["connections"][1]["shopctrl"];
                    place["settings_link"] = json!(format!("https://{WRONG}.example?tab=x"));
                })
            },
            "connections[1].shopctrl.settings_link",
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
