//! Secrets Manager, the only store: values, labels and tags, in the words of the rotation.

mod values;
pub mod versions;

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::aws::{AwsSettings, Service, classify};
use crate::failure::Failure;
use crate::http;
use crate::retry::{CallError, Effect, Retry};
use versions::Versions;

/// A secret's metadata, as DescribeSecret and ListSecrets give it. Either may be moments old, the list minutes: "All
/// Secrets Manager operations are eventually consistent" (API reference, ListSecrets).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretMetadata {
    /// The whole ARN.
    pub arn: String,
    /// The name, without the six random characters.
    pub name: String,
    /// Whether rotation is switched on.
    pub rotation_enabled: bool,
    /// Versions and their labels.
    pub versions: Versions,
    /// Tags: a cache, never an authority.
    pub tags: BTreeMap<String, String>,
    /// When the last rotation succeeded, by AWS's clock.
    pub last_rotated: Option<Timestamp>,
    /// Until when Secrets Manager rotates by itself: the latest moment of that day's window.
    pub next_rotation: Option<Timestamp>,
    /// Whether it is marked for deletion.
    pub deleted: bool,
    /// The region in which it can be written.
    pub primary_region: Option<String>,
}

impl SecretMetadata {
    /// Whether it is a replica of another region's secret, whose name, tags and six random characters it
    /// has: then it is nobody's business here (Secrets Manager user guide, "Replicate secrets").
    #[must_use]
    pub fn is_replica(&self) -> bool {
        let region = self.arn.split(':').nth(3);
        let primary = self.primary_region.as_deref();
        primary.is_some_and(|primary| Some(primary) != region)
    }
}

/// A version's value.
#[derive(Debug, Clone)]
pub struct SecretValue {
    /// The version's id.
    pub version: String,
    /// The text.
    pub text: SecretString,
    /// When the version was made, by AWS's clock.
    pub created: Option<Timestamp>,
}

impl SecretValue {
    /// The value of a secret that shows none.
    #[must_use]
    pub fn none() -> Self {
        Self {
            version: String::new(),
            text: SecretString::default(),
            created: None,
        }
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// What it has.
    pub secrets: Vec<SecretMetadata>,
    /// By what the next one is asked for; `None` after the last.
    pub next: Option<String>,
}

/// How a compare-and-swap of a label ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelSwap {
    /// The label is where it was wanted.
    Done,
    /// Another writer moved the label first; nothing was changed.
    Lost,
}

/// How storing a version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The version holds the value.
    Done,
    /// The version holds another value already: versions are immutable.
    HasAnother,
}

/// Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretStore(Client);

impl SecretStore {
    /// The account's and region's that the settings name.
    #[must_use]
    pub fn new(settings: &AwsSettings, http: &http::Client) -> Self {
        let config = settings.config(Service::SecretsManager, http);
        Self(Client::new(&config))
    }

    /// One secret: labels, tags, state; no value.
    ///
    /// # Errors
    /// [`CallError`], also when there is no such secret.
    pub async fn describe(&self, secret: &str) -> Result<SecretMetadata, CallError> {
        let answer = self
            .0
            .describe_secret()
            .secret_id(secret)
            .send()
            .await
            .map_err(|error| classify("describing the secret", &error))?;
        Ok(SecretMetadata {
            arn: answer.arn().unwrap_or(secret).to_owned(),
            name: answer.name().unwrap_or(secret).to_owned(),
            rotation_enabled: answer.rotation_enabled().unwrap_or(false),
            versions: versions(answer.version_ids_to_stages()),
            tags: tags(answer.tags()),
            last_rotated: answer.last_rotated_date().and_then(timestamp),
            next_rotation: answer.next_rotation_date().and_then(timestamp),
            deleted: answer.deleted_date().is_some(),
            primary_region: answer.primary_region().map(str::to_owned),
        })
    }

    /// The value with this label.
    ///
    /// # Errors
    /// [`CallError`], also when no version has the label.
    pub async fn value_with_label(
        &self,
        secret: &str,
        label: &str,
    ) -> Result<SecretValue, CallError> {
        let value = self.value_if_labelled(secret, label).await?;
        value.ok_or_else(|| absent(secret, label))
    }

    /// The value with this label; `None` when no version has the label.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn value_if_labelled(
        &self,
        secret: &str,
        label: &str,
    ) -> Result<Option<SecretValue>, CallError> {
        let request = self.0.get_secret_value().secret_id(secret);
        value(secret, request.version_stage(label).send().await)
    }

    /// The value of this version; `None` when it has none (yet).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn value_of(
        &self,
        secret: &str,
        version: &str,
    ) -> Result<Option<SecretValue>, CallError> {
        let request = self.0.get_secret_value().secret_id(secret);
        value(secret, request.version_id(version).send().await)
    }

    /// Puts a value under this version id, with labels, in one call.
    ///
    /// # Errors
    /// [`CallError`]; with [`Effect::Unknown`] only reading the version tells what happened.
    pub async fn put(&self, put: Put<'_>) -> Result<Stored, CallError> {
        let answer = self
            .0
            .put_secret_value()
            .secret_id(put.secret)
            .client_request_token(put.version)
            .secret_string(put.text.expose_secret())
            .set_version_stages(Some(put.labels))
            .set_rotation_token(put.rotation_token.map(str::to_owned))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Stored::Done),
            Err(error) if code(&error) == Some("ResourceExistsException") => Ok(Stored::HasAnother),
            Err(error) => Err(classify("storing a version of the secret", &error)),
        }
    }

    /// Moves, sets or (without `to`) drops a label, if it still is where `from` says.
    ///
    /// # Errors
    /// [`CallError`] for all but a lost race.
    pub async fn swap_label(&self, swap: MoveLabel<'_>) -> Result<LabelSwap, CallError> {
        let answer = self
            .0
            .update_secret_version_stage()
            .secret_id(swap.secret)
            .version_stage(swap.label)
            .set_move_to_version_id(swap.to.map(str::to_owned))
            .set_remove_from_version_id(swap.from.map(str::to_owned))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(LabelSwap::Done),
            Err(error) if code(&error) == Some("InvalidParameterException") => {
                // Lost, done before (and the answer that said so was lost on the way), or no race at all:
                // a write on a replica is refused by the same name.
                let versions = self.describe(swap.secret).await?.versions;
                let holder = versions.with_label(swap.label);
                let done = match swap.to {
                    Some(to) => holder == Some(to),
                    None => holder != swap.from,
                };
                match done {
                    true => Ok(LabelSwap::Done),
                    false if holder != swap.from || says_that_the_label_is_elsewhere(&error) => {
                        Ok(LabelSwap::Lost)
                    }
                    false => Err(classify("moving a label of the secret", &error)),
                }
            }
            Err(error) => Err(classify("moving a label of the secret", &error)),
        }
    }

    /// Drops a label, if this version has it.
    ///
    /// # Errors
    /// As [`SecretStore::swap_label`].
    pub async fn drop_label(
        &self,
        secret: &str,
        label: &str,
        version: &str,
    ) -> Result<LabelSwap, CallError> {
        let drop = MoveLabel {
            secret,
            label,
            to: None,
            from: Some(version),
        };
        self.swap_label(drop).await
    }

    /// Sets a label, if no version has it.
    ///
    /// # Errors
    /// As [`SecretStore::swap_label`].
    pub async fn set_label(
        &self,
        secret: &str,
        label: &str,
        version: &str,
    ) -> Result<LabelSwap, CallError> {
        let set = MoveLabel {
            secret,
            label,
            to: Some(version),
            from: None,
        };
        self.swap_label(set).await
    }

    /// Sets tags.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn tag(&self, secret: &str, tags: &[(&str, String)]) -> Result<(), CallError> {
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(*key).value(value).build())
            .collect();
        let request = self.0.tag_resource().secret_id(secret);
        let answer = request.set_tags(Some(tags)).send().await;
        answer
            .map(|_| ())
            .map_err(|error| classify("tagging the secret", &error))
    }

    /// All secrets with this tag, oldest first. The list may be minutes stale: describe before acting.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self, tag: &str, tag_value: &str) -> Result<Vec<SecretMetadata>, CallError> {
        let mut secrets = Vec::new();
        let mut next = None;
        loop {
            let page = self.list_page(tag, tag_value, next).await?;
            secrets.extend(page.secrets);
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(secrets),
            }
        }
    }

    /// One page of the secrets with this tag: the first, or the one that the page before names.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_page(
        &self,
        tag: &str,
        tag_value: &str,
        next: Option<String>,
    ) -> Result<Page, CallError> {
        let filter = |name, value: &str| Filter::builder().key(name).values(value).build();
        let answer = self
            .0
            .list_secrets()
            .filters(filter(FilterNameStringType::TagKey, tag))
            .filters(filter(FilterNameStringType::TagValue, tag_value))
            // They can be restored, with all that they name.
            .include_planned_deletion(true)
            .max_results(LONGEST_PAGE)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| classify("listing the secrets", &error))?;
        let listed = answer.secret_list().iter().filter_map(listed);
        // A filter matches by prefix, and key and value of different tags: look again.
        let ours = |secret: &SecretMetadata| secret.tags.get(tag).is_some_and(|v| v == tag_value);
        Ok(Page {
            secrets: listed.filter(ours).collect(),
            next: answer.next_token().map(str::to_owned),
        })
    }

    /// Asks Secrets Manager to rotate, or, with the token of a rotation that stands still, to go on
    /// with it: "A previous rotation isn't complete. That rotation will be reattempted." is success.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn rotate(&self, secret: &str, token: Option<&str>) -> Result<(), CallError> {
        let request = self.0.rotate_secret().secret_id(secret);
        let request = request.set_client_request_token(token.map(str::to_owned));
        started(request.send().await)
    }
}

fn started(
    answer: Result<
        aws_sdk_secretsmanager::operation::rotate_secret::RotateSecretOutput,
        SdkError<aws_sdk_secretsmanager::operation::rotate_secret::RotateSecretError>,
    >,
) -> Result<(), CallError> {
    match answer {
        Ok(_) => Ok(()),
        Err(error) if reattempted(&error) => Ok(()),
        Err(error) => Err(classify("asking for the rotation", &error)),
    }
}

/// ListSecrets gives up to so many a page; the default is "specific to the operation" (API reference).
const LONGEST_PAGE: i32 = 100;

fn listed(entry: &SecretListEntry) -> Option<SecretMetadata> {
    Some(SecretMetadata {
        arn: entry.arn()?.to_owned(),
        name: entry.name()?.to_owned(),
        rotation_enabled: entry.rotation_enabled().unwrap_or(false),
        versions: versions(entry.secret_versions_to_stages()),
        tags: tags(entry.tags()),
        last_rotated: entry.last_rotated_date().and_then(timestamp),
        next_rotation: entry.next_rotation_date().and_then(timestamp),
        deleted: entry.deleted_date().is_some(),
        primary_region: entry.primary_region().map(str::to_owned),
    })
}

fn versions(labels: Option<&HashMap<String, Vec<String>>>) -> Versions {
    let labels = labels.into_iter().flatten();
    let version = |(version, labels): (&String, &Vec<String>)| {
        (version.clone(), labels.iter().cloned().collect())
    };
    Versions(labels.map(version).collect())
}

/// What [`SecretStore::put`] stores.
#[derive(Debug)]
pub struct Put<'a> {
    /// ARN of the secret.
    pub secret: &'a str,
    /// The version's id (`ClientRequestToken`).
    pub version: &'a str,
    /// The value.
    pub text: &'a SecretString,
    /// The version's labels.
    pub labels: Vec<String>,
    /// Given back to Secrets Manager where its event carried one.
    pub rotation_token: Option<&'a str>,
}

/// What [`SecretStore::swap_label`] moves.
#[derive(Debug, Clone, Copy)]
pub struct MoveLabel<'a> {
    /// ARN of the secret.
    pub secret: &'a str,
    /// The label.
    pub label: &'a str,
    /// The version that gets it; `None` drops it.
    pub to: Option<&'a str>,
    /// The version that must have it now; `None` when no version has it.
    pub from: Option<&'a str>,
}

fn value(
    secret: &str,
    answer: Result<
        aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput,
        SdkError<aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError>,
    >,
) -> Result<Option<SecretValue>, CallError> {
    match answer {
        Ok(answer) => Ok(answer.secret_string().map(|text| SecretValue {
            version: answer.version_id().unwrap_or_default().to_owned(),
            text: text.to_owned().into(),
            created: answer.created_date().and_then(timestamp),
        })),
        Err(error) if code(&error) == Some("ResourceNotFoundException") => Ok(None),
        Err(error) => Err(classify(
            &format!("reading the secret {}", shown(secret)),
            &error,
        )),
    }
}

/// The name of a secret as it may stand in logs and mails: an event may name it by anything. Secrets Manager
/// allows letters, digits and `/_+=.@-` (CreateSecret, `Name`).
fn shown(secret: &str) -> String {
    let name = secret.rsplit(":secret:").next().unwrap_or(secret);
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(*c);
    name.chars().filter(allowed).take(128).collect()
}

fn absent(secret: &str, label: &str) -> CallError {
    CallError {
        effect: Effect::None,
        retry: Retry::No,
        status: Some(400),
        failure: Failure::new(
            crate::failure::Kind::Misconfigured,
            format!(
                "reading the {label} version of {}: there is none",
                shown(secret)
            ),
        )
        .code("ResourceNotFoundException")
        .next_step(
            "Create this secret, and put a value (docs/configuration.md says what it holds).",
        ),
    }
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
}

/// What is read may be moments old and show the label where it was; then the message has to say that it is not:
/// "… Staging label X is currently attached to version Y, so you must explicitly reference that version in
/// RemoveFromVersionId" (terraform-provider-aws#19943). For another version than the holder's no text of
/// AWS's own was found; emulators say "… it must be set to the version that currently has the staging label
/// X." (floci#3247) and "Version stage X not found in version Y" (moto).
fn says_that_the_label_is_elsewhere<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let message = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::message)
        .unwrap_or_default()
        .to_lowercase();
    let says = |words: &str| message.contains(words);
    says("removefromversionid") || says("staging label") || says("version stage")
}

/// InvalidRequestException has many causes, and this one is success (seen in aws-cdk#28539 and
/// terraform-provider-aws#35023).
fn reattempted<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let message = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::message);
    code(error) == Some("InvalidRequestException")
        && message.is_some_and(|text| {
            text.contains("isn't complete") || text.contains("will be reattempted")
        })
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()));
    tags.iter().filter_map(pair).collect()
}

fn timestamp(time: &aws_sdk_secretsmanager::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}
