//! Logs: one JSON object a line, with Lambda's request id, secret name, token and step on every line of
//! an invocation.

use std::env;
use std::fmt;
use std::future::Future;

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
const OURS: [&str; 4] = ["shared", "rotation", "expiry_checker", "oauth_callback"];

tokio::task_local! {
    static REQUEST_ID: String;
}

/// Every line that `work` logs has this request id, by which Lambda's own lines (`platform.report`, …)
/// are found.
pub async fn with_request_id<T>(request_id: String, work: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(request_id, work).await
}

/// Starts logging to standard output, which Lambda hands to CloudWatch, at the level that Lambda is
/// configured with (`AWS_LAMBDA_LOG_LEVEL`; Lambda guide, "Configuring advanced logging controls").
pub fn start() {
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
        let request_id = REQUEST_ID.try_with(|id| serde_json::Value::from(id.as_str()));
        match (request_id, line.strip_prefix('{')) {
            (Ok(id), Some(rest)) => write!(writer, "{{\"requestId\":{id},{rest}"),
            _ => writer.write_str(&line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
