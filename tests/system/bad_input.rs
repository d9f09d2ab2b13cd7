//! Bad input gets a clear error and loses nothing.

mod documents;
mod events;
mod surroundings;

use serde_json::Value;
use simulators::aws::lambda::InvocationResult;

/// In every wrong value, so that an error that quotes one is found.
const WRONG: &str = "wr0ng~value";

fn assert_refused(result: &InvocationResult, parts: &[&str], event: &Value) {
    assert_eq!(result.error_type(), Some("Refused"), "{event}: {result:?}");
    let message = result.payload["errorMessage"].as_str().unwrap();
    for part in parts {
        assert!(message.contains(part), "{part} for {event}: {message}");
    }
    assert!(!message.contains(WRONG), "{event}: {message}");
}
