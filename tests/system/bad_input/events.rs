//! Events of a wrong shape, and steps that nobody may run.

use serde_json::{Value, json};
use simulators::aws::secrets_manager::PENDING;

use super::{WRONG, assert_refused};
use crate::support::Scenario;

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
            json!({"detail-type": "Check Continues", "detail": {"tenants": [WRONG]}}),
            "detail.tenants",
        ),
        ("notifier", json!(null), "detail-type"),
        ("notifier", json!({"Action": WRONG}), "Action"),
        (
            "notifier",
            json!({"Action": {"preflight": WRONG}}),
            "Action",
        ),
        (
            "notifier",
            json!({"detail-type": "Client Secret Expired", "detail": {"expires_at": WRONG}}),
            "detail: field expires_at",
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
    let managed = [("shopmail:managed", "mailbox")];
    let off = store.create("shopmail/off", &document, &managed).unwrap();
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
        assert!(message.contains("Check that it exists"), "{message}");
        if step != "testSecret" {
            let event = json!({"Step": step, "SecretId": scenario.mailbox.arn, "ClientRequestToken": copied});
            let result = scenario.world.invoke("rotation", &event).await.unwrap();
            assert_refused(&result, &["the pending version holds"], &event);
        }
    }
    for action in ["sweep", "retire", "ask"] {
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
    let managed = [("shopmail:managed", "grants")];
    store
        .create("shopmail/off/grants", &grants, &managed)
        .unwrap();
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
