//! The outside world on one machine: services that keep state, speak the wire, and can be told to
//! delay, lag and fail. They are held to what the vendors document, not to what our functions do.

pub mod api_gateway;
pub mod aws_account;
pub mod aws_json;
pub mod binaries;
pub mod clock;
pub mod contract;
pub mod directory;
pub mod entra;
pub mod event_bridge;
pub mod gate;
pub mod graph;
pub mod ids;
pub mod invoker;
pub mod lambda;
pub mod network;
pub mod secrets_manager;
pub mod serve;
pub mod shopctrl;
pub mod sts;
pub mod world;

#[cfg(test)]
mod test_world;
