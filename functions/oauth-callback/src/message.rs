//! A message: the outcome of a request and what the person can do next. Its page is made in `pages`.

use serde::{Deserialize, Serialize};
use shared::entra::refusal::{OAuthEndpoint, OAuthError, RefusalReason};
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::SignInName;
use shared::retry::CallError;
use tracing::{error, info, warn};

use crate::outcome::Outcome;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub outcome: Outcome,
    pub button: Option<Button>,
    /// An address for somebody else.
    pub pass_on: Option<String>,
    /// Whether it ends the sign-in that is under way.
    pub ends_sign_in: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Button {
    /// To sign in with this link's ticket. `enter_credentials`: Microsoft would sign in the same account again
    /// without asking.
    SignIn {
        ticket: String,
        enter_credentials: bool,
    },
    /// To have a new link sent to the contact, in place of this expired one.
    NewLink { ticket: String },
    /// Back to the hand-over.
    BackToHandOver,
}

impl Button {
    pub fn sign_in(ticket: &str) -> Self {
        Self::SignIn {
            ticket: ticket.to_owned(),
            enter_credentials: false,
        }
    }

    pub fn sign_in_as_another(ticket: &str) -> Self {
        Self::SignIn {
            ticket: ticket.to_owned(),
            enter_credentials: true,
        }
    }
}

impl Message {
    pub fn with_button(self, button: Button) -> Self {
        Self {
            button: Some(button),
            ..self
        }
    }

    pub fn ending_sign_in(self) -> Self {
        Self {
            ends_sign_in: true,
            ..self
        }
    }

    /// Microsoft refused a sign-in, or a token.
    pub fn refused(refusal: &OAuthError, at: OAuthEndpoint, expected: SignInName) -> Self {
        info!(
            code = refusal.code(),
            correlation_id = refusal.correlation_id,
            "Microsoft refused the sign-in"
        );
        let outcome = Outcome::Refused {
            reason: RefusalReason::of(refusal, at),
            number: refusal.number,
            expected,
        };
        outcome.into()
    }
}

impl From<Outcome> for Message {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            button: None,
            pass_on: None,
            ends_sign_in: false,
        }
    }
}

/// A failure's page shows nothing of it; the log has it.
impl From<Failure> for Message {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind.error_type();
        let failure = failure.where_nothing_tries_again(
            "The page asks the person to try again; nothing else does.",
            "have the person try again",
        );
        let outcome = match failure.kind {
            Kind::Temporary | Kind::WaitingForPerson | Kind::Frozen => {
                warn!(kind, %failure, "the request failed; the person may try again");
                Outcome::Temporary
            }
            Kind::Refused | Kind::Misconfigured => {
                error!(kind, %failure, "the request failed: an administrator has to act");
                Outcome::Misconfigured
            }
        };
        outcome.into()
    }
}

impl From<CallError> for Message {
    fn from(error: CallError) -> Self {
        error.failure.into()
    }
}
