//! Removes what carries the marker, and nothing else. It looks until nothing is found any more, more than once: what was
//! made a moment ago may not be shown yet. What fails is tried again with the next look, and keeps none of the others.

use std::collections::BTreeSet;

use shared::failure::{Failure, Kind};

use crate::aws::Aws;
use crate::entra::Entra;
use crate::marker::Of;
use crate::pace::Pace;

/// What became of it.
#[derive(Debug, Default)]
pub struct CleanedUp {
    /// The names of what was removed.
    pub removed: Vec<String>,
    /// What could not be.
    pub failures: Vec<Failure>,
}

/// So many looks in a row that find nothing are an end.
const EMPTY_LOOKS: u32 = 3;

/// What one look came to.
#[derive(Default)]
struct Look {
    removed: Vec<String>,
    failures: Vec<Failure>,
    more_to_come: bool,
}

impl Look {
    fn removed<T>(&mut self, name: String, answer: Result<T, Failure>) -> Option<T> {
        match answer {
            Ok(done) => {
                self.removed.push(name);
                Some(done)
            }
            Err(failure) => {
                self.failures.push(failure);
                None
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.failures.is_empty() && !self.more_to_come
    }
}

pub async fn clean_up(aws: Option<&Aws>, entra: Option<&Entra>, of: &Of, pace: Pace) -> CleanedUp {
    let mut cleaned = CleanedUp::default();
    if let Some(aws) = aws {
        cleaned
            .until_nothing_is_found(pace, async || secrets(aws, of).await)
            .await;
    }
    if let Some(entra) = entra {
        // What was deleted shows among what can be restored a moment later, and is to go from there too.
        let mut restorable = BTreeSet::new();
        cleaned
            .until_nothing_is_found(pace, async || apps(entra, of, &mut restorable).await)
            .await;
    }
    cleaned
}

async fn secrets(aws: &Aws, of: &Of) -> Look {
    let mut look = Look::default();
    for secret in aws.secrets.find(of, &mut look.failures).await {
        let name = format!("secret {}", secret.name());
        look.removed(name, secret.delete().await);
    }
    look
}

async fn apps(entra: &Entra, of: &Of, restorable: &mut BTreeSet<String>) -> Look {
    let mut look = Look::default();
    let found = entra.find(of, &mut look.failures).await;
    let deleted = entra.find_deleted(of, &mut look.failures).await;
    for app in found {
        let name = format!("app registration {}", app.name());
        let can_be_restored = look.removed(name, entra.delete(app).await).flatten();
        restorable.extend(can_be_restored);
    }
    for item in deleted {
        let name = format!("deleted {} for good", item.name());
        if let Some(id) = look.removed(name, entra.purge(item).await) {
            restorable.remove(&id);
        }
    }
    look.more_to_come = !restorable.is_empty();
    look
}

impl CleanedUp {
    async fn until_nothing_is_found(&mut self, pace: Pace, mut look: impl AsyncFnMut() -> Look) {
        let (mut empty, mut failures) = (0, Vec::new());
        let done = pace.until(async || {
            let seen = look().await;
            empty = if seen.is_empty() { empty + 1 } else { 0 };
            // A list that is late shows some of them twice.
            for name in seen.removed {
                if !self.removed.contains(&name) {
                    self.removed.push(name);
                }
            }
            failures = seen.failures;
            pace.pause().await;
            Ok((empty >= EMPTY_LOOKS).then_some(()))
        });
        if !matches!(done.await, Ok(Some(_))) {
            // No server, the same of each.
            failures.dedup();
            if failures.is_empty() {
                failures.push(still_found());
            }
            self.failures.extend(failures);
        }
    }
}

fn still_found() -> Failure {
    Failure::new(
        Kind::Temporary,
        "what was removed still shows, or does not show among what was deleted",
    )
    .next_step("run `cargo run -p first-hour -- clean-up` in some minutes")
}
