//! English.

pub(crate) mod calendar;
pub(crate) mod common;
pub(crate) mod hand_over_done;
pub(crate) mod outcome;
pub(crate) mod proving;
mod refused;
pub(crate) mod standing;
pub(crate) mod start;
pub(crate) mod task;
