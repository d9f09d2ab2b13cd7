//! Lambda: runs function binaries as processes of their own and hands them events through the Runtime
//! API, as Lambda does; or, in [`in_process`], as futures.
//!
//! A process serves one invocation at a time and is kept warm between them; a second invocation at the
//! same time gets a second process. Beyond the account's concurrency an invocation is refused, and one that nobody
//! waits for is tried again later; a function's failure is not. Processes need real time: under tokio's paused clock
//! every wait for one would be over at once.

mod concurrency;
mod environment;
pub mod in_process;
mod invoke_api;
mod logs;
mod runtime_api;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use self::concurrency::Slot;
pub use self::concurrency::{Concurrency, invoke_asynchronously};
use self::environment::Environment;
pub use self::invoke_api::service;
use self::logs::Logs;
pub use self::logs::{LogLine, Stream};

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::invoker::Invoker;

/// A function, as it is configured.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its binary.
    pub binary: PathBuf,
    /// Its environment variables, beside those that Lambda sets. They win over Lambda's.
    pub env: BTreeMap<String, String>,
    /// How long an invocation may take. Lambda's default is three seconds.
    pub timeout: Duration,
    /// What `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` says. It is not enforced.
    pub memory_mb: u32,
}

impl Function {
    /// A function with Lambda's defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, binary: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            binary: binary.into(),
            env: BTreeMap::new(),
            timeout: Duration::from_secs(3),
            memory_mb: 128,
        }
    }

    /// With an environment variable more.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// With another timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With another memory size.
    #[must_use]
    pub fn memory_mb(mut self, megabytes: u32) -> Self {
        self.memory_mb = megabytes;
        self
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        function_arn(&self.name)
    }
}

/// What came of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct InvocationResult {
    /// The function's answer, or the error's description.
    pub payload: Value,
    /// `X-Amz-Function-Error`: `Unhandled` when the function failed, however it did.
    pub function_error: Option<String>,
}

impl InvocationResult {
    /// `errorType` of a failure: the function's own, or `Runtime.ExitError`, `Sandbox.Timedout`, ….
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.function_error.as_ref()?;
        self.payload.get("errorType")?.as_str()
    }

    fn failed(error_type: &str, message: &str) -> Self {
        Self {
            payload: json!({"errorType": error_type, "errorMessage": message}),
            function_error: Some("Unhandled".to_owned()),
        }
    }
}

/// Why a function was not invoked: nothing ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotInvoked {
    /// No function has this name.
    UnknownFunction(String),
    /// All of the account's concurrent executions are taken: `ConcurrentInvocationLimitExceeded`.
    TooManyRequests,
}

impl std::fmt::Display for NotInvoked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownFunction(name) => write!(f, "Function not found: {}", function_arn(name)),
            Self::TooManyRequests => f.write_str("Rate Exceeded."),
        }
    }
}

impl std::error::Error for NotInvoked {}

/// What invokes functions, by their name, ARN or partial ARN.
pub trait Functions: std::fmt::Debug + Send + Sync + 'static {
    /// Whether there is a function with this name.
    fn knows(&self, name: &str) -> bool;

    /// Invokes a function, and waits for what comes of it.
    fn call(
        self: Arc<Self>,
        function: String,
        payload: Value,
    ) -> BoxFuture<'static, Result<InvocationResult, NotInvoked>>;

    /// How many of the account's invocations run at once.
    fn concurrency(&self) -> &Arc<Concurrency>;

    /// Ends what runs outside of this process, with the world that it runs in.
    fn end(&self);
}

/// Invokes functions for the services that do so by themselves. EventBridge does so asynchronously (EventBridge guide,
/// *Lambda functions as targets*); of Secrets Manager no page says how, so that it waits for its turn is assumed.
#[must_use]
pub fn invoker<F: Functions>(functions: &Arc<F>) -> Invoker {
    let functions = Arc::downgrade(functions);
    Arc::new(move |function: String, payload: Value| {
        let functions = functions.clone();
        Box::pin(async move {
            let functions = functions.upgrade().ok_or("the Lambda host is gone")?;
            match invoke_asynchronously(functions, function, payload).await {
                Ok(result) if result.function_error.is_none() => Ok(()),
                Ok(result) => Err(result.payload.to_string()),
                Err(refused) => Err(refused.to_string()),
            }
        })
    })
}

/// All functions and their processes. When it is dropped, the processes are killed.
#[derive(Debug, Default)]
pub struct LambdaHost {
    functions: Mutex<HashMap<String, Arc<Function>>>,
    environments: Mutex<Environments>,
    concurrency: Arc<Concurrency>,
    logs: Arc<Logs>,
}

#[derive(Debug, Default)]
struct Environments {
    /// Warm ones by function, the last used last.
    idle: HashMap<String, Vec<Arc<Environment>>>,
    live: Vec<Arc<Environment>>,
}

impl LambdaHost {
    /// A host without functions.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds a function, or changes one: warm processes of the old configuration are killed.
    pub fn register(&self, function: Function) {
        let name = function.name.clone();
        let warm = self.environments().idle.remove(&name).unwrap_or_default();
        for environment in warm {
            self.discard(&environment);
        }
        self.functions().insert(name, Arc::new(function));
    }

    /// A function, as it is configured.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<Arc<Function>> {
        self.functions().get(name).cloned()
    }

    /// Invokes a function by its name, ARN or partial ARN, and waits for what comes of it.
    ///
    /// # Errors
    /// [`NotInvoked`].
    pub async fn invoke(
        self: &Arc<Self>,
        function: &str,
        payload: &Value,
    ) -> Result<InvocationResult, NotInvoked> {
        let name = function_name(function);
        let function = self.function(name);
        let function = function.ok_or_else(|| NotInvoked::UnknownFunction(name.to_owned()))?;
        let slot = self.concurrency.take()?;
        // A function runs on when its caller has hung up, so it is not the caller's future that runs it.
        let run = Arc::clone(self).run(function, payload.clone(), slot);
        let result = tokio::spawn(run).await;
        Ok(result.unwrap_or_else(|error| {
            InvocationResult::failed("Runtime.Unknown", &error.to_string())
        }))
    }

    async fn run(
        self: Arc<Self>,
        function: Arc<Function>,
        payload: Value,
        _slot: Slot,
    ) -> InvocationResult {
        let environment = match self.take_warm(&function.name) {
            Some(warm) => warm,
            None => match Environment::start(&function, &self.logs).await {
                Ok(environment) => self.keep(environment),
                Err(error) => {
                    let message = format!("{}: {error}", function.binary.display());
                    return InvocationResult::failed("Runtime.InvalidEntrypoint", &message);
                }
            },
        };
        let (result, usable) = environment.invoke(&function, &payload).await;
        if usable {
            self.keep_warm(&function.name, environment);
        } else {
            self.discard(&environment);
        }
        result
    }

    /// Invokes functions for the services that do so by themselves.
    #[must_use]
    pub fn invoker(self: &Arc<Self>) -> Invoker {
        invoker(self)
    }

    /// Sends SIGKILL to every live process, warm or working, before it returns.
    pub fn kill_all(&self) {
        let mut environments = self.environments();
        environments.idle.clear();
        for environment in environments.live.drain(..) {
            environment.kill();
        }
    }

    /// Ends every process, and reads to its end what they have written: [`Self::logs`] is whole then.
    pub async fn end_all(&self) {
        let live = self.environments().live.clone();
        self.kill_all();
        for environment in live {
            environment.read_last_words().await;
        }
    }

    /// How many processes live.
    #[must_use]
    pub fn live_processes(&self) -> usize {
        let environments = self.environments();
        environments
            .live
            .iter()
            .filter(|environment| environment.is_alive())
            .count()
    }

    /// The ids of a function's processes that wait for their next invocation.
    #[must_use]
    pub fn warm_processes(&self, name: &str) -> Vec<u32> {
        let environments = self.environments();
        let idle = environments.idle.get(name).into_iter().flatten();
        idle.filter_map(|environment| environment.process())
            .collect()
    }

    /// What the functions have written so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.logs.all()
    }

    /// What the functions will write.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LogLine> {
        self.logs.subscribe()
    }

    fn functions(&self) -> MutexGuard<'_, HashMap<String, Arc<Function>>> {
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn environments(&self) -> MutexGuard<'_, Environments> {
        self.environments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn take_warm(&self, name: &str) -> Option<Arc<Environment>> {
        let mut environments = self.environments();
        loop {
            let warm = environments.idle.get_mut(name)?.pop()?;
            if warm.is_alive() {
                return Some(warm);
            }
            environments.live.retain(|live| !Arc::ptr_eq(live, &warm));
        }
    }

    fn keep(&self, environment: Environment) -> Arc<Environment> {
        let environment = Arc::new(environment);
        self.environments().live.push(Arc::clone(&environment));
        environment
    }

    /// After a kill in between, the process is no longer among the live ones, and not kept.
    fn keep_warm(&self, name: &str, environment: Arc<Environment>) {
        let mut environments = self.environments();
        let is_this = |live: &Arc<Environment>| Arc::ptr_eq(live, &environment);
        if environments.live.iter().any(is_this) {
            environments
                .idle
                .entry(name.to_owned())
                .or_default()
                .push(environment);
        }
    }

    fn discard(&self, environment: &Arc<Environment>) {
        environment.kill();
        self.environments()
            .live
            .retain(|live| !Arc::ptr_eq(live, environment));
    }
}

impl Functions for LambdaHost {
    fn concurrency(&self) -> &Arc<Concurrency> {
        &self.concurrency
    }

    fn end(&self) {
        self.kill_all();
    }

    fn knows(&self, name: &str) -> bool {
        self.functions().contains_key(name)
    }

    fn call(
        self: Arc<Self>,
        function: String,
        payload: Value,
    ) -> BoxFuture<'static, Result<InvocationResult, NotInvoked>> {
        Box::pin(async move { self.invoke(&function, &payload).await })
    }
}

/// The ARN of the function with this name.
#[must_use]
pub fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}")
}

/// The name in a function's name, ARN, or partial ARN (`123456789012:function:name`), without a
/// qualifier.
#[must_use]
pub fn function_name(name_or_arn: &str) -> &str {
    let name = match name_or_arn.split_once("function:") {
        Some((_, name)) => name,
        None => name_or_arn,
    };
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_exits_without_an_answer_is_an_exit_error() {
        let host = LambdaHost::new();
        host.register(Function::new("ends", "/bin/true"));
        host.register(Function::new("fails", "/bin/false"));
        for (name, reason) in [
            ("ends", "without providing a reason"),
            ("fails", "exit status: 1"),
        ] {
            let result = host.invoke(&function_arn(name), &json!({})).await.unwrap();
            assert_eq!(result.function_error.as_deref(), Some("Unhandled"));
            assert_eq!(result.error_type(), Some("Runtime.ExitError"));
            let message = result.payload["errorMessage"].as_str().unwrap();
            assert!(message.contains(reason), "{message}");
        }
        assert_eq!(host.live_processes(), 0);
    }

    #[tokio::test]
    async fn a_process_sees_the_variables_of_lambda_and_its_own_only() {
        let host = LambdaHost::new();
        let function = Function::new("prints", "/usr/bin/env")
            .env("OWN", "yes")
            .memory_mb(256);
        host.register(function);
        let mut lines = host.subscribe();
        host.invoke("prints", &json!({})).await.unwrap();
        let printed: Vec<String> = host.logs().into_iter().map(|line| line.line).collect();
        for wanted in [
            "OWN=yes",
            "AWS_LAMBDA_FUNCTION_NAME=prints",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
            "AWS_REGION=eu-west-1",
        ] {
            assert!(
                printed.iter().any(|line| line == wanted),
                "{wanted} in {printed:?}"
            );
        }
        assert!(!printed.iter().any(|line| line.starts_with("CARGO")));
        assert_eq!(lines.recv().await.unwrap().function, "prints");
    }

    #[tokio::test]
    async fn unknown_functions_and_missing_binaries_are_told() {
        let host = LambdaHost::new();
        let unknown = host.invoke("nobody", &json!({})).await.unwrap_err();
        assert_eq!(unknown, NotInvoked::UnknownFunction("nobody".to_owned()));
        host.register(Function::new("missing", "/nonexistent/bootstrap"));
        let result = host.invoke("missing", &json!({})).await.unwrap();
        assert_eq!(result.error_type(), Some("Runtime.InvalidEntrypoint"));
    }

    #[tokio::test]
    async fn beyond_the_concurrency_of_the_account_nothing_runs() {
        let host = LambdaHost::new();
        host.register(Function::new("ends", "/bin/true"));
        host.concurrency().set_limit(Some(0));
        let refused = host.invoke("ends", &json!({})).await.unwrap_err();
        assert_eq!(refused, NotInvoked::TooManyRequests);
        assert_eq!(
            (host.concurrency().most(), host.concurrency().refused()),
            (0, 1)
        );
        host.concurrency().set_limit(Some(1));
        for _ in 0..2 {
            host.invoke("ends", &json!({})).await.unwrap();
        }
        assert_eq!(host.concurrency().most(), 1, "each gives its place back");
    }

    #[test]
    fn a_function_has_one_name_in_all_its_addresses() {
        for address in [
            "f",
            "f:3",
            "123456789012:function:f",
            &function_arn("f"),
            "arn:aws:lambda:eu-west-1:1:function:f:live",
        ] {
            assert_eq!(function_name(address), "f", "{address}");
        }
    }
}
