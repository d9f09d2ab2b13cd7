//! sweep: removes credentials of ours whose value was never stored; and how credentials are removed.

use serde_json::{Value, json};
use shared::credential::{KeyId, Marker, secret_suffix};
use shared::entra::application::{Application, Registration, Removal};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, backoff, with_retries};
use shared::secret_store::Described;
use shared::secret_store::versions::{CURRENT, PENDING};

use crate::Rotation;

/// The credentials with our marker that no version's label names. Their values are gone for good.
///
/// Left out are those of a rotation whose pending version holds nothing yet: a running createSecret
/// may be about to store one. createSecret itself removes the others once it has stored its own.
///
/// `secret` must have been described after `application` was read: a label is set after its
/// credential was added, so a credential that was seen and is not named then is in flight or lost.
pub(crate) fn orphans(application: &Application, secret: &Described) -> Vec<KeyId> {
    let ours = secret_suffix(&secret.arn);
    let named: Vec<KeyId> = secret
        .versions
        .keys()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let lost = application.credentials.iter().filter(|credential| {
        let marker = credential.display_name.as_deref().and_then(Marker::read);
        marker.is_some_and(|marker| {
            let in_flight = secret.versions.has(&marker.token, PENDING)
                && secret.versions.keys_of(&marker.token).is_empty();
            marker.secret == ours && !named.contains(&credential.key_id) && !in_flight
        })
    });
    lost.map(|credential| credential.key_id).collect()
}

impl Rotation {
    pub(crate) async fn sweep(&self, secret: &str, deadline: Deadline) -> Result<Value, Failure> {
        let current = self.store.value_with_label(secret, CURRENT).await?;
        let mailbox = MailboxSecret::read(&current.text)?;
        let tokens = self.rotators.token(&mailbox, deadline).await?;
        let app = self.app(&mailbox);
        let registration = self.registration(&app, &tokens);
        let application = with_retries(deadline, async || registration.read().await).await?;
        let secret = self.store.describe(secret).await?;
        let lost = orphans(&application, &secret);
        // One that cannot be removed does not keep the others.
        let mut first_failure = None;
        let mut removed = Vec::new();
        for key_id in lost {
            match self
                .remove_orphan(&secret, &registration, key_id, deadline)
                .await
            {
                Ok(()) => removed.push(key_id),
                Err(failure) => {
                    first_failure.get_or_insert(failure);
                }
            }
        }
        self.grants(&secret).tidy().await?;
        match first_failure {
            Some(failure) => Err(failure),
            None => Ok(json!({ "removed": removed })),
        }
    }

    /// Removes a credential and makes sure that it is gone: Graph's "no such credential" can also
    /// mean that this replica has not heard of it yet.
    pub(crate) async fn remove_credential(
        &self,
        registration: &Registration<'_>,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        for attempt in 1..=LOOKS {
            let removal = with_retries(deadline, async || {
                registration.remove_password(key_id).await
            })
            .await?;
            match removal {
                Removal::Removed => return Ok(()),
                Removal::NotFound => {
                    let gone = with_retries(deadline, async || registration.read().await).await?;
                    if gone.credential(key_id).is_none() && attempt >= ABSENT_LOOKS {
                        return Ok(());
                    }
                }
            }
            if !deadline.sleep(backoff(attempt)).await {
                break;
            }
        }
        Err(Failure::new(
            Kind::Temporary,
            "removing a client secret in Entra: its replicas do not agree yet",
        ))
    }
}

/// A removal is tried this often while replicas disagree.
const LOOKS: u32 = 6;
/// A credential is taken as gone when this many looks in a row did not find it.
const ABSENT_LOOKS: u32 = 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use shared::credential::Credential;
    use shared::secret_store::versions::{PREVIOUS, Versions, key_label};

    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/orders-AbC123";

    fn key(n: u8) -> KeyId {
        format!("00000000-0000-4000-8000-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    fn credential(n: u8, name: Option<&str>) -> Credential {
        Credential {
            key_id: key(n),
            display_name: name.map(str::to_owned),
            start: None,
            end: None,
        }
    }

    fn secret(labels: Vec<(&str, Vec<String>)>) -> Described {
        let versions = labels
            .into_iter()
            .map(|(version, labels)| (version.to_owned(), labels.into_iter().collect()));
        Described {
            arn: ARN.into(),
            name: "shopmail/orders".into(),
            rotation_enabled: true,
            versions: Versions(versions.collect()),
            tags: BTreeMap::new(),
            last_rotated: None,
            deleted: false,
        }
    }

    fn application(credentials: Vec<Credential>) -> Application {
        Application {
            credentials,
            audience: None,
        }
    }

    #[test]
    fn only_our_own_unnamed_credentials_are_orphans() {
        let secret = secret(vec![
            ("old", vec![PREVIOUS.into(), key_label(key(1))]),
            ("cur", vec![CURRENT.into(), key_label(key(2))]),
        ]);
        let application = application(vec![
            credential(1, Some("smr1/AbC123/old mail")),
            credential(2, Some("smr1/AbC123/cur mail")),
            credential(3, Some("smr1/AbC123/gone mail")),
            credential(4, Some("smr1/Other1/gone mail")),
            credential(5, Some("prod key")),
            credential(6, None),
        ]);
        assert_eq!(orphans(&application, &secret), vec![key(3)]);
    }

    #[test]
    fn what_a_running_create_secret_may_be_about_to_store_is_left() {
        let in_flight = secret(vec![
            ("cur", vec![CURRENT.into()]),
            ("t", vec![PENDING.into()]),
        ]);
        let application = application(vec![credential(1, Some("smr1/AbC123/t mail"))]);
        assert_eq!(orphans(&application, &in_flight), vec![]);
        let stored = secret(vec![
            ("cur", vec![CURRENT.into()]),
            ("t", vec![PENDING.into(), key_label(key(2))]),
        ]);
        assert_eq!(orphans(&application, &stored), vec![key(1)]);
    }

    proptest! {
        #[test]
        fn a_named_or_foreign_credential_is_never_an_orphan(
            names in prop::collection::vec(
                prop_oneof![
                    Just("smr1/AbC123/t x".to_owned()),
                    Just("smr1/Zzzzzz/t x".to_owned()),
                    ".{0,20}",
                ], 0..8),
            named in prop::collection::vec(0_u8..8, 0..8),
        ) {
            let labels: Vec<String> = named.iter().map(|n| key_label(key(*n))).collect();
            let secret = secret(vec![("cur", labels)]);
            let credentials = names.iter().zip(0_u8..).map(|(name, n)| credential(n, Some(name)));
            for lost in orphans(&application(credentials.collect()), &secret) {
                let n = (0_u8..8).find(|n| key(*n) == lost).unwrap();
                prop_assert!(!named.contains(&n));
                prop_assert!(names[usize::from(n)].starts_with("smr1/AbC123/"));
            }
        }
    }
}
