//! A standard queue of SQS's before a function: messages are gathered for a while and handed over in one batch; what
//! the answer names as failed, and all where there is none, comes again, and goes to the dead-letter queue after some
//! receives (Lambda guide, *Using Lambda with Amazon SQS*; SQS guide, *Using dead-letter queues*).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::lambda::{Functions, function_arn};
use crate::settled::settled_when;

/// `maxReceiveCount` of the template's queue.
const RECEIVES: u32 = 5;

/// A queue, its event source mapping, and the dead-letter queue behind it.
#[derive(Debug)]
pub struct Queue {
    functions: Arc<dyn Functions>,
    function: &'static str,
    window: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Message>,
    gathering: bool,
    dead: Vec<String>,
    batches: usize,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    receives: u32,
}

impl Queue {
    /// An empty one before `function`, which gathers for `window`.
    #[must_use]
    pub fn before(
        functions: Arc<dyn Functions>,
        function: &'static str,
        window: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            functions,
            function,
            window,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// A message with this body comes.
    pub fn send(self: &Arc<Self>, body: String) {
        let message = Message {
            id: Uuid::new_v4().to_string(),
            body,
            receives: 0,
        };
        self.put(vec![message]);
    }

    fn put(self: &Arc<Self>, messages: Vec<Message>) {
        let mut state = self.state();
        state.waiting.extend(messages);
        if !state.gathering && !state.waiting.is_empty() {
            state.gathering = true;
            tokio::spawn(Arc::clone(self).deliver());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// The bodies of what no try could deliver.
    #[must_use]
    pub fn dead(&self) -> Vec<String> {
        self.state().dead.clone()
    }

    /// So many batches were handed over.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.state().batches
    }

    /// Waits until nothing is gathered or handed over.
    pub async fn settled(&self) {
        settled_when(&self.changed, || !self.state().gathering).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(self: Arc<Self>) {
        tokio::time::sleep(self.window).await;
        let mut batch = std::mem::take(&mut self.state().waiting);
        for message in &mut batch {
            message.receives += 1;
        }
        let records: Vec<Value> = batch.iter().map(record).collect();
        let functions = Arc::clone(&self.functions);
        let called = functions.call(function_arn(self.function), json!({"Records": records}));
        let failed = match called.await {
            Ok(result) if result.function_error.is_none() => failed(&result.payload),
            Ok(_) | Err(_) => None,
        };
        let is_failed = |message: &Message| {
            failed
                .as_ref()
                .is_none_or(|failed| failed.contains(&message.id))
        };
        let (dead, again): (Vec<Message>, Vec<Message>) = batch
            .into_iter()
            .filter(is_failed)
            .partition(|message| message.receives >= RECEIVES);
        let mut state = self.state();
        state.batches += 1;
        state
            .dead
            .extend(dead.into_iter().map(|message| message.body));
        state.gathering = false;
        drop(state);
        self.put(again);
    }
}

/// A message as a function gets it (Lambda guide, *Example Amazon SQS message event*).
fn record(message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": message.receives.to_string()},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT_ID}:shopmail-notices"),
        "awsRegion": REGION,
    })
}

/// What the answer says has failed; `None`, which is all of it, where it says nothing that is understood.
fn failed(answer: &Value) -> Option<BTreeSet<String>> {
    let failures = answer.get("batchItemFailures")?.as_array()?;
    let ids = failures
        .iter()
        .map(|failure| failure.get("itemIdentifier")?.as_str().map(str::to_owned));
    ids.collect()
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::aws::lambda::{Concurrency, InvocationResult, NotInvoked};

    /// Mails all but "bad".
    #[derive(Debug, Default)]
    struct Mailer(Mutex<Vec<usize>>, Arc<Concurrency>);

    impl Functions for Mailer {
        fn knows(&self, _: &str) -> bool {
            true
        }

        fn call(
            self: Arc<Self>,
            _: String,
            payload: Value,
        ) -> BoxFuture<'static, Result<InvocationResult, NotInvoked>> {
            let records = payload["Records"].as_array().unwrap();
            self.0.lock().unwrap().push(records.len());
            let bad = records.iter().filter(|record| record["body"] == "bad");
            let failures: Vec<Value> = bad
                .map(|record| json!({"itemIdentifier": record["messageId"]}))
                .collect();
            Box::pin(async move {
                Ok(InvocationResult {
                    payload: json!({"batchItemFailures": failures}),
                    function_error: None,
                })
            })
        }

        fn concurrency(&self) -> &Arc<Concurrency> {
            &self.1
        }

        fn end(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_batch_names_as_failed_comes_again_and_is_kept_in_the_end() {
        let mailer = Arc::new(Mailer::default());
        let functions = Arc::clone(&mailer) as Arc<dyn Functions>;
        let queue = Queue::before(functions, "notifier", Duration::from_secs(60));
        for body in ["good", "bad", "good"] {
            queue.send(body.to_owned());
        }
        queue.settled().await;
        assert_eq!(*mailer.0.lock().unwrap(), [3, 1, 1, 1, 1]);
        assert_eq!(queue.dead(), ["bad"]);
    }
}
