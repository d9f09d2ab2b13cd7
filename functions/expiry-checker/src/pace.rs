//! No faster than a service allows for all of a fleet.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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
