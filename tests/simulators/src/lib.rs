//! The outside world on one machine: services that keep state, speak the wire, and can be told to
//! delay, lag and fail. They are held to what the vendors document, not to what our functions do.

pub mod aws;
pub mod binaries;
pub mod browser;
pub mod clock;
pub mod dovecot;
pub mod gate;
pub mod ids;
pub mod left_out;
pub mod microsoft;
pub mod network;
pub mod serve;
mod settled;
pub mod shopctrl;
pub mod template;
pub mod tls_authority;
pub mod world;

#[cfg(test)]
mod fixture;
