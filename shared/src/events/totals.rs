//! What a check counts of the mailbox secrets that it looked at, carried from one part of it to the next. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::fields::{FleetEntry, FleetState};

/// How many mailbox secrets stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Mailbox secrets in all.
    pub checked: usize,
    /// With nothing to do.
    pub healthy: usize,
    /// With a rotation started or going on.
    pub due: usize,
    /// With a rotation that waits for a person.
    pub waiting_for_person: usize,
    /// That are broken.
    pub failed: usize,
    /// That could not be looked at.
    pub unreachable: usize,
    /// Replicas of another region's secrets, which are looked after there.
    pub replicas: usize,
}

/// The sum of a check so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// How many stand how.
    #[serde(flatten)]
    pub counts: Counts,
    /// Whose client secret ends within [`SOON`], or has ended, while a rotation is due and none is under way.
    pub ends_soon_without_rotation: usize,
    /// Of which nobody knows when the client secret ends, but for those that wait for their first one.
    pub end_not_known: usize,
    /// How long the check has taken.
    pub seconds: f64,
    /// How many calls to other services it has made, those of the functions that it invoked included.
    pub calls: u64,
    /// The nearest end of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_end: Option<Timestamp>,
    /// Those whose client secrets end first, the first of them first.
    pub most_urgent: Vec<FleetEntry>,
    /// Those that are not healthy.
    pub secrets: Vec<FleetEntry>,
    /// So many more are not healthy, and not named in `secrets`.
    pub left_out: usize,
}

/// A mailbox secret, as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// How it stands.
    pub entry: FleetEntry,
    /// A rotation of it is under way, or was just started.
    pub rotating: bool,
    /// Its policy wants none yet: it lives so short that its end is always near.
    pub is_fresh: bool,
    /// It has had no client secret yet.
    pub waits_for_its_first: bool,
}

/// What ends within this time has to be in rotation already.
pub const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// So many of the most urgent are kept.
pub const MOST_URGENT: usize = 50;

/// So many secrets are named with the words of what failed, and so many characters of them.
const WITH_WORDS: usize = 200;
const WORDS: usize = 300;

/// So many are kept by name, and so many replicas: more do not fit into an event, in the fewest words.
const NAMED: usize = 10_000;
const REPLICAS: usize = 500;

/// What the secrets that are named may take of an event, in bytes: an event has 256 KB (EventBridge quotas, "PutEvents
/// entry size"), and the same words cost more in its JSON.
const ROOM: usize = 160 * 1024;

impl Totals {
    /// Counts one more.
    pub fn add(&mut self, looked: Looked, now: Timestamp) {
        let Looked {
            mut entry,
            rotating,
            is_fresh,
            waits_for_its_first,
        } = looked;
        self.counts.add(entry.state);
        let is_ours = entry.state != FleetState::Replica;
        match entry.expires_at.filter(|_| is_ours) {
            Some(end) => {
                let soon = end.duration_since(now) < SOON && !rotating && !is_fresh;
                self.ends_soon_without_rotation += usize::from(soon);
                self.nearest_end = Some(self.nearest_end.map_or(end, |nearest| nearest.min(end)));
                self.add_urgent(&entry);
            }
            None => self.end_not_known += usize::from(is_ours && !waits_for_its_first),
        }
        if entry.state != FleetState::Healthy {
            entry.failure = entry
                .failure
                .map(|words| words.chars().take(WORDS).collect());
            let has_room = match is_ours {
                true => self.secrets.len() < NAMED,
                false => self.counts.replicas <= REPLICAS,
            };
            match has_room {
                true => self.secrets.push(entry),
                false => self.left_out += 1,
            }
        }
    }

    fn add_urgent(&mut self, entry: &FleetEntry) {
        let is_before = |other: &FleetEntry| other.expires_at <= entry.expires_at;
        let place = self.most_urgent.partition_point(is_before);
        if place < MOST_URGENT {
            self.most_urgent.insert(
                place,
                FleetEntry {
                    failure: None,
                    half_done: None,
                    ..entry.clone()
                },
            );
            self.most_urgent.truncate(MOST_URGENT);
        }
    }

    /// As much of it as fits into an event, the worst first; `left_out` says how many secrets are not named.
    #[must_use]
    pub fn fitting(mut self) -> Self {
        self.secrets.sort_by_key(|entry| entry.state.worst_first());
        let mut room = ROOM;
        let mut fits = |entry: &FleetEntry| {
            let bytes = serde_json::to_vec(entry).map_or(ROOM, |json| json.len() + 1);
            let left = room.checked_sub(bytes);
            room = left.unwrap_or_default();
            left.is_some()
        };
        for entry in self.secrets.iter_mut().skip(WITH_WORDS) {
            entry.failure = None;
        }
        let named = self.secrets.iter().take_while(|entry| fits(entry)).count();
        self.left_out += self.secrets.len() - named;
        self.secrets.truncate(named);
        self
    }
}

impl Counts {
    fn add(&mut self, state: FleetState) {
        self.checked += 1;
        *match state {
            FleetState::Healthy => &mut self.healthy,
            FleetState::Due => &mut self.due,
            FleetState::WaitingForPerson => &mut self.waiting_for_person,
            FleetState::Failed => &mut self.failed,
            FleetState::Unreachable => &mut self.unreachable,
            FleetState::Replica => &mut self.replicas,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn looked(n: i64, state: FleetState, ends_in_days: Option<i64>) -> Looked {
        let end = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        Looked {
            entry: FleetEntry {
                secret: format!("shopmail/orders-of-shop-{n}"),
                state,
                expires_at: ends_in_days.map(end),
                since: None,
                failure: (state == FleetState::Failed).then(|| "ö\"\n".repeat(1000)),
                half_done: None,
            },
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
        }
    }

    fn totals(all: impl IntoIterator<Item = Looked>) -> Totals {
        let mut totals = Totals::default();
        all.into_iter().for_each(|looked| totals.add(looked, NOW));
        totals
    }

    #[test]
    fn each_state_is_counted_and_all_but_the_healthy_are_named() {
        let all = [
            FleetState::Healthy,
            FleetState::Due,
            FleetState::WaitingForPerson,
            FleetState::Failed,
            FleetState::Unreachable,
            FleetState::Replica,
        ];
        let totals = totals(all.map(|state| looked(0, state, Some(100))));
        let one_each = Counts {
            checked: 6,
            healthy: 1,
            due: 1,
            waiting_for_person: 1,
            failed: 1,
            unreachable: 1,
            replicas: 1,
        };
        assert_eq!(totals.counts, one_each);
        let named: Vec<FleetState> = totals.secrets.iter().map(|entry| entry.state).collect();
        assert_eq!(named, all[1..]);
        // The replica's end is looked after in its own region.
        assert_eq!(totals.most_urgent.len(), 5);
    }

    #[test]
    fn an_end_within_a_week_counts_unless_a_rotation_is_under_way_or_not_due() {
        let at = |days| looked(0, FleetState::Healthy, Some(days));
        let rotating = Looked {
            rotating: true,
            ..at(6)
        };
        let short_lived = Looked {
            is_fresh: true,
            ..at(2)
        };
        let totals = totals([at(-1), at(6), at(7), rotating, short_lived]);
        assert_eq!(totals.ends_soon_without_rotation, 2);
        assert_eq!(totals.nearest_end, at(-1).entry.expires_at);
    }

    #[test]
    fn an_unknown_end_counts_unless_the_first_client_secret_is_waited_for() {
        let unknown = |state| looked(0, state, None);
        let first = Looked {
            waits_for_its_first: true,
            ..unknown(FleetState::WaitingForPerson)
        };
        let replica = unknown(FleetState::Replica);
        let totals = totals([unknown(FleetState::Unreachable), first, replica]);
        assert_eq!((totals.end_not_known, totals.nearest_end), (1, None));
    }

    #[test]
    fn the_most_urgent_come_first_and_are_no_more_than_fifty() {
        let totals = totals((0..200).map(|n| looked(n, FleetState::Failed, Some(200 - n))));
        let ends: Vec<_> = totals.most_urgent.iter().map(|e| e.expires_at).collect();
        assert_eq!(ends.len(), MOST_URGENT);
        assert!(ends.is_sorted());
        assert_eq!(ends.first().copied(), Some(totals.nearest_end));
        assert!(totals.most_urgent.iter().all(|e| e.failure.is_none()));
    }

    #[test]
    fn a_fleet_that_fails_fits_into_an_event_and_what_is_left_out_is_counted_through_all_parts() {
        let some = |from| totals((from..from + 5000).map(|n| looked(n, FleetState::Failed, None)));
        let carried = serde_json::to_string(&some(0).fitting()).unwrap();
        assert!(carried.len() < 200 * 1024, "{}", carried.len());
        let mut second: Totals = serde_json::from_str(&carried).unwrap();
        assert!(second.left_out > 0);
        (0..5000).for_each(|n| second.add(looked(n, FleetState::Failed, None), NOW));
        let all = second.fitting();
        assert_eq!(all.counts.failed, 10_000);
        assert_eq!(all.secrets.len() + all.left_out, 10_000);
        assert!(all.secrets[0].failure.is_some());
        assert!(serde_json::to_string(&all).unwrap().len() < 200 * 1024);
    }

    #[test]
    fn neither_replicas_nor_what_is_being_renewed_take_the_place_of_one_that_failed() {
        let many = |state| (0..9_000).map(move |n| looked(n, state, None));
        let replicas_and_due = many(FleetState::Replica).chain(many(FleetState::Due));
        let totals = totals(replicas_and_due.chain([looked(0, FleetState::Failed, None)]));
        let fitting = totals.fitting();
        assert_eq!(fitting.secrets[0].state, FleetState::Failed);
        assert!(fitting.secrets[0].failure.is_some());
        assert_eq!(fitting.secrets.len() + fitting.left_out, 18_001);
    }

    #[test]
    fn what_an_earlier_release_handed_on_is_read() {
        let totals: Totals = serde_json::from_str("{}").unwrap();
        assert_eq!(totals, Totals::default());
    }
}
