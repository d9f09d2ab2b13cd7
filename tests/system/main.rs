//! The system's behaviour, on the real binaries against the simulated world: one module for each.

mod end_state;
mod whole_rotation;
