//! The OAuth callback function: see the library beside it.

use std::sync::Arc;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use oauth_callback::{OAuthCallback, Settings};
use serde_json::Value;
use shared::config::Reader;
use shared::failure::Failure;
use shared::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let settings = Settings::read(Reader::new(|name| std::env::var(name).ok()))
        .inspect_err(telemetry::not_started)?;
    telemetry::start(settings.log_level);
    let callback = Arc::new(OAuthCallback::new(settings)?);
    callback.warm_up().await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let callback = Arc::clone(&callback);
        async move {
            let left = shared::retry::left_until(event.context.deadline);
            let reference = event.context.request_id;
            callback
                .handle(event.payload, &reference, left)
                .await
                .map_err(diagnostic)
        }
    }))
    .await
}

fn diagnostic(failure: Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.kind.error_type().to_owned(),
        error_message: failure.to_string(),
    }
}
