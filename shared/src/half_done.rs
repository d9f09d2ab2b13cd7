//! A new client secret that some connections have and others do not yet: a state with a name. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mailbox_secret::Direction;

/// How far a new client secret has come that is neither nowhere nor everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HalfDone {
    /// Receiving has it, sending not yet.
    SendingNotYet,
    /// Sending has it, receiving not yet.
    ReceivingNotYet,
    /// A direction with several connections has it for some of them.
    SomeNotYet,
}

/// Those of one direction.
#[derive(Default)]
struct Side {
    has: bool,
    lacks: bool,
}

impl HalfDone {
    const ALL: [Self; 3] = [Self::SendingNotYet, Self::ReceivingNotYet, Self::SomeNotYet];

    /// By what each connection has; `None` where all have it, or none.
    pub fn of(connections: impl IntoIterator<Item = (Direction, bool)>) -> Option<Self> {
        let (mut receiving, mut sending) = (Side::default(), Side::default());
        for (direction, has) in connections {
            let side = match direction {
                Direction::Receiving => &mut receiving,
                Direction::Sending => &mut sending,
            };
            side.has |= has;
            side.lacks |= !has;
        }
        let has = receiving.has || sending.has;
        match (receiving.lacks, sending.lacks) {
            _ if !has => None,
            (false, false) => None,
            (false, true) if receiving.has => Some(Self::SendingNotYet),
            (true, false) if sending.has => Some(Self::ReceivingNotYet),
            (true, _) | (_, true) => Some(Self::SomeNotYet),
        }
    }

    /// A text without these words at its end.
    #[must_use]
    pub(crate) fn split_off(text: &str) -> (&str, Option<Self>) {
        let split = |half_done: Self| {
            let before = text.strip_suffix(&half_done.to_string())?;
            Some((before.strip_suffix("; ")?, Some(half_done)))
        };
        Self::ALL
            .into_iter()
            .find_map(split)
            .unwrap_or((text, None))
    }
}

impl fmt::Display for HalfDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SendingNotYet => "receiving has the new secret, sending not yet",
            Self::ReceivingNotYet => "sending has the new secret, receiving not yet",
            Self::SomeNotYet => "some connections have the new secret, others not yet",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_half_done_where_some_have_it_and_others_do_not() {
        let (r, s) = (Direction::Receiving, Direction::Sending);
        for (connections, is) in [
            (vec![], None),
            (vec![(r, false), (s, false)], None),
            (vec![(r, true), (s, true)], None),
            (vec![(r, true)], None),
            (vec![(r, true), (s, false)], Some(HalfDone::SendingNotYet)),
            (
                vec![(r, true), (s, true), (s, false)],
                Some(HalfDone::SendingNotYet),
            ),
            (vec![(r, false), (s, true)], Some(HalfDone::ReceivingNotYet)),
            (vec![(r, true), (r, false)], Some(HalfDone::SomeNotYet)),
            (vec![(s, true), (s, false)], Some(HalfDone::SomeNotYet)),
            (
                vec![(r, true), (r, false), (s, false)],
                Some(HalfDone::SomeNotYet),
            ),
        ] {
            assert_eq!(HalfDone::of(connections.clone()), is, "{connections:?}");
        }
    }
}
