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

/// Removes from both what there is.
pub async fn clean_up(aws: Option<&Aws>, entra: Option<&Entra>, of: &Of, pace: Pace) -> CleanedUp {
    let mut cleaned = CleanedUp::default();
    if let Some(aws) = aws
        && let Err(failure) = secrets(aws, of, pace, &mut cleaned).await
    {
        cleaned.failures.push(failure);
    }
    if let Some(entra) = entra
        && let Err(failure) = apps(entra, of, pace, &mut cleaned).await
    {
        cleaned.failures.push(failure);
    }
    cleaned
}

async fn secrets(aws: &Aws, of: &Of, pace: Pace, cleaned: &mut CleanedUp) -> Result<(), Failure> {
    let (mut empty, mut failed) = (0, None);
    let done = pace.until(async || {
        let found = aws.secrets.find(of).await?;
        empty = if found.is_empty() { empty + 1 } else { 0 };
        for secret in found {
            let name = format!("secret {}", secret.name());
            match secret.delete().await {
                Ok(()) => cleaned.note(name),
                Err(failure) => failed = Some(failure),
            }
        }
        pace.pause().await;
        Ok((empty >= EMPTY_LOOKS).then_some(()))
    });
    let done = done.await?;
    done.map(drop)
        .ok_or_else(|| failed.unwrap_or_else(still_found))
}

async fn apps(entra: &Entra, of: &Of, pace: Pace, cleaned: &mut CleanedUp) -> Result<(), Failure> {
    let (mut empty, mut failed) = (0, None);
    // What was deleted shows among what can be restored a moment later, and is to go from there too.
    let mut restorable = BTreeSet::new();
    let done = pace.until(async || {
        let (found, deleted) = (entra.find(of).await?, entra.find_deleted(of).await?);
        let none = found.is_empty() && deleted.is_empty();
        empty = if none { empty + 1 } else { 0 };
        for app in found {
            let name = format!("app registration {}", app.name());
            match entra.delete(app).await {
                Ok(id) => {
                    restorable.insert(id);
                    cleaned.note(name);
                }
                Err(failure) => failed = Some(failure),
            }
        }
        for item in deleted {
            let name = format!("deleted {} for good", item.name());
            match entra.purge(item).await {
                Ok(id) => {
                    restorable.remove(&id);
                    cleaned.note(name);
                }
                Err(failure) => failed = Some(failure),
            }
        }
        pace.pause().await;
        Ok((empty >= EMPTY_LOOKS && restorable.is_empty()).then_some(()))
    });
    let done = done.await?;
    done.map(drop)
        .ok_or_else(|| failed.unwrap_or_else(still_found))
}

fn still_found() -> Failure {
    Failure::new(
        Kind::Temporary,
        "what was removed still shows, or does not show among what was deleted",
    )
    .next_step("run `cargo run -p first-hour -- clean-up` in some minutes")
}

impl CleanedUp {
    /// A list that is late shows some of them twice.
    fn note(&mut self, name: String) {
        if !self.removed.contains(&name) {
            self.removed.push(name);
        }
    }
}
