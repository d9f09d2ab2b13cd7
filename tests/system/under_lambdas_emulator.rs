//! The functions under aws-lambda-rie, AWS's own emulator of Lambda's side of the runtime API: one that
//! nobody here wrote, in the place of `simulators::aws::lambda`. It comes with aws-sam-cli.
//!
//! Where aws-lambda-rie of aws-sam-cli 1.170.0 is not as Lambda is, and what is done about it:
//!
//! - It hands over what is no JSON, which Lambda's Invoke refuses (`InvalidRequestContentException`). JSON
//!   that is nested deeper than we read comes through both.
//! - It sends no `X-Amz-Function-Error`: an answer is told from an error by its `errorType`.
//! - It reports `Runtime.ExitError` for an init that told its error, though it answers with that error: what
//!   `platform.initReport` says is not tried here.

mod emulator;

use serde_json::{Value, json};
use simulators::aws::lambda::Function;
use simulators::gate::Fault;
use url::Url;

use crate::support::Scenario;
use crate::support::samples;
use crate::support::tickets::Forged;
use emulator::{Emulator, program_or_say};

/// Less than the 6 MB that Lambda hands over (Lambda quotas), JSON's part included.
const LARGE: usize = 5_000_000;
/// In every panic, so that a text that quotes one is found.
const WORDS: &str = "client~secret-in.a-panic";

/// What a function is called with here, and what it answers.
struct Calls {
    function: Function,
    /// One that ends well.
    good: Value,
    /// In its answer.
    answer: (String, Value),
    /// One of [`LARGE`] bytes.
    large: Value,
    /// In what comes of that.
    of_large: (&'static str, Value),
}

impl Calls {
    /// Of all functions. None of them changes anything.
    fn all(scenario: &Scenario) -> [Self; 4] {
        let function = |name: &str| (*scenario.world.lambda.function(name).unwrap()).clone();
        let large = "x".repeat(LARGE);
        let link = Url::parse(&Forged::connect(scenario).link(&scenario.world)).unwrap();
        let refused = ("/errorType", json!("Refused"));
        let arn = scenario.mailbox.arn.replace('/', "~1");
        let key_id = format!("/deep/{arn}/Ok/key_id");
        [
            Self {
                function: function("rotation"),
                good: scenario.inspect_event(),
                answer: (key_id, json!(scenario.mailbox.first_key)),
                large: json!({"Action": "sweep", "SecretId": large}),
                of_large: refused.clone(),
            },
            Self {
                function: function("expiry-checker"),
                good: json!({"dry_run": true}),
                answer: (
                    "/secrets/0/secret".to_owned(),
                    json!(scenario.mailbox.secret),
                ),
                large: json!({"time": large}),
                of_large: refused,
            },
            Self {
                function: function("oauth-callback"),
                good: http("GET", link.path(), link.query().unwrap_or_default(), ""),
                answer: ("/statusCode".to_owned(), json!(303)),
                large: http("POST", "/reveal", "", &large),
                of_large: ("/statusCode", json!(403)),
            },
            Self {
                function: function("notifier"),
                good: json!({"detail-type": "Client Secret Expiring", "detail": {
                    "id": "1", "secret": "shopmail/orders", "days_left": 7, "renewal": "under_way", "expires_at": "2027-01-31T00:00:00Z",
                }}),
                answer: ("/mails".to_owned(), json!(1)),
                large: json!({"detail-type": large}),
                of_large: ("/mails", json!(0)),
            },
        ]
    }

    async fn assert_answered(&self, emulator: &Emulator) {
        let answer = emulator.invoke(self.good.to_string()).await;
        let (place, value) = &self.answer;
        let name = &self.function.name;
        assert_eq!(answer.pointer(place), Some(value), "{name}: {answer}");
    }
}

fn http(method: &str, path: &str, query: &str, body: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {}, "isBase64Encoded": false, "body": body,
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1", "userAgent": "x"}, "stage": "$default", "requestId": "r"},
    })
}

/// The lines of trouble.
fn errors(lines: &[Value]) -> Vec<&Value> {
    let errors = lines.iter().filter(|line| line["level"] == "ERROR");
    errors.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_answers_the_first_call_and_the_next() {
    let Some(program) = program_or_say() else {
        return;
    };
    let scenario = Scenario::begin().await;
    for calls in Calls::all(&scenario) {
        let emulator = Emulator::start(&program, &calls.function).await;
        calls.assert_answered(&emulator).await;
        let cold = emulator.process();
        assert!(cold.is_some());
        calls.assert_answered(&emulator).await;
        assert_eq!(emulator.process(), cold);
        assert_eq!(errors(&emulator.end()), Vec::<&Value>::new());
    }
}

/// What the sample payloads call the mailbox secret.
const SAMPLE_ARN: &str =
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shopmail/orders-AbCdEf";

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_payload_is_read_by_its_function() {
    let Some(program) = program_or_say() else {
        return;
    };
    let scenario = Scenario::begin().await;
    let samples = samples::listed();
    for calls in Calls::all(&scenario) {
        let function = &calls.function;
        let emulator = Emulator::start(&program, function).await;
        let its = samples
            .iter()
            .filter(|sample| sample.function == function.name);
        let mut read = 0;
        for sample in its {
            let event = sample.text().replace(SAMPLE_ARN, &scenario.mailbox.arn);
            let answer = emulator.invoke(event).await;
            // What is not so in this world is refused, and what could not be read.
            let file = &sample.file;
            assert!(
                !answer.to_string().contains("reading the event"),
                "{file}: {answer}"
            );
            let failed = answer["batchItemFailures"].as_array();
            assert!(failed.is_none_or(Vec::is_empty), "{file}: {answer}");
            read += 1;
        }
        assert!(read > 0, "{}", function.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_read_is_refused_with_a_line_in_the_log_and_the_next_is_answered() {
    let Some(program) = program_or_say() else {
        return;
    };
    let scenario = Scenario::begin().await;
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for calls in Calls::all(&scenario) {
        let emulator = Emulator::start(&program, &calls.function).await;
        for event in [WORDS, "", "{\"Step\": ", nested.as_str()] {
            let error = emulator.invoke(event.to_owned()).await;
            assert_eq!(error["errorType"], "Refused", "{event}: {error}");
            calls.assert_answered(&emulator).await;
        }
        let lines = emulator.end();
        let errors = errors(&lines);
        assert_eq!(errors.len(), 4, "{errors:?}");
        for line in errors {
            assert_eq!(line["kind"], "Refused", "{line}");
            assert!(line["requestId"].is_string(), "{line}");
            assert!(!line.to_string().contains(WORDS), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_5_mb_is_answered_shortly_and_so_is_the_next() {
    let Some(program) = program_or_say() else {
        return;
    };
    let scenario = Scenario::begin().await;
    for calls in Calls::all(&scenario) {
        let emulator = Emulator::start(&program, &calls.function).await;
        let answer = emulator.invoke(calls.large.to_string()).await;
        let (place, value) = &calls.of_large;
        assert_eq!(answer.pointer(place), Some(value), "{answer}");
        calls.assert_answered(&emulator).await;
        // A line of the log may have 1 MB (CloudWatch Logs quotas), and costs by the byte.
        for told in [answer, Value::from(emulator.end())] {
            let bytes = told.to_string().len();
            assert!(bytes < 50_000, "{}: {bytes} bytes", calls.function.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_in_mid_call_another_process_answers() {
    let Some(program) = program_or_say() else {
        return;
    };
    let scenario = Scenario::begin().await;
    for calls in Calls::all(&scenario) {
        let emulator = Emulator::start(&program, &calls.function).await;
        calls.assert_answered(&emulator).await;
        let first = emulator.process();
        scenario.world.gate.set_kill_switch(emulator.killer());
        let kill = Fault::Kill { effect: false };
        let calls_first = match calls.function.name.as_str() {
            "notifier" => "sns",
            _ => "secretsmanager",
        };
        scenario.world.gate.fail_next(calls_first, "*", kill);
        let error = emulator.invoke(calls.good.to_string()).await;
        assert_eq!(error["errorType"], "Runtime.ExitError", "{error}");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(message.ends_with("signal: killed"), "{message}");
        calls.assert_answered(&emulator).await;
        let second = emulator.process();
        assert!(second.is_some() && second != first, "{first:?} {second:?}");
        assert_eq!(errors(&emulator.end()), Vec::<&Value>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_fails_answers_with_its_reason_and_logs_it_in_one_line() {
    let Some(program) = program_or_say() else {
        return;
    };
    let scenario = Scenario::begin().await;
    for calls in Calls::all(&scenario) {
        let function = calls.function.env("AWS_REGION", "");
        let function = function.env("REQUEST_TIMEOUT", WORDS);
        let emulator = Emulator::start(&program, &function).await;
        let error = emulator.invoke(calls.good.to_string()).await;
        assert_eq!(error["errorType"], "Misconfigured", "{error}");
        let message = error["errorMessage"].as_str().unwrap();
        for part in ["AWS_REGION is missing", "REQUEST_TIMEOUT is "] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!message.contains(WORDS), "{message}");
        let lines = emulator.end();
        let [line] = lines.as_slice() else {
            panic!("one line says it: {lines:?}");
        };
        assert_eq!(line["message"], "not started");
        assert_eq!(line["kind"], "Misconfigured");
        assert_eq!(line["failure"], message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_and_one_line_without_its_words_and_the_next_call_is_answered() {
    let Some(program) = program_or_say() else {
        return;
    };
    let function = Function::new("panics", env!("CARGO_BIN_EXE_panics"));
    let emulator = Emulator::start(&program, &function).await;
    let error = emulator.invoke(json!({"panic": WORDS}).to_string()).await;
    let process = emulator.process();
    assert_eq!(emulator.invoke("{}").await, "answered");
    assert_eq!(emulator.process(), process);
    let lines = emulator.end();
    assert_told(&error, &lines);
    assert!(lines[0]["requestId"].is_string(), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_at_the_start_is_told_like_one_in_a_call() {
    let Some(program) = program_or_say() else {
        return;
    };
    let function = Function::new("panics", env!("CARGO_BIN_EXE_panics"));
    let emulator = Emulator::start(&program, &function.env("PANIC_AT_INIT", WORDS)).await;
    let error = emulator.invoke("{}").await;
    assert_eq!(emulator.process(), None);
    assert_told(&error, &emulator.end());
}

/// The panic's place is told, once, and what it said is not.
fn assert_told(error: &Value, lines: &[Value]) {
    assert_eq!(error["errorType"], "Panicked", "{error}");
    let [line] = lines else {
        panic!("one line says it: {lines:?}");
    };
    assert_eq!(
        (&line["level"], &line["kind"]),
        (&json!("ERROR"), &json!("Panicked"))
    );
    let at = line["failure"].as_str().unwrap();
    assert!(at.contains("panics/main.rs:"), "{at}");
    assert!(!format!("{error}{line}").contains(WORDS), "{error} {line}");
}
