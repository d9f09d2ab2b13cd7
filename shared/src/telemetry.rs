//! Logs: one JSON object a line, with secret name, token and step on every line of an invocation.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// Our own crates. The SDK's and the HTTP client's logs can hold whole requests, so no level lets
/// them through.
const OURS: [&str; 4] = ["shared", "rotation", "expiry_checker", "oauth_callback"];

/// Logs why a function does not start: its settings, which also say how to log.
pub fn not_started(failure: &Failure) {
    start(LevelFilter::INFO);
    let kind = failure.kind.error_type();
    tracing::error!(kind, %failure, "not started");
}

/// Starts logging to standard output, which Lambda hands to CloudWatch. A second call does nothing.
pub fn start(level: LevelFilter) {
    let _ = lines(level, std::io::stdout).try_init();
}

/// Logs to `writer`.
pub fn lines<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = OURS.map(|target| (target, level));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_targets(ours))
}
