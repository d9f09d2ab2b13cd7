//! Random ids that are the same in every run with the same seed.

use std::sync::{Mutex, PoisonError};

use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A source of ids.
#[derive(Debug)]
pub struct Ids(Mutex<StdRng>);

impl Ids {
    /// Ids that depend on nothing but `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A version 4 UUID.
    #[must_use]
    pub fn uuid(&self) -> String {
        let bytes = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random();
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }

    /// Letters and digits.
    #[must_use]
    pub fn alphanumeric(&self, length: usize) -> String {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Alphanumeric.sample_string(&mut *random, length)
    }
}
