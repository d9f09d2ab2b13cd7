//! createSecret: issues a credential in Entra and stores it as the pending version.
//!
//! Graph shows a secret once and addPassword is not idempotent. Secrets Manager's pending version is
//! the write-ahead record; value and `key-` label are written in one call; whatever dies between
//! addPassword and that call leaves a credential with our marker whose version stores nothing, and such
//! a one is removed. Which ones is decided in `orphans`.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::credential::{Credential, Marker};
use shared::events::EventKind;
use shared::failure::{Failure, Kind, sanitized_code};
use shared::graph::application::{Application, Issued, Registration};
use shared::ids::KeyId;
use shared::mailbox_secret::MailboxSecret;
use shared::period::Period;
use shared::retry::{CallError, Deadline, Effect, Retry, backoff, out_of_time, with_retries};
use shared::secret_store::versions::{MOST_LABELS, PENDING, PREVIOUS, Versions, key_label};
use shared::secret_store::{Put, SecretMetadata, SecretValue, Stored};
use shared::tags;
use tracing::{info, warn};

use crate::begin::Begun;
use crate::call::StepCall;
use crate::orphans::orphans;
use crate::{Invocation, Rotation};

impl Rotation {
    pub(crate) async fn create_secret(
        &self,
        call: &StepCall,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        match self.begin(call, deadline).await? {
            Begun::Empty { run, current } => self.issue(&run, &current).await,
            // Issued by an earlier run, which may have died before it told.
            Begun::Stored { run, pending, .. } => {
                info!("the pending version holds a credential already");
                let started = run.event(EventKind::RotationStarted {
                    key_id: pending.key_id,
                    expires_at: pending.expires_at,
                });
                self.events.publish(&[started]).await
            }
            Begun::ConfigurationTest(_) | Begun::AlreadyCurrent { .. } => Ok(()),
        }
    }

    async fn issue(&self, run: &Invocation, mailbox: &MailboxSecret) -> Result<(), Failure> {
        let tokens = self.rotators.token(mailbox, run.deadline).await?;
        let app = self.app(mailbox);
        let registration = self.registration(&app, &tokens);
        // The look at what is there also opens the connection on which addPassword goes out: a
        // socket that a frozen function left behind must not make its outcome unknown.
        let before = with_retries(run.deadline, async || registration.read().await).await?;
        // Entra's end counts and not the document's; and what is gone from Entra cannot wait.
        if let Some(end) = before.end_of(mailbox) {
            self.refuse_in_a_freeze(run, tokens.now, end).await?;
        }
        refuse_without_labels(&run.secret.versions)?;
        // Adding harms nobody, and not issuing stops the mail: what fails here the sweep tries again.
        let adopted =
            self.adopt_current(&run.secret, mailbox, &before, &registration, run.deadline);
        if let Err(failure) = adopted.await {
            warn!(%failure, "the current credential was not adopted now");
        }
        let removed = self
            .make_room(run, mailbox, &registration, &before, tokens.now)
            .await?;

        let issued = match self
            .add_password(run, &registration, mailbox, tokens.now)
            .await
        {
            Ok(issued) => issued,
            Err(failure) => {
                return Err(self
                    .refused_for_want_of_room(run, &registration, &before, failure)
                    .await);
            }
        };
        info!(key_id = %issued.key_id, expires_at = %issued.end, "issued a client secret in Entra");
        let stored = self
            .store_issued(run, &registration, mailbox, &issued)
            .await?;
        let started = run.event(EventKind::RotationStarted {
            key_id: stored.key_id,
            expires_at: stored.expires_at,
        });
        self.events.publish(&[started]).await?;

        // Now that this version has its credential, any other one with its token is lost for sure. In a
        // freeze it waits for the sweep that comes after.
        if self.is_frozen(&run.secret, tokens.now) {
            return Ok(());
        }
        let twins = before.credentials.iter().filter(|credential| {
            run.issued(credential)
                && credential.key_id != stored.key_id
                && !removed.contains(&credential.key_id)
        });
        let twins: Vec<KeyId> = twins.map(|credential| credential.key_id).collect();
        let (secret, deadline) = (&run.secret, run.deadline);
        let removal = self.remove_orphans(secret, &registration, twins, deadline);
        removal.await.1.map_or(Ok(()), Err)
    }

    async fn refuse_in_a_freeze(
        &self,
        run: &Invocation,
        now: Timestamp,
        end: Timestamp,
    ) -> Result<(), Failure> {
        let current = run.secret.versions.current();
        let leaked = |secret: &SecretMetadata| {
            let emergency = secret.tags.get(tags::EMERGENCY).map(String::as_str);
            current.is_some() && emergency == current
        };
        if leaked(&run.secret) || !self.policy(&run.secret)?.holds_back(now, end) {
            return Ok(());
        }
        // The tag may have been set moments ago, as this rotation was asked for.
        if leaked(&self.store.describe(&run.secret.arn).await?) {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Frozen,
            "the mailbox's policy has a freeze now",
        ))
    }

    /// Where Entra allows two credentials only, what earlier attempts lost must not hold the second place.
    /// Elsewhere it can wait for the sweep. Returns what was removed.
    async fn make_room(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        registration: &Registration,
        application: &Application,
        now: Timestamp,
    ) -> Result<Vec<KeyId>, Failure> {
        let most = application.most_credentials().unwrap_or(usize::MAX);
        if application.credentials.len() < most {
            return Ok(Vec::new());
        }
        // Labels may have been set since the secret was described.
        let secret = self.store.describe(&run.secret.arn).await?;
        let orphans = orphans(application, &secret, mailbox.key_id, self.settled(now));
        let may_go_yet = !orphans.is_empty();
        let mut lost = self
            .lost_for_good(&secret, mailbox, orphans, run.deadline)
            .await?;
        let own = self.own_lost(run, &secret, application, now);
        // An earlier attempt's value may show late, and its credential is not lost then.
        if !own.is_empty() && self.look_at_stored(run, true).await?.is_some() {
            return Err(Failure::new(
                Kind::Temporary,
                "making room for a client secret: the value of an earlier attempt shows only now",
            ));
        }
        lost.extend(own);
        let removal = self.remove_orphans(&secret, registration, lost, run.deadline);
        let (lost, failure) = removal.await;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if application.credentials.len() - lost.len() < most {
            return Ok(lost);
        }
        let what = "making room for a client secret: the app registration allows two and has two";
        let twin = application
            .credentials
            .iter()
            .any(|credential| run.issued(credential) && !lost.contains(&credential.key_id));
        Err(if twin || may_go_yet {
            Failure::new(Kind::Temporary, what)
        } else {
            Failure::new(Kind::Misconfigured, what).next_step(
                "In the Entra portal remove a client secret that nobody uses, or wait until the quarantine of the superseded one is over.",
            )
        })
    }

    /// What is younger than this may yet be stored, or its label not show yet.
    pub(crate) fn settled(&self, now: Timestamp) -> Timestamp {
        let settled = now.checked_sub(self.settings.issue_grace.signed());
        settled.unwrap_or(Timestamp::MIN)
    }

    /// Those of this very rotation that are too old for a twin of this invocation to be about to store
    /// them.
    fn own_lost(
        &self,
        run: &Invocation,
        secret: &SecretMetadata,
        application: &Application,
        now: Timestamp,
    ) -> Vec<KeyId> {
        let unstored = secret.versions.keys_of(&run.token).is_empty();
        let before = self.settled(now);
        let settled =
            |credential: &&Credential| credential.start.is_some_and(|start| start <= before);
        let own = application.credentials.iter();
        let own = own.filter(|credential| unstored && run.issued(credential));
        own.filter(settled)
            .map(|credential| credential.key_id)
            .collect()
    }

    /// Adds a credential; where the tenant's policy forbids the lifetime, a shorter one.
    async fn add_password(
        &self,
        run: &Invocation,
        registration: &Registration,
        mailbox: &MailboxSecret,
        now: Timestamp,
    ) -> Result<Issued, Failure> {
        let name = run.marker().display_name(&mailbox.description);
        for lifetime in lifetimes(mailbox.lifetime) {
            let lifetime = lifetime.signed() - CLOCKS_DIFFER;
            let end = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
            // What is issued has to be stored, too.
            if !run.deadline.leaves_time_for(2) {
                return Err(out_of_time().failure);
            }
            let answer = with_retries(run.deadline, async || {
                let answer = registration.add_password(&name, end).await;
                // Only where nothing can have been added may it be asked again.
                answer.map_err(|error| match error.effect {
                    Effect::None => error,
                    Effect::Unknown => CallError {
                        retry: Retry::No,
                        ..error
                    },
                })
            })
            .await;
            match answer {
                Ok(issued) => return self.refuse_unmarked(run, registration, issued).await,
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

    /// Where Entra allows two credentials, a refusal may come of a list that did not show the second one
    /// yet: mostly what an earlier attempt lost, and the next attempt removes.
    async fn refused_for_want_of_room(
        &self,
        run: &Invocation,
        registration: &Registration,
        before: &Application,
        failure: Failure,
    ) -> Failure {
        let Some(most) = before.most_credentials() else {
            return failure;
        };
        if failure.kind != Kind::Misconfigured {
            return failure;
        }
        for look in 1..=LOOKS {
            let apart = registration.apart();
            let seen = with_retries(run.deadline, async || apart.read().await).await;
            if seen.is_ok_and(|seen| seen.credentials.len() >= most) {
                return Failure::new(
                    Kind::Temporary,
                    "adding a client secret in Entra: the app registration allows two and has two, which its list showed late",
                );
            }
            if look == LOOKS || !run.deadline.sleep(backoff(look)).await {
                break;
            }
        }
        failure
    }

    /// A credential whose name does not carry the marker could not be found again after a kill.
    async fn refuse_unmarked(
        &self,
        run: &Invocation,
        registration: &Registration,
        issued: Issued,
    ) -> Result<Issued, Failure> {
        let marker = issued.name.as_deref().map(Marker::read);
        if marker.is_none_or(|marker| marker == Some(run.marker())) {
            return Ok(issued);
        }
        self.remove_credential(registration, issued.key_id, run.deadline)
            .await?;
        Err(Failure::new(
            Kind::Misconfigured,
            "adding a client secret in Entra: Entra gave it another name than was asked for",
        ))
    }

    /// Stores the issued credential. Returns the document that the version holds in the end: this
    /// one's, or that of a twin of this invocation that was quicker.
    async fn store_issued(
        &self,
        run: &Invocation,
        registration: &Registration,
        mailbox: &MailboxSecret,
        issued: &Issued,
    ) -> Result<MailboxSecret, Failure> {
        let document = mailbox.with_credential(issued.key_id, issued.secret.clone(), issued.end);
        let text = document.write()?;
        let put = self.store.put(Put {
            secret: &run.secret.arn,
            version: &run.token,
            text: &text,
            labels: vec![PENDING.to_owned(), key_label(issued.key_id)],
            rotation_token: run.rotation_token.as_deref(),
        });
        let failure = match put.await {
            Ok(Stored::Done) => return Ok(document),
            Ok(Stored::HasAnother) => None,
            Err(error) => Some(error),
        };
        // Stored all the same, by somebody else, or not at all: only the version tells. Where it
        // cannot be read now, the credential stays: removing it could make a stored version
        // useless, and left alone the next attempt or sweep finds it.
        let unknown = failure
            .as_ref()
            .is_none_or(|error| error.effect == Effect::Unknown);
        let held = match self.look_at_stored(run, unknown).await? {
            Some(value) => Some(MailboxSecret::read(&value.text)?),
            None => None,
        };
        match held {
            Some(held) if held.key_id == issued.key_id => Ok(held),
            held => {
                warn!(key_id = %issued.key_id, "the issued credential was not stored and is removed");
                let lost = vec![issued.key_id];
                let (secret, deadline) = (&run.secret, run.deadline);
                let removal = self.remove_orphans(secret, registration, lost, deadline);
                if let Some(failure) = removal.await.1 {
                    return Err(failure);
                }
                held.ok_or_else(|| match failure {
                    Some(error) => error.failure,
                    None => Failure::new(
                        Kind::Temporary,
                        "storing the pending version: it was refused, and is empty",
                    ),
                })
            }
        }
    }

    /// Reads the pending version; where its value may only lag, for as long as one may.
    async fn look_at_stored(
        &self,
        run: &Invocation,
        may_lag: bool,
    ) -> Result<Option<SecretValue>, Failure> {
        let wait = run.deadline.at_most(self.settings.label_wait.duration());
        let mut looks = 1;
        loop {
            let value = self.store.value_of(&run.secret.arn, &run.token).await?;
            if value.is_some() || !may_lag || !wait.sleep(backoff(looks)).await {
                return Ok(value);
            }
            looks += 1;
        }
    }
}

/// A list that does not show what was added is looked at this often.
const LOOKS: u32 = 4;

/// The lifetime counts from Graph's clock and the end from Entra's: one that is the longest that a tenant
/// allows must not be too long for the second between them.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// The labels of a rotation have to fit before anything is issued: a credential's own on the version that is
/// made, its proof, the current credential's where it was not adopted yet, and AWSPREVIOUS where nothing was
/// superseded yet.
fn refuse_without_labels(versions: &Versions) -> Result<(), Failure> {
    let current = versions.current().map(|current| versions.keys_of(current));
    let to_adopt = current.is_some_and(|keys| keys.is_empty());
    let first = versions.with_label(PREVIOUS).is_none();
    let more = 2 + usize::from(to_adopt) + usize::from(first);
    if versions.count() + more <= MOST_LABELS {
        return Ok(());
    }
    let labels = |(version, labels): (&String, &BTreeSet<String>)| {
        let version = sanitized_code(version);
        (!labels.is_empty()).then(|| format!("{version} ({})", labels.len()))
    };
    let by_version: Vec<String> = versions.0.iter().filter_map(labels).collect();
    Err(Failure::new(
        Kind::Misconfigured,
        "counting the staging labels: Secrets Manager keeps 20 over all versions of a secret, and a rotation does not fit any more",
    )
    .next_step(format!(
        "Take labels that nobody needs from versions that are neither current nor pending. Versions, and how many each has: {}.",
        by_version.join(", ")
    )))
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
