//! Panics: each is a defect of ours. What one says may hold a secret, so the place alone is logged, and
//! that in the form that all lines have.

use std::future::Future;
use std::panic::{AssertUnwindSafe, set_hook};

use futures_util::FutureExt;
use lambda_runtime::Diagnostic;

/// The Lambda error type.
const KIND: &str = "Panicked";

/// From now on a panic is one line in the log.
pub(super) fn log() {
    set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        let failure = format!("a defect of this function, at {}", at.unwrap_or_default());
        tracing::error!(kind = KIND, failure, "panicked");
    }));
}

/// What `work` comes to; a panic is an error too. The process goes on after it: between two invocations
/// it keeps nothing that a panic could leave half done.
pub(super) async fn caught<T>(
    work: impl Future<Output = Result<T, Diagnostic>>,
) -> Result<T, Diagnostic> {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    outcome.unwrap_or_else(|_| {
        Err(Diagnostic {
            error_type: KIND.to_owned(),
            error_message: "A defect of this function. Its log says where it panicked.".to_owned(),
        })
    })
}
