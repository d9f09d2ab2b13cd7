//! retire: removes superseded credentials whose quarantine is over.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::credential::{Credential, KeyId};
use shared::events::{EventKind, RetiredReason};
use shared::failure::Failure;
use shared::mailbox_secret::MailboxSecret;
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::{CURRENT, key_label};
use shared::secret_store::{Described, MoveLabel};
use shared::tags;
use tracing::info;

use crate::{Rotation, event};

/// What is known about a superseded credential.
#[derive(Debug, Clone, Copy)]
struct Superseded<'a> {
    /// The credential as Entra shows it; `None` when it is gone already.
    credential: Option<&'a Credential>,
    /// Since when another version is current, at the latest.
    since: Option<Timestamp>,
    /// The version that holds it leaked.
    leaked: bool,
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
    let Some(credential) = of.credential else {
        return Some(RetiredReason::QuarantineOver);
    };
    if of.leaked {
        return Some(RetiredReason::Emergency);
    }
    let ended = credential.end.is_some_and(|end| end <= now);
    let quarantine_over = of
        .since
        .is_some_and(|since| now.duration_since(since) >= quarantine);
    (quarantine_over && (ended || !of.attended)).then_some(RetiredReason::QuarantineOver)
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
        if superseded.is_empty() {
            return Ok(json!({ "removed": [], "kept": [] }));
        }
        let tokens = self.rotators.token(&mailbox, deadline).await?;
        let app = self.app(&mailbox);
        let registration = self.registration(&app, &tokens);
        let application = with_retries(deadline, async || registration.read().await).await?;
        let emergency = secret.tags.get(tags::EMERGENCY);
        let (mut removed, mut kept) = (Vec::new(), Vec::new());
        for (key_id, version) in superseded {
            let verdict = verdict(
                Superseded {
                    credential: application.credential(key_id),
                    // The current version was made before it was promoted.
                    since: secret.last_rotated.max(current.created),
                    leaked: emergency.is_some_and(|leaked| leaked == version),
                    attended: mailbox.has_attended(),
                },
                tokens.now,
                self.settings.quarantine.signed(),
            );
            let Some(reason) = verdict else {
                kept.push(key_id);
                continue;
            };
            self.remove_credential(&registration, key_id, deadline)
                .await?;
            info!(%key_id, "retired a superseded credential");
            let retired = event(
                &secret,
                None,
                EventKind::CredentialRetired { key_id, reason },
            );
            self.events.put(&[retired]).await?;
            let drop = MoveLabel {
                secret: &secret.arn,
                label: &key_label(key_id),
                to: None,
                from: Some(version),
            };
            self.store.swap(drop).await?;
            removed.push(key_id);
        }
        Ok(json!({ "removed": removed, "kept": kept }))
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

    #[test]
    fn a_superseded_credential_goes_when_its_quarantine_is_over_and_not_before() {
        let credential = credential();
        let of = Superseded {
            credential: Some(&credential),
            since: Some(at("2026-12-01T00:00:00Z")),
            leaked: false,
            attended: false,
        };
        let week = SignedDuration::from_hours(7 * 24);
        assert_eq!(verdict(of, at("2026-12-07T23:59:59Z"), week), None);
        assert_eq!(
            verdict(of, at("2026-12-08T00:00:00Z"), week),
            Some(RetiredReason::QuarantineOver)
        );
        let leaked = Superseded { leaked: true, ..of };
        assert_eq!(
            verdict(leaked, at("2026-12-01T00:00:00Z"), week),
            Some(RetiredReason::Emergency)
        );
        let unknown = Superseded { since: None, ..of };
        assert_eq!(verdict(unknown, at("2027-12-01T00:00:00Z"), week), None);
    }

    #[test]
    fn with_an_attended_connection_it_stays_until_its_own_end() {
        let credential = credential();
        let of = Superseded {
            credential: Some(&credential),
            since: Some(at("2026-12-01T00:00:00Z")),
            leaked: false,
            attended: true,
        };
        let week = SignedDuration::from_hours(7 * 24);
        assert_eq!(verdict(of, at("2027-01-14T23:59:59Z"), week), None);
        assert_eq!(
            verdict(of, at("2027-01-15T00:00:00Z"), week),
            Some(RetiredReason::QuarantineOver)
        );
    }
}
