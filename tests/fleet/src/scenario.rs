//! What a check is measured in.

use serde::{Deserialize, Serialize};

use crate::seed::MOST_UNKNOWN;

/// How often the checker is called, by which it decides how deeply it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Look {
    /// Every six hours, as the template has it: lightly at what is at rest, and deeply at each mailbox once a day.
    SixHourly,
    /// Without a known schedule: deeply at each mailbox, each time.
    Deep,
}

impl Look {
    pub(crate) const ALL: [Self; 2] = [Self::SixHourly, Self::Deep];

    /// The checker's setting.
    pub(crate) fn schedule(self) -> Option<&'static str> {
        match self {
            Self::SixHourly => Some("rate(6 hours)"),
            Self::Deep => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SixHourly => "six-hourly",
            Self::Deep => "deep",
        }
    }
}

/// What the check meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// The first check of all, which knows nothing yet and writes the tags.
    First,
    /// All is at rest.
    Healthy,
    /// Entra does not answer for one tenant.
    EntraHangs,
    /// Graph does not answer for one tenant.
    GraphHangs,
    /// The account has one Lambda slot less than the checker would use.
    OneSlotShort,
    /// A hundred rotations wait for a person.
    HundredWait,
}

/// So many wait for a person.
pub(crate) const WAITING: usize = 100;

impl Scenario {
    pub(crate) const ALL: [Self; 6] = [
        Self::First,
        Self::Healthy,
        Self::EntraHangs,
        Self::GraphHangs,
        Self::OneSlotShort,
        Self::HundredWait,
    ];

    /// Whether there is anything to measure: a hundred that wait need others beside them, a slot is short where all of
    /// them are used, and the first check looks deeply whatever its schedule.
    pub(crate) fn is_for(self, size: usize, look: Look) -> bool {
        match self {
            Self::Healthy | Self::EntraHangs | Self::GraphHangs => true,
            Self::First => look == Look::Deep && size <= MOST_UNKNOWN,
            Self::OneSlotShort => look == Look::Deep && size > WAITING,
            Self::HundredWait => size > WAITING,
        }
    }

    /// How many are to wait for a person.
    pub(crate) fn waiting(self) -> usize {
        match self {
            Self::HundredWait => WAITING,
            Self::First
            | Self::Healthy
            | Self::EntraHangs
            | Self::GraphHangs
            | Self::OneSlotShort => 0,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first check",
            Self::Healthy => "healthy",
            Self::EntraHangs => "Entra hangs for one tenant",
            Self::GraphHangs => "Graph hangs for one tenant",
            Self::OneSlotShort => "one slot short",
            Self::HundredWait => "a hundred wait for a person",
        }
    }
}
