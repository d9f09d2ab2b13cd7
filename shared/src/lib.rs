//! What the four functions share: one module for each outside service or noun of the domain.
//!
//! The pure part decides (values in, values out; `now`, ids and randomness are arguments), the
//! clients at the edge act. Nothing here knows which function it runs in.

pub mod aws;
pub mod check_schedule;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod credential;
pub mod drift;
pub mod entra;
pub mod event_bus;
pub mod events;
pub mod failure;
pub mod function;
pub mod grants;
pub mod graph;
pub mod half_done;
pub mod http;
pub mod ids;
pub mod json;
mod jwt;
mod lambda_function;
pub mod mailbox;
pub mod mailbox_secret;
pub mod metrics;
pub mod notifier_function;
pub mod out_of_reach;
pub mod period;
pub mod policy;
pub mod preflight;
pub mod retry;
pub mod rotation;
pub mod rotation_function;
pub mod secret_store;
pub mod shopctrl;
pub mod short_hash;
pub mod tags;
pub mod telemetry;
pub mod ticket;
