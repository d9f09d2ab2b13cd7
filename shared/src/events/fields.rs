//! What events say beyond plain texts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::BaseUrl;
use crate::drift::{Drift, DriftKind};
use crate::half_done::HalfDone;
use crate::ids::{ConnectionId, DirectoryId, MailboxAddress};
use crate::mailbox_secret::{Delivery, Direction};

/// A mailbox secret, as a check found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetEntry {
    /// Its name.
    pub secret: String,
    /// Which of the counts it is in.
    pub state: FleetState,
    /// When its client secret ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The first check that saw it not in order, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What failed, or the first of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Where the delivery of its new client secret came to, if that is half way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_done: Option<HalfDone>,
}

/// The mailbox secrets that a check had no time for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// All of these tenants.
    pub tenants: Vec<DirectoryId>,
    /// And those whose tenant no earlier check has noted.
    pub without_tenant: bool,
    /// Rotations that are due wait for others, which were begun before.
    #[serde(default)]
    pub rotations_wait: bool,
}

impl Left {
    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty() && !self.without_tenant
    }
}

/// How a mailbox secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FleetState {
    /// Nothing to do.
    Healthy,
    /// A rotation is due or under way.
    Due,
    /// A rotation waits for a person.
    WaitingForPerson,
    /// It is broken: somebody has to mend it, or it could not be acted on.
    Failed,
    /// It could not be looked at: how it stands is not known.
    Unreachable,
    /// It is a replica of another region's secret.
    Replica,
}

impl FleetState {
    /// Its place, where those that most want a person come first.
    pub(super) fn worst_first(self) -> u8 {
        match self {
            Self::Failed => 0,
            Self::Unreachable => 1,
            Self::Due => 2,
            Self::WaitingForPerson => 3,
            Self::Replica => 4,
            Self::Healthy => 5,
        }
    }
}

/// Why a rotation is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DueReason {
    /// Little time is left.
    Due,
    /// It will be due soon, and its contact is asked for another mailbox now.
    Together,
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

/// Whether the shop's mail flows, by all that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailFlow {
    /// Nothing that was seen stops it.
    Flows,
    /// What was seen stops it.
    StandsStill,
    /// It could not be looked at.
    #[default]
    NotKnown,
}

impl MailFlow {
    /// With a client secret that ends then.
    #[must_use]
    pub fn until(end: Timestamp, now: Timestamp) -> Self {
        match end > now {
            true => Self::Flows,
            false => Self::StandsStill,
        }
    }
}

/// What becomes of a client secret that nears its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// It waits for a person, who was asked.
    WaitsForPerson,
    /// It is under way, or begins now.
    #[default]
    UnderWay,
    /// A freeze holds it back.
    Frozen,
    /// The rotation of the secret is switched off.
    SwitchedOff,
    /// It is not due yet, or begins in the next window.
    NotDue,
}

/// Something that is wrong with a mailbox, of which people hear when it begins and when it is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum Trouble {
    /// A rotation waits for a person.
    WaitingForPerson,
    /// The permission of a mailbox's owner is missing or dead while no rotation needs it.
    PermissionEnding,
    /// A rotation or a configuration test failed.
    RotationFailed,
    /// For a day it could not be looked at, or its rotation stood still.
    Stalled,
    /// Its client secret nears its end.
    Expiring,
    /// Its client secret has ended.
    Expired,
    /// Something is not as it was left.
    Drift {
        /// What.
        what: DriftKind,
        /// At which connection, where it is at one that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
    },
}

impl Trouble {
    /// That something is not as it was left.
    #[must_use]
    pub fn of(drift: Drift) -> Self {
        let Drift { what, connection } = drift;
        Self::Drift { what, connection }
    }
}

impl Trouble {
    /// Whether it is Secrets Manager's own schedule that does not fit.
    #[must_use]
    pub fn is_of_the_backstop(&self) -> bool {
        matches!(
            self,
            Self::Drift {
                what: DriftKind::BackstopEarly | DriftKind::BackstopLate,
                ..
            }
        )
    }
}

/// A trouble that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTrouble {
    /// What.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// The first look that saw it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What sets two requests for the same thing apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskedBefore {
    /// When the last link to the same end ended, in Unix seconds.
    pub until: Option<i64>,
    /// The threshold at which it is asked now: [`crate::policy::Thresholds::urgency`].
    pub threshold: Option<i64>,
    /// How often the link was sent anew on request, this time included.
    pub times: u32,
}

impl AskedBefore {
    /// What is sent on request is an event of its own, and the same one where a kill has it sent twice.
    pub(super) fn deduplication_key(&self) -> String {
        let Self {
            until,
            threshold,
            times,
        } = self;
        match times {
            0 => format!("{until:?} {threshold:?}"),
            times => format!("{until:?} {threshold:?} {times}"),
        }
    }
}

/// What stops working by the removal of a credential that leaked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stops {
    /// The connections that are not seen to hold its successor.
    pub connections: Vec<StoppedConnection>,
    /// For whoever is woken by it.
    pub summary: String,
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
    /// Whether a person gives ShopCtrl the secret, or only authorizes it there.
    pub delivery: Delivery,
    /// The account that ShopCtrl signs in as.
    pub mailbox: MailboxAddress,
    /// Where people open that ShopCtrl.
    pub shopctrl_ui: BaseUrl,
}
