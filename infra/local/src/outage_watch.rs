//! How long a shop's mail stood still, seen by looking at ShopCtrl all the time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use simulators::shopctrl::{Direction, Outage};
use simulators::world::World;
use tokio::task::JoinHandle;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was seen so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Seconds, by the simulated clock, in which mail stood still in at least one direction.
    pub seconds: f64,
    /// How often it was looked.
    pub looks: u64,
    /// The first outage.
    pub first: Option<String>,
    before: Option<(Timestamp, bool)>,
}

impl Seen {
    /// A look. The time between two looks counts as outage when either of them shows one: it may have
    /// begun or ended anywhere between.
    fn look(&mut self, now: Timestamp, outages: &[Outage]) {
        let out = !outages.is_empty();
        if let Some((before, was_out)) = self.before
            && (out || was_out)
        {
            self.seconds += now.duration_since(before).as_secs_f64();
        }
        if let (None, Some(outage)) = (&self.first, outages.first()) {
            self.first = Some(format!(
                "{}: {:?}",
                direction(outage.direction),
                outage.cause
            ));
        }
        self.looks += 1;
        self.before = Some((now, out));
    }
}

/// Looks in the background until it is dropped.
pub struct OutageWatch {
    seen: Arc<Mutex<Seen>>,
    looking: JoinHandle<()>,
}

impl OutageWatch {
    /// Begins to look.
    pub fn over(world: Arc<World>, shop_id: i64) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let mine = Arc::clone(&seen);
        let looking = tokio::spawn(async move {
            loop {
                // The time first: an outage that begins in between is counted a little long.
                let now = world.clock.now();
                let mut outages = world.shopctrl.outages();
                outages.retain(|outage| outage.shop_id == shop_id);
                lock(&mine).look(now, &outages);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self { seen, looking }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }
}

impl Drop for OutageWatch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// The word for a direction.
pub fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Receiving => "receiving",
        Direction::Sending => "sending",
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use simulators::shopctrl::OutageCause;

    use super::*;

    #[test]
    fn an_outage_counts_from_the_look_before_it_to_the_look_after_it() {
        let outage = Outage {
            shop_id: 12,
            connection_id: "orders-in".to_owned(),
            direction: Direction::Receiving,
            cause: OutageCause::NotAuthorized,
        };
        let mut seen = Seen::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        seen.look(at(0), &[]);
        seen.look(at(10), &[]);
        assert_eq!(seen.seconds, 0.0);
        seen.look(at(11), std::slice::from_ref(&outage));
        seen.look(at(15), &[outage]);
        seen.look(at(16), &[]);
        seen.look(at(100), &[]);
        assert_eq!(seen.seconds, 6.0);
        assert_eq!(seen.looks, 6);
        assert_eq!(seen.first.unwrap(), "receiving: NotAuthorized");
    }
}
