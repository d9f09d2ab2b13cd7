//! A function with a defect, which starts as all functions do: `tests/system/under_lambdas_emulator.rs`
//! runs it.

use std::process::ExitCode;

use serde_json::Value;
use shared::failure::Failure;
use shared::function::{Environment, Function, Invoked, run};

/// Where it is set, the function panics at its start.
const AT_INIT: &str = "PANIC_AT_INIT";

struct Defective;

impl Function for Defective {
    type Answer = Value;

    fn from_environment(_: Environment) -> Result<Self, Failure> {
        if let Ok(words) = std::env::var(AT_INIT) {
            panic(&words);
        }
        Ok(Self)
    }

    async fn warm_up(&self) {}

    async fn invoke(&self, invoked: Invoked) -> Result<Value, Failure> {
        if let Some(words) = invoked.event.get("panic").and_then(Value::as_str) {
            panic(words);
        }
        Ok(Value::from("answered"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run::<Defective>().await
}

#[expect(clippy::panic, reason = "it is what this function is for")]
fn panic(words: &str) {
    panic!("{words}");
}
