//! The account's concurrent executions, over all its functions, and the invocations that nobody waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use super::{Functions, InvocationResult, NotInvoked};
use crate::settled::settled_when;

/// "The retry interval increases exponentially from 1 second after the first attempt to a maximum of 5 minutes" (Lambda
/// guide, *How Lambda handles errors and retries with asynchronous invocation*).
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// "attempts to run the function again for up to 6 hours" (the same place).
const OLDEST_EVENT: Duration = Duration::from_hours(6);

/// How many invocations run at once, and how many may.
#[derive(Debug, Default)]
pub struct Concurrency {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    limit: Option<usize>,
    running: usize,
    most: usize,
    refused: usize,
    /// Asynchronous invocations that have not ended.
    pending: usize,
}

/// The place of one invocation, until it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Concurrency>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

/// An asynchronous invocation, until it is dropped.
struct Pending(Arc<Concurrency>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.state().pending -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Concurrency {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many invocations may run at once; none stands for no limit.
    pub fn set_limit(&self, limit: Option<usize>) {
        self.state().limit = limit;
    }

    /// How many have run at once at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.state().most
    }

    /// How many were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.state().refused
    }

    /// Whether an asynchronous invocation waits or runs.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state().pending == 0
    }

    /// Waits until every asynchronous invocation has ended.
    pub async fn settled(&self) {
        settled_when(&self.changed, || self.is_settled()).await;
    }

    /// A place for an invocation.
    ///
    /// # Errors
    /// When all are taken.
    pub(super) fn take(self: &Arc<Self>) -> Result<Slot, NotInvoked> {
        let mut state = self.state();
        if state.limit.is_some_and(|limit| state.running >= limit) {
            state.refused += 1;
            return Err(NotInvoked::TooManyRequests);
        }
        state.running += 1;
        state.most = state.most.max(state.running);
        drop(state);
        Ok(Slot(Arc::clone(self)))
    }
}

/// An asynchronous invocation, which counts from now on: it waits in Lambda's queue while all places are taken.
///
/// # Errors
/// When there is no such function, or the event became too old.
pub fn invoke_asynchronously(
    functions: Arc<dyn Functions>,
    function: String,
    payload: Value,
) -> impl Future<Output = Result<InvocationResult, NotInvoked>> + Send {
    let concurrency = Arc::clone(functions.concurrency());
    concurrency.state().pending += 1;
    let pending = Pending(concurrency);
    async move {
        let _pending = pending;
        let (mut wait, mut waited) = (FIRST_WAIT, Duration::ZERO);
        loop {
            let functions = Arc::clone(&functions);
            match functions.call(function.clone(), payload.clone()).await {
                Err(NotInvoked::TooManyRequests) if waited < OLDEST_EVENT => {
                    tokio::time::sleep(wait).await;
                    waited += wait;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                ended => return ended,
            }
        }
    }
}
