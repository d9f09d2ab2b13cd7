//! `GetRandomPassword`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::SecretsManager;
use crate::aws::aws_json::AwsError;

/// "If you don't include this parameter, the default length is 32 characters." (`GetRandomPassword`)
const DEFAULT_LENGTH: usize = 32;
/// "Minimum value of 1. Maximum value of 4096." (`GetRandomPassword`, `PasswordLength`)
const MOST: usize = 4096;

/// Of what may be asked, only how the runbook asks: letters and digits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetRandomPassword {
    password_length: Option<usize>,
    exclude_punctuation: Option<bool>,
}

pub(super) fn get_random_password(
    manager: &SecretsManager,
    asked: GetRandomPassword,
) -> Result<Value, AwsError> {
    let length = asked.password_length.unwrap_or(DEFAULT_LENGTH);
    if !(1..=MOST).contains(&length) {
        let message = format!("PasswordLength is {length}");
        return Err(AwsError::new("InvalidParameterException", message));
    }
    if asked.exclude_punctuation != Some(true) {
        let message = "Not simulated: punctuation";
        return Err(AwsError::new("InvalidParameterException", message));
    }
    Ok(json!({"RandomPassword": manager.ids.alphanumeric(length)}))
}

#[cfg(test)]
mod tests {
    use super::super::client::Client;
    use super::*;

    #[tokio::test]
    async fn a_password_has_the_length_and_the_characters_that_are_asked_for() {
        let client = Client::new();
        let asked = json!({"PasswordLength": 64, "ExcludePunctuation": true});
        let answer = client.call("GetRandomPassword", asked.clone()).await;
        let password = answer.unwrap()["RandomPassword"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(password.len(), 64);
        assert!(password.chars().all(|c| c.is_ascii_alphanumeric()));
        let another = client.call("GetRandomPassword", asked).await.unwrap();
        assert_ne!(another["RandomPassword"], password);
        let long = json!({"PasswordLength": 4097, "ExcludePunctuation": true});
        assert!(client.call("GetRandomPassword", long).await.is_err());
    }
}
