//! How a change spreads: each door into the directory has replicas that learn of it, and forget, at
//! their own time, and requests go round them (docs/beliefs.md, Entra: "one STS replica may accept
//! while the next still refuses").

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// For how long a replica does not know of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lag {
    /// It knows at once.
    #[default]
    None,
    /// It knows after this time on the world's clock.
    Time(SignedDuration),
    /// It knows once this many requests about the app came in after the change.
    Requests(u64),
}

/// One replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replica {
    /// When it knows something new.
    pub learns: Lag,
    /// When it lets go of something removed.
    pub forgets: Lag,
}

/// When a change happened, by the clock and by the requests that each door had seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) token_requests: u64,
    pub(crate) graph_reads: u64,
}

/// The doors into the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Token,
    Graph,
}

impl Lag {
    pub(crate) fn is_over(self, change: &Moment, door: Door, seen: u64, now: Timestamp) -> bool {
        let seen_at_change = match door {
            Door::Token => change.token_requests,
            Door::Graph => change.graph_reads,
        };
        match self {
            Self::None => true,
            Self::Time(lag) => now >= change.at + lag,
            Self::Requests(requests) => seen.saturating_sub(seen_at_change) >= requests,
        }
    }
}

/// A door's replicas, and how many requests about each app it has seen.
#[derive(Debug)]
pub(crate) struct Replicas {
    door: Door,
    replicas: Vec<Replica>,
    seen: HashMap<Uuid, u64>,
}

/// What one request gets to see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    door: Door,
    replica: Replica,
    seen: u64,
    now: Timestamp,
}

impl Replicas {
    pub(crate) fn new(door: Door) -> Self {
        Self {
            door,
            replicas: vec![Replica::default()],
            seen: HashMap::new(),
        }
    }

    pub(crate) fn set(&mut self, replicas: Vec<Replica>) {
        self.replicas = if replicas.is_empty() {
            vec![Replica::default()]
        } else {
            replicas
        };
    }

    pub(crate) fn seen(&self, app_id: Uuid) -> u64 {
        self.seen.get(&app_id).copied().unwrap_or_default()
    }

    /// The view of the request that comes in now; the next one goes to the next replica.
    pub(crate) fn next_view(&mut self, app_id: Uuid, now: Timestamp) -> View {
        let turn = self.seen(app_id);
        self.view_of(turn, app_id, now)
    }

    /// The view of the request that comes in now at the replica whose turn it is.
    pub(crate) fn view_of(&mut self, turn: u64, app_id: Uuid, now: Timestamp) -> View {
        let seen = self.seen(app_id);
        *self.seen.entry(app_id).or_default() += 1;
        let turn = usize::try_from(turn).unwrap_or_default() % self.replicas.len();
        View {
            door: self.door,
            replica: self.replicas.get(turn).copied().unwrap_or_default(),
            seen,
            now,
        }
    }

    /// What a request to each replica would see now.
    pub(crate) fn all_views(&self, app_id: Uuid, now: Timestamp) -> Vec<View> {
        let seen = self.seen(app_id);
        self.replicas
            .iter()
            .map(|replica| View {
                door: self.door,
                replica: *replica,
                seen,
                now,
            })
            .collect()
    }
}

impl View {
    /// What whoever has just written sees: all of it.
    pub(crate) fn of_the_writer() -> Self {
        Self {
            door: Door::Graph,
            replica: Replica::default(),
            seen: 0,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    pub(crate) fn shows(&self, added: &Moment, removed: Option<&Moment>) -> bool {
        let learned = self
            .replica
            .learns
            .is_over(added, self.door, self.seen, self.now);
        let forgotten = removed.is_some_and(|removed| {
            self.replica
                .forgets
                .is_over(removed, self.door, self.seen, self.now)
        });
        learned && !forgotten
    }
}
