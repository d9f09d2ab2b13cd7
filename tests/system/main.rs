//! The system's behaviour, on the real binaries against the simulated world: one module for each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod calls;
mod delivery;
mod end_state;
mod events;
mod expiry_checker;
mod issuing;
mod kill_matrix;
mod recovery;
mod repeated_steps;
mod steps;
mod whole_rotation;
