//! Roles as they are enforced: deployed with the policies of template.yaml, and with each permission taken away. What is
//! seen then is what docs/permissions.md says, and nothing else is refused.
//!
//! MiniStack's RotateSecret is a stub: it copies the value into a new version and makes that current. So the steps are
//! called here in AWS's order, after the labels have been put as AWS puts them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod account;
mod callback;
mod checker;
mod iam;
mod mailbox;
mod notifier;
mod rotation;

use deployed::Programs;

use account::Account;

/// What MiniStack does for a function itself, or has nothing of, whatever a role says.
const NOT_ENFORCED: [&str; 7] = [
    // Lambda's own.
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    // The stack has no key of its own.
    "kms:Decrypt",
    "kms:GenerateDataKey",
];

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_permission_just_what_the_table_says_fails() {
    let Some(programs) = Programs::or_say() else {
        return;
    };
    let account = Account::deployed(&programs).await;
    rotation::store_logins(&account).await;
    checker::checks(&account).await;
    rotation::rotates(&account).await;
    rotation::tests_an_app_with_two_places(&account).await;
    rotation::signs_in_by_its_role(&account).await;
    let (attended, token) = rotation::asks(&account).await;
    callback::sends_a_new_link(&account, &attended, &token).await;
    callback::hands_over(&account, &attended, &token).await;
    notifier::mails(&account).await;
    let mut untried = account.untried();
    untried.retain(|permission| !NOT_ENFORCED.contains(&permission.action.as_str()));
    assert_eq!(untried, vec![], "no scenario here takes these away");
}
