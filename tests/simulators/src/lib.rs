//! The outside world on one machine: services that keep state, speak the wire, and can be told to
//! delay, lag and fail. They are held to what the vendors document, not to what our functions do.

pub mod clock;
pub mod contract;
pub mod directory;
pub mod entra;
pub mod gate;
pub mod graph;
pub mod serve;
pub mod shopctrl;

#[cfg(test)]
mod test_world;
