//! Whether a step may run: a pure function of labels, token and rotation state.

use shared::failure::{Failure, Kind};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::PENDING;

/// What the labels say of the version that a step is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionState {
    /// It is pending, and createSecret stored a credential in it.
    Stored,
    /// It is pending, and holds nothing of ours by its labels.
    NothingStored,
    /// It is the current one already, and Secrets Manager may call again.
    AlreadyCurrent,
}

/// Why a step may not run; then nothing is done.
#[derive(Debug)]
pub(super) struct Refusal {
    why: &'static str,
    /// Whether a later look may show something else: labels lag.
    pub(super) may_pass: bool,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(
            Kind::Refused,
            format!("checking the labels: {}", refusal.why),
        )
    }
}

/// Decides.
///
/// # Errors
/// [`Refusal`].
pub(super) fn guard(token: &str, secret: &SecretMetadata) -> Result<VersionState, Refusal> {
    let refuse = |why, may_pass| Err(Refusal { why, may_pass });
    if secret.is_replica() {
        return refuse(
            "the secret is a replica of another region's, and is rotated there",
            false,
        );
    }
    if secret.deleted {
        return refuse("the secret is marked for deletion", false);
    }
    let versions = &secret.versions;
    if versions.current() == Some(token) {
        return Ok(VersionState::AlreadyCurrent);
    }
    if !secret.rotation_enabled {
        return refuse("rotation of the secret is off", false);
    }
    if !versions.knows(token) {
        return refuse("the secret has no version with this token", true);
    }
    if !versions.has(token, PENDING) {
        return refuse("the version with this token is not AWSPENDING", true);
    }
    if versions.leftover() == Some(token) {
        return refuse(
            "the version with this token was current before, and was replaced",
            true,
        );
    }
    match versions.keys_of(token).is_empty() {
        false => Ok(VersionState::Stored),
        true => Ok(VersionState::NothingStored),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use shared::secret_store::versions::{CURRENT, PREVIOUS, Versions};

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";

    fn secret(labels: &[(&str, &[&str])]) -> SecretMetadata {
        let versions = labels.iter().map(|(version, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            ((*version).to_owned(), labels)
        });
        SecretMetadata {
            arn: "arn:aws:secretsmanager:eu-west-1:1:secret:name-AbC123".into(),
            name: "name".into(),
            rotation_enabled: true,
            versions: Versions(versions.collect()),
            tags: BTreeMap::new(),
            last_rotated: None,
            next_rotation: None,
            deleted: false,
            primary_region: Some("eu-west-1".into()),
        }
    }

    #[test]
    fn a_version_that_is_current_is_success_though_rotation_was_switched_off_since() {
        for labels in [&[CURRENT][..], &[CURRENT, PENDING, KEY]] {
            for rotation_enabled in [true, false] {
                let secret = SecretMetadata {
                    rotation_enabled,
                    ..secret(&[("t", labels)])
                };
                let state = guard("t", &secret).unwrap();
                assert_eq!(state, VersionState::AlreadyCurrent);
            }
        }
    }

    #[test]
    fn foreign_tokens_replicas_deleted_secrets_and_switched_off_rotation_are_refused() {
        let pending = || secret(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        let off = SecretMetadata {
            rotation_enabled: false,
            ..pending()
        };
        let deleted = SecretMetadata {
            deleted: true,
            ..pending()
        };
        let replica = SecretMetadata {
            primary_region: Some("eu-central-1".into()),
            ..pending()
        };
        let replaced = secret(&[("c", &[CURRENT]), ("t", &[PREVIOUS, PENDING, KEY])]);
        for (secret, may_pass) in [
            (off, false),
            (deleted, false),
            (replica, false),
            (secret(&[("c", &[CURRENT])]), true),
            (secret(&[("c", &[CURRENT]), ("t", &[PREVIOUS, KEY])]), true),
            (replaced, true),
        ] {
            let refusal = guard("t", &secret).unwrap_err();
            assert_eq!(refusal.may_pass, may_pass, "{}", refusal.why);
            assert_eq!(Failure::from(refusal).kind, Kind::Refused);
        }
    }

    #[test]
    fn the_key_label_tells_what_was_issued_from_what_was_not() {
        let of = |labels| guard("t", &secret(&[("c", &[CURRENT]), ("t", labels)])).unwrap();
        assert_eq!(of(&[PENDING]), VersionState::NothingStored);
        assert_eq!(of(&[PENDING, KEY]), VersionState::Stored);
    }
}
