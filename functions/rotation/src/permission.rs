//! Which step may run: a pure function of labels, token and rotation state.

use shared::failure::{Failure, Kind};
use shared::secret_store::Described;
use shared::secret_store::versions::PENDING;

use crate::call::Step;

/// What a step may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Its work.
    Run,
    /// Nothing: the version is the current one already, and Secrets Manager may call again.
    AlreadyCurrent,
    /// Try the configuration with the current secret. Secrets Manager runs testSecret alone, on a
    /// version that is not ours, when rotation is set up with `RotateImmediately=false`.
    ConfigurationTest,
}

/// Decides.
///
/// # Errors
/// [`Kind::Refused`]; then nothing is done.
pub fn permission(step: Step, token: &str, secret: &Described) -> Result<Permission, Failure> {
    let refuse = |why: &str| {
        Err(Failure::new(
            Kind::Refused,
            format!("checking the labels: {why}"),
        ))
    };
    if secret.deleted {
        return refuse("the secret is marked for deletion");
    }
    if !secret.rotation_enabled {
        return refuse("rotation of the secret is off");
    }
    if !secret.versions.knows(token) {
        return refuse("the secret has no version with this token");
    }
    if secret.versions.current() == Some(token) {
        return Ok(Permission::AlreadyCurrent);
    }
    if !secret.versions.has(token, PENDING) {
        return refuse("the version with this token is not AWSPENDING");
    }
    if secret.versions.leftover() == Some(token) {
        return refuse("the version with this token was current before, and was replaced");
    }
    let issued = !secret.versions.keys_of(token).is_empty();
    match (step, issued) {
        (Step::Create, _) | (Step::Set | Step::Test | Step::Finish, true) => Ok(Permission::Run),
        (Step::Test, false) => Ok(Permission::ConfigurationTest),
        (Step::Set | Step::Finish, false) => {
            refuse("the pending version holds nothing that createSecret issued")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use shared::secret_store::versions::{CURRENT, PREVIOUS, Versions};

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";
    const STEPS: [Step; 4] = [Step::Create, Step::Set, Step::Test, Step::Finish];

    fn secret(labels: &[(&str, &[&str])]) -> Described {
        let versions = labels.iter().map(|(version, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            ((*version).to_owned(), labels)
        });
        Described {
            arn: "arn".into(),
            name: "name".into(),
            rotation_enabled: true,
            versions: Versions(versions.collect()),
            tags: BTreeMap::new(),
            last_rotated: None,
            deleted: false,
        }
    }

    #[test]
    fn a_version_that_is_current_is_success_for_every_step() {
        for labels in [&[CURRENT][..], &[CURRENT, PENDING, KEY]] {
            for step in STEPS {
                let secret = secret(&[("t", labels)]);
                assert_eq!(
                    permission(step, "t", &secret).unwrap(),
                    Permission::AlreadyCurrent
                );
            }
        }
    }

    #[test]
    fn foreign_tokens_and_switched_off_rotation_are_refused_for_every_step() {
        let mut off = secret(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        off.rotation_enabled = false;
        let mut deleted = secret(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        deleted.deleted = true;
        for secret in [
            off,
            deleted,
            secret(&[("c", &[CURRENT])]),
            secret(&[("c", &[CURRENT]), ("t", &[PREVIOUS, KEY])]),
        ] {
            for step in STEPS {
                assert_eq!(
                    permission(step, "t", &secret).unwrap_err().kind,
                    Kind::Refused
                );
            }
        }
    }

    #[test]
    fn a_pending_version_without_key_label_can_be_issued_or_is_a_configuration_test() {
        let secret = secret(&[("c", &[CURRENT]), ("t", &[PENDING])]);
        let of = |step| permission(step, "t", &secret);
        assert_eq!(of(Step::Create).unwrap(), Permission::Run);
        assert_eq!(of(Step::Test).unwrap(), Permission::ConfigurationTest);
        assert!(of(Step::Set).is_err());
        assert!(of(Step::Finish).is_err());
    }

    #[test]
    fn an_issued_pending_version_runs_every_step() {
        let secret = secret(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        for step in STEPS {
            assert_eq!(permission(step, "t", &secret).unwrap(), Permission::Run);
        }
    }
}
