//! All secrets, oldest first, found by name or ARN, and gone when their recovery window is over.

use std::collections::HashMap;

use jiff::Timestamp;

use super::store::Secret;

/// "-" and six random characters end an ARN.
const RANDOM_END: usize = 7;

#[derive(Debug, Clone, Default)]
pub(super) struct Secrets {
    all: Vec<Secret>,
    /// By name and by ARN; a name has no colon.
    by_id: HashMap<String, usize>,
    /// By the ARN without its random end: the oldest.
    by_partial_arn: HashMap<String, usize>,
}

impl Secrets {
    pub(super) fn push(&mut self, secret: Secret) {
        let at = self.all.len();
        for id in [&secret.name, &secret.arn] {
            self.by_id.insert(id.clone(), at);
        }
        let end = secret.arn.len().saturating_sub(RANDOM_END);
        if let Some(partial) = secret.arn.get(..end) {
            let first = self.by_partial_arn.entry(partial.to_owned());
            first.or_insert(at);
        }
        self.all.push(secret);
    }

    pub(super) fn all(&self) -> &[Secret] {
        &self.all
    }

    pub(super) fn all_mut(&mut self) -> &mut [Secret] {
        &mut self.all
    }

    /// The place of the secret with this name, ARN, or ARN without its random end ("Finding a secret from a partial
    /// ARN").
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        let exact = self.by_id.get(id);
        exact.or_else(|| self.by_partial_arn.get(id)).copied()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Secret> {
        self.all.get(self.place(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Secret> {
        let at = self.place(id)?;
        self.all.get_mut(at)
    }

    /// Takes those away whose recovery window is over.
    pub(super) fn forget_deleted(&mut self, now: Timestamp) {
        let is_over = |secret: &Secret| secret.deleted.is_some_and(|at| at <= now);
        if self.all.iter().any(is_over) {
            let all = std::mem::take(self).all;
            let left = all.into_iter().filter(|secret| !is_over(secret));
            left.for_each(|secret| self.push(secret));
        }
    }
}
