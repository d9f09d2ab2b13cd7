//! retire: removes superseded credentials whose quarantine is over, and warns of those that end while
//! ShopCtrl may use them yet.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::credential::{Credential, KeyId};
use shared::entra::App;
use shared::entra::credential_use::last_used;
use shared::entra::token::Tokens;
use shared::events::{EventKind, RetiredReason};
use shared::failure::Failure;
use shared::mailbox_secret::{Delivery, MailboxSecret};
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::{CURRENT, PREVIOUS, retired_label, superseded_label};
use shared::secret_store::{Described, Swap, Value as Current};
use shared::tags;
use tracing::info;

use crate::held::stops;
use crate::person::{contact, described};
use crate::superseded::{Superseded, Use, Warning, superseded, used_since, verdict};
use crate::{Rotation, event};

/// So many superseded versions are marked in one second.
const MOST_AT_ONCE: usize = 20;

impl Rotation {
    pub(crate) async fn retire(&self, secret: &str, deadline: Deadline) -> Result<Value, Failure> {
        let (secret, current) = tokio::join!(
            self.store.describe(secret),
            self.store.value_with_label(secret, CURRENT),
        );
        let (secret, current) = (secret?, current?);
        let mailbox = MailboxSecret::read(&current.text)?;
        let superseded = superseded(&secret, &mailbox);
        if superseded.is_empty() || secret.versions.current() != Some(&current.version) {
            return Ok(json!({ "removed": [], "kept": [] }));
        }
        let tokens = self.rotators.token(&mailbox, deadline).await?;
        let app = self.app(&mailbox);
        let registration = self.registration(&app, &tokens);
        let (application, held) = tokio::join!(
            with_retries(deadline, async || registration.read().await),
            self.look_at_held(&mailbox, deadline),
        );
        let application = application?;
        let emergency = secret.tags.get(tags::EMERGENCY);
        let leaked = |version: &str| emergency.is_some_and(|leaked| leaked == version);
        let retired = |key_id, reason| {
            let emergency = reason == RetiredReason::Emergency;
            let stops = emergency.then(|| stops(&mailbox, &held, key_id));
            let retired = EventKind::CredentialRetired {
                key_id,
                reason,
                stops,
            };
            event(&secret, None, retired)
        };
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        for (key_id, version) in superseded {
            let told = secret.versions.has(version, &retired_label(key_id));
            let Some(credential) = application.credential(key_id) else {
                // Removed by an earlier run or by a person, or this replica of Graph lags.
                if !self.is_gone(&registration, key_id, deadline).await? {
                    continue;
                }
                if !told {
                    let reason = match leaked(version) {
                        true => RetiredReason::Emergency,
                        false => RetiredReason::QuarantineOver,
                    };
                    self.events.put(&[retired(key_id, reason)]).await?;
                }
                self.forget(&secret, key_id, version).await?;
                removed.push(key_id);
                continue;
            };
            if told {
                // A replica that lags; and should it be there indeed, it goes now.
                let removal = async || registration.remove_password(key_id).await;
                with_retries(deadline, removal).await?;
                continue;
            }
            let since = self
                .superseded_since(&secret, &current, version, credential, tokens.now)
                .await?;
            let attended = mailbox.has_attended();
            let used = if attended {
                self.use_since(&app, &tokens, key_id, since).await
            } else {
                Use::Unknown
            };
            let superseded = Superseded {
                credential,
                since,
                leaked: leaked(version),
                held: held.iter().any(|look| look.may_hold(key_id)),
                attended,
                used,
            };
            match verdict(superseded, tokens.now, self.settings.quarantine.signed()) {
                None => {
                    kept.push(key_id);
                    self.warn(&secret, &mailbox, superseded, tokens.now).await?;
                }
                Some(reason) => {
                    self.remove_credential(&registration, key_id, deadline)
                        .await?;
                    info!(%key_id, "retired a superseded credential");
                    self.events.put(&[retired(key_id, reason)]).await?;
                    // After the event: a kill between the two repeats it.
                    let mark = retired_label(key_id);
                    self.store.set_label(&secret.arn, &mark, version).await?;
                    removed.push(key_id);
                }
            }
        }
        Ok(json!({ "removed": removed, "kept": kept }))
    }

    async fn use_since(&self, app: &App, tokens: &Tokens, key_id: KeyId, since: Timestamp) -> Use {
        match last_used(&self.http, app, &tokens.access, key_id).await {
            Ok(last_used) => used_since(last_used, since),
            Err(error) => {
                info!(failure = %error.failure, "Entra's report of the credential's use cannot be read");
                Use::Unknown
            }
        }
    }

    /// Says that somebody uses a superseded credential, or that it ends soon and nothing shows that
    /// nobody does. Once for each state and rung.
    async fn warn(
        &self,
        secret: &Described,
        mailbox: &MailboxSecret,
        of: Superseded<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let key_id = of.credential.key_id;
        let tag = secret.tags.get(tags::SUPERSEDED).map(String::as_str);
        let Some(warning) = Warning::of(of, now) else {
            return Ok(());
        };
        if Warning::read(tag, key_id).is_some_and(|told| !warning.says_more_than(told)) {
            return Ok(());
        }
        let mut events = Vec::new();
        if let (Some(rung), Some(ends_at)) = (warning.rung, of.credential.end) {
            let attended = mailbox
                .connections
                .iter()
                .filter(|c| c.delivery == Delivery::Attended);
            let ending = EventKind::SupersededSecretEnding {
                key_id,
                ends_at,
                rung,
                connections: attended.map(described).collect(),
                contact: contact(secret, mailbox),
            };
            events.push(event(secret, None, ending));
        }
        if warning.used {
            let drift = EventKind::DriftFound {
                what: "superseded_secret_in_use".to_owned(),
                connection: None,
                found_at: of.since,
                time: key_id.to_string(),
            };
            events.push(event(secret, None, drift));
        }
        self.events.put(&events).await?;
        let told = (tags::SUPERSEDED, warning.told(key_id));
        self.store.tag(&secret.arn, &[told]).await?;
        Ok(())
    }

    /// Drops the labels of a credential that no replica shows. `retired-` goes last: a kill on the way
    /// does not have the removal told again.
    async fn forget(
        &self,
        secret: &Described,
        key_id: KeyId,
        version: &str,
    ) -> Result<(), Failure> {
        let versions = &secret.versions;
        let mut labels = versions.superseded_labels(version);
        labels.extend(versions.labels_naming(version, key_id));
        let retired = retired_label(key_id);
        labels.extend(versions.has(version, &retired).then_some(retired.as_str()));
        for label in labels {
            self.store.drop_label(&secret.arn, label, version).await?;
        }
        Ok(())
    }

    /// Since when a version is superseded. Secrets Manager's own date counts only if it is of the
    /// rotation that made the current version; where it says nothing, a label is set on first sight.
    async fn superseded_since(
        &self,
        secret: &Described,
        current: &Current,
        version: &str,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Timestamp, Failure> {
        if let Some(since) = secret.versions.superseded_since(version) {
            return Ok(Timestamp::from_second(since).unwrap_or(now));
        }
        // Not of a rotation that was given up, nor of one that was taken back.
        let made = current.created;
        let replaced = secret.versions.has(version, PREVIOUS)
            && credential
                .start
                .zip(made)
                .is_some_and(|(start, made)| start < made);
        let rotated = secret
            .last_rotated
            .filter(|rotated| replaced && made.is_some_and(|made| *rotated >= made));
        if let Some(rotated) = rotated {
            return Ok(rotated);
        }
        // A label is on one version only: what is seen first in the same second gets a second of its own.
        for since in (now.as_second()..).take(MOST_AT_ONCE) {
            let mark = superseded_label(since);
            let set = self.store.set_label(&secret.arn, &mark, version);
            if set.await? == Swap::Done {
                break;
            }
        }
        Ok(now)
    }
}
