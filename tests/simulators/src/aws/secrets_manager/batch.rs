//! `BatchGetSecretValue`, by `SecretIdList` alone: nobody here asks by filters.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::SecretsManager;
use super::api::{GetSecretValue, get_secret_value, invalid};
use crate::aws::aws_json::AwsError;

/// "Array Members: Minimum number of 1 item. Maximum number of 20 items." (`SecretIdList`)
const LENGTHS: std::ops::RangeInclusive<usize> = 1..=20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchGetSecretValue {
    #[serde(default)]
    secret_id_list: Vec<String>,
    max_results: Option<u32>,
}

/// "If Secrets Manager encounters errors such as `AccessDeniedException` while attempting to retrieve any of the
/// secrets, you can see the errors in `Errors` in the response." What is denied IAM says, which is before the service.
pub(super) fn batch_get_secret_value(
    manager: &SecretsManager,
    asked: BatchGetSecretValue,
) -> Result<Value, AwsError> {
    let ids = asked.secret_id_list;
    if !LENGTHS.contains(&ids.len()) {
        return Err(invalid("SecretIdList must have 1 to 20 entries."));
    }
    if asked.max_results.is_some() {
        return Err(invalid(
            "To use MaxResults, you must also use the Filters parameter.",
        ));
    }
    // An error of the whole call (jdx/fnox#296); its code is not told there.
    if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
        return Err(invalid("SecretIdList names a secret twice."));
    }
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        match get_secret_value(manager, &GetSecretValue::current(&id)) {
            Ok(value) => values.push(value),
            Err(error) => errors.push(json!({
                "SecretId": id, "ErrorCode": error.code, "Message": error.message,
            })),
        }
    }
    Ok(json!({"SecretValues": values, "Errors": errors}))
}

#[cfg(test)]
mod tests {
    use super::super::client::Client;
    use super::*;

    #[tokio::test]
    async fn up_to_twenty_current_values_come_at_once_and_what_is_missing_is_named() {
        let client = Client::new();
        for n in 0..20 {
            let value = format!("v{n}");
            client
                .manager
                .create(&format!("s{n}"), &value, &[])
                .unwrap();
        }
        let pending = "00000000-0000-4000-8000-000000000001";
        client
            .manager
            .place_version("s0", pending, Some("w"), &["AWSPENDING"])
            .unwrap();
        let ask = async |ids: &[String]| {
            let asked = json!({ "SecretIdList": ids });
            client.call("BatchGetSecretValue", asked).await
        };
        let mut ids: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
        let all = ask(&ids).await.unwrap();
        assert_eq!(all["SecretValues"].as_array().unwrap().len(), 20);
        assert_eq!(all["SecretValues"][0]["SecretString"], "v0");
        assert_eq!(
            all["SecretValues"][0]["VersionStages"],
            json!(["AWSCURRENT"])
        );
        assert_eq!(all["Errors"], json!([]));

        ids[1] = "nothing".to_owned();
        let some = ask(&ids).await.unwrap();
        assert_eq!(some["SecretValues"].as_array().unwrap().len(), 19);
        let error = &some["Errors"][0];
        assert_eq!(error["SecretId"], "nothing");
        assert_eq!(error["ErrorCode"], "ResourceNotFoundException");

        ids.push("s1".to_owned());
        let twice = ["s0".to_owned(), "s0".to_owned()];
        for refused in [&ids[..], &[], &twice] {
            let refused = ask(refused).await.unwrap_err();
            assert_eq!(refused, "InvalidParameterException");
        }
    }
}
