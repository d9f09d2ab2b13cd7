//! How a request ends that is answered with neither a redirect nor a screen of the hand-over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::entra::refusal::RefusalReason;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::SignInName;
use shared::ticket::Purpose;

use crate::hand_over::reveal::NotRevealed;

/// The outcome, with what its page says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    NoSuchPage,
    /// The page is there for other methods, which `allow` names (RFC 9110, 10.2.1).
    WrongMethod {
        allow: String,
    },
    /// Lambda would have ended the request.
    OutOfTime,
    /// Something on our side that passes.
    Temporary,
    /// Something on our side that a retry does not mend.
    Misconfigured,

    NoTicket,
    /// It has not the form of a ticket, or was altered.
    InvalidTicket,
    /// Neither the key nor the one before signed it.
    OtherKey,
    ExpiredTicket,
    /// It ended so long ago that nothing can be had by it.
    TooOld,
    /// A new link was wanted in place of one that is good.
    GoodTicket,
    NewLink,
    /// The link was sent a short while ago, and may be asked for again from then on.
    AskedShortlyBefore {
        again: Timestamp,
    },
    /// A new link was wanted, and nobody is waited for.
    NobodyWaitedFor,
    /// No new link while the mailbox's rotation is switched off.
    RotationOff,
    /// The secret is another region's, whose links lead to that region's `oauth-callback`.
    Replica,
    /// The link belongs to an attempt that was given up.
    Superseded,
    /// What the link was for is done.
    AlreadyDone,

    /// The redirect from Microsoft fits no sign-in that this browser began: no cookie, another state.
    NoSignIn,
    NoCode,
    /// Microsoft ended the sign-in.
    Refused {
        reason: RefusalReason,
        number: Option<i64>,
        expected: SignInName,
    },
    /// Microsoft refuses the secret that is in use: no sign-in can be completed with it.
    CurrentSecretRefused,
    /// What Microsoft said of the account does not hold what it has to.
    IdTokenRefused,
    WrongAccount {
        expected: SignInName,
    },
    /// An account with another name than the mailbox's is expected to have. Where only that name is known, it
    /// may be the right account all the same.
    AnotherName {
        expected: SignInName,
    },
    PersonalAccount {
        expected: SignInName,
    },
    /// An account of another organisation, or a guest.
    ForeignAccount {
        expected: SignInName,
    },
    /// Not all permissions were granted.
    ConsentIncomplete {
        mailbox: MailboxAddress,
    },
    /// The grant is stored; nothing was waiting for it. `attended`: a person enters new secrets in ShopCtrl.
    Connected {
        mailbox: MailboxAddress,
        attended: bool,
    },
    /// The grant is stored while the mailbox's rotation is switched off.
    StoredWhileOff {
        mailbox: MailboxAddress,
    },
    /// The grant is stored, and a rotation goes on.
    RotationGoesOn {
        mailbox: MailboxAddress,
        purpose: Purpose,
    },
    /// The grant is stored; the new secret still has to be handed to ShopCtrl.
    HandOverRemains {
        mailbox: MailboxAddress,
    },
    /// The grant is stored; whether ShopCtrl wants a sign-in of its own, and where, could not be learned.
    AuthorizeRemains {
        mailbox: MailboxAddress,
    },

    /// An administrator came back from granting the app's permissions.
    AdminGranted,
    AdminDeclined {
        number: Option<i64>,
    },

    /// The session of a hand-over is over, or was never begun in this browser.
    SessionOver,
    NoSuchConnection,
    /// The form does not say what ShopCtrl shows.
    NoStatement,
    RevealRefused {
        reason: NotRevealed,
        expected: SignInName,
    },
    /// No dates of a hand-over that is not done.
    NotDone,
}

impl Outcome {
    /// The name that the log has.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoSuchPage => "no-such-page",
            Self::WrongMethod { .. } => "wrong-method",
            Self::OutOfTime => "out-of-time",
            Self::Temporary => "temporary",
            Self::Misconfigured => "misconfigured",
            Self::NoTicket => "no-ticket",
            Self::InvalidTicket => "invalid-ticket",
            Self::OtherKey => "other-key",
            Self::ExpiredTicket => "expired-ticket",
            Self::TooOld => "old-ticket",
            Self::GoodTicket => "good-ticket",
            Self::NewLink => "new-link",
            Self::AskedShortlyBefore { .. } => "asked-shortly-before",
            Self::NobodyWaitedFor => "nobody-waited-for",
            Self::RotationOff | Self::StoredWhileOff { .. } => "rotation-off",
            Self::Replica => "replica",
            Self::Superseded => "superseded",
            Self::AlreadyDone => "already-done",
            Self::NoSignIn | Self::SessionOver => "no-session",
            Self::NoCode => "no-code",
            Self::Refused { reason, .. } => reason.name(),
            Self::CurrentSecretRefused => "current-secret-refused",
            Self::IdTokenRefused => "id-token-refused",
            Self::WrongAccount { .. } | Self::AnotherName { .. } => "wrong-account",
            Self::PersonalAccount { .. } => "personal-account",
            Self::ForeignAccount { .. } => "foreign-account",
            Self::ConsentIncomplete { .. } => "consent-incomplete",
            Self::Connected { .. } => "connected",
            Self::RotationGoesOn { .. } => "rotation-goes-on",
            Self::HandOverRemains { .. } => "hand-over-remains",
            Self::AuthorizeRemains { .. } => "authorize-remains",
            Self::AdminGranted => "admin-granted",
            Self::AdminDeclined { .. } => "admin-declined",
            Self::NoSuchConnection => "no-such-connection",
            Self::NoStatement => "said-nothing",
            Self::RevealRefused { .. } => "reveal-refused",
            Self::NotDone => "not-done",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> i64 {
        match self {
            Self::AlreadyDone
            | Self::NobodyWaitedFor
            | Self::AskedShortlyBefore { .. }
            | Self::Connected { .. }
            | Self::StoredWhileOff { .. }
            | Self::RotationGoesOn { .. }
            | Self::HandOverRemains { .. }
            | Self::AdminGranted => 200,
            Self::NewLink => 202,
            Self::NoTicket
            | Self::InvalidTicket
            | Self::OtherKey
            | Self::GoodTicket
            | Self::NoSignIn
            | Self::NoCode
            | Self::NoSuchConnection
            | Self::NoStatement => 400,
            Self::WrongAccount { .. }
            | Self::AnotherName { .. }
            | Self::PersonalAccount { .. }
            | Self::ForeignAccount { .. }
            | Self::ConsentIncomplete { .. }
            | Self::AdminDeclined { .. }
            | Self::SessionOver => 403,
            Self::NoSuchPage | Self::NotDone => 404,
            Self::WrongMethod { .. } => 405,
            Self::RotationOff | Self::CurrentSecretRefused => 409,
            Self::ExpiredTicket | Self::TooOld | Self::Replica | Self::Superseded => 410,
            Self::Misconfigured | Self::IdTokenRefused => 500,
            Self::OutOfTime | Self::Temporary | Self::AuthorizeRemains { .. } => 503,
            Self::Refused { reason, .. } => match reason {
                RefusalReason::StartAgain => 400,
                RefusalReason::Declined
                | RefusalReason::AdminApproval
                | RefusalReason::WrongAccount
                | RefusalReason::PersonalAccount
                | RefusalReason::ForeignAccount
                | RefusalReason::NotAssigned
                | RefusalReason::MoreProof
                | RefusalReason::AccountError
                | RefusalReason::BlockedByPolicy => 403,
                RefusalReason::Registration
                | RefusalReason::Federation
                | RefusalReason::Unknown => 500,
                RefusalReason::ClientRefused | RefusalReason::Transient => 503,
            },
            Self::RevealRefused { reason, .. } => match reason {
                NotRevealed::NotPending => 200,
                NotRevealed::AnotherAccount
                | NotRevealed::OldSignIn
                | NotRevealed::NotInRevealTo
                | NotRevealed::RotatorIsTheApp
                | NotRevealed::ApplicationPermissions
                | NotRevealed::NotChecked => 403,
            },
        }
    }

    pub fn is_success(&self) -> bool {
        self.status() < 400
    }

    /// Whether another account than the mailbox's signed in, which Microsoft would sign in again without asking.
    pub fn is_another_account(&self) -> bool {
        matches!(
            self,
            Self::WrongAccount { .. }
                | Self::AnotherName { .. }
                | Self::PersonalAccount { .. }
                | Self::ForeignAccount { .. }
                | Self::Refused {
                    reason: RefusalReason::WrongAccount
                        | RefusalReason::PersonalAccount
                        | RefusalReason::ForeignAccount,
                    ..
                }
        )
    }
}
