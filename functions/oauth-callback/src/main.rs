//! The OAuth callback function: see the library beside it.

use std::process::ExitCode;
use std::sync::Arc;

use oauth_callback::{OAuthCallback, Settings};
use shared::function::{Invoked, environment, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(async || {
        let callback = Arc::new(OAuthCallback::new(Settings::read(environment())?)?);
        callback.warm_up().await;
        Ok(move |invoked: Invoked| {
            let callback = Arc::clone(&callback);
            async move {
                let reference = &invoked.request_id;
                callback
                    .handle(invoked.event, reference, invoked.left)
                    .await
            }
        })
    })
    .await
}
