//! What AWS does for the functions, each service as its API and guide describe it.

pub mod account;
pub mod api_gateway;
pub mod aws_json;
pub mod event_bridge;
pub mod iam;
pub mod invoker;
pub mod lambda;
pub mod queue;
pub mod secrets_manager;
pub mod ses;
pub mod sns;
pub mod sts;
pub mod template;
