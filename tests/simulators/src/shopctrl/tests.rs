use serde_json::{Value, json};
use uuid::Uuid;

use super::contract;
use super::*;
use crate::fixture::{Answer, Fixture, MAILBOX, ask};
use crate::microsoft::directory::Standing;

const PATH: &str = "/v1/Shops/12/MailConnections/in";
const LOGIN: &str = "Basic YXBpOmEgcGFzc3dvcmQ=";

/// A shop with a receiving connection that works, and the key id of its secret.
fn connected() -> (Fixture, Uuid) {
    let fixture = Fixture::new();
    let shopctrl = &fixture.shopctrl;
    shopctrl.add_login("api", "a password", &[12]);
    shopctrl.add_shop(12, "Shop");
    let kind = (Direction::Receiving, Protocol::Graph);
    shopctrl.add_connection(Connection::new(
        12,
        "in",
        kind,
        MAILBOX,
        fixture.auth_parameters(),
    ));
    let (key_id, secret) = fixture.secret();
    shopctrl.enter_secret(12, "in", &secret);
    assert_eq!(shopctrl.outages()[0].cause, OutageCause::NotAuthorized);
    shopctrl.authorize_as(12, "in", MAILBOX).unwrap();
    assert_eq!(shopctrl.outages(), []);
    (fixture, key_id)
}

/// Asks, and holds the answer against the contract.
async fn asks(
    fixture: &Fixture,
    method: &str,
    path: &str,
    more: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut headers = vec![("authorization", LOGIN)];
    headers.extend(more);
    headers.retain(|(_, value)| !value.is_empty());
    let answer = ask(&fixture.shop, method, path, &headers, body.to_owned()).await;
    let name = if path.ends_with("/test") { " test" } else { "" };
    let operation = format!("{method} connection{name}");
    let found = contract::violations(&operation, answer.status.as_u16(), &answer.body);
    assert_eq!(
        found,
        Vec::<String>::new(),
        "{operation}: {}",
        answer.text()
    );
    answer
}

fn renewal(fixture: &Fixture, key_id: Uuid, secret: &str) -> String {
    let body = json!({
        "tenant_id": fixture.tenant, "client_id": fixture.app.app_id,
        "key_id": key_id, "client_secret": secret,
    });
    let body = body.to_string();
    assert_eq!(
        contract::request_violations("PUT connection", body.as_bytes()),
        Vec::<String>::new()
    );
    body
}

#[tokio::test]
async fn a_put_swaps_and_authorizes_in_one_and_names_the_key() {
    let (fixture, old_key) = connected();
    let read = asks(&fixture, "GET", PATH, &[], "").await;
    assert_eq!(read.json()["status"], "Authorized");
    assert_eq!(read.json()["key_id"], Value::Null, "pasted by hand");
    let (key_id, secret) = fixture.secret();
    let body = renewal(&fixture, key_id, &secret);
    let etag = read.header("etag").to_owned();
    let fresh = [("if-match", etag.as_str())];

    assert_eq!(asks(&fixture, "PUT", PATH, &[], &body).await.status, 428);
    assert_eq!(
        asks(&fixture, "PUT", PATH, &[("if-match", "\"0\"")], &body)
            .await
            .status,
        412
    );
    assert_eq!(
        asks(&fixture, "PUT", PATH, &fresh, "{\"secret\": 1}")
            .await
            .status,
        400
    );
    let wrong = renewal(&fixture, key_id, &secret.replace('~', "_"));
    assert_eq!(
        asks(&fixture, "PUT", PATH, &fresh, &wrong).await.status,
        422
    );
    let unchanged = asks(&fixture, "GET", PATH, &[], "").await;
    assert_eq!(unchanged.json(), read.json());

    let put = asks(&fixture, "PUT", PATH, &fresh, &body).await;
    assert_eq!(put.status, 200);
    assert_ne!(put.header("etag"), etag);
    assert_eq!(put.json()["key_id"], key_id.to_string());
    assert_eq!(put.json()["hint"], secret[..3]);
    fixture.directory.delete_secret(fixture.app.app_id, old_key);
    assert_eq!(fixture.shopctrl.outages(), []);
    let test = asks(&fixture, "POST", &format!("{PATH}/test"), &[], "").await;
    assert_eq!(test.json()["result"], "passed");
    fixture.directory.delete_secret(fixture.app.app_id, key_id);
    let refused = OutageCause::SecretRefused(Standing::Refused);
    assert_eq!(fixture.shopctrl.outages()[0].cause, refused);
    let test = asks(&fixture, "POST", &format!("{PATH}/test"), &[], "").await;
    assert_eq!(test.json()["result"], "failed");
}

#[tokio::test]
async fn a_dead_sign_in_changes_nothing_and_leads_to_microsoft() {
    let (fixture, old_key) = connected();
    let read = asks(&fixture, "GET", PATH, &[], "").await;
    let etag = read.header("etag").to_owned();
    fixture.directory.revoke_sessions(fixture.person);
    let (key_id, secret) = fixture.secret();
    let body = renewal(&fixture, key_id, &secret);
    let refused = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
    assert_eq!(refused.status, 409);
    assert_eq!(
        asks(&fixture, "GET", PATH, &[], "").await.json(),
        read.json()
    );
    let url = refused.json()["authorize_url"].as_str().unwrap().to_owned();
    fixture.shopctrl.follow(&url, MAILBOX).unwrap();
    let read = asks(&fixture, "GET", PATH, &[], "").await;
    assert_eq!(
        read.json()["key_id"],
        Value::Null,
        "it keeps the secret that works"
    );
    let etag = read.header("etag").to_owned();
    let put = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
    assert_eq!(put.status, 200);

    // With the old secret gone too, the sign-in completes the swap.
    fixture.directory.revoke_sessions(fixture.person);
    fixture.directory.delete_secret(fixture.app.app_id, old_key);
    fixture.directory.delete_secret(fixture.app.app_id, key_id);
    let (key_id, secret) = fixture.secret();
    let etag = put.header("etag").to_owned();
    let body = renewal(&fixture, key_id, &secret);
    let refused = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
    let url = refused.json()["authorize_url"].as_str().unwrap().to_owned();
    fixture.shopctrl.follow(&url, MAILBOX).unwrap();
    assert_eq!(fixture.shopctrl.outages(), []);
    let held = fixture.shopctrl.connection(12, "in").unwrap();
    assert_eq!(held.key_id, Some(key_id));
}

#[tokio::test]
async fn it_can_take_a_secret_and_then_fail_and_it_can_be_down() {
    let (fixture, _) = connected();
    let before = fixture.shopctrl.connection(12, "in").unwrap();
    fixture
        .shopctrl
        .fail_tests_with_next_secret(12, "in", "Mailbox server said no");
    let (key_id, secret) = fixture.secret();
    let etag = before.etag();
    let body = renewal(&fixture, key_id, &secret);
    let put = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
    assert_eq!(put.status, 200);
    let path = format!("{PATH}/test");
    let test = asks(
        &fixture,
        "POST",
        &path,
        &[],
        "{\"send_to\": \"a@b.example\"}",
    )
    .await;
    assert_eq!(test.json()["reason"], "Mailbox server said no");
    fixture
        .shopctrl
        .enter_secret(12, "in", &before.secret.unwrap());
    fixture.shopctrl.authorize_as(12, "in", MAILBOX).unwrap();
    let test = asks(&fixture, "POST", &path, &[], "").await;
    assert_eq!(test.json()["result"], "passed");

    let now = fixture.clock.now();
    fixture
        .shopctrl
        .set_down_until(now + SignedDuration::from_hours(2));
    assert_eq!(asks(&fixture, "GET", PATH, &[], "").await.status, 503);
    fixture.wait(2 * 3600);
    assert_eq!(asks(&fixture, "GET", PATH, &[], "").await.status, 200);
    let nobody = [("authorization", "Basic eDp5")];
    let answer = ask(&fixture.shop, "GET", PATH, &nobody, "").await;
    assert_eq!(answer.status, 401);
    let found = contract::violations("GET connection", 401, &answer.body);
    assert_eq!(found, Vec::<String>::new());
    let other = PATH.replace("12", "13");
    assert_eq!(asks(&fixture, "GET", &other, &[], "").await.status, 404);
}

#[tokio::test]
async fn the_wrong_account_is_authorized_and_fails_its_test() {
    let (fixture, _) = connected();
    let mut person =
        crate::microsoft::directory::account::Person::with_mailbox("me@shop.example", "password!");
    person.is_admin = true;
    fixture.directory.add_account(fixture.tenant, person);
    fixture
        .shopctrl
        .authorize_as(12, "in", "me@shop.example")
        .unwrap();
    let test = asks(&fixture, "POST", &format!("{PATH}/test"), &[], "").await;
    assert_eq!(test.json()["result"], "failed");
}

#[tokio::test]
async fn mail_is_checked_only_while_the_connection_works() {
    let (fixture, key_id) = connected();
    let last_check = async || {
        let headers = [("authorization", LOGIN)];
        let answer = ask(&fixture.shop, "GET", "/v1/Shops/ShopStatus", &headers, "").await;
        let text = answer.json()[0]["LastMailCheck"]
            .as_str()
            .unwrap()
            .to_owned();
        text.parse::<Timestamp>().unwrap()
    };
    let start = last_check().await;
    fixture
        .directory
        .receive_mail("customer@a.example", MAILBOX, "canary");
    fixture.wait(301);
    let checked = last_check().await;
    assert_eq!(checked.duration_since(start).as_secs(), 300);
    let headers = [("authorization", LOGIN)];
    let path = "/v1/Shops/12/Emails?mailboxId=1&pageSize=10&pageNumber=1";
    let emails = ask(&fixture.shop, "GET", path, &headers, "").await;
    assert_eq!(emails.json()[0]["Subject"], "canary");

    // The secret ends at minute 12: the check at minute 10 is the last.
    let end = start + SignedDuration::from_mins(12);
    fixture
        .directory
        .set_secret_end(fixture.app.app_id, key_id, end);
    fixture.wait(3600);
    let stopped = last_check().await;
    assert_eq!(stopped.duration_since(start).as_mins(), 10);
    let (_, secret) = fixture.secret();
    fixture.shopctrl.enter_secret(12, "in", &secret);
    fixture.wait(600);
    assert_eq!(last_check().await, stopped, "not authorized");
    fixture.shopctrl.authorize_as(12, "in", MAILBOX).unwrap();
    assert_eq!(last_check().await, stopped, "no check is due yet");
    fixture.wait(300);
    assert!(last_check().await > stopped);
    let used = fixture
        .directory
        .credential_with_value(&secret)
        .unwrap()
        .last_used;
    assert!(used.is_some_and(|used| used > stopped), "{used:?}");
}

#[tokio::test]
async fn a_connection_in_use_keeps_its_sign_in_for_years() {
    let (fixture, _) = connected();
    for _ in 0..3 {
        fixture.wait(80 * 24 * 3600);
        fixture.shopctrl.check_mail();
    }
    assert_eq!(
        fixture.shopctrl.test_connection(12, "in", None),
        Some(Ok(()))
    );
    fixture
        .shopctrl
        .edit(12, "in", |connection| connection.enabled = false);
    fixture.wait(90 * 24 * 3600);
    fixture
        .shopctrl
        .edit(12, "in", |connection| connection.enabled = true);
    let test = fixture.shopctrl.test_connection(12, "in", None).unwrap();
    assert!(
        test.unwrap_err().contains("AADSTS700082"),
        "idle for 90 days"
    );
}
