//! Logs: one JSON object a line, with Lambda's request id, secret name, token and step on every line of
//! an invocation.

use std::env;
use std::fmt;
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Our own crates. The SDK's and the HTTP client's logs can hold whole requests, so no level lets
/// them through.
const OURS: [&str; 5] = [
    "shared",
    "rotation",
    "expiry_checker",
    "oauth_callback",
    "notifier",
];

static STARTED: AtomicBool = AtomicBool::new(false);

tokio::task_local! {
    static REQUEST_ID: String;
}

/// Every line that `work` logs has this request id, by which Lambda's own lines (`platform.report`, …)
/// are found.
pub async fn with_request_id<T>(request_id: String, work: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(request_id, work).await
}

/// Writes a line as it is, at every level. As with the others, nothing is written where [`start`] was not called. Where
/// nobody can be told that it could not be written, nothing is done about it.
pub(crate) fn line_at_every_level(line: &Value) {
    if STARTED.load(Ordering::Relaxed) {
        let _ = std::io::stdout()
            .lock()
            .write_all(format!("{line}\n").as_bytes());
    }
}

/// The request id of the invocation that is handled.
pub(crate) fn request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// Starts logging to standard output, which Lambda hands to CloudWatch, at the level that Lambda is
/// configured with (`AWS_LAMBDA_LOG_LEVEL`; Lambda guide, "Configuring advanced logging controls").
pub fn start() {
    STARTED.store(true, Ordering::Relaxed);
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default();
    let _ = lines(level_filter(&level), std::io::stdout).try_init();
}

fn level_filter(level: &str) -> LevelFilter {
    match level {
        // We have no worse level than ERROR.
        "FATAL" | "ERROR" => LevelFilter::ERROR,
        "WARN" => LevelFilter::WARN,
        "DEBUG" => LevelFilter::DEBUG,
        "TRACE" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    }
}

/// Logs to `writer`.
pub fn lines<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let ours = OURS.map(|target| (target, level));
    let format = tracing_subscriber::fmt::format()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(WithRequestId(format))
        .fmt_fields(JsonFields::new())
        .with_writer(writer);
    tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_targets(ours))
}

/// The usual line, with the request id as its first field: a span's field would be on the lines of that
/// span alone, and not on those of a span within.
struct WithRequestId(Format<Json>);

impl<S, N> FormatEvent<S, N> for WithRequestId
where
    Format<Json>: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        let request_id = request_id().map(Value::from);
        match (request_id, line.strip_prefix('{')) {
            (Some(id), Some(rest)) => write!(writer, "{{\"requestId\":{id},{rest}"),
            _ => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_lines_of_each_function_are_written_and_those_of_other_crates_are_not() {
        let written = Written::default();
        let writer = written.clone();
        let lines = lines(LevelFilter::TRACE, move || writer.clone());
        tracing::subscriber::with_default(lines, || {
            tracing::info!(target: "shared::retry", "of shared");
            tracing::info!(target: "rotation::steps", "of rotation");
            tracing::info!(target: "expiry_checker::check", "of expiry-checker");
            tracing::info!(target: "oauth_callback", "of oauth-callback");
            tracing::info!(target: "notifier::channels", "of notifier");
            tracing::error!(target: "hyper", "of another");
            tracing::error!(target: "aws_smithy_runtime", "of another");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        for function in [
            "shared",
            "rotation",
            "expiry-checker",
            "oauth-callback",
            "notifier",
        ] {
            assert!(written.contains(&format!("of {function}\"")), "{function}");
        }
        assert!(!written.contains("of another"), "{written}");
    }

    #[test]
    fn lambdas_levels_are_taken_and_another_is_info() {
        let levels = [
            "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "", "loud",
        ];
        let taken = levels.map(level_filter).map(|level| level.to_string());
        assert_eq!(
            taken,
            [
                "error", "error", "warn", "info", "debug", "trace", "info", "info"
            ]
        );
    }
}
