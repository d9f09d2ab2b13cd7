//! No faster than a service allows for all of a fleet.

use std::collections::BTreeMap;
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

/// A pace of each tenant's own.
#[derive(Debug)]
pub(crate) struct TenantPace {
    apart: Duration,
    next: Mutex<BTreeMap<Option<DirectoryId>, Instant>>,
}

impl TenantPace {
    pub(crate) const fn one_each(apart: Duration) -> Self {
        Self {
            apart,
            next: Mutex::new(BTreeMap::new()),
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
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.get(&tenant).map_or(now, |next| (*next).max(now));
            if turn.duration_since(now) > patience {
                return false;
            }
            next.insert(tenant, turn + self.apart);
            turn
        };
        tokio::time::sleep_until(turn).await;
        true
    }
}
