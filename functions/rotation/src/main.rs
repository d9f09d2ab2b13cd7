//! The rotation function: see the library beside it.

use std::process::ExitCode;

use rotation::Rotation;
use shared::function::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run::<Rotation>().await
}
