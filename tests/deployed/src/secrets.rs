//! What CloudFormation would do with secrets, and MiniStack does not.

use serde_json::json;

use crate::mini_stack::MiniStack;

/// A secret that a template makes without a value has no version ("The secret is created without any version",
/// AWS::SecretsManager::Secret is CreateSecret without SecretString). MiniStack's has an empty one that is AWSCURRENT,
/// and the mailbox's `PutCommand` would take it for a document: this takes its label away.
pub async fn take_the_empty_version_away(mini_stack: &MiniStack, name: &str) {
    let found = mini_stack
        .call("secretsmanager.GetSecretValue", &json!({"SecretId": name}))
        .await;
    assert_eq!(
        found["SecretString"].as_str().unwrap_or_default(),
        "",
        "{name} has a value"
    );
    let without = json!({
        "SecretId": name, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": found["VersionId"],
    });
    mini_stack
        .call("secretsmanager.UpdateSecretVersionStage", &without)
        .await;
}
