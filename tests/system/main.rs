//! The system's behaviour, on the real binaries against the simulated world: one module for each.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may panic: that is how they fail"
)]

mod bad_input;
mod browser;
mod end_state;
mod leaks;
mod links;
mod picture;
mod sign_in;
mod whole_rotation;
