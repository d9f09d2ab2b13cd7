//! The figures of a check, for CloudWatch: one line to standard output in its embedded metric format, from which it makes
//! metrics (CloudWatch guide, *Specification: Embedded metric format*).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clock;
use crate::events::Totals;
use crate::telemetry;

/// One invocation of the checker, as its line says it.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The function's name, which is the metrics' dimension: two stacks of an account do not mix.
    pub function: &'a str,
    /// The time of the check.
    pub time: Timestamp,
    /// The part of it, from 1.
    pub part: u32,
    /// What this run says of the fleet.
    pub says: Says,
    /// What this invocation took, in seconds.
    pub seconds: f64,
    /// The calls to other services that this invocation and those that it invoked made.
    pub calls: u64,
}

/// What a run says of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// How it stands: the check has ended.
    All,
    /// Nothing yet: the check goes on in another invocation. A part of the sum would hide what fails.
    Continues,
    /// Nothing: it only looked, or at some secrets.
    Nothing,
}

const NAMESPACE: &str = "shopmail";

const A_DAY: f64 = 86_400.0;

impl Run<'_> {
    /// Writes the line. Where it could not be written the alarm on missing data sounds.
    pub fn write(&self, totals: &Totals) {
        telemetry::line_at_every_level(&self.line(totals, clock::machine()));
    }

    /// The line: all figures are in it, and those that are metrics are named in `_aws`.
    fn line(&self, totals: &Totals, at: Timestamp) -> Value {
        let counts = &totals.counts;
        let mut figures = vec![
            ("Seconds", "Seconds", json!(self.seconds)),
            ("Calls", "Count", json!(self.calls)),
        ];
        if self.says == Says::All {
            let count = |name, count: usize| (name, "Count", json!(count));
            figures.extend([
                count("Checked", counts.checked),
                count("Due", counts.due),
                count("WaitingForPerson", counts.waiting_for_person),
                count("Failed", counts.failed),
                count("Unreachable", counts.unreachable),
                // As one, for the alarm: what fails in one check may be out of reach in the next.
                count("FailedOrUnreachable", counts.failed + counts.unreachable),
                count(
                    "EndsWithin7DaysWithoutRotation",
                    totals.ends_soon_without_rotation,
                ),
                count("EndNotKnown", totals.end_not_known),
            ]);
            figures.extend(totals.nearest_end.map(|end| {
                let days = end.duration_since(self.time).as_secs_f64() / A_DAY;
                ("DaysToNearestEnd", "None", json!(days))
            }));
        }
        let names = figures.iter();
        let names = names.map(|(name, unit, _)| json!({"Name": name, "Unit": unit}));
        let mut line = json!({
            "_aws": {
                "Timestamp": at.as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["FunctionName"]],
                    "Metrics": names.collect::<Vec<_>>(),
                }],
            },
            // A line without a level and a timestamp is INFO to Lambda, which drops it where the log level is WARN or
            // ERROR; there is nothing above FATAL (Lambda guide, *Log-level filtering*).
            "level": "FATAL",
            "timestamp": at.to_string(),
            "message": "the figures of a check; no failure, see docs/logging.md",
            "requestId": telemetry::request_id(),
            "FunctionName": self.function,
            "Time": self.time,
            "Part": self.part,
            "Continues": self.says == Says::Continues,
        });
        if let Some(line) = line.as_object_mut() {
            line.extend(
                figures
                    .into_iter()
                    .map(|(name, _, value)| (name.to_owned(), value)),
            );
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn line(says: Says, totals: &Totals) -> Value {
        let run = Run {
            function: "shopmail-expiry-checker",
            time: at("2026-11-30T06:00:00Z"),
            part: 2,
            says,
            seconds: 1.5,
            calls: 551,
        };
        run.line(totals, at("2026-11-30T06:00:09Z"))
    }

    fn metrics(line: &Value) -> Vec<&str> {
        let metrics = line.pointer("/_aws/CloudWatchMetrics/0/Metrics").unwrap();
        let metrics = metrics.as_array().unwrap().iter();
        metrics
            .map(|metric| metric["Name"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn a_check_that_has_ended_has_each_figure_as_a_metric_with_a_value() {
        let mut totals = Totals {
            nearest_end: Some(at("2026-12-03T18:00:00Z")),
            ..Totals::default()
        };
        (totals.counts.failed, totals.counts.unreachable) = (3, 4);
        let line = line(Says::All, &totals);
        let names = metrics(&line);
        for name in [
            "Checked",
            "Due",
            "WaitingForPerson",
            "Failed",
            "Unreachable",
            "FailedOrUnreachable",
            "DaysToNearestEnd",
            "Seconds",
            "Calls",
            "EndsWithin7DaysWithoutRotation",
            "EndNotKnown",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        assert_eq!(names.len(), 11);
        assert!(names.iter().all(|name| line[name].is_number()), "{line}");
        assert_eq!(line["DaysToNearestEnd"], 3.5);
        assert_eq!(line["FailedOrUnreachable"], 7);
        assert_eq!(line["_aws"]["Timestamp"], 1_796_018_409_000_i64);
        assert_eq!(line["FunctionName"], "shopmail-expiry-checker");
    }

    #[test]
    fn an_unknown_end_is_no_metric_and_not_zero_days() {
        let line = line(Says::All, &Totals::default());
        assert!(!metrics(&line).contains(&"DaysToNearestEnd"));
    }

    #[test]
    fn a_part_says_part_time_and_continuation_and_nothing_of_the_fleet() {
        let continues = line(Says::Continues, &Totals::default());
        assert_eq!(metrics(&continues), ["Seconds", "Calls"]);
        assert_eq!(
            (&continues["Part"], &continues["Continues"]),
            (&json!(2), &json!(true))
        );
        assert_eq!(continues["Time"], "2026-11-30T06:00:00Z");
        assert_eq!(
            metrics(&line(Says::Nothing, &Totals::default())),
            ["Seconds", "Calls"]
        );
    }

    #[test]
    fn no_log_level_drops_the_line() {
        let line = line(Says::All, &Totals::default());
        assert_eq!(line["level"], "FATAL");
        assert_eq!(line["timestamp"], "2026-11-30T06:00:09Z", "RFC 3339");
    }
}
