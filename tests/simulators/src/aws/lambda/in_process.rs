//! Lambda in this process: a function is a value, an invocation a future, and a kill drops it.
//!
//! Nothing here waits in real time, so that it works under tokio's paused clock. Like a process, a
//! function is kept warm between invocations, serves one at a time, and is made anew after it died.
//! Functions stay on the thread that made the host: their futures need not be fit for others.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, pending};
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

use super::concurrency::{Concurrency, Slot};
use super::{Functions, InvocationResult, NotInvoked, function_name};

/// How a function fails, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// `errorType`.
    pub error_type: String,
    /// `errorMessage`.
    pub message: String,
}

/// A function that was made: it handles an event with so much time left.
pub type Warm =
    Rc<dyn Fn(Value, Duration) -> LocalBoxFuture<'static, Result<Value, FunctionError>>>;

/// Makes a function, as its init does.
pub type ColdStart = Arc<dyn Fn() -> Warm + Send + Sync>;

#[derive(Clone)]
struct Registered {
    timeout: Duration,
    cold_start: ColdStart,
}

/// All functions.
pub struct InProcessHost {
    functions: Mutex<BTreeMap<String, Registered>>,
    concurrency: Arc<Concurrency>,
    invocations: mpsc::UnboundedSender<Invocation>,
}

struct Invocation {
    name: String,
    function: Registered,
    event: Value,
    result: oneshot::Sender<InvocationResult>,
    slot: Slot,
}

impl std::fmt::Debug for InProcessHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcessHost").finish_non_exhaustive()
    }
}

/// The life of one invocation.
#[derive(Debug, Default)]
struct Life {
    number: u64,
    stage: AtomicU8,
    ended: Notify,
}

const ALIVE: u8 = 0;
/// It has its last answer, and makes no other call.
const DYING: u8 = 1;
const DEAD: u8 = 2;

tokio::task_local! {
    /// Of the invocation whose future is being polled.
    static LIFE: Arc<Life>;
}

impl Life {
    fn end(&self) {
        self.stage.store(DEAD, Ordering::SeqCst);
        self.ended.notify_one();
    }

    fn is(&self, stage: u8) -> bool {
        self.stage.load(Ordering::SeqCst) == stage
    }
}

/// The invocation that is making a call now, by its number; each has its own.
#[must_use]
pub fn caller() -> Option<u64> {
    LIFE.try_with(|life| life.number).ok()
}

/// Kills the invocation that is making a call now: its future is dropped, and nothing comes of it
/// any more.
pub fn kill_caller() {
    let _ = LIFE.try_with(|life| life.end());
}

/// Kills the invocation that is making a call now once it has its answer: before its next call, or
/// before its own answer.
pub fn kill_caller_after_answer() {
    let _ = LIFE.try_with(|life| life.stage.store(DYING, Ordering::SeqCst));
}

/// A call of the invocation that is being polled. The dead make none, and hear of no answer.
pub async fn living<T>(call: impl Future<Output = T>) -> T {
    let life = LIFE.try_with(Arc::clone).ok();
    let Some(life) = life else { return call.await };
    if life.is(DYING) {
        life.end();
    }
    if life.is(DEAD) {
        return pending().await;
    }
    let answer = call.await;
    if life.is(DEAD) {
        return pending().await;
    }
    answer
}

impl InProcessHost {
    /// A host without functions. It works as long as the [`tokio::task::LocalSet`] runs in which it
    /// is made.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let (invocations, asked) = mpsc::unbounded_channel();
        tokio::task::spawn_local(work(asked));
        Arc::new(Self {
            functions: Mutex::default(),
            concurrency: Arc::default(),
            invocations,
        })
    }

    /// Adds a function. An invocation may take as long as `timeout`.
    pub fn register(&self, name: &str, timeout: Duration, cold_start: ColdStart) {
        let function = Registered {
            timeout,
            cold_start,
        };
        self.functions().insert(name.to_owned(), function);
    }

    fn functions(&self) -> MutexGuard<'_, BTreeMap<String, Registered>> {
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Warm functions by name, the last used last.
type Idle = Rc<RefCell<HashMap<String, Vec<Warm>>>>;

/// Each invocation is a task of its own: a function runs on when its caller has hung up, or has died.
async fn work(mut asked: mpsc::UnboundedReceiver<Invocation>) {
    let idle = Idle::default();
    let mut number = 0;
    while let Some(invocation) = asked.recv().await {
        number += 1;
        let life = Life {
            number,
            ..Life::default()
        };
        tokio::task::spawn_local(run(invocation, Arc::new(life), Rc::clone(&idle)));
    }
}

async fn run(invocation: Invocation, life: Arc<Life>, idle: Idle) {
    let Invocation {
        name,
        function,
        event,
        result,
        slot,
    } = invocation;
    let warm = idle.borrow_mut().get_mut(&name).and_then(Vec::pop);
    let warm = warm.unwrap_or_else(|| (function.cold_start)());
    let handled = LIFE.scope(Arc::clone(&life), warm(event, function.timeout));
    let ended = tokio::select! {
        biased;
        () = life.ended.notified() => None,
        ended = tokio::time::timeout(function.timeout, handled) => Some(ended),
    };
    let outcome = match ended {
        Some(Ok(handled)) if life.is(ALIVE) => {
            idle.borrow_mut().entry(name).or_default().push(warm);
            match handled {
                Ok(payload) => InvocationResult {
                    payload,
                    function_error: None,
                },
                Err(error) => InvocationResult::failed(&error.error_type, &error.message),
            }
        }
        Some(Err(_)) => {
            let seconds = function.timeout.as_secs();
            let message = format!("Task timed out after {seconds}.00 seconds");
            InvocationResult::failed("Sandbox.Timedout", &message)
        }
        Some(Ok(_)) | None => {
            let message = "Runtime exited with error: signal: killed";
            InvocationResult::failed("Runtime.ExitError", message)
        }
    };
    drop(slot);
    // The caller may be gone.
    let _ = result.send(outcome);
}

impl Functions for InProcessHost {
    fn concurrency(&self) -> &Arc<Concurrency> {
        &self.concurrency
    }

    /// Its invocations are futures, and end with it.
    fn end(&self) {}

    fn knows(&self, name: &str) -> bool {
        self.functions().contains_key(name)
    }

    fn call(
        self: Arc<Self>,
        function: String,
        payload: Value,
    ) -> BoxFuture<'static, Result<InvocationResult, NotInvoked>> {
        Box::pin(async move {
            let name = function_name(&function).to_owned();
            let function = self.functions().get(&name).cloned();
            let function = function.ok_or_else(|| NotInvoked::UnknownFunction(name.clone()))?;
            let slot = self.concurrency.take()?;
            let (result, outcome) = oneshot::channel();
            let asked = self.invocations.send(Invocation {
                name,
                function,
                event: payload,
                result,
                slot,
            });
            let ended = || InvocationResult::failed("Runtime.Unknown", "the host has ended");
            if asked.is_err() {
                return Ok(ended());
            }
            Ok(outcome.await.unwrap_or_else(|_| ended()))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::task::LocalSet;

    use super::super::invoke_asynchronously;
    use super::*;

    type Seen = Arc<Mutex<Vec<u8>>>;

    fn see(seen: &Seen, what: u8) {
        seen.lock().unwrap().push(what);
    }

    /// A function that makes three calls, and notes the answers to two of them and the third call.
    fn calls_thrice(seen: Seen, at_second: fn()) -> ColdStart {
        Arc::new(move || {
            let seen = Arc::clone(&seen);
            Rc::new(move |_, _| {
                let seen = Arc::clone(&seen);
                Box::pin(async move {
                    living(async {}).await;
                    see(&seen, 1);
                    living(async { at_second() }).await;
                    see(&seen, 2);
                    living(async { see(&seen, 3) }).await;
                    Ok(json!("done"))
                })
            })
        })
    }

    async fn run_with(at_second: fn()) -> (InvocationResult, Vec<u8>) {
        let seen = Seen::default();
        let cold_start = calls_thrice(Arc::clone(&seen), at_second);
        let result = invoke(cold_start).await;
        let seen = seen.lock().unwrap().clone();
        (result, seen)
    }

    async fn invoke(cold_start: ColdStart) -> InvocationResult {
        let invoked = async {
            let host = InProcessHost::new();
            host.register("f", Duration::from_secs(900), cold_start);
            host.call("f".to_owned(), json!({})).await.unwrap()
        };
        LocalSet::new().run_until(invoked).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_killed_function_hears_of_no_answer_and_makes_no_call() {
        let (done, seen) = run_with(|| {}).await;
        assert_eq!((done.payload, seen), (json!("done"), vec![1, 2, 3]));
        let (killed, seen) = run_with(kill_caller).await;
        assert_eq!(killed.error_type(), Some("Runtime.ExitError"));
        assert_eq!(seen, [1]);
        let (killed, seen) = run_with(kill_caller_after_answer).await;
        assert_eq!(killed.error_type(), Some("Runtime.ExitError"));
        assert_eq!(seen, [1, 2]);
    }

    /// A function that takes ten seconds.
    fn takes_ten_seconds() -> ColdStart {
        Arc::new(|| {
            Rc::new(|_, _| {
                Box::pin(async {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    Ok(json!("done"))
                })
            })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_an_asynchronous_invocation_and_it_waits_for_a_place() {
        let began = tokio::time::Instant::now();
        let invoked = async {
            let host = InProcessHost::new();
            host.register("f", Duration::from_secs(900), takes_ten_seconds());
            host.concurrency().set_limit(Some(1));
            let call = |host: &Arc<InProcessHost>| Arc::clone(host).call("f".to_owned(), json!({}));
            let later = |host: &Arc<InProcessHost>| {
                invoke_asynchronously(
                    Arc::clone(host) as Arc<dyn Functions>,
                    "f".to_owned(),
                    json!({}),
                )
            };
            for _ in 0..2 {
                tokio::spawn(later(&host));
            }
            assert!(!host.concurrency().is_settled());
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(call(&host).await, Err(NotInvoked::TooManyRequests));
            host.concurrency().settled().await;
            host.concurrency().most()
        };
        assert_eq!(LocalSet::new().run_until(invoked).await, 1);
        // The second is tried after 1, 2, 4 and 8 seconds more, and then there is a place.
        assert_eq!(began.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_waits_for_ever_is_ended_at_its_time() {
        let cold_start: ColdStart = Arc::new(|| Rc::new(|_, _| Box::pin(pending())));
        let result = invoke(cold_start).await;
        assert_eq!(result.error_type(), Some("Sandbox.Timedout"));
    }
}
