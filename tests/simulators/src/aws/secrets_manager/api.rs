//! The operations on secrets, values, labels and tags, as the API reference documents them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::store::{CURRENT, PENDING, Secret, SecretValue, Version};
use super::{Rotation, SecretsManager, batch, listing, random_password, rotation, set_of, tags};
use crate::aws::aws_json::{AwsError, parameters};

/// "The maximum size of a secret value is 65,536 bytes" (Quotas).
const MAX_VALUE_BYTES: usize = 65_536;
/// "If you don't specify either …, then by default Secrets Manager waits 30 days" (`DeleteSecret`).
const DEFAULT_RECOVERY_DAYS: i64 = 30;

/// Handles one request.
pub(super) fn perform(
    manager: &Arc<SecretsManager>,
    operation: &str,
    body: &[u8],
) -> Result<Value, AwsError> {
    match operation {
        "BatchGetSecretValue" => batch::batch_get_secret_value(manager, parameters(body)?),
        "CancelRotateSecret" => rotation::cancel_rotate_secret(manager, parameters(body)?),
        "CreateSecret" => create_secret(manager, parameters(body)?),
        "DeleteSecret" => delete_secret(manager, parameters(body)?),
        "DescribeSecret" => describe_secret(manager, &parameters(body)?),
        "GetRandomPassword" => random_password::get_random_password(manager, parameters(body)?),
        "GetSecretValue" => get_secret_value(manager, &parameters(body)?),
        "ListSecretVersionIds" => listing::list_secret_version_ids(manager, parameters(body)?),
        "ListSecrets" => listing::list_secrets(manager, parameters(body)?),
        "PutSecretValue" => put_secret_value(manager, parameters(body)?),
        "RestoreSecret" => restore_secret(manager, &parameters(body)?),
        "RotateSecret" => rotation::rotate_secret(manager, parameters(body)?),
        "TagResource" => tag_resource(manager, parameters(body)?),
        "UntagResource" => untag_resource(manager, parameters(body)?),
        "UpdateSecretVersionStage" => update_secret_version_stage(manager, parameters(body)?),
        unknown => Err(AwsError::new("UnknownOperationException", unknown)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfSecret {
    pub(super) secret_id: String,
}

impl OfSecret {
    pub(super) fn of(secret: &str) -> Self {
        Self {
            secret_id: secret.to_owned(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateSecret {
    name: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_binary: Option<String>,
    secret_string: Option<String>,
    #[serde(default)]
    tags: Vec<tags::Tag>,
}

impl CreateSecret {
    pub(super) fn new(name: &str, value: &str, tags: Vec<tags::Tag>) -> Self {
        Self {
            name: name.to_owned(),
            secret_string: Some(value.to_owned()),
            tags,
            ..Self::default()
        }
    }
}

pub(super) fn create_secret(
    manager: &SecretsManager,
    asked: CreateSecret,
) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let token = version_id(manager, asked.client_request_token)?;
    let value = match (&asked.secret_string, &asked.secret_binary) {
        (None, None) => None,
        _ => Some(secret_value(asked.secret_string, asked.secret_binary)?),
    };
    check_name(&asked.name)?;
    let mut state = manager.state();
    if let Some(existing) = state.secrets.get(&asked.name) {
        return already_there(existing, &token, value.as_ref());
    }
    let mut secret = Secret {
        arn: manager.new_arn(&asked.name),
        name: asked.name,
        description: asked.description,
        kms_key_id: asked.kms_key_id,
        tags: [].into(),
        versions: Vec::new(),
        rotation: Rotation::default(),
        created: now,
        last_changed: now,
        last_accessed: None,
        deleted: None,
        primary_region: None,
    };
    tags::merge(&mut secret.tags, asked.tags)?;
    let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
    if let Some(value) = value {
        secret.put(&token, value, &set_of([CURRENT]), now)?;
        answer = json!({"ARN": secret.arn, "Name": secret.name, "VersionId": token});
    }
    state.secrets.push(secret);
    Ok(answer)
}

/// "If a version with this value already exists and the version of the `SecretString` and `SecretBinary`
/// values are the same as those in the request, then the request is ignored." (`CreateSecret`)
fn already_there(
    existing: &Secret,
    token: &str,
    value: Option<&SecretValue>,
) -> Result<Value, AwsError> {
    if existing.deleted.is_some() {
        return Err(AwsError::new(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ));
    }
    let same = existing
        .version(token)
        .is_some_and(|version| value.is_some() && version.value.as_ref() == value);
    if !same {
        return Err(AwsError::new(
            "ResourceExistsException",
            format!(
                "The operation failed because the secret {} already exists.",
                existing.name
            ),
        ));
    }
    Ok(json!({"ARN": existing.arn, "Name": existing.name, "VersionId": token}))
}

fn describe_secret(manager: &SecretsManager, asked: &OfSecret) -> Result<Value, AwsError> {
    let mut state = manager.state();
    let secret = state.as_described(&asked.secret_id)?;
    Ok(described(&secret, "VersionIdsToStages"))
}

/// The metadata, which `DescribeSecret` and `ListSecrets` share but for the name of one field.
pub(super) fn described(secret: &Secret, versions_field: &str) -> Value {
    // "If a version does not have a staging label, it is deprecated, and is not included" here.
    let labelled = secret
        .versions
        .iter()
        .filter(|version| !version.labels.is_empty())
        .map(|version| (version.id.clone(), json!(version.labels)));
    let tags: Vec<Value> = secret
        .tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let rotation = &secret.rotation;
    // "If the secret isn't configured for rotation or rotation has been disabled, Secrets Manager
    // returns null" (both dates).
    let if_enabled = |date: Option<Timestamp>| date.filter(|_| rotation.enabled).map(seconds);
    let configured = rotation.lambda_arn.is_some();
    let mut fields = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "Description": secret.description,
        "KmsKeyId": secret.kms_key_id,
        "RotationEnabled": configured.then_some(rotation.enabled),
        "RotationLambdaARN": rotation.lambda_arn,
        "RotationRules": rotation.rules,
        "LastRotatedDate": if_enabled(rotation.last_rotated),
        "NextRotationDate": if_enabled(rotation.next),
        "LastChangedDate": seconds(secret.last_changed),
        "LastAccessedDate": secret.last_accessed.map(day),
        "DeletedDate": secret.deleted.map(seconds),
        "CreatedDate": seconds(secret.created),
        "PrimaryRegion": secret.primary_region,
        "Tags": tags,
        versions_field: labelled.collect::<serde_json::Map<_, _>>(),
    });
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    fields
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetSecretValue {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

impl GetSecretValue {
    pub(super) fn current(secret: &str) -> Self {
        Self {
            secret_id: secret.to_owned(),
            version_id: None,
            version_stage: None,
        }
    }
}

pub(super) fn get_secret_value(
    manager: &SecretsManager,
    asked: &GetSecretValue,
) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let mut state = manager.state();
    state.live_secret_mut(&asked.secret_id)?.last_accessed = Some(now);
    let shown = state.as_read(&asked.secret_id)?;
    let stage = asked.version_stage.as_deref();
    let not_found = |by: &str, wanted: &str| {
        AwsError::new(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified secret value for {by}: {wanted}"),
        )
    };
    let (found, missing) = match (&asked.version_id, stage) {
        (Some(id), _) => (shown.version(id), not_found("VersionId", id)),
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            (shown.labelled(stage), not_found("staging label", stage))
        }
    };
    let Some(version) = found else {
        return Err(missing);
    };
    if stage.is_some_and(|stage| !version.labels.contains(stage)) {
        return Err(AwsError::new(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    let (arn, name) = (shown.arn.clone(), shown.name.clone());
    let secret = state.live_secret_mut(&asked.secret_id)?;
    if let Some(late) = secret
        .version_mut(&version.id)
        .filter(|v| v.lagging_reads > 0)
    {
        late.lagging_reads -= 1;
        return Err(missing);
    }
    let mut answer = json!({
        "ARN": arn,
        "Name": name,
        "VersionId": version.id,
        "VersionStages": version.labels,
        "CreatedDate": seconds(version.created),
    });
    // A version that waits for its value is not found (moto#8504).
    let (field, value) = match &version.value {
        Some(SecretValue::Text(text)) => ("SecretString", text),
        Some(SecretValue::Binary(binary)) => ("SecretBinary", binary),
        None => return Err(missing),
    };
    if let Some(fields) = answer.as_object_mut() {
        fields.insert(field.to_owned(), value.clone().into());
    }
    Ok(answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutSecretValue {
    secret_id: String,
    client_request_token: Option<String>,
    secret_binary: Option<String>,
    secret_string: Option<String>,
    version_stages: Option<BTreeSet<String>>,
    rotation_token: Option<String>,
}

impl PutSecretValue {
    pub(super) fn current(secret: &str, version: &str, text: &str) -> Self {
        Self {
            secret_id: secret.to_owned(),
            client_request_token: Some(version.to_owned()),
            secret_binary: None,
            secret_string: Some(text.to_owned()),
            version_stages: None,
            rotation_token: None,
        }
    }
}

pub(super) fn put_secret_value(
    manager: &SecretsManager,
    asked: PutSecretValue,
) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let token = version_id(manager, asked.client_request_token)?;
    let value = secret_value(asked.secret_string, asked.secret_binary)?;
    // "If you don't include VersionStages, then Secrets Manager automatically moves the staging label
    // AWSCURRENT to this version." (PutSecretValue)
    let labels = asked.version_stages.unwrap_or_else(|| set_of([CURRENT]));
    check_labels(&labels)?;
    let mut state = manager.state();
    let lagging_reads = state.settings.pending_lag_reads;
    let secret = state.written_secret_mut(&asked.secret_id)?;
    let current_before = secret.labelled(CURRENT).map(|version| version.id.clone());
    let is_new = secret.version(&token).is_none();
    let changed = secret.put(&token, value, &labels, now)?;
    if let (true, Some(version)) = (changed, secret.version_mut(&token)) {
        version.rotation_token = asked.rotation_token;
        if version.labels.contains(PENDING) {
            version.lagging_reads = lagging_reads;
        }
    }
    let answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": token,
        "VersionStages": secret.version(&token).map(|version| &version.labels),
    });
    let moved = current_before.as_ref() != secret.labelled(CURRENT).map(|version| &version.id);
    if moved && current_before.is_some() {
        let arn = secret.arn.clone();
        rotation::rotated_by_hand(&mut state, &arn, is_new, now);
    }
    Ok(answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateSecretVersionStage {
    secret_id: String,
    version_stage: String,
    move_to_version_id: Option<String>,
    remove_from_version_id: Option<String>,
}

fn update_secret_version_stage(
    manager: &SecretsManager,
    asked: UpdateSecretVersionStage,
) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    check_labels(&set_of([&asked.version_stage]))?;
    let mut state = manager.state();
    let custom_labels_stay = state.settings.custom_labels_stay;
    let secret = state.written_secret_mut(&asked.secret_id)?;
    let current = secret.labelled(CURRENT).map(|version| version.id.clone());
    secret.move_label(
        &asked.version_stage,
        asked.move_to_version_id.as_deref(),
        asked.remove_from_version_id.as_deref(),
        now,
    )?;
    let moved = current.filter(|was| secret.labelled(CURRENT).is_some_and(|now| now.id != *was));
    if let Some(was) = moved.filter(|_| !custom_labels_stay) {
        secret.drop_custom_labels(&was);
    }
    Ok(json!({"ARN": secret.arn, "Name": secret.name}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteSecret {
    secret_id: String,
    recovery_window_in_days: Option<i64>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

fn delete_secret(manager: &SecretsManager, asked: DeleteSecret) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let window = asked.recovery_window_in_days;
    if window.is_some() && asked.force_delete_without_recovery {
        return Err(invalid(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    if window.is_some_and(|days| !(7..=30).contains(&days)) {
        return Err(invalid(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let mut state = manager.state();
    let date = match asked.force_delete_without_recovery {
        true => now,
        false => now + SignedDuration::from_hours(24 * window.unwrap_or(DEFAULT_RECOVERY_DAYS)),
    };
    let secret = state.mark_for_deletion(&asked.secret_id, date)?;
    Ok(json!({"ARN": secret.arn, "Name": secret.name, "DeletionDate": seconds(date)}))
}

fn restore_secret(manager: &SecretsManager, asked: &OfSecret) -> Result<Value, AwsError> {
    let mut state = manager.state();
    let secret = state.secret_mut(&asked.secret_id)?;
    secret.deleted = None;
    Ok(json!({"ARN": secret.arn, "Name": secret.name}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagResource {
    secret_id: String,
    tags: Vec<tags::Tag>,
}

fn tag_resource(manager: &SecretsManager, asked: TagResource) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let mut state = manager.state();
    let secret = state.written_secret_mut(&asked.secret_id)?;
    tags::merge(&mut secret.tags, asked.tags)?;
    secret.last_changed = now;
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UntagResource {
    secret_id: String,
    tag_keys: Vec<String>,
}

fn untag_resource(manager: &SecretsManager, asked: UntagResource) -> Result<Value, AwsError> {
    let now = manager.clock.now();
    let mut state = manager.state();
    let secret = state.written_secret_mut(&asked.secret_id)?;
    secret.tags.retain(|key, _| !asked.tag_keys.contains(key));
    secret.last_changed = now;
    Ok(json!({}))
}

/// The token that becomes the version's id. The SDKs always send one.
pub(super) fn version_id(
    manager: &SecretsManager,
    token: Option<String>,
) -> Result<String, AwsError> {
    let token = token.unwrap_or_else(|| manager.ids.uuid());
    if !(32..=64).contains(&token.chars().count()) {
        return Err(invalid("ClientRequestToken must be 32-64 characters long."));
    }
    Ok(token)
}

fn secret_value(text: Option<String>, binary: Option<String>) -> Result<SecretValue, AwsError> {
    let (value, size) = match (text, binary) {
        (Some(text), None) => {
            let size = text.len();
            (SecretValue::Text(text), size)
        }
        (None, Some(binary)) => {
            let bytes = data_encoding::BASE64.decode(binary.as_bytes());
            let bytes =
                bytes.map_err(|_| AwsError::new("SerializationException", "SecretBinary"))?;
            (SecretValue::Binary(binary), bytes.len())
        }
        (None, None) => {
            return Err(AwsError::new(
                "InvalidRequestException",
                "You must provide either SecretString or SecretBinary.",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            ));
        }
    };
    if !(1..=MAX_VALUE_BYTES).contains(&size) {
        return Err(AwsError::new(
            "ValidationException",
            format!(
                "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length between 1 and {MAX_VALUE_BYTES}"
            ),
        ));
    }
    Ok(value)
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || "/_+=.@-!".contains(character);
    if (1..=512).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(AwsError::new(
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

fn check_labels(labels: &BTreeSet<String>) -> Result<(), AwsError> {
    let lengths_fit = labels
        .iter()
        .all(|label| (1..=256).contains(&label.chars().count()));
    if labels.is_empty() || !lengths_fit {
        return Err(invalid("A staging label has 1 to 256 characters."));
    }
    Ok(())
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

/// A time on the wire: seconds since 1970 with milliseconds.
pub(super) fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

/// "The date that the secret was last accessed in the Region. This field is omitted if …": a date.
fn day(time: Timestamp) -> f64 {
    seconds(time).div_euclid(86_400.0) * 86_400.0
}

impl Version {
    /// A version that a rotation makes, with what a configuration test may find in it.
    pub(super) fn pending(id: &str, value: Option<SecretValue>, created: Timestamp) -> Self {
        Self {
            value,
            ..Self::empty(id, created)
        }
    }
}

#[cfg(test)]
mod tests;
