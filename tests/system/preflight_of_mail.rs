//! Whether mail would reach its readers: what the notifier says of the topic's subscription and of Amazon SES, before
//! anybody waits for a mail that never comes.

use serde_json::{Value, json};
use simulators::aws::sns::Subscribed;
use simulators::gate::Calls;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::faults::answer;

const ADMINISTRATOR: &str = "it@agency.example";
const SENDER: &str = "shopmail@agency.example";
const ROWS: [&str; 3] = ["topic_confirmed", "out_of_sandbox", "sender_verified"];

/// Contacts are mailed by SES, as a sender whose domain is verified.
async fn by_ses() -> Scenario {
    let settings = [
        ("MAIL_FROM", "Shop mail <shopmail@agency.example>"),
        ("NOTIFY_EMAIL", ADMINISTRATOR),
    ];
    let scenario = Scenario::with_settings(&settings, &MailboxPlan::default()).await;
    scenario.world.ses.verify("agency.example");
    scenario
}

async fn rows(scenario: &Scenario) -> Vec<Value> {
    let event = json!({"Action": "preflight"});
    let answer = scenario.world.invoke("notifier", &event).await.unwrap();
    assert_eq!(answer.function_error, None, "{}", answer.payload);
    answer.payload["rows"].as_array().unwrap().clone()
}

/// The row of this requirement; the others are there.
async fn only(scenario: &Scenario, requirement: &str) -> Value {
    let (of_it, others): (Vec<Value>, Vec<Value>) = rows(scenario)
        .await
        .into_iter()
        .partition(|row| row["requirement"] == requirement);
    assert!(
        others.iter().all(|row| row["seen"] == "present"),
        "{others:#?}"
    );
    of_it[0].clone()
}

fn command(row: &Value) -> &str {
    row["command"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_mail_depends_on_is_there_and_a_preflight_sends_nothing() {
    let scenario = by_ses().await;
    let rows = rows(&scenario).await;
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["requirement"].as_str().unwrap())
        .collect();
    assert_eq!(names, ROWS);
    for row in &rows {
        assert_eq!((&row["seen"], command(row)), (&json!("present"), ""));
    }
    assert!(scenario.world.ses.sent().is_empty() && scenario.world.sns.published().is_empty());
    assert_eq!(scenario.world.iam.refused(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_nobody_confirmed_or_that_was_ended_is_missing() {
    let scenario = by_ses().await;
    let sns = &scenario.world.sns;
    let missing = async |why: &str| {
        let row = only(&scenario, "topic_confirmed").await;
        assert_eq!(row["seen"], "missing", "{why}");
        assert_eq!(row["about"], ADMINISTRATOR, "{why}");
        let command = command(&row);
        assert!(
            command.starts_with("aws sns subscribe "),
            "{why}: {command}"
        );
        assert!(command.contains(ADMINISTRATOR), "{why}: {command}");
    };
    sns.set_subscription(ADMINISTRATOR, Subscribed::Pending);
    missing("pending").await;
    sns.set_subscription(ADMINISTRATOR, Subscribed::Deleted);
    missing("deleted").await;
    sns.drop_subscriptions();
    missing("gone after 48 hours").await;
    sns.set_subscription("ann@agency.example", Subscribed::Confirmed);
    missing("somebody else's").await;
    for n in 0..150 {
        sns.set_subscription(&format!("{n}@agency.example"), Subscribed::Confirmed);
    }
    sns.set_subscription("IT@agency.example", Subscribed::Confirmed);
    let row = only(&scenario, "topic_confirmed").await;
    assert_eq!(row["seen"], "present", "on the second page");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_the_sandbox_or_stopped_by_aws_does_not_mail_anybody() {
    let scenario = by_ses().await;
    let ses = &scenario.world.ses;
    ses.set_sandbox(true);
    let row = only(&scenario, "out_of_sandbox").await;
    assert_eq!(row["seen"], "missing");
    assert!(
        command(&row).contains("--production-access-enabled"),
        "{row}"
    );
    ses.set_sandbox(false);
    ses.set_shut_down(true);
    let row = only(&scenario, "out_of_sandbox").await;
    assert_eq!(row["seen"], "missing");
    assert!(command(&row).contains("Support"), "{row}");
    ses.set_shut_down(false);
    let row = only(&scenario, "out_of_sandbox").await;
    assert_eq!(row["seen"], "present");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_verified_by_its_address_or_its_domain() {
    let scenario = by_ses().await;
    let ses = &scenario.world.ses;
    ses.set_identity("agency.example", false);
    let row = only(&scenario, "sender_verified").await;
    assert_eq!(
        (&row["seen"], &row["about"]),
        (&json!("missing"), &json!(SENDER))
    );
    let again = format!("verify-email-identity --email-address {SENDER}");
    assert!(command(&row).contains(&again), "{row}");
    ses.set_identity(SENDER, false);
    assert_eq!(only(&scenario, "sender_verified").await["seen"], "missing");
    ses.verify(SENDER);
    assert_eq!(only(&scenario, "sender_verified").await["seen"], "present");
    ses.set_identity(SENDER, false);
    ses.verify("agency.example");
    assert_eq!(only(&scenario, "sender_verified").await["seen"], "present");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_role_may_not_see_is_named_with_the_permission_that_shows_it() {
    let scenario = by_ses().await;
    let permissions = [
        "sns:ListSubscriptionsByTopic",
        "ses:GetAccount",
        "ses:GetEmailIdentity",
    ];
    for (requirement, permission) in ROWS.into_iter().zip(permissions) {
        scenario.world.iam.withdraw(permission);
        let row = only(&scenario, requirement).await;
        let expected = json!({"not_visible": {"permission": permission}});
        assert_eq!(row["seen"], expected);
        assert!(command(&row).contains("sam deploy"), "{row}");
        scenario.world.iam.restore();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_is_not_seen_and_nobody_is_told_to_mend_it() {
    let scenario = by_ses().await;
    let operations = [
        ("sns", "ListSubscriptionsByTopic"),
        ("ses", "GetAccount"),
        ("ses", "GetEmailIdentity"),
    ];
    for (requirement, (service, operation)) in ROWS.into_iter().zip(operations) {
        let gate = &scenario.world.gate;
        let calls = Calls::of(service, operation).times(1000);
        gate.fail(calls, answer(500, false, "{}"));
        let row = only(&scenario, requirement).await;
        assert_eq!((&row["seen"], command(&row)), (&json!("not_seen"), ""));
        gate.heal();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sender_the_topic_alone_counts_and_without_an_administrator_anybody_on_it() {
    let scenario = Scenario::begin().await;
    let rows_now = rows(&scenario).await;
    assert_eq!(rows_now.len(), 1, "{rows_now:#?}");
    assert_eq!(rows_now[0]["seen"], "present");
    scenario.world.sns.drop_subscriptions();
    let row = only(&scenario, "topic_confirmed").await;
    assert_eq!(row["seen"], "missing");
    assert!(command(&row).contains("YOUR_ADDRESS"), "{row}");
}
