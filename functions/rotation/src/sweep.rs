//! sweep: puts in order what was left behind. Credentials of ours whose value was never stored, a
//! current version without its label, connections that hold another secret than the current one,
//! grants that nobody has used for long.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::credential::{KeyId, Marker, secret_suffix};
use shared::entra::application::{Application, Registration};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::{CURRENT, PENDING, key_label};
use shared::secret_store::{Described, MoveLabel};
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::person::{Need, Request};
use crate::test_secret::Unproved;
use crate::{Invocation, Rotation};

/// A credential of ours that nothing names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Orphan {
    pub(crate) key_id: KeyId,
    /// The version that it was issued for.
    version: String,
}

/// The credentials with our marker that no version's label names, and the current document does not
/// name either.
///
/// Left out are those of a rotation whose pending version holds nothing yet: a running createSecret
/// may be about to store one. createSecret itself removes the others once it has stored its own.
///
/// `secret` must have been described after `application` was read: a label is set after its
/// credential was added, so a credential that was seen and is not named then is in flight or lost.
pub(crate) fn orphans(
    application: &Application,
    secret: &Described,
    current: KeyId,
) -> Vec<Orphan> {
    let ours = secret_suffix(&secret.arn);
    let named: Vec<KeyId> = secret
        .versions
        .keys()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let orphans = application.credentials.iter().filter_map(|credential| {
        let marker = Marker::read(credential.display_name.as_deref()?)?;
        let in_flight = secret.versions.has(&marker.token, PENDING)
            && secret.versions.keys_of(&marker.token).is_empty();
        let in_use = credential.key_id == current || named.contains(&credential.key_id);
        (marker.secret == ours && !in_use && !in_flight).then_some(Orphan {
            key_id: credential.key_id,
            version: marker.token,
        })
    });
    orphans.collect()
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
        if secret.versions.current() != Some(&current.version) {
            // Promoted meanwhile: what was read is out of date, and nothing is done by it.
            return Ok(json!({ "removed": [] }));
        }
        let run = Invocation {
            secret,
            token: current.version,
            rotation_token: None,
            deadline,
        };
        // What fails does not keep the rest.
        let mut failures = Vec::new();
        failures.extend(self.drop_leftovers(&run.secret).await.err());
        failures.extend(
            self.adopt_current(&run.secret, &mailbox, &application, &registration, deadline)
                .await
                .err(),
        );
        let mut needs = Vec::new();
        if run.secret.versions.in_progress().is_none() {
            match self.redeliver(&run, &mailbox, tokens.now, None).await {
                Ok(found) => needs.extend(found),
                Err(failure) => failures.push(failure),
            }
            match self.redeem_idle_grants(&run, &mailbox, tokens.now).await {
                Ok(found) => needs.extend(found),
                Err(failure) => failures.push(failure),
            }
        }
        let mut removed = Vec::new();
        let orphans = orphans(&application, &run.secret, mailbox.key_id);
        // After the delivery, which may take one of them away from a connection.
        let lost = self
            .lost_for_good(&run.secret, &mailbox, orphans, deadline)
            .await;
        let lost = lost.unwrap_or_else(|failure| {
            failures.push(failure);
            Vec::new()
        });
        for key_id in lost {
            let removal = self.remove_orphan(&run.secret, &registration, key_id, deadline);
            match removal.await {
                Ok(()) => removed.push(key_id),
                Err(failure) => failures.push(failure),
            }
        }
        if !needs.is_empty() {
            let request = Request {
                purpose: Purpose::Connect,
                now: tokens.now,
                due_by: mailbox.expires_at,
            };
            failures.push(self.ask(&run, &mailbox, needs, request).await?);
        }
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(json!({ "removed": removed })),
        }
    }

    /// Of the credentials that nothing names, those whose values are gone for good. One that its
    /// version stores gets the label back that somebody took away; one that a connection holds, or
    /// may hold, stays.
    pub(crate) async fn lost_for_good(
        &self,
        secret: &Described,
        mailbox: &MailboxSecret,
        orphans: Vec<Orphan>,
        deadline: Deadline,
    ) -> Result<Vec<KeyId>, Failure> {
        let mut lost = Vec::new();
        for Orphan { key_id, version } in orphans {
            let stored = self.store.value_of(&secret.arn, &version).await?;
            let stored = stored.and_then(|value| MailboxSecret::read(&value.text).ok());
            if stored.is_none_or(|document| document.key_id != key_id) {
                lost.push(key_id);
                continue;
            }
            warn!(%key_id, version, "a version's key label was taken away; it gets it back");
            let label = key_label(key_id);
            self.store.set_label(&secret.arn, &label, &version).await?;
        }
        if !lost.is_empty() {
            let held = self.look_at_held(mailbox, deadline).await;
            lost.retain(|key| held.iter().all(|look| look.lets_go_of_lost(*key)));
        }
        Ok(lost)
    }

    /// Drops AWSPENDING where a finished rotation left it, for RotateSecret takes it for one in progress
    /// once it is not on AWSCURRENT any more; and the mark of a version that was superseded and is the
    /// current one again, for its quarantine would count from then.
    async fn drop_leftovers(&self, secret: &Described) -> Result<(), Failure> {
        let versions = &secret.versions;
        let pending = versions.leftover().map(|version| (PENDING, version));
        let current = versions.current().into_iter();
        let marks = current.flat_map(|version| {
            let marks = versions.superseded_labels(version).into_iter();
            marks.map(move |label| (label, version))
        });
        for (label, version) in pending.into_iter().chain(marks) {
            self.store.drop_label(&secret.arn, label, version).await?;
        }
        Ok(())
    }

    /// Labels the current version with the credential that its document names, so that an imported
    /// credential is retired after its successor's promotion as one of ours.
    pub(crate) async fn adopt_current(
        &self,
        secret: &Described,
        mailbox: &MailboxSecret,
        application: &Application,
        registration: &Registration<'_>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let keys = secret.versions.keys();
        let named = |(key, _): &&(KeyId, &str)| *key == mailbox.key_id;
        let holder = keys.iter().find(named).map(|(_, version)| *version);
        let Some(current) = secret.versions.current() else {
            return Ok(());
        };
        if holder == Some(current) || holder.is_some() && holder == secret.versions.in_progress() {
            return Ok(());
        }
        // One look that does not show it proves nothing; and if this version is superseded without
        // its label, its credential is never retired.
        let seen = application.credential(mailbox.key_id).is_some()
            || !self.is_gone(registration, mailbox.key_id, deadline).await?;
        if !seen {
            warn!(key_id = %mailbox.key_id, "Entra shows no credential with the document's key_id");
            return Ok(());
        }
        let adopt = MoveLabel {
            secret: &secret.arn,
            label: &key_label(mailbox.key_id),
            to: Some(current),
            // A document that was edited by hand is another version with the same credential.
            from: holder,
        };
        self.store.swap(adopt).await?;
        Ok(())
    }

    /// Redeems the grants that nobody has redeemed for long: after 90 idle days Entra lets a refresh
    /// token die, and the next rotation would need its owner.
    async fn redeem_idle_grants(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        now: Timestamp,
    ) -> Result<Vec<Need>, Failure> {
        let store = self.grants(&run.secret);
        let grants = store.read().await?;
        store.tidy().await?;
        let before = now.checked_sub(self.settings.redeem_every.signed());
        let idle = grants.idle(before.unwrap_or(Timestamp::MIN));
        let mut needs = Vec::new();
        for address in mailbox.probed_mailboxes() {
            if !idle.contains(address) {
                continue;
            }
            match self.prove_mailbox(run, mailbox, &grants, address).await {
                Ok(()) => info!(mailbox = %address, "redeemed an idle grant"),
                Err(Unproved::OwnerNeeded(reason)) => needs.push(Need::Renewal {
                    mailbox: address.clone(),
                    reason,
                    redeemed_at: grants.of(address).map(|grant| grant.redeemed_at),
                }),
                Err(Unproved::Failed(failure)) => match failure.kind {
                    Kind::Temporary => warn!(%failure, "an idle grant could not be redeemed now"),
                    Kind::WaitingForPerson | Kind::Frozen | Kind::Refused | Kind::Misconfigured => {
                        return Err(failure);
                    }
                },
            }
        }
        Ok(needs)
    }
}

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

    fn keys(orphans: Vec<Orphan>) -> Vec<KeyId> {
        orphans.into_iter().map(|orphan| orphan.key_id).collect()
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
        assert_eq!(keys(orphans(&application, &secret, key(9))), vec![key(3)]);
    }

    #[test]
    fn the_current_documents_credential_is_no_orphan_though_its_label_was_taken_away() {
        let secret = secret(vec![("cur", vec![CURRENT.into()])]);
        let application = application(vec![credential(1, Some("smr1/AbC123/cur mail"))]);
        assert_eq!(keys(orphans(&application, &secret, key(1))), vec![]);
    }

    #[test]
    fn what_a_running_create_secret_may_be_about_to_store_is_left() {
        let in_flight = secret(vec![
            ("cur", vec![CURRENT.into()]),
            ("t", vec![PENDING.into()]),
        ]);
        let application = application(vec![credential(1, Some("smr1/AbC123/t mail"))]);
        assert_eq!(keys(orphans(&application, &in_flight, key(9))), vec![]);
        let stored = secret(vec![
            ("cur", vec![CURRENT.into()]),
            ("t", vec![PENDING.into(), key_label(key(2))]),
        ]);
        assert_eq!(keys(orphans(&application, &stored, key(9))), vec![key(1)]);
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
            for lost in keys(orphans(&application(credentials.collect()), &secret, key(9))) {
                let n = (0_u8..8).find(|n| key(*n) == lost).unwrap();
                prop_assert!(!named.contains(&n));
                prop_assert!(names[usize::from(n)].starts_with("smr1/AbC123/"));
            }
        }
    }
}
