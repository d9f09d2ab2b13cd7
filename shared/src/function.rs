//! How a function starts and takes its invocations: the part that is the same in all three.

use std::env;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use crate::config::Reader;
use crate::failure::Failure;
use crate::{retry, telemetry};

/// One invocation.
#[derive(Debug)]
pub struct Invoked {
    /// What it was invoked with.
    pub event: Value,
    /// Lambda's id of it.
    pub request_id: String,
    /// What is left until Lambda ends it.
    pub left: Duration,
}

/// The settings that Lambda and the template put into the environment.
pub fn environment() -> Reader<impl Fn(&str) -> Option<String>> {
    Reader::new(|name| env::var(name).ok())
}

/// Makes the function with `init`, then hands it one invocation after the other. Returns only when it
/// does not start, or when Lambda's runtime API is gone.
pub async fn run<Handler, Answer, Body>(
    init: impl AsyncFnOnce() -> Result<Handler, Failure>,
) -> ExitCode
where
    Handler: Fn(Invoked) -> Answer,
    Answer: Future<Output = Result<Body, Failure>>,
    Body: Serialize,
{
    if env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!(
            "This program is a function of AWS Lambda and runs only there: README.md says how it is deployed."
        );
        return ExitCode::FAILURE;
    }
    telemetry::start();
    let handler = match init().await {
        Ok(handler) => handler,
        Err(failure) => {
            let kind = failure.kind.error_type();
            // Nothing calls init again by itself: the next invocation does.
            let failure = failure.where_nothing_tries_again(
                "The next invocation starts it anew.",
                "deploy the function again",
            );
            tracing::error!(kind, %failure, "not started");
            return ExitCode::FAILURE;
        }
    };
    let invoke = service_fn(|event: LambdaEvent<Value>| {
        let invoked = Invoked {
            event: event.payload,
            left: retry::left_until(event.context.deadline),
            request_id: event.context.request_id,
        };
        let request_id = invoked.request_id.clone();
        // Boxed: the compiler computes the layout of all that is within at once, and gives up.
        let answer = Box::pin(handler(invoked));
        telemetry::with_request_id(request_id, async { answer.await.map_err(diagnostic) })
    });
    match lambda_runtime::run(invoke).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => {
            tracing::error!("ended: Lambda's runtime API does not answer");
            ExitCode::FAILURE
        }
    }
}

fn diagnostic(failure: Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.kind.error_type().to_owned(),
        error_message: failure.to_string(),
    }
}
