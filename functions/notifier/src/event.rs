//! The events that people are mailed of, as they are read: of each field only what a mail says. What events of earlier
//! releases do not have has a default: they may come while a new release is deployed.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use shared::drift::DriftKind;
use shared::events::{MailFlow, OpenTrouble, Renewal, WeeklyReport};
use shared::failure::Failure;
use shared::half_done::HalfDone;
use shared::ids::{ConnectionId, DirectoryId, KeyId, MailboxAddress};
use shared::json;
use shared::mailbox_secret::{Delivery, Direction};
use shared::out_of_reach::OutOfReach;
use shared::ticket::Purpose;

use crate::refused;

/// An event that people are mailed of.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    /// The same for each repeat.
    pub(crate) id: String,
    /// Of which mailbox.
    pub(crate) mailbox: Mailbox,
    /// What it says.
    pub(crate) what: What,
}

/// The weekly report.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Weekly {
    /// The same for each repeat.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) report: WeeklyReport,
}

impl Weekly {
    /// Reads the event; `None` of any other.
    pub(crate) fn read(event: &Value) -> Result<Option<Self>, Failure> {
        let detail = event.get("detail").unwrap_or(&Value::Null);
        match event.get("detail-type").and_then(Value::as_str) {
            Some("Weekly Report") => read(detail).map(Some),
            _ => Ok(None),
        }
    }
}

/// Which mailbox secret, as people know it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mailbox {
    pub(crate) secret: String,
    pub(crate) shop: Option<String>,
    #[serde(default)]
    pub(crate) mailboxes: Vec<MailboxAddress>,
    pub(crate) contact: Option<String>,
}

/// What an event says.
#[derive(Debug, Clone)]
pub(crate) enum What {
    SignInNeeded(SignInNeeded),
    HandOverNeeded(HandOverNeeded),
    PermissionEnding(PermissionEnding),
    Expiring(Expiring),
    Expired(Expired),
    SupersededEnding(SupersededEnding),
    Revealed(Revealed),
    Failed(Failed),
    Stalled(Stalled),
    Drift(Drift),
    Rotated(Rotated),
    Recovered(Recovered),
    Stopped(Stops),
}

/// The link in a request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Link {
    #[serde(rename = "link")]
    pub(crate) address: String,
    #[serde(rename = "link_expires_at")]
    pub(crate) ends: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SignInNeeded {
    pub(crate) mailbox: MailboxAddress,
    #[serde(flatten)]
    pub(crate) link: Link,
    pub(crate) reason: String,
    #[serde(default = "rotate")]
    pub(crate) purpose: Purpose,
    #[serde(default)]
    pub(crate) mail: MailFlow,
    pub(crate) half_done: Option<HalfDone>,
    pub(crate) due_by: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HandOverNeeded {
    pub(crate) mailbox: MailboxAddress,
    pub(crate) connections: Vec<Connection>,
    #[serde(flatten)]
    pub(crate) link: Link,
    #[serde(default = "rotate")]
    pub(crate) purpose: Purpose,
    #[serde(default)]
    pub(crate) mail: MailFlow,
    pub(crate) half_done: Option<HalfDone>,
    pub(crate) due_by: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Connection {
    pub(crate) direction: Direction,
    #[serde(default)]
    pub(crate) delivery: Delivery,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PermissionEnding {
    pub(crate) mailbox: MailboxAddress,
    #[serde(flatten)]
    pub(crate) link: Link,
    #[serde(default)]
    pub(crate) mail: MailFlow,
    pub(crate) due_by: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Expiring {
    pub(crate) expires_at: Timestamp,
    pub(crate) days_left: i64,
    #[serde(default)]
    pub(crate) renewal: Renewal,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Expired {
    pub(crate) expires_at: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SupersededEnding {
    pub(crate) key_id: KeyId,
    pub(crate) ends_at: Timestamp,
    pub(crate) threshold_days: Option<i64>,
    pub(crate) connections: Vec<Connection>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Revealed {
    pub(crate) connection: ConnectionId,
    pub(crate) by: DirectoryId,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Failed {
    pub(crate) step: String,
    pub(crate) what: String,
    pub(crate) code: Option<String>,
    pub(crate) half_done: Option<HalfDone>,
    pub(crate) next_step: String,
    #[serde(default)]
    pub(crate) mail: MailFlow,
    pub(crate) expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stalled {
    pub(crate) since: Timestamp,
    pub(crate) out_of_reach: Option<OutOfReach>,
    #[serde(flatten)]
    pub(crate) failed: Failed,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Drift {
    pub(crate) what: DriftKind,
    pub(crate) meaning: Option<String>,
    pub(crate) next_step: Option<String>,
    #[serde(default)]
    pub(crate) mail: MailFlow,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) matters_from: Option<Timestamp>,
    #[serde(default)]
    pub(crate) mended: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rotated {
    pub(crate) expires_at: Timestamp,
    #[serde(default)]
    pub(crate) closes: Vec<OpenTrouble>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recovered {
    #[serde(flatten)]
    pub(crate) closes: OpenTrouble,
    pub(crate) at: Timestamp,
    pub(crate) seen: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stops {
    pub(crate) summary: String,
    /// Those that are not seen to hold the new secret.
    connections: Vec<IgnoredAny>,
}

fn rotate() -> Purpose {
    Purpose::Rotate
}

impl Notice {
    /// Reads an event of ours; `None` of one that nobody is mailed of.
    pub(crate) fn read(event: &Value) -> Result<Option<Self>, Failure> {
        let detail_type = event.get("detail-type").and_then(Value::as_str);
        let detail = event.get("detail").unwrap_or(&Value::Null);
        let what = match detail_type.ok_or_else(|| refused("detail-type is missing"))? {
            "Authorization Required" => What::SignInNeeded(read(detail)?),
            "Hand-over Required" => What::HandOverNeeded(read(detail)?),
            "Grant Expiring" => What::PermissionEnding(read(detail)?),
            "Client Secret Expiring" => What::Expiring(read(detail)?),
            "Client Secret Expired" => What::Expired(read(detail)?),
            "Superseded Secret Ending" => What::SupersededEnding(read(detail)?),
            "Client Secret Revealed" => What::Revealed(read(detail)?),
            "Rotation Failed" => What::Failed(read(detail)?),
            "Rotation Stalled" => What::Stalled(read(detail)?),
            "Drift Found" => What::Drift(read(detail)?),
            // What nobody was told was wrong is not told to be over.
            "Client Secret Rotated" => match read::<Rotated>(detail)? {
                Rotated { closes, .. } if closes.is_empty() => return Ok(None),
                rotated => What::Rotated(rotated),
            },
            "Mailbox Recovered" => What::Recovered(read(detail)?),
            "Credential Retired" => match detail.get("stops") {
                None => return Ok(None),
                Some(stops) => match read::<Stops>(stops)? {
                    Stops { connections, .. } if connections.is_empty() => return Ok(None),
                    stops => What::Stopped(stops),
                },
            },
            _ => return Ok(None),
        };
        let id = detail.get("id").and_then(Value::as_str);
        Ok(Some(Self {
            id: id
                .ok_or_else(|| refused("detail.id is missing"))?
                .to_owned(),
            mailbox: read(detail)?,
            what,
        }))
    }
}

/// Reads a `detail`; what is wrong is said with its field.
fn read<T: DeserializeOwned>(detail: &Value) -> Result<T, Failure> {
    json::read_value(detail).map_err(|problem| refused(&format!("detail: {problem}")))
}
