//! A function with a defect, which starts as all functions do: `tests/system/under_lambdas_emulator.rs`
//! runs it.

use std::process::ExitCode;

use serde_json::Value;
use shared::function::{Invoked, run};

/// Where it is set, the function panics at its start.
const AT_INIT: &str = "PANIC_AT_INIT";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(async || {
        if let Ok(words) = std::env::var(AT_INIT) {
            panic(&words);
        }
        Ok(|invoked: Invoked| async move {
            if let Some(words) = invoked.event.get("panic").and_then(Value::as_str) {
                panic(words);
            }
            Ok(Value::from("answered"))
        })
    })
    .await
}

#[expect(clippy::panic, reason = "it is what this function is for")]
fn panic(words: &str) {
    panic!("{words}");
}
