//! One process of a function: Lambda's execution environment.

use std::future::poll_fn;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::logs::{Logs, Stream};
use super::runtime_api::{Answer, Invocation, RuntimeApi};
use super::{Function, InvocationResult};
use crate::aws::account::REGION;

/// "The Init phase is limited to 10 seconds" (Lambda execution environment).
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what a dead process has written may take to be read; its own children may hold the pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Environment {
    child: Mutex<Child>,
    api: Arc<RuntimeApi>,
    server: JoinHandle<()>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

impl Environment {
    /// Starts the process with its own Runtime API.
    pub(super) async fn start(function: &Function, logs: &Arc<Logs>) -> std::io::Result<Self> {
        let api = RuntimeApi::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut child = Command::new(&function.binary)
            .env_clear()
            .envs(lambda_variables(function, &address.to_string()))
            .envs(&function.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let router = api.router();
        let server = tokio::spawn(async move {
            // It serves until the process is gone and the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            let (logs, name) = (Arc::clone(logs), function.name.clone());
            let collect = async move { logs.collect(&name, Stream::Stdout, pipe).await };
            readers.push(tokio::spawn(collect));
        }
        if let Some(pipe) = child.stderr.take() {
            let (logs, name) = (Arc::clone(logs), function.name.clone());
            let collect = async move { logs.collect(&name, Stream::Stderr, pipe).await };
            readers.push(tokio::spawn(collect));
        }
        Ok(Self {
            child: Mutex::new(child),
            api,
            server,
            readers: Mutex::new(readers),
        })
    }

    /// Runs one invocation, and tells whether the process can take another.
    pub(super) async fn invoke(
        &self,
        function: &Function,
        payload: &Value,
    ) -> (InvocationResult, bool) {
        let request_id = Uuid::new_v4().to_string();
        if let Err(failed) = self.wait_for_init(&request_id).await {
            return (failed, false);
        }
        let (reply, answer) = oneshot::channel();
        self.api.offer(Invocation {
            request_id: request_id.clone(),
            function_arn: function.arn(),
            payload: payload.to_string(),
            timeout: function.timeout,
            reply,
        });
        // The time runs from the moment at which the process has the event and its deadline.
        let answer = async {
            self.api.taken().await;
            tokio::time::timeout(function.timeout, answer).await
        };
        tokio::select! {
            // An answer that came before the exit counts.
            biased;
            answer = answer => match answer {
                Ok(Ok(answer)) => (answered(answer), true),
                Ok(Err(_)) => (self.exited(&request_id, None).await, false),
                Err(_) => (self.timed_out(&request_id, function.timeout), false),
            },
            status = self.exit() => (self.exited(&request_id, status).await, false),
        }
    }

    async fn wait_for_init(&self, request_id: &str) -> Result<(), InvocationResult> {
        let ready = tokio::time::timeout(INIT_TIMEOUT, self.api.ready());
        tokio::select! {
            biased;
            ready = ready => ready.map_err(|_| self.timed_out(request_id, INIT_TIMEOUT)),
            status = self.exit() => Err(match self.api.take_init_error() {
                Some(error) => answered(Err(error)),
                None => self.exited(request_id, status).await,
            }),
        }
    }

    /// The process's id, until its end was seen.
    pub(super) fn process(&self) -> Option<u32> {
        self.child().id()
    }

    pub(super) fn is_alive(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// SIGKILL, sent before this returns.
    pub(super) fn kill(&self) {
        // It may have ended by itself.
        let _ = self.child().start_kill();
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the process to end. The lock is held for each poll only, so that [`Self::kill`] can
    /// come in between; the child, not the future, keeps the waiting's state.
    async fn exit(&self) -> Option<ExitStatus> {
        let status = poll_fn(|context| pin!(self.child().wait()).as_mut().poll(context)).await;
        status.ok()
    }

    async fn exited(&self, request_id: &str, status: Option<ExitStatus>) -> InvocationResult {
        self.read_last_words().await;
        let reason = match status {
            Some(status) if status.success() => {
                "Runtime exited without providing a reason".to_owned()
            }
            Some(status) => format!("Runtime exited with error: {status}"),
            None => "Runtime exited".to_owned(),
        };
        let message = format!("RequestId: {request_id} Error: {reason}");
        InvocationResult::failed("Runtime.ExitError", &message)
    }

    fn timed_out(&self, request_id: &str, timeout: Duration) -> InvocationResult {
        self.kill();
        let seconds = timeout.as_secs_f64();
        let message =
            format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
        InvocationResult::failed("Sandbox.Timedout", &message)
    }

    /// Reads to its end what a dead process has written.
    pub(super) async fn read_last_words(&self) {
        let readers =
            std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        let all = futures_util::future::join_all(readers);
        // What is not there by then is not waited for.
        let _ = tokio::time::timeout(LAST_WORDS, all).await;
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn answered(answer: Answer) -> InvocationResult {
    match answer {
        Ok(payload) => InvocationResult {
            payload,
            function_error: None,
        },
        Err(payload) => InvocationResult {
            payload,
            function_error: Some("Unhandled".to_owned()),
        },
    }
}

/// "Defined runtime environment variables" of the Lambda Developer Guide, for `provided.al2023`.
fn lambda_variables(function: &Function, runtime_api: &str) -> Vec<(&'static str, String)> {
    let name = &function.name;
    let task_root = function.binary.parent().unwrap_or(&function.binary);
    vec![
        ("AWS_LAMBDA_RUNTIME_API", runtime_api.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            function.memory_mb.to_string(),
        ),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        (
            "AWS_LAMBDA_LOG_STREAM_NAME",
            format!("[$LATEST]{}", Uuid::new_v4().simple()),
        ),
        ("_HANDLER", "bootstrap".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "ASIASIMULATED".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
        ("AWS_SESSION_TOKEN", "simulated".to_owned()),
        ("LAMBDA_TASK_ROOT", task_root.display().to_string()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
}
