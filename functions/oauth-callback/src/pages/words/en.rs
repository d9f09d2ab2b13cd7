//! English.

pub(crate) mod calendar;
pub(crate) mod common;
pub(crate) mod done;
pub(crate) mod message;
pub(crate) mod proving;
mod refused;
pub(crate) mod standing;
pub(crate) mod start;
pub(crate) mod task;
