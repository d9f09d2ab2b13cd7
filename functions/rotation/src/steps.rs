//! The steps that Secrets Manager calls, in the order of a rotation.

mod begin;
mod beside;
mod configuration_test;
mod create_secret;
mod finish_secret;
mod give_up;
mod guard;
mod set_secret;
mod test_secret;
mod waiting;

use serde_json::{Value, json};
use shared::failure::Failure;
use shared::retry::Deadline;
use shared::rotation::{Step, StepCall};

use crate::clients::Clients;

pub(crate) async fn run(
    clients: &Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<Value, Failure> {
    // Boxed: each is large, and only one is needed.
    match call.step {
        Step::CreateSecret => Box::pin(create_secret::run(clients, call, deadline)).await,
        Step::SetSecret => Box::pin(set_secret::run(clients, call, deadline)).await,
        Step::TestSecret => Box::pin(test_secret::run(clients, call, deadline)).await,
        Step::FinishSecret => Box::pin(finish_secret::run(clients, call, deadline)).await,
    }?;
    Ok(json!({}))
}
