//! What an answer of AWS means: tried again only what was certainly not done, and advice that fits.

use serde_json::json;
use simulators::aws::lambda::InvocationResult;
use simulators::gate::{Calls, Fault};
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::{days, without_grant};
use crate::support::steps::TOKEN;

fn invocations(scenario: &Scenario) -> usize {
    let operations = scenario.world.gate.operations();
    let invoked = |operation: &&String| operation.contains("Invoke rotation");
    operations.iter().filter(invoked).count()
}

fn message(result: &InvocationResult) -> &str {
    result.payload["errorMessage"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_was_not_carried_out_is_tried_again_and_a_lost_answer_is_not() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.check().await.unwrap();
    scenario.world.gate.clear();
    scenario.world.check().await.unwrap();
    let undisturbed = invocations(&scenario);

    scenario.world.gate.clear();
    let busy = r#"{"Type":"User","message":"Rate Exceeded."}"#;
    let busy = answer(429, false, busy);
    scenario
        .world
        .gate
        .fail(Calls::of("lambda", "Invoke rotation").times(2), busy);
    let checked = scenario.world.check().await.unwrap();
    let report = &checked.payload["secrets"][0];
    assert_eq!(report["failures"], json!([]), "{report}");
    assert_eq!(invocations(&scenario), undisturbed + 2);

    scenario.world.gate.clear();
    let lost = Fault::Reset { effect: true };
    scenario
        .world
        .gate
        .fail_next("lambda", "Invoke rotation", lost);
    let checked = scenario.world.check().await.unwrap();
    let report = &checked.payload["secrets"][0];
    assert_ne!(report["failures"], json!([]), "{report}");
    assert!(invocations(&scenario) <= undisturbed);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_never_taken_fail_with_event_bridges_code() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    scenario.world.event_bridge.fail_entries(2);
    scenario.take_step("createSecret", TOKEN).await;
    scenario.world.event_bridge.fail_entries(100);
    let failed = scenario.step("setSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{failed:?}");
    assert!(message(&failed).contains("InternalFailure"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_aws_is_told_with_the_secret_and_the_advice_that_are_meant() {
    let deleted =
        "You can't perform this operation on the secret because it was marked for deletion.";
    let expired = "The security token included in the request is expired";
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for (code, text, kind, advice) in [
        (
            "InvalidRequestException",
            deleted,
            "Misconfigured",
            "restore-secret",
        ),
        (
            "AccessDeniedException",
            "Access to KMS is not allowed",
            "Misconfigured",
            "kms:Decrypt",
        ),
        ("ExpiredTokenException", expired, "Temporary", "out of date"),
    ] {
        let body = json!({"__type": code, "Message": text}).to_string();
        let fault = answer(400, false, &body);
        scenario.world.gate.fail(
            Calls::of("secretsmanager", "GetSecretValue").times(100),
            fault,
        );
        let failed = scenario.step("createSecret", TOKEN).await;
        scenario.world.gate.heal();
        assert_eq!(failed.error_type(), Some(kind), "{failed:?}");
        for part in ["reading the secret ", "shopmail/orders", code, advice] {
            assert!(message(&failed).contains(part), "{part}: {failed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_passes_through_the_checker_says_its_next_step_once() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    scenario.world.clock.advance(days(1));
    let unavailable = answer(503, false, "{}");
    scenario.world.gate.fail(
        Calls::of("graph", "GET application").times(100),
        unavailable,
    );
    let checked = scenario.world.check().await.unwrap();
    let failures = checked.payload["secrets"][0]["failures"].clone();
    let failures = failures.as_array().unwrap();
    assert!(!failures.is_empty(), "{}", checked.payload);
    for failure in failures {
        let text = failure.as_str().unwrap();
        assert_eq!(text.matches("tried again").count(), 1, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_its_log_say_that_it_is_the_person_who_tries_again() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in("Authorization Required");
    for (status, retry) in [
        (500, "asks the person to try again"),
        (403, "have the person try again"),
    ] {
        scenario.world.gate.heal();
        let refused = answer(status, false, r#"{"__type":"Unheard"}"#);
        scenario.world.gate.fail(
            Calls::of("secretsmanager", "DescribeSecret").times(100),
            refused,
        );
        let page = scenario.visitor().open(&link).await;
        let lines = scenario.log_of(&page).await;
        let text = serde_json::to_string(&lines).unwrap();
        assert!(text.contains(retry), "{text}");
        for words in ["it is tried again", "rotate again"] {
            assert!(
                !text.contains(words) && !page.body.contains(words),
                "{text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_test_says_that_it_has_to_be_made_again() {
    let plan = MailboxPlan {
        document: |document| document["connections"][0]["shopctrl"]["shop_id"] = 999.into(),
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    let unavailable = answer(503, false, "{}");
    scenario.world.gate.fail(
        Calls::of("graph", "GET application").times(100),
        unavailable,
    );
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    // One passing trouble and one wrong setting, in one message.
    let told = scenario.details("Rotation Failed").remove(0);
    let text = told.to_string();
    assert!(
        text.contains("answered 503") && text.contains("shop 999"),
        "{text}"
    );
    assert!(text.contains("Test the configuration again"), "{text}");
    for words in ["it is tried again", "rotate again"] {
        assert!(!text.contains(words), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_from_admin_consent_is_read_in_every_form() {
    let scenario = Scenario::begin().await;
    for (query, heading) in [
        ("admin_consent=True&state=admin-consent", "Thank you"),
        (
            "error=access_denied&state=admin-consent",
            "The permission was not granted",
        ),
        (
            "error=permission_denied&error_description=x&state=admin-consent",
            "The permission was not granted",
        ),
        (
            "admin_consent=False&state=admin-consent",
            "The permission was not granted",
        ),
        (
            "admin_consent=True&error=a&error=b&state=admin-consent",
            "The permission was not granted",
        ),
    ] {
        let address = format!("{}/callback?{query}", scenario.world.callback_url);
        let page = scenario.visitor().open(&address).await;
        assert!(page.body.contains(heading), "{query}: {}", page.body);
    }
}

/// Graph's refusal of a token, also of a good one (microsoftgraph/msgraph-sdk-dotnet-core#222).
const BAD_TOKEN: &str =
    r#"{"error":{"code":"InvalidAuthenticationToken","message":"Signing key is invalid."}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_token_that_graph_refuses_once_costs_no_step_and_no_sign_in() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    for call in ["GET me", "GET me/mailFolders/inbox"] {
        let refused = answer(401, false, BAD_TOKEN);
        scenario.world.gate.fail_next("graph", call, refused);
    }
    let link = scenario.link_in("Authorization Required");
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.heading(), "Thank you, that was all", "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();

    scenario.world.gate.clear();
    let before = scenario.keys().len();
    for call in ["GET application", "POST addPassword"] {
        let refused = answer(401, false, BAD_TOKEN);
        scenario.world.gate.fail_next("graph", call, refused);
    }
    scenario.rotate().await;
    assert_eq!(scenario.failures().len(), 1, "only the one that waited");
    assert_eq!(scenario.keys().len(), before + 1, "issued once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_graph_goes_on_refusing_is_told_after_the_second_time() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    let refused = answer(401, false, BAD_TOKEN);
    scenario
        .world
        .gate
        .fail(Calls::of("graph", "GET application").times(1000), refused);
    let failed = scenario.step("createSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Misconfigured"), "{failed:?}");
    assert!(
        message(&failed).contains("answered 401 (InvalidAuthenticationToken)"),
        "{failed:?}"
    );
    let operations = scenario.world.gate.operations();
    let asked = operations.iter().filter(|o| *o == "graph GET application");
    assert_eq!(asked.count(), 2);
}
