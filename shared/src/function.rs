//! How a function starts and takes its invocations: the part that is the same in all four.

mod init_error;
mod panics;

use std::env;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::config::Reader;
use crate::failure::{Failure, Kind};
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
pub type Environment = Reader<fn(&str) -> Option<String>>;

/// A function of AWS Lambda.
pub trait Function: Sized {
    /// What an invocation is answered with.
    type Answer: Serialize;

    /// Makes the function, its clients over the network.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming every setting that is missing or wrong.
    fn from_environment(environment: Environment) -> Result<Self, Failure>;

    /// Opens the connection of the first call while Lambda still gives a whole processor.
    fn warm_up(&self) -> impl Future<Output = ()>;

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`Failure`]; its kind is the Lambda error type.
    fn invoke(&self, invoked: Invoked) -> impl Future<Output = Result<Self::Answer, Failure>>;
}

/// Makes the function, then hands it one invocation after the other. Returns only when it does not start, or
/// when Lambda's runtime API is gone.
pub async fn run<F: Function>() -> ExitCode {
    let Ok(runtime_api) = env::var("AWS_LAMBDA_RUNTIME_API") else {
        eprintln!(
            "This program is a function of AWS Lambda and runs only there: docs/onboarding.md says how it is deployed."
        );
        return ExitCode::FAILURE;
    };
    telemetry::start();
    panics::log();
    let function = match panics::caught(start::<F>()).await {
        Ok(function) => function,
        Err(error) => {
            init_error::report(&runtime_api, &error).await;
            return ExitCode::FAILURE;
        }
    };
    let function = &function;
    let invoke = service_fn(|event: LambdaEvent<Event>| {
        let LambdaEvent { payload, context } = event;
        let request_id = context.request_id.clone();
        let answer = async move {
            let invoked = Invoked {
                event: payload.0.map_err(not_read)?,
                left: retry::left_until(context.deadline),
                request_id: context.request_id,
            };
            function.invoke(invoked).await.map_err(diagnostic)
        };
        // Boxed: the compiler computes the layout of all that is within at once, and gives up.
        telemetry::with_request_id(request_id, panics::caught(Box::pin(answer)))
    });
    match lambda_runtime::run(invoke).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => {
            tracing::error!("ended: Lambda's runtime API does not answer");
            ExitCode::FAILURE
        }
    }
}

async fn start<F: Function>() -> Result<F, Diagnostic> {
    let environment = Reader::new((|name| env::var(name).ok()) as fn(&str) -> Option<String>);
    let function = F::from_environment(environment).map_err(not_started)?;
    function.warm_up().await;
    Ok(function)
}

/// What Lambda hands over, read without an error: lambda_runtime would answer one with a type of its own,
/// and log nothing that we let through.
struct Event(Result<Value, ()>);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(event: D) -> Result<Self, D::Error> {
        Ok(Self(Value::deserialize(event).map_err(drop)))
    }
}

fn not_started(failure: Failure) -> Diagnostic {
    // Nothing calls init again by itself: the next invocation does.
    let failure = failure.where_nothing_tries_again(
        "The next invocation starts it anew.",
        "deploy the function again",
    );
    let kind = failure.kind.error_type();
    tracing::error!(kind, %failure, "not started");
    diagnostic(failure)
}

fn not_read(_: ()) -> Diagnostic {
    // serde_json reads 128 levels, and Lambda lets any be.
    let failure = Failure::new(
        Kind::Refused,
        "reading the event: it is not JSON, or nested too deeply",
    );
    let kind = failure.kind.error_type();
    tracing::error!(kind, %failure, "failed");
    diagnostic(failure)
}

fn diagnostic(failure: Failure) -> Diagnostic {
    Diagnostic {
        error_type: failure.kind.error_type().to_owned(),
        error_message: failure.to_string(),
    }
}
