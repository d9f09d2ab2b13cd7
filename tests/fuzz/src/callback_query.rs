//! What a browser brings back to `/callback`, and to `/authorize`: an answer that tells of an error is
//! never redeemed, nor one without this browser's state; and nothing of it gets into headers or page.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use oauth_callback::{OAuthCallback, Settings};
use serde_json::{Value, json};
use shared::config::Reader;
use shared::ids::MailboxAddress;
use shared::ticket::{Purpose, Ticket, TicketKey};
use url::{Url, form_urlencoded};

use crate::canned::{Canned, answering};

const KEY: &str = "a ticket key that only the properties use";
const ARN: &str = "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/orders-AbC123";
const VERSION: &str = "11111111-2222-4333-8444-555555555555";
/// Stands in the corpus for the state of the sign-in that is under way.
const STATE: &str = "STATE";

/// The query is brought back to `/callback` in the middle of a sign-in, and to `/authorize`.
pub fn property(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let redeemed: Arc<Mutex<Vec<String>>> = Arc::default();
    let callback = callback(Arc::clone(&redeemed));
    let ask = |path: &str, query: &str, cookies: &[String]| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let event = event(path, query, cookies);
        let answer = callback.handle(event, "a-reference", Duration::from_secs(60));
        let answer = runtime
            .block_on(answer)
            .expect("an HTTP request is answered");
        serde_json::to_value(answer).unwrap()
    };

    let begun = ask("/authorize", &format!("ticket={}", ticket()), &[]);
    let (state, cookies) = (state_of(&begun), cookies_of(&begun));
    let query = query.replace(STATE, &state);
    let ended = ask("/callback", &query, &cookies);
    assert_says_nothing_of_the_query(&ended);
    assert_eq!(ended["statusCode"], 303, "{ended}");
    assert_eq!(
        ended["headers"]["location"],
        "https://callback.example/ended"
    );
    let page = ask("/ended", "", &cookies_of(&ended));
    assert_says_nothing_of_the_query(&page);
    assert_eq!(page["headers"].get("location"), None, "{page}");
    let codes = redeemed.lock().unwrap();
    if let Some(code) = codes.first() {
        assert_eq!(codes.len(), 1);
        assert_eq!(
            values(&query, "error"),
            Vec::<String>::new(),
            "an error is an error"
        );
        assert_eq!(values(&query, "state"), [state]);
        assert_eq!(values(&query, "code"), [code.as_str()]);
    }

    // No link of ours is made up of what a stranger says.
    let answer = ask("/authorize", &query, &[]);
    assert_ne!(answer["statusCode"], 303, "{answer}");
    assert_eq!(answer["headers"].get("location"), None, "nobody is sent on");
    assert_says_nothing_of_the_query(&answer);
}

/// The mark of foreign text: nothing that we say has one.
fn assert_says_nothing_of_the_query(answer: &Value) {
    let body = answer["body"].as_str().unwrap_or_default();
    assert!(!body.contains('~'), "{body}");
    assert!(
        !body.chars().any(|c| c.is_control() && c != '\n'),
        "{body:?}"
    );
    // Ours, where there is one, and the policy lets in no other.
    let policy = answer["headers"]["content-security-policy"].as_str();
    let ours = policy.is_some_and(|policy| policy.contains("script-src 'sha256-"));
    let scripts = body.to_lowercase().matches("<script").count();
    assert_eq!(scripts, usize::from(ours), "{body}");
    for (name, value) in answer["headers"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        assert!(!value.contains('~'), "{name}: {value}");
        assert!(!value.chars().any(char::is_control), "{name}: {value:?}");
    }
}

fn values(query: &str, name: &str) -> Vec<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .collect()
}

fn state_of(begun: &Value) -> String {
    let location = begun["headers"]["location"]
        .as_str()
        .expect("on to Microsoft");
    let location = Url::parse(location).unwrap();
    let state = location.query_pairs().find(|(name, _)| name == "state");
    state.unwrap().1.into_owned()
}

fn cookies_of(answer: &Value) -> Vec<String> {
    let set = answer["cookies"].as_array().into_iter().flatten();
    let pairs = set.map(|cookie| cookie.as_str().unwrap().split(';').next().unwrap());
    pairs.map(str::to_owned).collect()
}

fn event(path: &str, query: &str, cookies: &[String]) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("GET {path}"), "rawPath": path, "rawQueryString": query,
        "cookies": cookies, "headers": {"host": "callback.example"},
        "requestContext": {"http": {"method": "GET", "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1", "userAgent": "x"}, "stage": "$default", "requestId": "r"},
        "isBase64Encoded": false,
    })
}

fn ticket() -> String {
    let ticket = Ticket {
        purpose: Purpose::Rotate,
        secret: ARN.to_owned(),
        version: VERSION.to_owned(),
        mailbox: MailboxAddress::read("orders@shop.example").unwrap(),
        expires_at: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    let key = TicketKey::new(KEY.to_owned().into()).unwrap();
    key.sign(&ticket).unwrap()
}

/// The function, in a world where a rotation waits for this sign-in and Entra refuses every code.
fn callback(redeemed: Arc<Mutex<Vec<String>>>) -> OAuthCallback {
    let known = |name: &str| {
        let value = match name {
            "AWS_REGION" => "eu-central-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "nobody's",
            "CALLBACK_URL" => "https://callback.example",
            "ROTATION_FUNCTION" => "rotation",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let settings = Settings::read(Reader::new(known)).unwrap();
    let answer = move |request: &Request<bytes::Bytes>| {
        if let Some(operation) = request.headers().get("x-amz-target") {
            let asked = serde_json::from_slice(request.body()).unwrap_or_default();
            return secrets_manager(operation.to_str().unwrap(), &asked);
        }
        if request.uri().path().ends_with("/token") {
            let form = std::str::from_utf8(request.body()).unwrap();
            redeemed.lock().unwrap().extend(values(form, "code"));
            let refusal = json!({"error": "invalid_grant", "error_codes": [54005]});
            return Canned::json(400, &refusal);
        }
        Canned::json(404, &json!({}))
    };
    OAuthCallback::over(settings, answering(answer))
}

fn secrets_manager(operation: &str, asked: &Value) -> Canned {
    let name = asked["SecretId"].as_str().unwrap_or_default();
    if operation.ends_with("DescribeSecret") {
        let described = json!({
            "ARN": ARN, "Name": "shopmail/orders", "RotationEnabled": true,
            "VersionIdsToStages": {VERSION: ["AWSPENDING"], "before": ["AWSCURRENT"]},
        });
        return Canned::json(200, &described);
    }
    let value = match name {
        "shopmail-ticket-key" => KEY,
        "shopmail/orders/grants" => r#"{"version": 1, "grants": {}, "handover": {}}"#,
        _ => crate::mailbox_document::EXAMPLE,
    };
    let version = asked["VersionId"].as_str().unwrap_or("before");
    Canned::json(
        200,
        &json!({"ARN": ARN, "Name": name, "VersionId": version, "SecretString": value}),
    )
}
