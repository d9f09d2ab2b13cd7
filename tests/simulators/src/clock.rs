//! The simulated world's clock: it runs at the machine's pace and can be set forward.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// One clock for the whole world. Under tokio's paused time it stands still with the runtime.
#[derive(Debug)]
pub struct Clock {
    epoch: Timestamp,
    started: Instant,
    advanced_seconds: AtomicI64,
}

impl Clock {
    /// A clock that shows `epoch` now.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self {
            epoch,
            started: Instant::now(),
            advanced_seconds: AtomicI64::new(0),
        }
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or_default();
        self.epoch
            + elapsed
            + SignedDuration::from_secs(self.advanced_seconds.load(Ordering::SeqCst))
    }

    /// Sets the clock forward by whole seconds.
    pub fn advance(&self, by: SignedDuration) {
        self.advanced_seconds
            .fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// The clock as an HTTP `Date` header (RFC 9110, 5.6.7).
    #[must_use]
    pub fn http_date(&self) -> String {
        self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}
