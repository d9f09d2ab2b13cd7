//! The expiry checker function: see the library beside it.

use std::process::ExitCode;

use expiry_checker::ExpiryChecker;
use shared::function::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run::<ExpiryChecker>().await
}
