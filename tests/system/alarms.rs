//! Never silently dead: the figures that a check writes, the alarms and the dashboard made of them, and the weekly report.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::aws::template::template;
use simulators::gate::Calls;

use crate::support::Scenario;
use crate::support::faults::answer;

const RUNBOOK: &str = include_str!("../../docs/runbook.md");

/// The lines that CloudWatch makes metrics of.
fn figures(scenario: &Scenario) -> Vec<Value> {
    let lines = scenario.world.lambda.logs().into_iter();
    let lines = lines.filter(|line| line.function == "expiry-checker");
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line.line).ok());
    lines.filter(|line| line.get("_aws").is_some()).collect()
}

fn metrics(line: &Value) -> BTreeSet<String> {
    let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
    let metrics = metrics.as_array().unwrap().iter();
    metrics
        .map(|metric| metric["Name"].as_str().unwrap().to_owned())
        .collect()
}

fn alarms() -> Vec<(&'static String, &'static Value)> {
    let resources = template().unwrap()["Resources"].as_object().unwrap();
    let alarms = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms
        .map(|(name, resource)| (name, &resource["Properties"]))
        .collect()
}

#[test]
fn each_alarm_says_the_next_step_and_has_its_own_heading_in_the_runbook() {
    for (name, alarm) in alarms() {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.contains("Next step: "), "{name}: {description}");
        let place = format!("(runbook, {name}).");
        assert!(description.ends_with(&place), "{name}: {description}");
        // "AlarmDescription: The maximum is 1024" (CloudWatch API reference, *PutMetricAlarm*).
        assert!(description.len() < 1024, "{name}");
        assert!(RUNBOOK.contains(&format!("\n### {name}\n")), "{name}");
        assert_eq!(alarm["AlarmActions"], json!(["Notices"]), "{name}");
    }
    let headings = RUNBOOK.split("\n## Alarms\n").nth(1).unwrap();
    let headings = headings.split("\n## ").next().unwrap();
    assert_eq!(headings.matches("\n### ").count(), alarms().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_writes_each_figure_that_an_alarm_or_the_dashboard_reads_at_every_log_level() {
    for level in ["ERROR", "INFO"] {
        let scenario = Scenario::with_settings(
            &[("AWS_LAMBDA_LOG_LEVEL", level)],
            &simulators::world::MailboxPlan::default(),
        )
        .await;
        scenario.world.check().await.unwrap();
        let lines = figures(&scenario);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        let written = metrics(line);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "shopmail");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(line["FunctionName"], "expiry-checker");
        for (name, alarm) in alarms() {
            if alarm["Namespace"] == "shopmail" {
                let metric = alarm["MetricName"].as_str().unwrap();
                assert!(written.contains(metric), "{name}: {metric}");
            }
        }
        let dashboard = template().unwrap()["Resources"]["Dashboard"]["Properties"].to_string();
        for metric in &written {
            let shown = format!("\\\"shopmail\\\", \\\"{metric}\\\"");
            // The dashboard shows the two by themselves.
            assert!(
                dashboard.contains(&shown) || metric == "FailedOrUnreachable",
                "{metric}"
            );
        }
        assert_eq!(
            dashboard.matches("\\\"shopmail\\\", ").count(),
            written.len() - 1
        );
        // Lambda drops a line of a lower level than the function's.
        assert_eq!(line["level"], "FATAL");
        assert_eq!(line["Checked"], 1);
        assert!(line["Calls"].as_u64() > Some(0), "{line}");
        assert_eq!(line["EndsWithin7DaysWithoutRotation"], 0, "20 days left");
        let days = line["DaysToNearestEnd"].as_f64().unwrap();
        assert!((days - 20.0).abs() < 0.1, "{days}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_looked_at_is_counted_by_itself_and_a_dry_run_says_nothing_of_the_fleet()
{
    let scenario = Scenario::begin().await;
    let down = answer(503, false, "{}");
    scenario
        .world
        .gate
        .fail(Calls::of("graph", "*").times(10_000), down);
    let dry = json!({"dry_run": true});
    scenario.world.invoke("expiry-checker", &dry).await.unwrap();
    scenario.world.check().await.unwrap();
    let lines = figures(&scenario);
    let only: BTreeSet<String> = ["Seconds", "Calls"].map(str::to_owned).into();
    assert_eq!(metrics(&lines[0]), only);
    let report = &scenario.details("Fleet Report")[0];
    assert_eq!(
        (&lines[1]["Unreachable"], &lines[1]["Failed"]),
        (&json!(1), &json!(0)),
        "{report}"
    );
    assert_eq!(
        (&report["unreachable"], &report["failed"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(report["secrets"][0]["state"], "unreachable");
    assert!(report["secrets"][0]["failure"].is_string(), "{report}");
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_part_of_a_check_reports_the_sum_of_all() {
    let scenario = Scenario::begin().await;
    let now = scenario.world.clock.now();
    let mut before = shared::events::Totals::default();
    before.counts.checked = 40;
    before.counts.unreachable = 2;
    let event = json!({
        "detail-type": "Check Continues", "source": "shopmail",
        "detail": {"id": "00", "cursor": "a", "time": now, "part": 3, "totals": before},
    });
    scenario
        .world
        .invoke("expiry-checker", &event)
        .await
        .unwrap();
    let report = &scenario.details("Fleet Report")[0];
    assert_eq!(report["part"], 3);
    assert_eq!(report["time"], now.to_string());
    assert_eq!(
        (&report["checked"], &report["unreachable"]),
        (&json!(41), &json!(2))
    );
    let line = &figures(&scenario)[0];
    assert_eq!(
        (&line["Part"], &line["Continues"], &line["Checked"]),
        (&json!(3), &json!(false), &json!(41))
    );
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_week_a_report_says_how_all_stand() {
    let schedule = [("CHECK_SCHEDULE", "rate(6 hours)")];
    let scenario =
        Scenario::with_settings(&schedule, &simulators::world::MailboxPlan::default()).await;
    for _ in 0..8 * 4 {
        scenario.world.clock.advance(SignedDuration::from_hours(6));
        scenario.check().await;
    }
    let reports = scenario.details("Weekly Report");
    let weeks: BTreeSet<Timestamp> = reports
        .iter()
        .map(|report| report["week"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(weeks.len(), reports.len(), "once for each week");
    assert!((1..=2).contains(&reports.len()), "{}", reports.len());
    assert_eq!(reports[0]["checked"], 1);
    assert_eq!(reports[0]["most_urgent"][0]["secret"], "shopmail/orders");
    scenario.assert_events_keep_their_schemas();
}
