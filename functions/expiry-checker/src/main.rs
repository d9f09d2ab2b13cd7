//! The expiry checker function: see the library beside it.

use std::process::ExitCode;
use std::sync::Arc;

use expiry_checker::{ExpiryChecker, Settings};
use shared::function::{Invoked, environment, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(async || {
        let checker = Arc::new(ExpiryChecker::new(Settings::read(environment())?)?);
        checker.warm_up().await;
        Ok(move |invoked: Invoked| {
            let checker = Arc::clone(&checker);
            async move { checker.handle(invoked.event, invoked.left).await }
        })
    })
    .await
}
