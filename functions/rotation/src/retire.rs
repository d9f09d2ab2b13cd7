//! retire: removes superseded credentials whose quarantine is over.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::credential::{Credential, KeyId};
use shared::events::{EventKind, RetiredReason};
use shared::failure::Failure;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::{CURRENT, PREVIOUS, key_label, superseded_label};
use shared::secret_store::{Described, MoveLabel, Swap, Value as Current};
use shared::tags;
use tracing::{info, warn};

use crate::{Rotation, event};

/// So many superseded versions are marked in one second.
const MOST_AT_ONCE: usize = 20;

/// What is known about a superseded credential.
#[derive(Debug, Clone, Copy)]
struct Superseded<'a> {
    /// The credential, as Entra shows it.
    credential: &'a Credential,
    /// Since when another version is current.
    since: Timestamp,
    /// The version that holds it leaked.
    leaked: bool,
    /// Some connection of ShopCtrl's still holds it, or could not be asked.
    held: bool,
    /// A person delivers its successor to some connection, and flowing mail does not prove which
    /// secret ShopCtrl uses: then it may end, but is not ended.
    attended: bool,
}

/// Whether a superseded credential is to be removed now, and why.
fn verdict(
    of: Superseded<'_>,
    now: Timestamp,
    quarantine: SignedDuration,
) -> Option<RetiredReason> {
    if of.leaked {
        return Some(RetiredReason::Emergency);
    }
    let ended = of.credential.end.is_some_and(|end| end <= now);
    let quarantine_over = now.duration_since(of.since) >= quarantine;
    let unused = ended || !(of.held || of.attended);
    (quarantine_over && unused).then_some(RetiredReason::QuarantineOver)
}

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
            self.held_keys(&mailbox, deadline),
        );
        let application = application?;
        let emergency = secret.tags.get(tags::EMERGENCY);
        let leaked = |version: &str| emergency.is_some_and(|leaked| leaked == version);
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        for (key_id, version) in superseded {
            let Some(credential) = application.credential(key_id) else {
                // Removed by an earlier run or by a person, or this replica of Graph lags.
                if self.is_gone(&registration, key_id, deadline).await? {
                    let reason = if leaked(version) {
                        RetiredReason::Emergency
                    } else {
                        RetiredReason::QuarantineOver
                    };
                    self.forget(&secret, key_id, version, reason).await?;
                    removed.push(key_id);
                }
                continue;
            };
            let since = self
                .superseded_since(&secret, &current, version, credential, tokens.now)
                .await?;
            let superseded = Superseded {
                credential,
                since,
                leaked: leaked(version),
                // A secret that was entered by hand has no id: it may be any.
                held: held
                    .as_ref()
                    .is_none_or(|held| held.contains(&None) || held.contains(&Some(key_id))),
                attended: mailbox.has_attended(),
            };
            match verdict(superseded, tokens.now, self.settings.quarantine.signed()) {
                None => kept.push(key_id),
                Some(reason) => {
                    self.remove_credential(&registration, key_id, deadline)
                        .await?;
                    info!(%key_id, "retired a superseded credential");
                    self.forget(&secret, key_id, version, reason).await?;
                    removed.push(key_id);
                }
            }
        }
        Ok(json!({ "removed": removed, "kept": kept }))
    }

    /// Told first, then the labels go: a kill between the two repeats the event.
    async fn forget(
        &self,
        secret: &Described,
        key_id: KeyId,
        version: &str,
        reason: RetiredReason,
    ) -> Result<(), Failure> {
        let retired = event(
            secret,
            None,
            EventKind::CredentialRetired { key_id, reason },
        );
        self.events.put(&[retired]).await?;
        let since = secret
            .versions
            .superseded_since(version)
            .map(superseded_label);
        for label in [since, Some(key_label(key_id))].into_iter().flatten() {
            let drop = MoveLabel {
                secret: &secret.arn,
                label: &label,
                to: None,
                from: Some(version),
            };
            self.store.swap(drop).await?;
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
            let mark = MoveLabel {
                secret: &secret.arn,
                label: &superseded_label(since),
                to: Some(version),
                from: None,
            };
            if self.store.swap(mark).await? == Swap::Done {
                break;
            }
        }
        Ok(now)
    }

    /// The credential that each `api` connection holds; `None` when one could not be asked.
    pub(crate) async fn held_keys(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Option<Vec<Option<KeyId>>> {
        let api = |c: &&Connection| c.delivery == Delivery::Api;
        if !mailbox.connections.iter().any(|c| api(&c)) {
            return Some(Vec::new());
        }
        let logins = self.shopctrls(mailbox).await;
        let looks = mailbox.connections.iter().filter(api);
        let looks = looks.map(async |connection| {
            let shopctrl = self.shopctrl(&logins, connection)?;
            let held = with_retries(deadline, async || shopctrl.connection(connection).await);
            Ok::<_, Failure>(held.await?.key_id)
        });
        let looks = futures_util::future::join_all(looks).await;
        match looks.into_iter().collect::<Result<Vec<_>, Failure>>() {
            Ok(keys) => Some(keys),
            Err(failure) => {
                warn!(%failure, "a connection could not be asked; only what leaked is removed");
                None
            }
        }
    }
}

/// The credentials that labels name on versions that are neither current nor being made, and that
/// the current document does not name either.
fn superseded<'a>(secret: &'a Described, mailbox: &MailboxSecret) -> Vec<(KeyId, &'a str)> {
    let versions = &secret.versions;
    let in_use = |version: &str| {
        Some(version) == versions.current() || Some(version) == versions.in_progress()
    };
    let named_twice = |key: KeyId| {
        versions
            .keys()
            .iter()
            .any(|(other, v)| *other == key && in_use(v))
    };
    let all = versions.keys().into_iter();
    all.filter(|(key, version)| !in_use(version) && *key != mailbox.key_id && !named_twice(*key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn credential() -> Credential {
        Credential {
            key_id: "33333333-3333-4333-8333-333333333333".parse().unwrap(),
            display_name: None,
            start: None,
            end: Some(at("2027-01-15T00:00:00Z")),
        }
    }

    fn of(credential: &Credential) -> Superseded<'_> {
        Superseded {
            credential,
            since: at("2026-12-01T00:00:00Z"),
            leaked: false,
            held: false,
            attended: false,
        }
    }

    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

    #[test]
    fn a_superseded_credential_goes_when_its_quarantine_is_over_and_not_before() {
        let credential = credential();
        let verdict = |now| verdict(of(&credential), at(now), WEEK);
        assert_eq!(verdict("2026-12-07T23:59:59Z"), None);
        let over = Some(RetiredReason::QuarantineOver);
        assert_eq!(verdict("2026-12-08T00:00:00Z"), over);
    }

    #[test]
    fn one_that_leaked_goes_at_once_though_it_is_held() {
        let credential = credential();
        let leaked = Superseded {
            leaked: true,
            held: true,
            ..of(&credential)
        };
        let now = at("2026-12-01T00:00:00Z");
        assert_eq!(verdict(leaked, now, WEEK), Some(RetiredReason::Emergency));
    }

    #[test]
    fn one_that_is_held_or_attended_stays_until_its_own_end() {
        let credential = credential();
        let held = Superseded {
            held: true,
            ..of(&credential)
        };
        let attended = Superseded {
            attended: true,
            ..of(&credential)
        };
        for of in [held, attended] {
            assert_eq!(verdict(of, at("2027-01-14T23:59:59Z"), WEEK), None);
            let end = verdict(of, at("2027-01-15T00:00:00Z"), WEEK);
            assert_eq!(end, Some(RetiredReason::QuarantineOver));
        }
    }
}
