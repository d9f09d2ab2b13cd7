//! Stacks, deployed by the commands of README.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::terminal::{Terminal, quoted};

/// What the system's stack is called, everywhere in the documents.
pub const SYSTEM: &str = "shopmail";

/// A stack's outputs.
pub type Outputs = BTreeMap<String, String>;

/// Deploys template.yaml with these parameters, as after `sam build`.
pub async fn deploy_system(terminal: &Terminal, parameters: &[(&str, &str)]) -> Outputs {
    // SAM divides a parameter at spaces, unless its value stands between quotation marks.
    let in_marks = |value: &str| format!("\"{}\"", value.replace('"', "\\\""));
    let parameters = words(
        parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", in_marks(value))),
    );
    terminal
        .run(&format!(
            "sam deploy --stack-name {SYSTEM} --resolve-s3 --capabilities CAPABILITY_NAMED_IAM \
             --no-confirm-changeset --parameter-overrides{parameters}"
        ))
        .await;
    outputs(terminal, SYSTEM).await
}

/// Deploys infra/mailbox.yaml with these parameters as this stack, or updates it.
pub async fn deploy_mailbox(
    terminal: &Terminal,
    stack: &str,
    parameters: &[(&str, &str)],
) -> Outputs {
    let parameters = words(
        parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    terminal
        .run(&format!(
            "aws cloudformation deploy --template-file infra/mailbox.yaml --stack-name {stack} \
             --no-fail-on-empty-changeset --parameter-overrides{parameters}"
        ))
        .await;
    outputs(terminal, stack).await
}

/// The outputs of a stack.
pub async fn outputs(terminal: &Terminal, stack: &str) -> Outputs {
    let told = terminal
        .run(&format!(
            "aws cloudformation describe-stacks --stack-name {stack} --query 'Stacks[0].Outputs' --output json"
        ))
        .await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let outputs = told.as_array().into_iter().flatten();
    let text = |output: &Value, name: &str| Some(output[name].as_str()?.to_owned());
    outputs
        .filter_map(|output| Some((text(output, "OutputKey")?, text(output, "OutputValue")?)))
        .collect()
}

/// What a stack's resource is called in its service.
pub async fn resource(terminal: &Terminal, stack: &str, logical_id: &str) -> String {
    let told = terminal
        .run(&format!(
            "aws cloudformation describe-stack-resource --stack-name {stack} --logical-resource-id {logical_id} \
             --query StackResourceDetail.PhysicalResourceId --output text"
        ))
        .await;
    told.trim().to_owned()
}

fn words(words: impl Iterator<Item = String>) -> String {
    words.map(|word| format!(" {}", quoted(word))).collect()
}
