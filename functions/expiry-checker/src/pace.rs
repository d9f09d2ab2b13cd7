//! No faster than a service allows for all of a fleet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use shared::ids::DirectoryId;
use tokio::time::Instant;

/// Turns, each some time after the one before.
#[derive(Debug)]
pub(crate) struct Pace {
    apart: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) const fn one_each(apart: Duration) -> Self {
        Self {
            apart,
            next: Mutex::new(None),
        }
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.apart);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

/// A pace of each tenant's own: so many in any such time.
#[derive(Debug)]
pub(crate) struct TenantPace {
    most: usize,
    within: Duration,
    /// The last ones of each.
    turns: Mutex<BTreeMap<Option<DirectoryId>, VecDeque<Instant>>>,
}

impl TenantPace {
    pub(crate) const fn of(most: usize, within: Duration) -> Self {
        Self {
            most,
            within,
            turns: Mutex::new(BTreeMap::new()),
        }
    }

    /// Waits for one's turn, unless that is longer than `patience`.
    pub(crate) async fn turn_within(
        &self,
        tenant: Option<DirectoryId>,
        patience: Duration,
    ) -> bool {
        let now = Instant::now();
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let last = turns.entry(tenant).or_default();
            let oldest = last.front().filter(|_| last.len() >= self.most);
            let turn = oldest.map_or(now, |oldest| (*oldest + self.within).max(now));
            if turn.duration_since(now) > patience {
                return false;
            }
            if last.len() >= self.most {
                last.pop_front();
            }
            last.push_back(turn);
            turn
        };
        tokio::time::sleep_until(turn).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenant_has_five_turns_in_any_ten_seconds_and_another_one_its_own() {
        let pace = TenantPace::of(5, Duration::from_secs(10));
        let began = Instant::now();
        let tenant = || DirectoryId::read("00000000-0000-4000-8000-000000000001");
        for turn in 0..12_u64 {
            assert!(pace.turn_within(tenant(), Duration::from_secs(60)).await);
            assert_eq!(began.elapsed().as_secs(), turn / 5 * 10);
        }
        assert!(pace.turn_within(None, Duration::ZERO).await);
        for _ in 0..3 {
            assert!(pace.turn_within(tenant(), Duration::ZERO).await);
        }
        assert!(!pace.turn_within(tenant(), Duration::from_secs(9)).await);
    }
}
