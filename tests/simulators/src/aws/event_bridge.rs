//! EventBridge: `PutEvents`, rules with a function or a queue as target, and the event that a schedule sends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::post;
use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::aws::account::{ACCOUNT_ID, REGION};
use crate::aws::aws_json::{self, AwsError, parameters};
use crate::aws::invoker::{Invoker, InvokerSlot};
use crate::aws::queue::Queue;
use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::ids::Ids;
use crate::settled::settled_when;

/// "Each call can have up to 10 entries, and 256 KB" (`PutEvents` quotas).
const MAX_ENTRIES: usize = 10;
const MAX_BYTES: usize = 256 * 1024;
/// "The size of Time is 14 bytes" (Calculating event entry size).
const TIME_BYTES: usize = 14;

/// The event bus with its rules.
#[derive(Debug)]
pub struct EventBridge {
    clock: Arc<Clock>,
    ids: Ids,
    invoker: InvokerSlot,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Value>,
    rules: Vec<Rule>,
    failing_entries: u32,
    deliver_twice: bool,
    deliveries: usize,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: Value,
    target: Target,
}

/// Where a rule's events go.
#[derive(Debug, Clone)]
enum Target {
    Function(String),
    Queue(Arc<Queue>),
}

/// A rule's pattern uses an operator that is not simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedPattern(pub String);

impl std::fmt::Display for UnsupportedPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not simulated in an event pattern: {}", self.0)
    }
}

impl std::error::Error for UnsupportedPattern {}

impl EventBridge {
    /// A bus without rules. Event ids depend on `seed` only.
    #[must_use]
    pub fn new(clock: Arc<Clock>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            clock,
            ids: Ids::seeded(seed),
            invoker: InvokerSlot::default(),
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// The HTTP API, `events` in the journal.
    #[must_use]
    pub fn service(self: &Arc<Self>, gate: Arc<Gate>) -> Service {
        Service {
            name: "events",
            operation: aws_json::operation,
            router: Router::new()
                .route("/", post(handle))
                .with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }

    /// Sets what invokes the rules' targets.
    pub fn set_invoker(&self, invoker: Invoker) {
        self.invoker.set(invoker);
    }

    /// Adds a rule: events that match `pattern` go to the function `target`. Of the pattern language
    /// there are nested fields, lists of values, and `prefix`.
    ///
    /// # Errors
    /// When the pattern uses something else.
    pub fn add_rule(&self, pattern: Value, target: &str) -> Result<(), UnsupportedPattern> {
        self.add(pattern, Target::Function(target.to_owned()))
    }

    /// Adds a rule whose events go to a queue.
    ///
    /// # Errors
    /// When the pattern uses something else.
    pub fn add_queue(&self, pattern: Value, queue: &Arc<Queue>) -> Result<(), UnsupportedPattern> {
        self.add(pattern, Target::Queue(Arc::clone(queue)))
    }

    fn add(&self, pattern: Value, target: Target) -> Result<(), UnsupportedPattern> {
        check_pattern(&pattern)?;
        self.state().rules.push(Rule { pattern, target });
        Ok(())
    }

    /// The next `entries` entries are answered with an error inside a 200.
    pub fn fail_entries(&self, entries: u32) {
        self.state().failing_entries = entries;
    }

    /// Whether each event reaches its target twice: "at least once" allows it.
    pub fn deliver_twice(&self, twice: bool) {
        self.state().deliver_twice = twice;
    }

    /// All events so far, as a target gets them.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.state().events.clone()
    }

    /// The `detail` of each event of this type so far.
    #[must_use]
    pub fn details(&self, detail_type: &str) -> Vec<Value> {
        let state = self.state();
        let of_type = state
            .events
            .iter()
            .filter(|event| is_of_type(event, detail_type));
        of_type
            .map(|event| event.get("detail").cloned().unwrap_or_default())
            .collect()
    }

    /// The first event of this type, once there is one.
    pub async fn wait_for(&self, detail_type: &str, timeout: Duration) -> Option<Value> {
        self.wait_until(|event| is_of_type(event, detail_type), timeout)
            .await
    }

    /// The first event that fits, once there is one.
    pub async fn wait_until(
        &self,
        fits: impl Fn(&Value) -> bool,
        timeout: Duration,
    ) -> Option<Value> {
        let search = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Registered before the look, so that no event in between is missed.
                changed.as_mut().enable();
                if let Some(found) = self.events().into_iter().find(&fits) {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(timeout, search).await.ok()
    }

    /// Whether every target has had its events.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.state().deliveries == 0
    }

    /// Waits until every target has had its events.
    pub async fn settled(&self) {
        settled_when(&self.changed, || self.is_settled()).await;
    }

    /// The event that a schedule sends at the time that the clock shows.
    #[must_use]
    pub fn scheduled_event(clock: &Clock) -> Value {
        let time = whole_seconds(clock.now());
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(time.as_second().to_be_bytes()) {
            *to = from;
        }
        json!({
            "version": "0",
            "id": uuid::Builder::from_random_bytes(id).into_uuid().to_string(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT_ID,
            "time": time.to_string(),
            "region": REGION,
            "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/expiry-checker")],
            "detail": {},
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_events(self: &Arc<Self>, asked: PutEvents) -> Result<Value, AwsError> {
        if !(1..=MAX_ENTRIES).contains(&asked.entries.len()) {
            return Err(AwsError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and {MAX_ENTRIES}"
                ),
            ));
        }
        let size: usize = asked.entries.iter().map(Entry::size).sum();
        if size > MAX_BYTES {
            return Err(AwsError::new(
                "ValidationException",
                "Total size of the entries in the request is over the limit.",
            ));
        }
        let results: Vec<Value> = asked
            .entries
            .into_iter()
            .map(|entry| self.put(entry))
            .collect();
        let failed = results
            .iter()
            .filter(|result| result.get("ErrorCode").is_some())
            .count();
        Ok(json!({"FailedEntryCount": failed, "Entries": results}))
    }

    fn put(self: &Arc<Self>, entry: Entry) -> Value {
        if self.takes_failure() {
            return json!({"ErrorCode": "InternalFailure", "ErrorMessage": "Internal failure"});
        }
        let event = match self.event(entry) {
            Ok(event) => event,
            Err(error) => return json!({"ErrorCode": error.code, "ErrorMessage": error.message}),
        };
        let id = event.get("id").cloned().unwrap_or_default();
        let mut state = self.state();
        state.events.push(event.clone());
        let times = if state.deliver_twice { 2 } else { 1 };
        let matching: Vec<Rule> = state
            .rules
            .iter()
            .filter(|rule| matches(&rule.pattern, &event))
            .cloned()
            .collect();
        for rule in matching {
            for _ in 0..times {
                match &rule.target {
                    Target::Queue(queue) => queue.send(event.to_string()),
                    Target::Function(function) => {
                        state.deliveries += 1;
                        let deliver = Arc::clone(self).deliver(function.clone(), event.clone());
                        tokio::spawn(deliver);
                    }
                }
            }
        }
        drop(state);
        self.changed.notify_waiters();
        json!({"EventId": id})
    }

    async fn deliver(self: Arc<Self>, target: String, event: Value) {
        // A target's failure is the target's to log; EventBridge has nobody to tell.
        let _ = self.invoker.invoke(&target, event).await;
        self.state().deliveries -= 1;
        self.changed.notify_waiters();
    }

    fn takes_failure(&self) -> bool {
        let failing = &mut self.state().failing_entries;
        let fails = *failing > 0;
        *failing = failing.saturating_sub(1);
        fails
    }

    /// The entry as the event that targets get ("AWS events metadata").
    fn event(&self, entry: Entry) -> Result<Value, AwsError> {
        let source = required("Source", entry.source)?;
        let detail_type = required("DetailType", entry.detail_type)?;
        let detail = required("Detail", entry.detail)?;
        if source.starts_with("aws.") {
            return Err(AwsError::new(
                "NotAuthorizedForSourceException",
                "Not authorized for the source.",
            ));
        }
        let detail: Value = serde_json::from_str(&detail)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| AwsError::new("MalformedDetail", "Detail is malformed."))?;
        let time = entry
            .time
            .and_then(|seconds| Timestamp::from_second(seconds as i64).ok())
            .unwrap_or_else(|| self.clock.now());
        Ok(json!({
            "version": "0",
            "id": self.ids.uuid(),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT_ID,
            "time": whole_seconds(time).to_string(),
            "region": REGION,
            "resources": entry.resources,
            "detail": detail,
        }))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    time: Option<f64>,
}

impl Entry {
    fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let texts = texts.into_iter().flatten().chain(&self.resources);
        let time = if self.time.is_some() { TIME_BYTES } else { 0 };
        texts.map(String::len).sum::<usize>() + time
    }
}

fn required(name: &str, value: Option<String>) -> Result<String, AwsError> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        AwsError::new(
            "InvalidArgument",
            format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
        )
    })
}

fn is_of_type(event: &Value, detail_type: &str) -> bool {
    event.get("detail-type").and_then(Value::as_str) == Some(detail_type)
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn check_pattern(pattern: &Value) -> Result<(), UnsupportedPattern> {
    let supported = |wanted: &Value| match wanted {
        Value::Object(operator) => operator.len() == 1 && operator.contains_key("prefix"),
        Value::Array(_) => false,
        _ => true,
    };
    match pattern {
        Value::Object(fields) => fields.values().try_for_each(check_pattern),
        Value::Array(wanted) => match wanted.iter().find(|wanted| !supported(wanted)) {
            Some(wanted) => Err(UnsupportedPattern(wanted.to_string())),
            None => Ok(()),
        },
        other => Err(UnsupportedPattern(other.to_string())),
    }
}

fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields
            .iter()
            .all(|(name, inner)| event.get(name).is_some_and(|found| matches(inner, found))),
        Value::Array(wanted) => wanted.iter().any(|wanted| match wanted.get("prefix") {
            Some(prefix) => match (prefix.as_str(), event.as_str()) {
                (Some(prefix), Some(text)) => text.starts_with(prefix),
                _ => false,
            },
            None => wanted == event,
        }),
        _ => false,
    }
}

async fn handle(
    Shared(bridge): Shared<Arc<EventBridge>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let result =
        aws_json::require_signature(&headers).and_then(|()| {
            match aws_json::operation_in(&headers) {
                "PutEvents" => bridge.put_events(parameters(&body)?),
                unknown => Err(AwsError::new("UnknownOperationException", unknown)),
            }
        });
    aws_json::answer(result)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    struct Fixture {
        bridge: Arc<EventBridge>,
        service: Service,
    }

    impl Fixture {
        fn new() -> Self {
            let epoch: Timestamp = "2027-01-01T06:00:00.5Z".parse().unwrap();
            let clock = Arc::new(Clock::starting_at(epoch));
            let bridge = EventBridge::new(clock, 1);
            let service = bridge.service(Arc::default());
            Self { bridge, service }
        }

        async fn put(&self, entries: Value) -> Value {
            let request = Request::post("/")
                .header("x-amz-target", "AWSEvents.PutEvents")
                .header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=A/20270101/x/y/z",
                )
                .body(Bytes::from(json!({"Entries": entries}).to_string()))
                .unwrap();
            let response = self.service.call(request).await.unwrap();
            serde_json::from_slice(response.body()).unwrap()
        }
    }

    fn entry(detail_type: &str, detail: &str) -> Value {
        json!({"Source": "shopmail", "DetailType": detail_type, "Detail": detail})
    }

    #[tokio::test]
    async fn bad_entries_fail_alone() {
        let fixture = Fixture::new();
        let good = entry("Rotation Due", r#"{"id": "1"}"#);
        let answer = fixture
            .put(json!([good, entry("Rotation Due", "no json"), {"Source": "shopmail"}]))
            .await;
        assert_eq!(answer["FailedEntryCount"], 2);
        assert_eq!(answer["Entries"][1]["ErrorCode"], "MalformedDetail");
        assert_eq!(answer["Entries"][2]["ErrorCode"], "InvalidArgument");
        let events = fixture.bridge.events();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["id"], answer["Entries"][0]["EventId"]);
        assert_eq!(events[0]["time"], "2027-01-01T06:00:00Z");
    }

    #[tokio::test]
    async fn too_many_or_too_large_entries_fail_together() {
        let fixture = Fixture::new();
        let many = vec![entry("A", "{}"); 11];
        assert_eq!(
            fixture.put(json!(many)).await["__type"],
            "ValidationException"
        );
        let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(200 * 1024));
        let two = json!([entry("A", &large), entry("A", &large)]);
        assert_eq!(fixture.put(two).await["__type"], "ValidationException");
        assert!(fixture.bridge.events().is_empty());
    }

    #[tokio::test]
    async fn told_failures_come_inside_a_success() {
        let fixture = Fixture::new();
        fixture.bridge.fail_entries(1);
        let answer = fixture
            .put(json!([entry("A", "{}"), entry("B", "{}")]))
            .await;
        assert_eq!(answer["FailedEntryCount"], 1);
        assert_eq!(fixture.bridge.events()[0]["detail-type"], "B");
    }

    #[tokio::test]
    async fn a_matching_event_reaches_its_target_as_often_as_told() {
        let fixture = Fixture::new();
        let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let into = Arc::clone(&seen);
        fixture.bridge.set_invoker(Arc::new(move |target, event| {
            into.lock().unwrap().push((target, event));
            Box::pin(async { Ok(()) })
        }));
        let pattern = json!({"source": ["shopmail"], "detail-type": ["Check Continues"]});
        fixture.bridge.add_rule(pattern, "checker").unwrap();
        fixture.bridge.deliver_twice(true);
        fixture
            .put(json!([
                entry("Check Continues", "{}"),
                entry("Other", "{}")
            ]))
            .await;
        fixture.bridge.settled().await;
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], seen[1], "a repeat is the same event");
        assert_eq!(seen[0].0, "checker");
        let unsupported = fixture
            .bridge
            .add_rule(json!({"source": [{"exists": true}]}), "x");
        assert!(unsupported.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_event_or_the_time() {
        let fixture = Fixture::new();
        let minute = Duration::from_secs(60);
        assert_eq!(fixture.bridge.wait_for("A", minute).await, None);
        let (found, _) = tokio::join!(
            fixture.bridge.wait_for("A", minute),
            fixture.put(json!([entry("A", r#"{"n": 1}"#)])),
        );
        assert_eq!(found.unwrap()["detail"]["n"], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_scheduled_event_tells_whole_seconds() {
        let clock = Clock::starting_at("2027-01-01T06:00:00.9Z".parse().unwrap());
        let event = EventBridge::scheduled_event(&clock);
        assert_eq!(event["time"], "2027-01-01T06:00:00Z");
        assert_eq!(event["detail-type"], "Scheduled Event");
    }
}
