//! The seam through which a simulated service invokes a Lambda function.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use serde_json::Value;

/// Invokes the function with this ARN or name, and tells whether it succeeded.
pub type Invoker =
    Arc<dyn Fn(String, Value) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Where a service keeps the invoker that the world gives it after both exist.
#[derive(Default)]
pub struct InvokerSlot(Mutex<Option<Invoker>>);

impl std::fmt::Debug for InvokerSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InvokerSlot").finish_non_exhaustive()
    }
}

impl InvokerSlot {
    /// Puts `invoker` in place of what was there.
    pub fn set(&self, invoker: Invoker) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(invoker);
    }

    /// Invokes `function`.
    ///
    /// # Errors
    /// The function's error, or that the world has no invoker.
    pub async fn invoke(&self, function: &str, payload: Value) -> Result<(), String> {
        let invoker = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match invoker {
            Some(invoke) => invoke(function.to_owned(), payload).await,
            None => Err("no invoker is set".to_owned()),
        }
    }
}
