//! What happens, and what each event says of it.

use jiff::Timestamp;
use serde::Serialize;

use super::fields::{
    AskedBefore, DueReason, FleetEntry, HandOverConnection, Left, MailFlow, OpenTrouble, Renewal,
    RetiredReason, Stops,
};
use super::totals::{Counts, Totals};
use super::weekly::WeeklyReport;
use crate::drift::{Drift, DriftKind};
use crate::grants::attestations::HandOverState;
use crate::half_done::HalfDone;
use crate::ids::{ConnectionId, DirectoryId, KeyId, MailboxAddress};
use crate::mailbox_secret::{Delivery, Direction};
use crate::out_of_reach::OutOfReach;
use crate::ticket::Purpose;

/// What happened; JSON Schemas are in infra/event-schemas.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventKind {
    /// A client secret has to be renewed.
    RotationDue {
        /// When it stops working, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
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
        /// Whether a rotation waits for it.
        purpose: Purpose,
        /// Whether mail flows until then.
        mail: MailFlow,
        /// Where the delivery of the new client secret came to, if that is half way.
        #[serde(skip_serializing_if = "Option::is_none")]
        half_done: Option<HalfDone>,
        /// When mail stops, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_by: Option<Timestamp>,
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
        /// Whether mail flows until then.
        mail: MailFlow,
        /// When mail stops if nobody signs in, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_by: Option<Timestamp>,
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
        /// Whether a rotation waits for it.
        purpose: Purpose,
        /// Whether mail flows until then.
        mail: MailFlow,
        /// Where the delivery of the new client secret came to, if that is half way.
        #[serde(skip_serializing_if = "Option::is_none")]
        half_done: Option<HalfDone>,
        /// When mail stops, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_by: Option<Timestamp>,
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
        evidence: String,
    },
    /// A superseded client secret ends soon, and nothing shows that ShopCtrl does not use it any more; or
    /// it was made by hand, and whoever else uses it should know.
    SupersededSecretEnding {
        /// The credential.
        key_id: KeyId,
        /// When it stops working.
        ends_at: Timestamp,
        /// The threshold that was reached, 7, 3 or 1; absent where it is published as its quarantine begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        threshold_days: Option<i64>,
        /// The connections that a person handed over.
        connections: Vec<HandOverConnection>,
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
        /// What was published to be wrong before, and is over by it.
        closes: Vec<OpenTrouble>,
    },
    /// What was published to be wrong is over, and not by a new client secret.
    MailboxRecovered {
        /// What is over.
        #[serde(flatten)]
        closes: OpenTrouble,
        /// The look that saw it over.
        at: Timestamp,
        /// What that look saw.
        seen: String,
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
        /// Where the delivery of the new client secret came to, if that is half way.
        #[serde(skip_serializing_if = "Option::is_none")]
        half_done: Option<HalfDone>,
        /// What to do.
        next_step: String,
        /// Whether mail flows.
        mail: MailFlow,
        /// When the current client secret stops working, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// For a day a mailbox could not be acted on or its rotation has stood still, or four checks running could not look
    /// at it; published again as the end nears, and each week.
    RotationStalled {
        /// What could not be reached, where it is that.
        #[serde(skip_serializing_if = "Option::is_none")]
        out_of_reach: Option<OutOfReach>,
        /// Since when, by the first check that saw it so.
        since: Timestamp,
        /// The step or action that fails.
        step: String,
        /// What was being done, and how it ended.
        what: String,
        /// The server's code.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Where the delivery of the new client secret came to, if that is half way.
        #[serde(skip_serializing_if = "Option::is_none")]
        half_done: Option<HalfDone>,
        /// What to do.
        next_step: String,
        /// Whether mail flows.
        mail: MailFlow,
        /// When the current client secret stops working, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// The check that published it, in Unix seconds: what sets it apart from the time before.
        #[serde(skip)]
        check: i64,
    },
    /// A client secret nears its end.
    ClientSecretExpiring {
        /// When it stops working.
        expires_at: Timestamp,
        /// Whole days left.
        days_left: i64,
        /// The threshold that was reached, in days before the end.
        threshold_days: i64,
        /// What becomes of it.
        renewal: Renewal,
    },
    /// A client secret has ended: mail stands still since then.
    ClientSecretExpired {
        /// Since when.
        expires_at: Timestamp,
    },
    /// Something is not as it was left.
    DriftFound {
        /// What.
        what: DriftKind,
        /// At which connection.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
        /// What that means, in one sentence.
        meaning: &'static str,
        /// What to do.
        next_step: &'static str,
        /// Whether mail flows.
        mail: MailFlow,
        /// When it was seen first.
        found_at: Timestamp,
        /// From when on it matters, of what stands in the way of the next renewal alone: the day on which that begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        matters_from: Option<Timestamp>,
        /// The same check put it right.
        #[serde(skip_serializing_if = "is_false")]
        mended: bool,
        /// What sets this time apart from another one that the same is found.
        #[serde(skip)]
        time: String,
    },
    /// The report of one check, of all its parts together.
    FleetReport {
        /// The time of the check.
        time: Timestamp,
        /// The part that ended it, from 1.
        part: u32,
        /// How many mailbox secrets stand how.
        #[serde(flatten)]
        counts: Counts,
        /// Those that are not healthy.
        secrets: Vec<FleetEntry>,
        /// So many more are not healthy, and not named.
        left_out: usize,
    },
    /// The report of one week, by the first check of it.
    WeeklyReport(Box<WeeklyReport>),
    /// A leaked client secret was replaced: this secret, and those that share the leaked one, are to be
    /// checked at once.
    CheckRequested {
        /// The time of the promotion, by Entra's clock.
        time: Timestamp,
    },
    /// The check ran out of time and goes on with these.
    CheckContinues {
        /// The mailbox secrets that were not looked at yet.
        #[serde(flatten)]
        left: Left,
        /// The time of the check.
        time: Timestamp,
        /// The part that begins here: 2 and more.
        part: u32,
        /// What the parts before have counted.
        totals: Box<Totals>,
    },
}

impl EventKind {
    /// The report of a check that ended with this part.
    #[must_use]
    pub fn fleet_report(time: Timestamp, part: u32, totals: &Totals) -> Self {
        let Totals {
            counts,
            secrets,
            left_out,
            ..
        } = totals.clone().fitting();
        Self::FleetReport {
            time,
            part,
            counts,
            secrets,
            left_out,
        }
    }

    /// That a check goes on with these tenants, with what was counted so far.
    #[must_use]
    pub fn check_continues(left: Left, time: Timestamp, part: u32, totals: &Totals) -> Self {
        Self::CheckContinues {
            left,
            time,
            part,
            totals: Box::new(totals.clone().fitting()),
        }
    }

    /// A drift that was found, and not put right.
    #[must_use]
    pub fn drift(drift: Drift, found_at: Timestamp, time: String) -> Self {
        Self::DriftFound {
            meaning: drift.what.meaning(),
            next_step: drift.what.next_step(),
            mail: drift.what.mail(),
            what: drift.what,
            connection: drift.connection,
            found_at,
            matters_from: None,
            mended: false,
            time,
        }
    }

    /// The same, where it stands in the way of the next renewal, which begins at this time.
    #[must_use]
    pub fn before_the_renewal(mut self, begins: Option<Timestamp>) -> Self {
        if let Self::DriftFound {
            what, matters_from, ..
        } = &mut self
            && what.bars_the_renewal()
        {
            *matters_from = begins;
        }
        self
    }

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
            Self::MailboxRecovered { .. } => "Mailbox Recovered",
            Self::CredentialRetired { .. } => "Credential Retired",
            Self::RotationFailed { .. } => "Rotation Failed",
            Self::RotationStalled { .. } => "Rotation Stalled",
            Self::ClientSecretExpiring { .. } => "Client Secret Expiring",
            Self::ClientSecretExpired { .. } => "Client Secret Expired",
            Self::DriftFound { .. } => "Drift Found",
            Self::FleetReport { .. } => "Fleet Report",
            Self::WeeklyReport(_) => "Weekly Report",
            Self::CheckRequested { .. } => "Check Requested",
            Self::CheckContinues { .. } => "Check Continues",
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
