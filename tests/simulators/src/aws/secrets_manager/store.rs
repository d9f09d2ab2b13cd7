//! What Secrets Manager keeps, and the rules by which versions and labels change. No clock, no wire.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::schedule::RotationRules;
use crate::aws::aws_json::AwsError;

/// The version that readers get.
pub const CURRENT: &str = "AWSCURRENT";
/// The version that readers got before.
pub const PREVIOUS: &str = "AWSPREVIOUS";
/// The version that a rotation is making.
pub const PENDING: &str = "AWSPENDING";

/// "Staging labels attached across all versions of a secret: 20" (AWS quotas page;
/// terraform-provider-aws#47597).
const MAX_LABELS: usize = 20;
/// "Secrets Manager removes deprecated versions when there are more than 100" (Concepts: Version).
const MAX_VERSIONS: usize = 100;
/// "Secrets Manager does not remove versions created less than 24 hours ago" (the same place).
const MIN_VERSION_AGE: SignedDuration = SignedDuration::from_hours(24);

/// A version's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// `SecretString`
    Text(String),
    /// `SecretBinary`, as it came: in Base64.
    Binary(String),
}

/// One version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The `ClientRequestToken` that it was made with.
    pub id: String,
    /// None before a rotation function has put one.
    pub value: Option<SecretValue>,
    /// Staging labels.
    pub labels: BTreeSet<String>,
    /// When the version came to be.
    pub created: Timestamp,
    /// What the writer of the value gave as `RotationToken`.
    pub rotation_token: Option<String>,
    /// How many more reads do not find the value yet.
    pub lagging_reads: u32,
}

impl Version {
    /// A version without value and labels.
    #[must_use]
    pub fn empty(id: &str, created: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            value: None,
            labels: BTreeSet::new(),
            created,
            rotation_token: None,
            lagging_reads: 0,
        }
    }

    /// The value, when it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Some(SecretValue::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// How a secret rotates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rotation {
    /// `RotationEnabled`
    pub enabled: bool,
    /// `RotationLambdaARN`
    pub lambda_arn: Option<String>,
    /// `RotationRules`
    pub rules: Option<RotationRules>,
    /// The last success, or the last change of AWSCURRENT by hand.
    pub last_rotated: Option<Timestamp>,
    /// When the service will start one by itself.
    pub next: Option<Timestamp>,
}

/// A secret with everything that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The full ARN; its last six characters are random.
    pub arn: String,
    /// The friendly name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The customer-managed key, if one was given.
    pub kms_key_id: Option<String>,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// How it rotates.
    pub rotation: Rotation,
    /// When it was created.
    pub created: Timestamp,
    /// When anything about it changed.
    pub last_changed: Timestamp,
    /// When a value was read.
    pub last_accessed: Option<Timestamp>,
    /// When it will be deleted for good.
    pub deleted: Option<Timestamp>,
    /// Where it can be written. AWS names it for replicated secrets only (recorded in localstack's tests).
    pub primary_region: Option<String>,
}

impl Secret {
    /// The version with this id.
    #[must_use]
    pub fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(super) fn version_mut(&mut self, id: &str) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.id == id)
    }

    /// The version that has this label.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.labels.contains(label))
    }

    fn holder(&self, label: &str) -> Option<String> {
        self.labelled(label).map(|version| version.id.clone())
    }

    /// Whether this is another region's secret.
    #[must_use]
    pub fn is_replica(&self) -> bool {
        let region = self.arn.split(':').nth(3);
        self.primary_region.is_some() && self.primary_region.as_deref() != region
    }

    /// The version that an unfinished rotation is making: "If the AWSPENDING staging label is present
    /// but not attached to the same version as AWSCURRENT" (`RotateSecret`).
    #[must_use]
    pub fn unfinished_rotation(&self) -> Option<&Version> {
        self.labelled(PENDING)
            .filter(|version| !version.labels.contains(CURRENT))
    }

    /// Puts a value: into a version of its own, or into one that waits for it.
    /// Tells whether anything changed.
    pub(super) fn put(
        &mut self,
        id: &str,
        value: SecretValue,
        labels: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        match self.version(id) {
            // "This operation is idempotent. If … you specify the same secret data, the operation
            // succeeds but does nothing." (PutSecretValue)
            Some(version) if version.value.as_ref() == Some(&value) => return Ok(false),
            Some(version) if version.value.is_some() => {
                return Err(AwsError::new(
                    "ResourceExistsException",
                    format!(
                        "You can't use ClientRequestToken {id} because that value is already in use for a version of secret {}.",
                        self.arn
                    ),
                ));
            }
            _ => {}
        }
        let first = self.versions.is_empty();
        self.within_label_limit(labels)?;
        match self.version_mut(id) {
            Some(version) => version.value = Some(value),
            None => self.versions.push(Version {
                value: Some(value),
                ..Version::empty(id, now)
            }),
        }
        for label in labels {
            self.attach(label, id);
        }
        // "If this operation creates the first version for the secret, then Secrets Manager
        // automatically attaches the staging label AWSCURRENT to it." (PutSecretValue)
        if first {
            self.attach(CURRENT, id);
        }
        self.last_changed = now;
        self.prune(now);
        Ok(true)
    }

    /// `UpdateSecretVersionStage`: the one compare-and-swap that the service offers.
    pub(super) fn move_label(
        &mut self,
        label: &str,
        move_to: Option<&str>,
        remove_from: Option<&str>,
        now: Timestamp,
    ) -> Result<(), AwsError> {
        for id in [move_to, remove_from].into_iter().flatten() {
            if self.version(id).is_none() {
                return Err(invalid(format!("Not a valid version: {id}")));
            }
        }
        let holder = self.holder(label);
        // "If the label is attached and you either do not specify this parameter, or the version ID
        // does not match, then the operation fails." (RemoveFromVersionId)
        if remove_from.is_some() && remove_from != holder.as_deref() {
            return Err(invalid(format!(
                "When you move staging label {label}, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label {label}."
            )));
        }
        match (move_to, holder.as_deref()) {
            (None, _) if remove_from.is_none() => {
                return Err(invalid(
                    "You must specify MoveToVersionId, RemoveFromVersionId or both.",
                ));
            }
            (None, _) if label == CURRENT => {
                return Err(invalid(
                    "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
                ));
            }
            (None, _) => self.detach(label),
            (Some(to), Some(holder)) if to == holder => {}
            (Some(_), Some(holder)) if remove_from.is_none() => {
                return Err(invalid(format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                )));
            }
            (Some(to), _) => {
                let mut more = BTreeSet::from([label.to_owned()]);
                if label == CURRENT {
                    more.insert(PREVIOUS.to_owned());
                }
                self.within_label_limit(&more)?;
                self.attach(label, to);
            }
        }
        self.last_changed = now;
        self.prune(now);
        Ok(())
    }

    /// Moves `label` to the version. "Whenever you move AWSCURRENT, Secrets Manager automatically
    /// moves the label AWSPREVIOUS to the version that AWSCURRENT was removed from."
    pub(super) fn attach(&mut self, label: &str, id: &str) {
        let before = self.holder(label);
        if before.as_deref() == Some(id) {
            return;
        }
        self.detach(label);
        if let Some(version) = self.version_mut(id) {
            version.labels.insert(label.to_owned());
        }
        if let (CURRENT, Some(before)) = (label, before) {
            self.attach(PREVIOUS, &before);
        }
    }

    pub(super) fn detach(&mut self, label: &str) {
        for version in &mut self.versions {
            version.labels.remove(label);
        }
    }

    pub(super) fn remove_version(&mut self, id: &str) {
        self.versions.retain(|version| version.id != id);
    }

    fn within_label_limit(&self, more: &BTreeSet<String>) -> Result<(), AwsError> {
        let all = self.versions.iter().flat_map(|version| &version.labels);
        if all.chain(more).collect::<BTreeSet<_>>().len() > MAX_LABELS {
            return Err(AwsError::new(
                "LimitExceededException",
                "You exceeded the maximum number of staging labels allowed on a secret.",
            ));
        }
        Ok(())
    }

    /// Takes all labels but AWS's own from a version.
    pub(super) fn drop_custom_labels(&mut self, id: &str) {
        if let Some(version) = self.version_mut(id) {
            version.labels.retain(|label| label.starts_with("AWS"));
        }
    }

    fn prune(&mut self, now: Timestamp) {
        let mut surplus = self.versions.len().saturating_sub(MAX_VERSIONS);
        self.versions.retain(|version| {
            let deprecated = version.labels.is_empty();
            let old = now.duration_since(version.created) >= MIN_VERSION_AGE;
            if surplus > 0 && deprecated && old {
                surplus -= 1;
                return false;
            }
            true
        });
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
    }

    fn text(value: &str) -> SecretValue {
        SecretValue::Text(value.to_owned())
    }

    fn labels(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn secret(versions: &[(&str, &[&str])]) -> Secret {
        Secret {
            arn: "arn".to_owned(),
            name: "name".to_owned(),
            description: None,
            kms_key_id: None,
            tags: BTreeMap::new(),
            versions: versions
                .iter()
                .map(|&(id, names)| Version {
                    value: Some(text(id)),
                    labels: labels(names),
                    ..Version::empty(id, at(0))
                })
                .collect(),
            rotation: Rotation::default(),
            created: at(0),
            last_changed: at(0),
            last_accessed: None,
            deleted: None,
            primary_region: None,
        }
    }

    fn of(secret: &Secret, id: &str) -> Vec<String> {
        let version = secret.version(id).unwrap();
        version.labels.iter().cloned().collect()
    }

    #[test]
    fn a_version_takes_its_value_once() {
        let mut secret = secret(&[("one", &[CURRENT])]);
        secret.versions.push(Version {
            labels: labels(&[PENDING]),
            ..Version::empty("two", at(0))
        });
        let stages = labels(&[PENDING, "key-1"]);
        assert_eq!(secret.put("two", text("a"), &stages, at(1)), Ok(true));
        assert_eq!(of(&secret, "two"), [PENDING, "key-1"]);
        assert_eq!(secret.put("two", text("a"), &stages, at(1)), Ok(false));
        let refused = secret.put("two", text("b"), &stages, at(1)).unwrap_err();
        assert_eq!(refused.code, "ResourceExistsException");
        assert_eq!(secret.version("two").unwrap().text(), Some("a"));
    }

    #[test]
    fn moving_a_label_names_its_holder() {
        let mut secret = secret(&[("one", &[CURRENT]), ("two", &[PENDING]), ("three", &[])]);
        for (to, from) in [
            (Some("two"), None),
            (Some("two"), Some("three")),
            (None, Some("three")),
            (None, Some("one")),
            (None, None),
            (Some("nowhere"), Some("one")),
        ] {
            let refused = secret.move_label(CURRENT, to, from, at(1)).unwrap_err();
            assert_eq!(refused.code, "InvalidParameterException", "{to:?} {from:?}");
        }
        assert_eq!(of(&secret, "one"), [CURRENT]);
        let fresh = secret.move_label("key-1", Some("three"), Some("one"), at(1));
        assert_eq!(fresh.unwrap_err().code, "InvalidParameterException");
        secret
            .move_label("key-1", Some("three"), None, at(1))
            .unwrap();
        assert_eq!(of(&secret, "three"), ["key-1"]);
        secret
            .move_label("key-1", None, Some("three"), at(1))
            .unwrap();
        assert!(of(&secret, "three").is_empty());
    }

    #[test]
    fn the_previous_version_follows_the_current_one() {
        let mut secret = secret(&[
            ("one", &[PREVIOUS]),
            ("two", &[CURRENT]),
            ("three", &[PENDING]),
        ]);
        secret
            .move_label(CURRENT, Some("three"), Some("two"), at(1))
            .unwrap();
        assert!(of(&secret, "one").is_empty());
        assert_eq!(of(&secret, "two"), [PREVIOUS]);
        assert_eq!(of(&secret, "three"), [CURRENT, PENDING]);
        assert!(secret.unfinished_rotation().is_none());
    }

    #[test]
    fn a_secret_has_twenty_labels_over_all_its_versions() {
        let mut secret = secret(&[("one", &[CURRENT])]);
        let names: BTreeSet<String> = (0..18).map(|n| format!("label-{n:02}")).collect();
        secret.move_label("x", Some("one"), None, at(1)).unwrap();
        let too_many = secret.put("two", text("a"), &(&names | &labels(&["y"])), at(1));
        assert_eq!(too_many.unwrap_err().code, "LimitExceededException");
        assert!(secret.version("two").is_none());
        secret.put("two", text("a"), &names, at(1)).unwrap();
        let full = secret.move_label("y", Some("two"), None, at(1));
        assert_eq!(full.unwrap_err().code, "LimitExceededException");
        // Moving one adds none.
        secret
            .move_label("x", Some("two"), Some("one"), at(1))
            .unwrap();
    }

    #[test]
    fn only_old_unlabelled_versions_beyond_a_hundred_go() {
        let mut secret = secret(&[
            ("kept", &["label"]),
            ("first", &[]),
            ("current", &[CURRENT]),
        ]);
        for n in 0..97 {
            secret
                .put(&format!("v{n}"), text("a"), &labels(&["candidate"]), at(1))
                .unwrap();
        }
        assert_eq!(secret.versions.len(), 100);
        secret
            .put("more", text("a"), &labels(&["candidate"]), at(2))
            .unwrap();
        assert_eq!(secret.versions.len(), 101, "all are younger than a day");
        secret
            .put("later", text("a"), &labels(&["candidate"]), at(24))
            .unwrap();
        assert!(secret.version("first").is_none());
        assert!(secret.version("kept").is_some());
        assert!(
            secret.version("v0").is_some(),
            "made an hour after the first"
        );
    }
}
