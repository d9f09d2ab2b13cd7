//! What is told to the world: events of source `shopmail` on EventBridge, at least once each.

mod one_line;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;

use crate::aws::sorted;
use crate::config::BaseUrl;
use crate::drift::DriftKind;
use crate::failure::{Failure, Kind, foreign_code};
use crate::grants::HandOverState;
use crate::ids::{ConnectionId, DirectoryId, KeyId, MailboxAddress};
use crate::mailbox_secret::{Delivery, Direction};
use crate::retry::backoff;

/// An event. No field of any kind can hold a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Of what.
    pub subject: Subject,
    /// The rotation, where there is one.
    pub token: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One mailbox secret.
    Secret {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
    },
    /// All of them, in the check of this time.
    Fleet(Timestamp),
}

/// What happened; JSON Schemas are in infra/events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventKind {
    /// A client secret has to be renewed.
    RotationDue {
        /// When it stops working.
        expires_at: Timestamp,
        /// Why now.
        reason: DueReason,
    },
    /// A new credential was issued and stored.
    RotationStarted {
        /// The new credential.
        key_id: KeyId,
        /// When it stops working.
        expires_at: Timestamp,
    },
    /// A mailbox's owner has to sign in.
    AuthorizationRequired {
        /// The account.
        mailbox: MailboxAddress,
        /// Where.
        link: String,
        /// Until when the link is good.
        link_expires_at: Timestamp,
        /// How often it was asked before, and how urgent it was.
        #[serde(skip)]
        asked: AskedBefore,
        /// Entra's code, or `no_grant`.
        reason: String,
        /// When mail stops.
        due_by: Timestamp,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
    },
    /// A mailbox's grant is dead or dying while no rotation needs it: its owner should sign in long
    /// before one does.
    GrantExpiring {
        /// The account.
        mailbox: MailboxAddress,
        /// Where.
        link: String,
        /// Until when the link is good.
        link_expires_at: Timestamp,
        /// How often it was asked before, and how urgent it was.
        #[serde(skip)]
        asked: AskedBefore,
        /// Entra's code, or `no_grant`.
        reason: String,
        /// When the grant was last redeemed, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        redeemed_at: Option<Timestamp>,
        /// When mail stops if nobody signs in.
        due_by: Timestamp,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
    },
    /// A person has to hand the new secret to ShopCtrl.
    HandOverRequired {
        /// The account that has to sign in for it.
        mailbox: MailboxAddress,
        /// For these connections.
        connections: Vec<HandOverConnection>,
        /// Where.
        link: String,
        /// Until when the link is good.
        link_expires_at: Timestamp,
        /// How often it was asked before, and how urgent it was.
        #[serde(skip)]
        asked: AskedBefore,
        /// When mail stops.
        due_by: Timestamp,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
    },
    /// The page behind a person's link showed a pending client secret.
    ClientSecretRevealed {
        /// The credential.
        key_id: KeyId,
        /// For which connection.
        connection: ConnectionId,
        /// To whom (`oid`).
        by: DirectoryId,
        /// When.
        at: Timestamp,
    },
    /// The page was asked for a pending client secret and did not show it.
    RevealRefused {
        /// The credential.
        key_id: KeyId,
        /// Who asked (`oid`).
        by: DirectoryId,
        /// When.
        at: Timestamp,
        /// Why, as a code: `not_in_reveal_to`, `old_sign_in`, …
        reason: String,
    },
    /// A person said what ShopCtrl shows of a connection.
    HandOverAttested {
        /// The connection.
        connection: ConnectionId,
        /// Its direction.
        direction: Direction,
        /// What they said.
        state: HandOverState,
        /// Who said it (`oid`).
        by: DirectoryId,
        /// When, by ShopCtrl's clock where it could be asked.
        at: Timestamp,
        /// What the statement rests on.
        rests_on: String,
    },
    /// A superseded client secret ends soon, and nothing shows that ShopCtrl does not use it any more; or
    /// it was made by hand, and whoever else uses it should know.
    SupersededSecretEnding {
        /// The credential.
        key_id: KeyId,
        /// When it stops working.
        ends_at: Timestamp,
        /// The rung of the ladder, 7, 3 or 1 days; absent where it is told as its quarantine begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        rung: Option<i64>,
        /// The connections that a person handed over.
        connections: Vec<HandOverConnection>,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
    },
    /// ShopCtrl holds the new secret for a connection.
    ConnectionDelivered {
        /// The connection.
        connection: ConnectionId,
        /// Its direction.
        direction: Direction,
        /// The new credential.
        key_id: KeyId,
        /// How it got there.
        delivery: Delivery,
        /// Outside of a rotation: when the system began to give the current secret back.
        #[serde(skip_serializing_if = "Option::is_none")]
        put_back_at: Option<Timestamp>,
    },
    /// The new secret is the current one.
    ClientSecretRotated {
        /// The new credential.
        key_id: KeyId,
        /// The one before.
        #[serde(skip_serializing_if = "Option::is_none")]
        previous_key_id: Option<KeyId>,
        /// When the new one stops working.
        expires_at: Timestamp,
    },
    /// A credential was removed in Entra.
    CredentialRetired {
        /// The credential.
        key_id: KeyId,
        /// Why.
        reason: RetiredReason,
        /// What stops working by it, where it was still in use by all that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        stops: Option<Stops>,
    },
    /// A rotation failed in a way that wants an administrator.
    RotationFailed {
        /// The step or action.
        step: String,
        /// The Lambda error type.
        error_type: String,
        /// What was being done.
        what: String,
        /// The server's code.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// What to do.
        next_step: String,
    },
    /// For a day a mailbox could not be looked at or acted on, or its rotation has stood still; told again as the
    /// end nears, and each week.
    RotationStalled {
        /// Since when, by the first check that saw it so.
        since: Timestamp,
        /// The step or action that fails.
        step: String,
        /// What was being done, and how it ended.
        what: String,
        /// The server's code.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// What to do.
        next_step: String,
        /// When the current client secret stops working, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
        /// By which check it is told, in Unix seconds: what tells it from the time before.
        #[serde(skip)]
        told: i64,
    },
    /// A client secret nears its end.
    ClientSecretExpiring {
        /// When it stops working.
        expires_at: Timestamp,
        /// Whole days left.
        days_left: i64,
        /// The rung of the ladder: 30, 14, 7, 3 or 1.
        rung: i64,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
    },
    /// A client secret has ended: mail stands still since then.
    ClientSecretExpired {
        /// Since when.
        expires_at: Timestamp,
        /// Whom to tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<String>,
    },
    /// Something is not as it was left.
    DriftFound {
        /// What.
        what: DriftKind,
        /// At which connection.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
        /// When it was seen first.
        found_at: Timestamp,
        /// The same check put it right.
        #[serde(skip_serializing_if = "is_false")]
        mended: bool,
        /// What tells this time from another one that the same is found.
        #[serde(skip)]
        time: String,
    },
    /// The report of one check.
    FleetReport {
        /// The part of a check that ran out of time and was continued: behind which secret it began.
        #[serde(skip)]
        cursor: Option<String>,
        /// Mailbox secrets looked at.
        checked: usize,
        /// With nothing to do.
        healthy: usize,
        /// With a rotation started or going on.
        due: usize,
        /// With a rotation that waits for a person.
        waiting_for_person: usize,
        /// That could not be looked at or acted on.
        failed: usize,
        /// Replicas of another region's secrets, which are looked after there.
        replicas: usize,
        /// Those that are not healthy.
        secrets: Vec<FleetEntry>,
    },
    /// A leaked client secret was replaced: this secret, and those that share the leaked one, are to be
    /// checked at once.
    CheckRequested {
        /// The time of the promotion, by Entra's clock.
        time: Timestamp,
    },
    /// The check ran out of time and goes on behind this secret.
    CheckContinues {
        /// ARN of the last secret that was looked at.
        cursor: String,
        /// The time of the check.
        time: Timestamp,
    },
}

/// A mailbox secret that is not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetEntry {
    /// Its name.
    pub secret: String,
    /// Which of the counts it is in.
    pub state: FleetState,
    /// When its client secret ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What failed, or the first of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How a mailbox secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetState {
    /// Nothing to do.
    Healthy,
    /// A rotation is due or under way.
    Due,
    /// A rotation waits for a person.
    WaitingForPerson,
    /// It could not be looked at or acted on.
    Failed,
    /// It is a replica of another region's secret.
    Replica,
}

/// Why a rotation is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DueReason {
    /// Little time is left.
    Due,
    /// It has ended already.
    Expired,
    /// The tag says that the secret leaked.
    Emergency,
}

/// Why a credential was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetiredReason {
    /// Superseded, and its quarantine is over.
    QuarantineOver,
    /// Superseded because it leaked.
    Emergency,
    /// Superseded, and removed by somebody else.
    AlreadyGone,
    /// Its value was never stored.
    Orphan,
}

/// What tells two requests for the same thing apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskedBefore {
    /// When the last link to the same end ended, in Unix seconds.
    pub until: Option<i64>,
    /// The rung of the ladder on which it is asked now.
    pub rung: Option<i64>,
}

/// What stops working by the removal of a credential that leaked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stops {
    /// The connections that are not seen to hold its successor.
    pub connections: Vec<StoppedConnection>,
    /// For whoever is woken by it.
    pub in_words: String,
}

/// A connection that is not seen to hold the new credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoppedConnection {
    /// The connection.
    pub id: ConnectionId,
    /// Its direction.
    pub direction: Direction,
    /// What is known.
    pub why: StoppedWhy,
}

/// What is known of a connection that may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedWhy {
    /// ShopCtrl says that it holds the removed one.
    HoldsIt,
    /// A person said that it was handed over; flowing mail does not prove which secret is used.
    OnlyAttested,
    /// ShopCtrl could not be asked, or does not say which it holds.
    NotKnown,
}

/// A connection that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandOverConnection {
    /// The connection.
    pub id: ConnectionId,
    /// Its direction.
    pub direction: Direction,
    /// The account that ShopCtrl signs in as.
    pub mailbox: MailboxAddress,
    /// Where people open that ShopCtrl.
    pub shopctrl_ui: BaseUrl,
}

impl EventKind {
    /// The `detail-type`.
    #[must_use]
    pub fn detail_type(&self) -> &'static str {
        match self {
            Self::RotationDue { .. } => "Rotation Due",
            Self::RotationStarted { .. } => "Rotation Started",
            Self::AuthorizationRequired { .. } => "Authorization Required",
            Self::HandOverRequired { .. } => "Hand-over Required",
            Self::GrantExpiring { .. } => "Grant Expiring",
            Self::ClientSecretRevealed { .. } => "Client Secret Revealed",
            Self::RevealRefused { .. } => "Reveal Refused",
            Self::HandOverAttested { .. } => "Hand-over Attested",
            Self::SupersededSecretEnding { .. } => "Superseded Secret Ending",
            Self::ConnectionDelivered { .. } => "Connection Delivered",
            Self::ClientSecretRotated { .. } => "Client Secret Rotated",
            Self::CredentialRetired { .. } => "Credential Retired",
            Self::RotationFailed { .. } => "Rotation Failed",
            Self::RotationStalled { .. } => "Rotation Stalled",
            Self::ClientSecretExpiring { .. } => "Client Secret Expiring",
            Self::ClientSecretExpired { .. } => "Client Secret Expired",
            Self::DriftFound { .. } => "Drift Found",
            Self::FleetReport { .. } => "Fleet Report",
            Self::CheckRequested { .. } => "Check Requested",
            Self::CheckContinues { .. } => "Check Continues",
        }
    }

    /// What tells two events of one kind, secret and rotation apart.
    fn particular(&self) -> String {
        match self {
            Self::RotationDue { expires_at, reason } => format!("{expires_at} {reason:?}"),
            Self::ClientSecretExpired { expires_at, .. } => expires_at.to_string(),
            Self::RotationStarted { key_id, .. } | Self::ClientSecretRotated { key_id, .. } => {
                key_id.to_string()
            }
            // What stops is a look at that moment; told again, it may be another one.
            Self::CredentialRetired {
                key_id,
                reason,
                stops,
            } => {
                let stops = stops.as_ref().map(|stops| stops.in_words.as_str());
                format!("{key_id} {reason:?} {}", stops.unwrap_or_default())
            }
            Self::AuthorizationRequired { mailbox, asked, .. }
            | Self::GrantExpiring { mailbox, asked, .. } => {
                format!("{} {:?} {:?}", mailbox.key(), asked.until, asked.rung)
            }
            Self::HandOverRequired {
                connections, asked, ..
            } => {
                let ids = connections.iter().map(|c| c.id.as_str());
                let ids = ids.collect::<Vec<_>>().join(" ");
                format!("{ids} {:?} {:?}", asked.until, asked.rung)
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
                rung,
                ..
            } => format!("{key_id} {ends_at} {rung:?}"),
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
            } => format!("{step} {error_type} {what} {code:?} {next_step}"),
            Self::RotationStalled { since, told, .. } => format!("{since} {told}"),
            Self::ClientSecretExpiring {
                expires_at, rung, ..
            } => format!("{expires_at} {rung}"),
            Self::DriftFound {
                what,
                connection,
                mended,
                time,
                ..
            } => format!("{} {connection:?} {mended} {time}", what.code()),
            Self::FleetReport { cursor, .. } => cursor.clone().unwrap_or_default(),
            // One for each rotation, whose token is in the id.
            Self::CheckRequested { .. } => String::new(),
            Self::CheckContinues { cursor, .. } => cursor.clone(),
        }
    }
}

impl Event {
    /// The event's `detail`, whose texts any mail template can take. Its `id` is the same each time the same
    /// thing is told.
    #[must_use]
    pub fn detail(&self) -> Value {
        let mut detail = serde_json::to_value(&self.kind).unwrap_or_default();
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("id".into(), self.id().into());
            if let Subject::Secret { name, arn } = &self.subject {
                fields.insert("secret".into(), name.clone().into());
                fields.insert("secret_arn".into(), arn.clone().into());
            }
            if let Some(token) = &self.token {
                fields.insert("token".into(), token.clone().into());
            }
        }
        one_line::in_one_line(&mut detail);
        detail
    }

    fn id(&self) -> String {
        let subject = match &self.subject {
            Subject::Secret { arn, .. } => arn.clone(),
            Subject::Fleet(check) => check.to_string(),
        };
        let parts = [
            subject.as_str(),
            self.token.as_deref().unwrap_or_default(),
            self.kind.detail_type(),
            &self.kind.particular(),
        ];
        let hash = digest(&SHA256, parts.join("\n").as_bytes());
        let (front, _) = hash.as_ref().split_at(16);
        HEXLOWER.encode(front)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// EventBridge.
#[derive(Debug, Clone)]
pub struct Events {
    client: Client,
    bus: String,
}

/// PutEvents takes this many entries.
const BATCH: usize = 10;
/// PutEvents answers 200 also when entries failed: those are put again, this often in all.
const TRIES: u32 = 4;

/// What EventBridge did not take of a batch, and one of the reasons.
#[derive(Default)]
struct NotTaken {
    entries: Vec<PutEventsRequestEntry>,
    code: String,
}

impl Events {
    /// Onto this bus.
    #[must_use]
    pub fn new(client: Client, bus: String) -> Self {
        Self { client, bus }
    }

    /// Puts events, again those that EventBridge did not take.
    ///
    /// # Errors
    /// [`Kind::Temporary`] when some were not taken in the end.
    pub async fn put(&self, events: &[Event]) -> Result<(), Failure> {
        for batch in events.chunks(BATCH) {
            let mut left: Vec<PutEventsRequestEntry> =
                batch.iter().map(|event| self.entry(event)).collect();
            for attempt in 1..=TRIES {
                let NotTaken { entries, code } = self.put_batch(left).await?;
                left = entries;
                if left.is_empty() {
                    break;
                }
                if attempt == TRIES {
                    let what = format!("putting events: EventBridge did not take {}", left.len());
                    return Err(Failure::new(Kind::Temporary, what).code(foreign_code(&code)));
                }
                tokio::time::sleep(backoff(attempt)).await;
            }
        }
        Ok(())
    }

    async fn put_batch(&self, entries: Vec<PutEventsRequestEntry>) -> Result<NotTaken, Failure> {
        let request = self.client.put_events().set_entries(Some(entries.clone()));
        let answer = request
            .send()
            .await
            .map_err(|error| sorted("putting events", &error).failure)?;
        let mut not_taken = NotTaken::default();
        if answer.failed_entry_count() == 0 {
            return Ok(not_taken);
        }
        for (entry, result) in entries.into_iter().zip(answer.entries()) {
            if result.event_id().is_none() {
                not_taken.entries.push(entry);
                not_taken.code = result.error_code().unwrap_or("no code").to_owned();
            }
        }
        Ok(not_taken)
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        let entry = PutEventsRequestEntry::builder()
            .source("shopmail")
            .detail_type(event.kind.detail_type())
            .detail(event.detail().to_string())
            .event_bus_name(&self.bus);
        match &event.subject {
            Subject::Secret { arn, .. } => entry.resources(arn).build(),
            Subject::Fleet(_) => entry.build(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What EventBridge makes of a line of an `InputTemplate`: values as they are, between the marks of
    /// the template's own.
    fn line(detail: &Value, template: &str) -> String {
        let fields = detail.as_object().unwrap();
        fields
            .iter()
            .fold(template.to_owned(), |line, (name, value)| {
                let value = value.as_str().unwrap_or_default();
                line.replace(&format!("<{name}>"), value)
            })
    }

    proptest! {
        #[test]
        fn no_text_of_an_event_breaks_the_line_of_a_mail(
            what in r#"[a-c"\\\n\r\t\u{0}\u{7f}\u{85}]{0,12}|.{0,40}"#,
            code in proptest::option::of(r#"[a"\\\n]{0,6}"#),
            why in ".{0,40}",
        ) {
            let failed = EventKind::RotationFailed {
                step: "createSecret".into(),
                error_type: "Misconfigured".into(),
                what,
                code,
                next_step: format!("Store {{\"username\": \"…\"}}.\n{why}"),
            };
            let leaked = EventKind::CredentialRetired {
                key_id: KeyId(uuid::Uuid::nil()),
                reason: RetiredReason::Emergency,
                stops: Some(Stops { connections: Vec::new(), in_words: why }),
            };
            let subject = Subject::Secret {
                name: "shopmail/or\"ders".into(),
                arn: "arn:aws:secretsmanager:eu-central-1:1:secret:shopmail/orders-AbC123".into(),
            };
            for kind in [failed, leaked] {
                let event = Event { subject: subject.clone(), token: None, kind };
                let mut detail = event.detail();
                if let Some(words) = detail.pointer("/stops/in_words").cloned() {
                    detail["what"] = words;
                }
                for template in ["\"<secret> <what> <code>\"", "\"Next: <next_step>\""] {
                    let line = line(&detail, template);
                    prop_assert!(serde_json::from_str::<String>(&line).is_ok(), "{line}");
                }
            }
        }
    }
}
