//! MiniStack's Lambda, as what the simulated services call functions by.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use simulators::aws::lambda::{Concurrency, Functions, InvocationResult, NotInvoked};

use crate::mini_stack::{MiniStack, signed_for};

/// The functions that are deployed there.
pub struct Deployed {
    mini_stack: Arc<MiniStack>,
    concurrency: Arc<Concurrency>,
}

impl std::fmt::Debug for Deployed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deployed")
    }
}

impl Deployed {
    /// Those of this MiniStack.
    pub fn in_mini_stack(mini_stack: &Arc<MiniStack>) -> Arc<Self> {
        Arc::new(Self {
            mini_stack: Arc::clone(mini_stack),
            concurrency: Arc::default(),
        })
    }

    /// "Invoke" of Lambda's API, and waits for what comes of it.
    ///
    /// # Errors
    /// As Lambda refuses it.
    pub async fn invoke(
        &self,
        function: &str,
        payload: &Value,
    ) -> Result<InvocationResult, NotInvoked> {
        let url = &self.mini_stack.url;
        let request = Request::post(format!("{url}/2015-03-31/functions/{function}/invocations"))
            .header(AUTHORIZATION, signed_for("lambda"))
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(payload.to_string()))
            .expect("a request");
        let answer = self.mini_stack.send(request).await;
        match answer.status().as_u16() {
            200 => {}
            404 => return Err(NotInvoked::UnknownFunction(function.to_owned())),
            429 => return Err(NotInvoked::TooManyRequests),
            _ => panic!("{function}: {answer:?}"),
        }
        let failed = answer.headers().get("x-amz-function-error");
        Ok(InvocationResult {
            function_error: failed.map(|failed| String::from_utf8_lossy(failed.as_bytes()).into()),
            payload: serde_json::from_slice(answer.body()).unwrap_or_default(),
        })
    }
}

impl Functions for Deployed {
    fn knows(&self, _: &str) -> bool {
        true
    }

    fn call(
        self: Arc<Self>,
        function: String,
        payload: Value,
    ) -> BoxFuture<'static, Result<InvocationResult, NotInvoked>> {
        Box::pin(async move { self.invoke(&function, &payload).await })
    }

    fn concurrency(&self) -> &Arc<Concurrency> {
        &self.concurrency
    }

    /// They end with MiniStack.
    fn end(&self) {}
}
