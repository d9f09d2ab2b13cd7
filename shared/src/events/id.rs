//! The `id` of an event: the same each time the same thing is published, so that a repeated one is known.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use super::{Event, EventKind, Subject};

impl Event {
    pub(super) fn id(&self) -> String {
        let subject = match (&self.subject, &self.kind) {
            (Subject::Secret(mailbox), _) => mailbox.arn.clone(),
            // One for each week, whichever check publishes it.
            (Subject::Fleet(_), EventKind::WeeklyReport(report)) => report.week.to_string(),
            (Subject::Fleet(check), _) => check.to_string(),
        };
        let parts = [
            subject.as_str(),
            self.token.as_deref().unwrap_or_default(),
            self.kind.detail_type(),
            &self.kind.deduplication_key(),
        ];
        let hash = digest(&SHA256, parts.join("\n").as_bytes());
        let (front, _) = hash.as_ref().split_at(16);
        HEXLOWER.encode(front)
    }
}

impl EventKind {
    /// What sets two events of one kind, secret and rotation apart.
    fn deduplication_key(&self) -> String {
        match self {
            Self::RotationDue { expires_at, reason } => {
                let expires_at = expires_at.map(|end| end.to_string());
                format!("{} {reason:?}", expires_at.unwrap_or_default())
            }
            Self::ClientSecretExpired { expires_at, .. } => expires_at.to_string(),
            Self::RotationStarted { key_id, .. } => key_id.to_string(),
            // What it closes is a look at that moment, too.
            Self::ClientSecretRotated { key_id, closes, .. } => match closes.as_slice() {
                [] => key_id.to_string(),
                closes => format!("{key_id} {closes:?}"),
            },
            Self::MailboxRecovered { closes, at, .. } => match closes.since {
                Some(_) => format!("{closes:?}"),
                None => format!("{closes:?} {at}"),
            },
            // What stops is a look at that moment; published again, it may be another one.
            Self::CredentialRetired {
                key_id,
                reason,
                stops,
            } => {
                let stops = stops.as_ref().map(|stops| stops.summary.as_str());
                format!("{key_id} {reason:?} {}", stops.unwrap_or_default())
            }
            Self::AuthorizationRequired { mailbox, asked, .. }
            | Self::GrantExpiring { mailbox, asked, .. } => {
                format!("{} {}", mailbox.key(), asked.deduplication_key())
            }
            Self::HandOverRequired {
                connections, asked, ..
            } => {
                let ids = connections.iter().map(|c| c.id.as_str());
                let ids = ids.collect::<Vec<_>>().join(" ");
                format!("{ids} {}", asked.deduplication_key())
            }
            Self::ClientSecretRevealed {
                connection, by, at, ..
            } => {
                format!("{connection} {by} {at}")
            }
            Self::RevealRefused { by, at, reason, .. } => format!("{by} {at} {reason}"),
            Self::HandOverAttested {
                connection,
                state,
                by,
                at,
                ..
            } => format!("{connection} {state:?} {by} {at}"),
            // When it goes is a look at that moment, too: another rotation may have begun since.
            Self::SupersededSecretEnding {
                key_id,
                ends_at,
                threshold_days,
                ..
            } => format!("{key_id} {ends_at} {threshold_days:?}"),
            Self::ConnectionDelivered {
                connection,
                key_id,
                put_back_at,
                ..
            } => match put_back_at {
                None => format!("{connection} {key_id}"),
                Some(at) => format!("{connection} {key_id} {at}"),
            },
            Self::RotationFailed {
                step,
                error_type,
                what,
                code,
                // It may say what was seen at that moment, too.
                next_step,
                ..
            } => format!("{step} {error_type} {what} {code:?} {next_step}"),
            Self::RotationStalled { since, check, .. } => format!("{since} {check}"),
            Self::ClientSecretExpiring {
                expires_at,
                threshold_days,
                ..
            } => format!("{expires_at} {threshold_days}"),
            Self::DriftFound {
                what,
                connection,
                mended,
                time,
                ..
            } => format!("{} {connection:?} {mended} {time}", what.code()),
            // One for each check, whose time is in the id.
            Self::FleetReport { .. } | Self::WeeklyReport(_) => String::new(),
            // One for each rotation, whose token is in the id.
            Self::CheckRequested { .. } => String::new(),
            Self::CheckContinues { part, .. } => part.to_string(),
        }
    }
}
