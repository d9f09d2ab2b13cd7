//! The OAuth callback function: see the library beside it.

use std::process::ExitCode;

use oauth_callback::OAuthCallback;
use shared::function::run;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run::<OAuthCallback>().await
}
