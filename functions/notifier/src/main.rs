//! The notifier function: see the library beside it.

use std::process::ExitCode;

use notifier::Notifier;
use shared::function::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run::<Notifier>().await
}
