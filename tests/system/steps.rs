//! One rotation, driven step by step as Secrets Manager drives it.

use serde_json::{Value, json};
use simulators::aws::lambda::InvocationResult;
use simulators::aws::secrets_manager::PENDING;
use simulators::world::{Mailbox, World};

pub const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// A rotation's token, as Secrets Manager makes them.
pub const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

/// The empty pending version that is there before the first step.
pub fn begin(world: &World, mailbox: &Mailbox, token: &str) {
    world
        .secrets_manager
        .place_version(&mailbox.secret, token, None, &[PENDING])
        .unwrap();
}

/// A rotation on demand, as far as it goes.
pub async fn rotate(world: &World, mailbox: &Mailbox) {
    world.secrets_manager.rotate(&mailbox.secret).unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
}

pub async fn step(world: &World, mailbox: &Mailbox, step: &str, token: &str) -> InvocationResult {
    let event = json!({"Step": step, "SecretId": mailbox.arn, "ClientRequestToken": token});
    world.invoke("rotation", &event).await.unwrap()
}

/// An action, as the checker asks for it where no other secret names a credential of this one.
pub async fn action(world: &World, mailbox: &Mailbox, action: &str) -> Value {
    let event = json!({"Action": action, "SecretId": mailbox.arn, "NamedByOthers": []});
    let done = world.invoke("rotation", &event).await.unwrap();
    assert_eq!(done.function_error, None, "{action}: {}", done.payload);
    done.payload
}

pub fn succeeded(step: &str, done: &InvocationResult) {
    assert_eq!(done.function_error, None, "{step}: {}", done.payload);
}
