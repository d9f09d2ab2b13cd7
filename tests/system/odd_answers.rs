//! Answers in forms that public reports show: what decides nothing must not break what decides, and what
//! decides is read for what it means. Inputs that nobody here made up, each with what is right.

use serde_json::{Map, Value, json};
use simulators::browser::Page;
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::sign_in::{Decision, Step};

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::without_grant;
use crate::support::steps::TOKEN;
use crate::support::tickets::Forged;

const ASKED: &str = "Authorization Required";

type Change = fn(&mut Value);

fn object(answer: &mut Value) -> &mut Map<String, Value> {
    answer.as_object_mut().unwrap()
}

fn odd_tokens(answer: &mut Value) {
    let answer = object(answer);
    answer.remove("token_type");
    answer.remove("ext_expires_in");
    answer.insert("expires_in".to_owned(), json!("3599"));
    answer.insert(
        "scope".to_owned(),
        answer.get("scope").cloned().unwrap_or(Value::Null),
    );
    answer.insert("foci".to_owned(), json!(["1"]));
}

fn no_refresh_token(answer: &mut Value) {
    object(answer).insert("refresh_token".to_owned(), json!(""));
}

fn odd_application(answer: &mut Value) {
    for credential in answer["passwordCredentials"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let credential = object(credential);
        credential.insert("customKeyIdentifier".to_owned(), json!({"odd": true}));
        credential.insert("secretText".to_owned(), json!(7));
    }
    object(answer).insert("@odata.context".to_owned(), Value::Null);
    object(answer).insert("signInAudience".to_owned(), json!("AzureADMyOrg"));
}

fn odd_account(answer: &mut Value) {
    let answer = object(answer);
    answer.insert("proxyAddresses".to_owned(), Value::Null);
    answer.insert("displayName".to_owned(), json!(["x"]));
}

fn odd_connection(answer: &mut Value) {
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("LastError".to_owned(), json!({"odd": [null]}));
        answer.insert("Later".to_owned(), json!(1));
    }
}

// === What decides nothing ===

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_ends_whole_though_every_answer_has_odd_parts_that_decide_nothing() {
    let scenario = Scenario::begin().await;
    let odd: [(&str, &str, Change); 7] = [
        ("entra", "POST token client_credentials", odd_tokens),
        ("entra", "POST token refresh_token", odd_tokens),
        ("graph", "GET application", odd_application),
        ("graph", "POST addPassword", odd_connection),
        ("shopctrl", "GET connection", odd_connection),
        ("shopctrl", "PUT connection", odd_connection),
        ("shopctrl", "GET ShopStatus", odd_connection),
    ];
    for (service, operation, change) in odd {
        let fault = Fault::Odd(change);
        scenario
            .world
            .gate
            .fail(Calls::of(service, operation).times(10_000), fault);
    }
    scenario.rotate().await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    let facts = scenario.facts().await;
    assert_eq!(facts["problems"], json!([]), "{facts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_taken_though_account_and_tokens_have_odd_parts() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let odd: [(&str, &str, Change); 2] = [
        ("entra", "POST token authorization_code", odd_tokens),
        ("graph", "GET me", odd_account),
    ];
    for (service, operation, change) in odd {
        let fault = Fault::Odd(change);
        scenario
            .world
            .gate
            .fail(Calls::of(service, operation).times(100), fault);
    }
    let page = scenario
        .visitor()
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert_eq!(page.heading(), "Thank you, that was all", "{}", page.body);
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_refresh_token_is_none_and_nobody_is_thanked_for_it() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let before = scenario.world.secrets_manager.stored_values();
    let none = Fault::Odd(no_refresh_token);
    scenario
        .world
        .gate
        .fail_next("entra", "POST token authorization_code", none);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert_ne!(page.status, 200, "{}", page.body);
    assert_eq!(scenario.world.secrets_manager.stored_values(), before);
}

// === What decides ===

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_secret_is_read_in_every_form() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    for body in [
        json!({"error": "invalid_client", "error_codes": null}),
        json!({"error": "invalid_client", "error_codes": "7000215", "suberror": {"odd": 1}}),
        json!({"error": "invalid_client", "error_codes": [7_000_222], "timestamp": 5}),
        json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}),
    ] {
        let refused = answer(401, false, &body.to_string());
        let token = "POST token client_credentials";
        scenario
            .world
            .gate
            .fail(Calls::of("entra", token).times(100), refused);
        let facts = scenario.facts().await;
        scenario.world.gate.heal();
        let drift = facts["drift"].to_string();
        assert!(drift.contains("secret_refused"), "{body}: {facts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_passing_refusal_of_the_token_endpoint_is_tried_again_and_told_to_nobody() {
    for code in [50_166, 90_033] {
        let scenario = Scenario::begin().await;
        let body = json!({"error": "invalid_request", "error_codes": [code]});
        let passing = answer(400, false, &body.to_string());
        let token = "POST token client_credentials";
        scenario.world.gate.fail_next("entra", token, passing);
        scenario.rotate().await;
        scenario.assert_whole();
        assert_eq!(scenario.details("Rotation Failed").len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_graph_does_not_find_is_no_deleted_app() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in ["createSecret", "setSecret"] {
        scenario.step(name, TOKEN).await;
    }
    let body = json!({"error": {"code": "ResourceNotFound", "message": "Resource could not be discovered."}});
    let missing = answer(404, false, &body.to_string());
    scenario.world.gate.fail(
        Calls::of("graph", "GET me/mailFolders/inbox").times(100),
        missing,
    );
    let failed = scenario.step("testSecret", TOKEN).await;
    let message = failed.payload["errorMessage"].as_str().unwrap();
    assert!(message.contains("licen"), "{message}");
    assert!(message.contains(&scenario.mailbox.address), "{message}");
    assert!(!message.contains("app registration"), "{message}");
}

// === At the redirect, and at the redemption ===

/// The page at the end of a sign-in that comes back with `error` in place of its code.
async fn comes_back_with(scenario: &Scenario, link: &str, error: &str) -> Page {
    let mut visitor = scenario.visitor();
    let authorize = visitor.begin(link).await;
    let signed_in = scenario.world.directory.sign_in_as(
        &authorize,
        &scenario.mailbox.address,
        Decision::Accept,
    );
    let Step::Redirect(back) = signed_in else {
        panic!("{signed_in:?}");
    };
    visitor.open(&back.replace("code=", error)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_has_to_be_set_right_is_called_so_with_its_number_for_every_link() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let rotate = scenario.link_in(ASKED);
    let connect = Forged::connect(&scenario).link(&scenario.world);
    let error = "error=invalid_client&error_description=AADSTS650052%3a+The+app+needs+access+to+a+service&x=";
    for link in [rotate, connect] {
        let page = comes_back_with(&scenario, &link, error).await;
        assert_eq!(page.heading(), "The app registration has to be set right");
        assert!(page.body.contains("650052"), "{}", page.body);
        assert!(!page.body.contains("needs access to a service"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_stops_the_redemption_is_called_so_with_its_number() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let body = json!({"error": "invalid_grant", "error_codes": [530_003],
        "error_description": "AADSTS530003: Your device is required to be managed to access this resource."});
    let policy = answer(400, false, &body.to_string());
    scenario.world.gate.fail(
        Calls::of("entra", "POST token authorization_code").times(100),
        policy,
    );
    let page = scenario
        .visitor()
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert!(page.body.contains("530003"), "{}", page.body);
    assert!(!page.body.contains("took too long"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_nobody_knows_is_shown_and_whom_to_show_it_to() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let error = "error=server_confusion&error_description=AADSTS8765432%3a+odd&x=";
    let link = scenario.link_in(ASKED);
    let page = comes_back_with(&scenario, &link, error).await;
    assert_eq!(page.heading(), "The sign-in did not succeed");
    assert!(page.body.contains("8765432"), "{}", page.body);
    assert!(page.body.contains("administrator"), "{}", page.body);
}
