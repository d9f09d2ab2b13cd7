//! The rotation function: see the library beside it.

use std::process::ExitCode;
use std::sync::Arc;

use rotation::{Rotation, Settings};
use shared::function::{Invoked, environment, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(async || {
        let rotation = Arc::new(Rotation::new(Settings::read(environment())?)?);
        rotation.warm_up().await;
        Ok(move |invoked: Invoked| {
            let rotation = Arc::clone(&rotation);
            async move { rotation.handle(invoked.event, invoked.left).await }
        })
    })
    .await
}
