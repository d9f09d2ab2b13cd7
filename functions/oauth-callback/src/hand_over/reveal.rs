//! Whether the new client secret may be shown, as far as that can be seen without asking Entra.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::grants::consents::Grant;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret, Rotator};
use shared::ticket::{Purpose, Ticket};

use super::context::HandOverContext;

/// Why a secret is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NotRevealed {
    /// The mailbox has got another owner since the sign-in.
    AnotherAccount,
    /// The version is not pending: what is current is in use, and nobody has to enter it.
    NotPending,
    /// The sign-in is more than ten minutes old.
    OldSignIn,
    /// The document's `reveal_to` does not name the account.
    NotInRevealTo,
    /// The rotator is the app itself: its secret could issue others.
    RotatorIsTheApp,
    /// The app has application permissions: its secret opens more than this mailbox.
    ApplicationPermissions,
    /// What the app may do could not be found out.
    NotChecked,
}

impl NotRevealed {
    /// The name that events and logs have.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnotherAccount => "another_account",
            Self::NotPending => "not_pending",
            Self::OldSignIn => "old_sign_in",
            Self::NotInRevealTo => "not_in_reveal_to",
            Self::RotatorIsTheApp => "rotator_is_the_app",
            Self::ApplicationPermissions => "application_permissions",
            Self::NotChecked => "not_checked",
        }
    }

    pub fn is_misconfigured(self) -> bool {
        match self {
            Self::RotatorIsTheApp | Self::ApplicationPermissions => true,
            Self::AnotherAccount
            | Self::NotPending
            | Self::OldSignIn
            | Self::NotInRevealTo
            | Self::NotChecked => false,
        }
    }
}

/// Whether the secret may be shown after a sign-in by this link: then the account's owner has to enter the password,
/// and a session of Microsoft's in that browser is not enough.
pub(crate) fn may_follow(ticket: &Ticket, document: &MailboxSecret, known: Option<&Grant>) -> bool {
    let named = |grant: &Grant| document.reveal_to.contains(&grant.oid);
    let attended = |connection: &Connection| {
        connection.delivery == Delivery::Attended && connection.mailbox == ticket.mailbox
    };
    ticket.purpose == Purpose::Rotate
        && document.rotator != (Rotator::Itself {})
        // Whose account it is may be known by the sign-in only.
        && known.map_or(!document.reveal_to.is_empty(), named)
        && document.connections.iter().any(attended)
}

/// Why the secret may not be shown in this session, if it may not.
pub(crate) fn refusal(context: &HandOverContext, now: Timestamp) -> Option<NotRevealed> {
    if !context.is_the_owners() {
        return Some(NotRevealed::AnotherAccount);
    }
    let pending = context.secret.versions.in_progress() == Some(&context.ticket.version);
    if context.ticket.purpose != Purpose::Rotate || !pending || context.promoted() {
        return Some(NotRevealed::NotPending);
    }
    if context.document.rotator == (Rotator::Itself {}) {
        return Some(NotRevealed::RotatorIsTheApp);
    }
    if !context.document.reveal_to.contains(&context.session.oid) {
        return Some(NotRevealed::NotInRevealTo);
    }
    if !context.session.is_fresh(now) {
        return Some(NotRevealed::OldSignIn);
    }
    None
}
