//! The weekly report: what a check has counted, for a person to read. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fields::{FleetEntry, FleetState};
use super::totals::{Counts, Totals};

/// The weekly report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeeklyReport {
    /// The Monday that it is of.
    pub week: Timestamp,
    /// The time of the check that made it.
    pub time: Timestamp,
    /// How many mailbox secrets stand how.
    #[serde(flatten)]
    pub counts: Counts,
    /// Whose client secrets end first, the first of them first.
    pub most_urgent: Vec<Urgent>,
    /// Those that are not well, the worst first.
    pub not_well: Vec<NotWell>,
    /// So many more are not well, and not named.
    pub left_out: usize,
}

/// One whose client secret ends soon, by comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urgent {
    /// Its name.
    pub secret: String,
    /// How it stands.
    pub state: FleetState,
    /// When its client secret ends.
    pub expires_at: Timestamp,
}

/// Some that are not well, by the same cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotWell {
    /// How they stand.
    pub state: FleetState,
    /// Why, in a few words, where something says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The first check that saw one of them so, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Their names.
    pub secrets: Vec<String>,
}

/// What the names and causes may take of an event, in bytes: an event has 256 KB (EventBridge quotas, "PutEvents entry
/// size"), and so has the mail (SNS API reference, *Publish*).
const ROOM: usize = 200 * 1024;

/// So many causes are told apart for each state, and so many characters of each are said.
const CAUSES: usize = 100;
const CAUSE: usize = 160;

impl WeeklyReport {
    /// Of what a check has counted.
    #[must_use]
    pub fn new(week: Timestamp, time: Timestamp, totals: &Totals) -> Self {
        let mut not_well: Vec<NotWell> = Vec::new();
        for entry in totals.secrets.iter().filter(|entry| is_not_well(entry)) {
            add(&mut not_well, entry);
        }
        not_well.sort_by_key(|some| (some.state.worst_first(), usize::MAX - some.secrets.len()));
        let unnamed = cut(&mut not_well);
        Self {
            week,
            time,
            counts: totals.counts,
            most_urgent: totals.most_urgent.iter().filter_map(urgent).collect(),
            not_well,
            left_out: totals.left_out + unnamed,
        }
    }
}

fn urgent(entry: &FleetEntry) -> Option<Urgent> {
    Some(Urgent {
        secret: entry.secret.clone(),
        state: entry.state,
        expires_at: entry.expires_at?,
    })
}

/// A rotation that is due or under way goes its way, unless a check saw it stand still.
fn is_not_well(entry: &FleetEntry) -> bool {
    match entry.state {
        FleetState::Healthy | FleetState::Replica => false,
        FleetState::Due => entry.since.is_some(),
        FleetState::WaitingForPerson | FleetState::Failed | FleetState::Unreachable => true,
    }
}

/// To those with the same cause; once there are too many causes, to those of which none is said.
fn add(not_well: &mut Vec<NotWell>, entry: &FleetEntry) {
    let place = |not_well: &[NotWell], cause: &Option<String>| {
        let same = |some: &NotWell| some.state == entry.state && some.cause == *cause;
        not_well.iter().position(same)
    };
    let mut cause = entry.failure.as_deref().map(in_a_few_words);
    let mut at = place(not_well, &cause);
    let of_state = not_well.iter().filter(|some| some.state == entry.state);
    if at.is_none() && of_state.count() >= CAUSES {
        cause = None;
        at = place(not_well, &cause);
    }
    match at.and_then(|at| not_well.get_mut(at)) {
        Some(some) => {
            some.secrets.push(entry.secret.clone());
            some.since = [some.since, entry.since].into_iter().flatten().min();
        }
        None => not_well.push(NotWell {
            state: entry.state,
            cause,
            since: entry.since,
            secrets: vec![entry.secret.clone()],
        }),
    }
}

/// What failed, without the next step.
fn in_a_few_words(failure: &str) -> String {
    let (what, _) = failure.split_once(". ").unwrap_or((failure, ""));
    what.chars().take(CAUSE).collect()
}

/// Leaves as many names as there is room for; how many it took away.
fn cut(not_well: &mut Vec<NotWell>) -> usize {
    // A cause with its fields, quoted; a name with its quotes and comma.
    let cost = |text: &str| serde_json::to_string(text).map_or(ROOM, |json| json.len() + 1);
    let mut room = ROOM;
    let mut taken_away = 0;
    for some in not_well.iter_mut() {
        let mut fits = |bytes: usize| {
            let left = room.checked_sub(bytes);
            room = left.unwrap_or_default();
            left.is_some()
        };
        let head = 120 + some.cause.as_deref().map_or(0, cost);
        let named = match fits(head) {
            true => some
                .secrets
                .iter()
                .take_while(|name| fits(cost(name)))
                .count(),
            false => 0,
        };
        taken_away += some.secrets.len() - named;
        some.secrets.truncate(named);
    }
    not_well.retain(|some| !some.secrets.is_empty());
    taken_away
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Looked;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn report(all: impl IntoIterator<Item = FleetEntry>) -> WeeklyReport {
        let mut totals = Totals::default();
        for entry in all {
            let looked = Looked {
                entry,
                rotating: false,
                is_fresh: false,
                waits_for_its_first: false,
            };
            totals.add(looked, NOW);
        }
        WeeklyReport::new(NOW, NOW, &totals)
    }

    fn entry(n: usize, state: FleetState, failure: Option<&str>) -> FleetEntry {
        FleetEntry {
            secret: format!("shopmail/orders-{n}"),
            state,
            expires_at: None,
            since: None,
            failure: failure.map(str::to_owned),
            half_done: None,
        }
    }

    #[test]
    fn those_with_the_same_cause_are_named_together_the_worst_first() {
        let down = Some("asking ShopCtrl: answered 503. Nothing to do: it is tried again.");
        let mut unreachable = entry(1, FleetState::Unreachable, down);
        unreachable.since = at(500);
        let mut before = entry(2, FleetState::Unreachable, down);
        before.since = at(100);
        let mut stands_still = entry(5, FleetState::Due, None);
        stands_still.since = at(50);
        let report = report([
            entry(0, FleetState::WaitingForPerson, None),
            unreachable,
            before,
            entry(3, FleetState::Failed, Some("a wrong key_id")),
            entry(4, FleetState::Due, None),
            stands_still,
            entry(6, FleetState::Healthy, None),
            entry(7, FleetState::Replica, None),
        ]);
        let of = |some: &NotWell| (some.state, some.cause.clone(), some.secrets.len());
        let not_well: Vec<_> = report.not_well.iter().map(of).collect();
        let words = |cause: &str| Some(cause.to_owned());
        assert_eq!(
            not_well,
            [
                (FleetState::Failed, words("a wrong key_id"), 1),
                (
                    FleetState::Unreachable,
                    words("asking ShopCtrl: answered 503"),
                    2
                ),
                (FleetState::Due, None, 1),
                (FleetState::WaitingForPerson, None, 1),
            ]
        );
        assert_eq!(report.not_well[1].since, at(100));
        assert_eq!((report.counts.checked, report.left_out), (8, 0));
    }

    #[test]
    fn ten_thousand_that_are_unwell_fit_into_an_event_and_who_is_left_out_is_counted() {
        for same_cause in [true, false] {
            let failure = |n: usize| match same_cause {
                true => "asking Entra: answered 503".to_owned(),
                false => format!("asking \"{n}\": {}", "ö".repeat(400)),
            };
            let all = (0..10_000).map(|n| entry(n, FleetState::Failed, Some(&failure(n))));
            let report = report(all);
            let json = serde_json::to_string(&report).unwrap();
            assert!(json.len() < 240 * 1024, "{}", json.len());
            let named: usize = report.not_well.iter().map(|some| some.secrets.len()).sum();
            assert!(named > 5_000, "{named}");
            assert_eq!(named + report.left_out, 10_000);
            assert!(report.not_well.len() <= CAUSES + 1);
        }
    }
}
