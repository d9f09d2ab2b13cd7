//! The system's behaviour, on the real binaries against the simulated world: one module for each.

mod calls;
mod delivery;
mod end_state;
mod events;
mod expiry_checker;
mod issuing;
mod recovery;
mod repeated_steps;
mod steps;
mod whole_rotation;
