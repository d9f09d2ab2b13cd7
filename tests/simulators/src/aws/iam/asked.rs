//! What a request asks for, in IAM's words (Service Authorization Reference).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::policy::Context;
use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::aws_json::operation_in;
use crate::aws::lambda::function_arn;
use crate::aws::secrets_manager::SecretsManager;
use crate::aws::ses::bare;

/// Reads many secrets, each of which may be denied by itself.
pub(super) const BATCH: &str = "BatchGetSecretValue";

/// What is asked for.
pub(super) struct Asked {
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) context: Context,
}

impl Asked {
    /// What a request to the service is; `None` where nobody would be refused it.
    pub(super) fn of(
        service: &str,
        request: &http::request::Parts,
        body: &Bytes,
        secrets: &SecretsManager,
    ) -> Option<Self> {
        match service {
            "secretsmanager" => of_secrets_manager(operation_in(&request.headers), body, secrets),
            "events" => Some(of_events(body)),
            "sts" => Some(of_sts(body)),
            "sns" => Some(of_sns(body)),
            "ses" => Some(of_ses(request.uri.path(), body)),
            "lambda" => {
                let function = request.uri.path().split('/').nth(3)?;
                let name = function.rsplit("%3A").next()?.rsplit(':').next()?;
                Some(Self {
                    action: "lambda:InvokeFunction".to_owned(),
                    resource: function_arn(name),
                    context: Context::new(),
                })
            }
            _ => None,
        }
    }

    /// The value of one of those that were asked for at once.
    pub(super) fn value_of(id: &str, secrets: &SecretsManager) -> Self {
        let (resource, context) = of_secret(id, secrets).unwrap_or_default();
        Self {
            action: "secretsmanager:GetSecretValue".to_owned(),
            resource,
            context,
        }
    }

    /// IAM's sentence where it may not be (IAM guide, "Troubleshoot access denied error messages").
    pub(super) fn refusal(&self) -> String {
        let Self {
            action, resource, ..
        } = self;
        format!(
            "User: arn:aws:sts::{ACCOUNT_ID}:assumed-role/simulated is not authorized to perform: {action} on resource: \
             {resource} because no identity-based policy allows the {action} action"
        )
    }
}

/// Its ARN and what a condition may ask of it; `None` where it is not there.
fn of_secret(id: &str, secrets: &SecretsManager) -> Option<(String, Context)> {
    let (arn, tags) = secrets.arn_and_tags(id)?;
    let tags = tags.into_iter();
    let tags = tags.map(|(tag, value)| (format!("aws:ResourceTag/{tag}"), vec![value]));
    Some((arn, tags.collect()))
}

/// `None` where the secret is not there: then the service says so.
fn of_secrets_manager(operation: &str, body: &Bytes, secrets: &SecretsManager) -> Option<Asked> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut context = Context::new();
    let mut resource = "*".to_owned();
    // The two know no resources (Service Authorization Reference); of the second see `withhold`.
    if !matches!(operation, "ListSecrets" | BATCH) {
        let id = body.get("SecretId").and_then(Value::as_str);
        (resource, context) = of_secret(id?, secrets)?;
    }
    let text = |field: &str| body.get(field)?.as_str().map(str::to_owned);
    let list = |field: &str| {
        body.get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let keys = list("Tags");
    let keys = keys.filter_map(|tag| tag.get("Key")?.as_str());
    let removed = list("TagKeys");
    let keys = keys
        .chain(removed.filter_map(Value::as_str))
        .map(str::to_owned);
    let modifies = body.get("RotationRules").map(|_| "true".to_owned());
    for (key, values) in [
        (
            "secretsmanager:VersionStage",
            Vec::from_iter(text("VersionStage")),
        ),
        (
            "secretsmanager:RotationLambdaARN",
            Vec::from_iter(text("RotationLambdaARN")),
        ),
        (
            "secretsmanager:ModifyRotationRules",
            Vec::from_iter(modifies),
        ),
        ("aws:TagKeys", keys.collect()),
    ] {
        if !values.is_empty() {
            context.insert(key.to_owned(), values);
        }
    }
    Some(Asked {
        action: format!("secretsmanager:{operation}"),
        resource,
        context,
    })
}

fn of_events(body: &Bytes) -> Asked {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = body.get("Entries").and_then(Value::as_array);
    let entries = entries.map_or(&[][..], Vec::as_slice);
    let all = |field: &str| {
        let texts = entries
            .iter()
            .filter_map(|entry| entry.get(field)?.as_str());
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    Asked {
        action: "events:PutEvents".to_owned(),
        resource: format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"),
        context: [
            ("events:source".to_owned(), all("Source")),
            ("events:detail-type".to_owned(), all("DetailType")),
        ]
        .into(),
    }
}

fn of_sts(body: &Bytes) -> Asked {
    let mut context = Context::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        let key = match name.split('.').next() {
            Some("Audience") => "sts:IdentityTokenAudience",
            Some("DurationSeconds") => "sts:DurationSeconds",
            Some("SigningAlgorithm") => "sts:SigningAlgorithm",
            _ => continue,
        };
        let values = context.entry(key.to_owned()).or_default();
        values.push(value.into_owned());
    }
    Asked {
        action: "sts:GetWebIdentityToken".to_owned(),
        resource: "*".to_owned(),
        context,
    }
}

fn of_sns(body: &Bytes) -> Asked {
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(body).collect();
    let of = |field: &str| form.get(field).map_or("", |value| value.as_ref());
    Asked {
        action: format!("sns:{}", of("Action")),
        resource: of("TopicArn").to_owned(),
        context: Context::new(),
    }
}

/// Its second interface names an action by its path.
fn of_ses(path: &str, body: &Bytes) -> Asked {
    let of_identity =
        |identity: &str| format!("arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/{identity}");
    let (action, resource, from) = match path.rsplit_once('/') {
        Some((_, "outbound-emails")) => {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let from = body.get("FromEmailAddress").and_then(Value::as_str);
            let from = bare(from.unwrap_or_default()).to_owned();
            ("ses:SendEmail", of_identity(&from), Some(from))
        }
        Some((before, identity)) if before.ends_with("/identities") => {
            let identity = identity.replace("%40", "@");
            ("ses:GetEmailIdentity", of_identity(&identity), None)
        }
        _ => ("ses:GetAccount", "*".to_owned(), None),
    };
    let from = from.map(|from| ("ses:FromAddress".to_owned(), vec![from]));
    Asked {
        action: action.to_owned(),
        resource,
        context: from.into_iter().collect(),
    }
}
