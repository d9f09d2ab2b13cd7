//! Why a story ends before its end.

use std::fmt;

/// The reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Something that must happen was not seen.
    NotSeen(String),
    /// A line that was about to be printed held a secret.
    Leak,
    /// The world could not be built.
    World(String),
    /// Standard output is closed.
    Output(String),
}

impl Stop {
    /// A code that stays the same.
    pub fn what(&self) -> &'static str {
        match self {
            Self::NotSeen(_) => "not_seen",
            Self::Leak => "leak",
            Self::World(_) => "not_started",
            Self::Output(_) => "output_closed",
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSeen(what) => write!(f, "Not seen: {what}"),
            Self::Leak => f.write_str(
                "A line that was about to be printed held a secret value; it was not printed",
            ),
            Self::World(why) => write!(f, "The simulated world did not start: {why}"),
            Self::Output(why) => write!(f, "Standard output cannot be written: {why}"),
        }
    }
}
