//! The actions that the checker asks for, and the sign-in pages.

mod ask;
mod inspect;
mod retire;
mod sweep;

use serde::Serialize;
use serde_json::Value;
use shared::failure::{Failure, Kind};
use shared::retry::Deadline;
use shared::rotation::inspection::Inspect;
use shared::rotation::{Action, ActionCall};

use crate::clients::Clients;

pub(crate) async fn run(
    clients: &Clients,
    call: &ActionCall,
    deadline: Deadline,
) -> Result<Value, Failure> {
    // Boxed: each is large, and only one is needed.
    match call.action {
        Action::Sweep => answer(Box::pin(sweep::run(clients, call, deadline)).await?),
        Action::Ask => answer(Box::pin(ask::run(clients, call, deadline)).await?),
        Action::Retire => answer(Box::pin(retire::run(clients, call, deadline)).await?),
    }
}

pub(crate) async fn inspect(
    clients: &Clients,
    call: &Inspect,
    deadline: Deadline,
) -> Result<Value, Failure> {
    answer(Box::pin(inspect::run(clients, call, deadline)).await?)
}

fn answer(report: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(report).map_err(|_| {
        Failure::new(
            Kind::Misconfigured,
            "answering: the report cannot be written",
        )
    })
}
