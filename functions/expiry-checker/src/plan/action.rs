//! What a check may do about one mailbox secret.

use std::fmt;

use shared::events::{DueReason, EventKind};
use shared::rotation::Step;

use super::untidy::Untidy;

/// What is to be done, in this order: what removes comes before what adds.
#[derive(Debug, Clone, PartialEq)]
pub enum PlannedAction {
    /// Put in order what was left behind.
    Sweep(Vec<Untidy>),
    /// Remove superseded credentials whose quarantine is over.
    Retire,
    /// Publish the promotion of this version, which a kill kept from being published.
    PublishRotated { version: String },
    /// Take AWSPENDING from a version that holds nothing of ours.
    DropPending { version: String },
    /// Publish an event: what people are to hear of at the end of the check.
    Publish(EventKind),
    /// Set a tag.
    Tag { key: &'static str, value: String },
    /// Ask Secrets Manager for a rotation.
    Rotate { reason: DueReason },
    /// Ask Secrets Manager to go on with a rotation that stands still.
    Reattempt { token: String },
    /// Invoke the remaining steps of a rotation ourselves: asking did not move it.
    Continue { token: String, first: Step },
}

impl PlannedAction {
    /// The step or action, where it fails; of a rotation that goes on, the failing step says itself.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sweep(_) => "sweep",
            Self::Retire => "retire",
            Self::PublishRotated { .. } => Step::FinishSecret.name(),
            Self::Rotate { .. } | Self::Reattempt { .. } => "rotate",
            Self::Continue { first, .. } => first.name(),
            Self::DropPending { .. } | Self::Publish(_) | Self::Tag { .. } => "check",
        }
    }

    /// Whether a rotation begins by it, or goes on.
    pub fn moves_the_rotation(&self) -> bool {
        match self {
            Self::Rotate { .. } | Self::Reattempt { .. } | Self::Continue { .. } => true,
            Self::Sweep(_)
            | Self::Retire
            | Self::PublishRotated { .. }
            | Self::DropPending { .. }
            | Self::Publish(_)
            | Self::Tag { .. } => false,
        }
    }

    /// Whether it is put off while something could not be announced: a rotation that can wait, which is announced
    /// once, when it is asked for.
    pub fn is_announced(&self) -> bool {
        match self {
            Self::Rotate { reason } => match reason {
                DueReason::Due | DueReason::Together => true,
                DueReason::Expired | DueReason::Emergency => false,
            },
            Self::Sweep(_)
            | Self::Retire
            | Self::PublishRotated { .. }
            | Self::DropPending { .. }
            | Self::Publish(_)
            | Self::Tag { .. }
            | Self::Reattempt { .. }
            | Self::Continue { .. } => false,
        }
    }
}

impl fmt::Display for PlannedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sweep(untidy) => {
                let what: Vec<String> = untidy.iter().map(ToString::to_string).collect();
                write!(f, "put in order: {}", what.join(", "))
            }
            Self::Retire => f.write_str("retire superseded credentials, if their time has come"),
            Self::PublishRotated { version } => {
                write!(f, "tell that version {version} was promoted")
            }
            Self::DropPending { version } => {
                write!(
                    f,
                    "take AWSPENDING from version {version}, which holds nothing issued"
                )
            }
            Self::Publish(event) => write!(f, "tell: {}", event.detail_type()),
            Self::Tag { key, value } => write!(f, "set tag {key} to {value}"),
            Self::Rotate { .. } => f.write_str("start a rotation"),
            Self::Reattempt { token } => write!(f, "have rotation {token} reattempted"),
            Self::Continue { token, .. } => {
                write!(f, "invoke the remaining steps of rotation {token}")
            }
        }
    }
}
