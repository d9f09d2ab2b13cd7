//! createSecret: issues a credential in Entra and stores it as the pending version.
//!
//! Graph shows a secret once and addPassword is not idempotent. Secrets Manager's pending version is
//! the write-ahead record; value and `key-` label are written in one call; whatever dies between
//! addPassword and that call leaves a credential with our marker that no label names, and such a
//! one is removed. Which ones is decided in `orphans`.

use jiff::Timestamp;
use shared::credential::{Credential, KeyId, Marker};
use shared::entra::application::{Application, Issued, Registration};
use shared::events::{Event, EventKind};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::MailboxSecret;
use shared::period::Period;
use shared::policy;
use shared::retry::{CallError, Deadline, Effect, with_retries};
use shared::secret_store::versions::{CURRENT, PENDING, key_label};
use shared::secret_store::{Described, MoveLabel, Put, Stored, Swap, Value};
use shared::tags;
use tracing::{info, warn};

use crate::call::{Call, Step};
use crate::permission::{Permission, permission};
use crate::sweep::orphans;
use crate::{Invocation, Rotation};

impl Rotation {
    pub(crate) async fn create_secret(
        &self,
        call: &Call,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Call::Step {
            token,
            rotation_token,
            ..
        } = call
        else {
            return Ok(());
        };
        let (secret, current, pending) = tokio::join!(
            self.store.describe(call.secret()),
            self.store.value_with_label(call.secret(), CURRENT),
            self.store.value_of(call.secret(), token),
        );
        let secret = secret?;
        match permission(Step::Create, token, &secret)? {
            Permission::Run => {}
            Permission::AlreadyCurrent | Permission::ConfigurationTest => return Ok(()),
        }
        if is_issued(&secret, token, pending?.as_ref())? {
            info!("the pending version holds a credential already");
            return Ok(());
        }
        let mailbox = MailboxSecret::read(&current?.text)?;
        let run = Invocation {
            secret,
            token: token.clone(),
            rotation_token: rotation_token.clone(),
            deadline,
        };
        self.issue(&run, &mailbox).await
    }

    async fn issue(&self, run: &Invocation, mailbox: &MailboxSecret) -> Result<(), Failure> {
        let tokens = self.rotators.token(mailbox, run.deadline).await?;
        self.refuse_in_a_freeze(run, mailbox, tokens.now)?;
        let app = self.app(mailbox);
        let registration = self.registration(&app, &tokens);
        // The look at what is there also opens the connection on which addPassword goes out: a
        // socket that a frozen function left behind must not make its outcome unknown.
        let before = with_retries(run.deadline, async || registration.read().await).await?;
        self.adopt_current(run, mailbox, &before).await?;
        let removed = self
            .make_room(run, &registration, &before, tokens.now)
            .await?;

        let issued = self
            .add_password(run, &registration, mailbox, tokens.now)
            .await?;
        info!(key_id = %issued.key_id, expires_at = %issued.end, "issued a client secret in Entra");
        let stored = self
            .store_issued(run, &registration, mailbox, &issued)
            .await?;

        // Now that this version has its credential, any other one with its token is lost for sure.
        let marker = Marker::new(&run.secret.arn, &run.token);
        let twins = before.credentials.iter().filter(|credential| {
            let name = credential.display_name.as_deref().and_then(Marker::read);
            name == Some(marker.clone()) && !removed.contains(&credential.key_id)
        });
        for twin in twins.filter(|twin| twin.key_id != stored) {
            self.remove_orphan(&run.secret, &registration, twin.key_id, run.deadline)
                .await?;
        }
        let started = run.event(EventKind::RotationStarted {
            key_id: stored,
            expires_at: issued.end,
        });
        self.events.put(&[started]).await
    }

    fn refuse_in_a_freeze(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let tag = run.secret.tags.get(policy::TAG).map(String::as_str);
        let policy = self.settings.policy.clone().with_tag(tag)?;
        let current = run.secret.versions.current();
        let emergency = run.secret.tags.get(tags::EMERGENCY).map(String::as_str);
        let leaked = current.is_some() && emergency == current;
        if !leaked && policy.holds_back(now, mailbox.expires_at) {
            return Err(Failure::new(
                Kind::Frozen,
                "the mailbox's policy has a freeze now",
            ));
        }
        Ok(())
    }

    /// Labels the current version with the credential that its document names, so that an imported
    /// credential is retired after its successor's promotion as one of ours.
    async fn adopt_current(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        application: &Application,
    ) -> Result<(), Failure> {
        let named = |(key, _): &(KeyId, &str)| *key == mailbox.key_id;
        let known = run.secret.versions.keys().iter().any(named);
        let Some(current) = run.secret.versions.current().filter(|_| !known) else {
            return Ok(());
        };
        if application.credential(mailbox.key_id).is_none() {
            warn!(key_id = %mailbox.key_id, "Entra shows no credential with the document's key_id");
            return Ok(());
        }
        let adopt = MoveLabel {
            secret: &run.secret.arn,
            label: &key_label(mailbox.key_id),
            to: Some(current),
            from: None,
        };
        self.store.swap(adopt).await?;
        Ok(())
    }

    /// Where Entra allows two credentials only, an orphan must not hold the second place. Returns
    /// what was removed.
    async fn make_room(
        &self,
        run: &Invocation,
        registration: &Registration<'_>,
        application: &Application,
        now: Timestamp,
    ) -> Result<Vec<KeyId>, Failure> {
        let full = application
            .most_credentials()
            .is_some_and(|most| application.credentials.len() >= most);
        if !full {
            return Ok(Vec::new());
        }
        let mut lost = orphans(application, &run.secret);
        // Ours too, once it is too old for a twin of this invocation to be about to store it.
        let marker = Marker::new(&run.secret.arn, &run.token);
        let own = |credential: &&Credential| {
            let name = credential.display_name.as_deref().and_then(Marker::read);
            name == Some(marker.clone())
        };
        let settled = |credential: &&Credential| {
            let age = credential.start.map(|start| now.duration_since(start));
            age.is_some_and(|age| age >= self.settings.issue_grace.signed())
        };
        let own: Vec<&Credential> = application.credentials.iter().filter(own).collect();
        lost.extend(own.iter().copied().filter(settled).map(|c| c.key_id));
        for key_id in &lost {
            self.remove_orphan(&run.secret, registration, *key_id, run.deadline)
                .await?;
        }
        if !lost.is_empty() {
            return Ok(lost);
        }
        let what = "making room for a client secret: the app registration allows two and has two";
        Err(if own.is_empty() {
            Failure::new(Kind::Misconfigured, what).next_step(
                "In the Entra portal remove a client secret that nobody uses, or wait until the quarantine of the superseded one is over.",
            )
        } else {
            Failure::new(Kind::Temporary, what)
        })
    }

    /// Adds a credential; where the tenant's policy forbids the lifetime, a shorter one.
    async fn add_password(
        &self,
        run: &Invocation,
        registration: &Registration<'_>,
        mailbox: &MailboxSecret,
        now: Timestamp,
    ) -> Result<Issued, Failure> {
        let name = Marker::new(&run.secret.arn, &run.token).display_name(&mailbox.description);
        for lifetime in lifetimes(mailbox.lifetime) {
            let end = now.checked_add(lifetime.signed()).unwrap_or(Timestamp::MAX);
            let answer = with_retries(run.deadline, async || {
                let answer = registration.add_password(&name, end).await;
                // Only where nothing can have been added may it be asked again.
                answer.map_err(|error| match error.effect {
                    Effect::None => error,
                    Effect::Unknown => CallError {
                        again: None,
                        ..error
                    },
                })
            })
            .await;
            match answer {
                Ok(issued) => return Ok(issued),
                Err(error) if error.has_code("CredentialInvalidLifetimeAsPerAppPolicy") => {
                    warn!(%lifetime, "the tenant's policy forbids this lifetime; a shorter one is tried");
                }
                // After an unknown outcome the next attempt looks, and removes what this one may
                // have left once it has stored its own.
                Err(error) => return Err(error.failure),
            }
        }
        Err(Failure::new(
            Kind::Misconfigured,
            "adding a client secret in Entra: the tenant's policy forbids every lifetime that was tried",
        )
        .code("CredentialInvalidLifetimeAsPerAppPolicy")
        .next_step("An Entra administrator has to allow client secrets of 7 days or more for this app registration."))
    }

    /// Stores the issued credential. Returns the credential that the version holds in the end: this
    /// one, or that of a twin of this invocation that was quicker.
    async fn store_issued(
        &self,
        run: &Invocation,
        registration: &Registration<'_>,
        mailbox: &MailboxSecret,
        issued: &Issued,
    ) -> Result<KeyId, Failure> {
        let document = mailbox.with_credential(issued.key_id, issued.secret.clone(), issued.end);
        let text = document.write()?;
        let stored = self
            .store
            .put(Put {
                secret: &run.secret.arn,
                version: &run.token,
                text: &text,
                labels: vec![PENDING.to_owned(), key_label(issued.key_id)],
                rotation_token: run.rotation_token.as_deref(),
            })
            .await;
        let failure = match stored {
            Ok(Stored::Done) => return Ok(issued.key_id),
            Ok(Stored::HasAnother) => None,
            Err(error) => Some(error.failure),
        };
        // Stored all the same, by somebody else, or not at all: only the version tells. Where it
        // cannot be read now, the credential stays: removing it could make a stored version
        // useless, and left alone it is an orphan that the next sweep finds.
        let held = self.store.value_of(&run.secret.arn, &run.token).await?;
        let held = match held {
            Some(value) => Some(MailboxSecret::read(&value.text)?.key_id),
            None => None,
        };
        if held == Some(issued.key_id) {
            return Ok(issued.key_id);
        }
        warn!(key_id = %issued.key_id, "the issued credential was not stored and is removed");
        self.remove_orphan(&run.secret, registration, issued.key_id, run.deadline)
            .await?;
        held.ok_or_else(|| {
            failure.unwrap_or_else(|| {
                Failure::new(
                    Kind::Temporary,
                    "storing the pending version: it was refused, and is empty",
                )
            })
        })
    }

    /// Removes a credential whose value nobody has, and tells it.
    pub(crate) async fn remove_orphan(
        &self,
        secret: &Described,
        registration: &Registration<'_>,
        key_id: KeyId,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        self.remove_credential(registration, key_id, deadline)
            .await?;
        info!(%key_id, "removed an orphaned credential");
        let reason = shared::events::RetiredReason::Orphan;
        let retired: Event = crate::event(
            secret,
            None,
            EventKind::CredentialRetired { key_id, reason },
        );
        self.events.put(&[retired]).await
    }

    /// A pending credential that Entra does not know any more can never be promoted: the version
    /// gives up its labels, and the next rotation starts anew.
    pub(crate) async fn give_up_pending(
        &self,
        run: &Invocation,
        key_id: KeyId,
    ) -> Result<(), Failure> {
        for label in [PENDING.to_owned(), key_label(key_id)] {
            let drop = MoveLabel {
                secret: &run.secret.arn,
                label: &label,
                to: None,
                from: Some(&run.token),
            };
            if self.store.swap(drop).await? == Swap::Lost {
                warn!(label, "the label was moved meanwhile");
            }
        }
        Ok(())
    }
}

/// Whether the pending version was issued by an earlier run.
fn is_issued(secret: &Described, token: &str, pending: Option<&Value>) -> Result<bool, Failure> {
    match (pending, secret.versions.keys_of(token).as_slice()) {
        (None, _) => Ok(false),
        (Some(_), [_, ..]) => Ok(true),
        // Versions are immutable, so nothing can be stored here any more.
        (Some(_), []) => Err(Failure::new(
            Kind::Refused,
            "checking the labels: the pending version holds a value that createSecret did not store",
        )
        .next_step("Remove AWSPENDING from that version (the checker does), then rotate again.")),
    }
}

/// The lifetime that is wanted, then the usual limits of tenants' policies below it.
fn lifetimes(wanted: Period) -> Vec<Period> {
    let usual = [365, 180, 90, 60, 30, 14, 7].map(Period::days);
    let shorter = usual.into_iter().filter(|period| *period < wanted);
    std::iter::once(wanted).chain(shorter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_lifetimes_are_tried_in_falling_order() {
        let days = |days: &[u64]| days.iter().map(|d| Period::days(*d)).collect::<Vec<_>>();
        assert_eq!(
            lifetimes(Period::days(180)),
            days(&[180, 90, 60, 30, 14, 7])
        );
        assert_eq!(lifetimes(Period::days(5)), days(&[5]));
    }
}
