//! Never silently dead: the figures that a check writes, the alarms and the dashboard made of them, and the weekly report.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared::events::Totals;
use simulators::aws::template::template;
use simulators::gate::Calls;
use simulators::template::mailed_events;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::scenario::{days, ending_in};

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
        let scenario =
            Scenario::with_settings(&[("AWS_LAMBDA_LOG_LEVEL", level)], &MailboxPlan::default())
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
    let scenario = Scenario::with(&ending_in(100)).await;
    scenario.check().await;
    let now = scenario.world.clock.now();
    let mut before = Totals::default();
    before.counts.checked = 40;
    before.counts.unreachable = 2;
    let tenant = &scenario.document()["tenant_id"];
    let event = json!({
        "detail-type": "Check Continues", "source": "shopmail",
        "detail": {"id": "00", "tenants": [tenant], "time": now, "part": 3, "totals": before},
    });
    scenario
        .world
        .invoke("expiry-checker", &event)
        .await
        .unwrap();
    let report = &scenario.details("Fleet Report")[1];
    assert_eq!(report["part"], 3);
    assert_eq!(report["time"], now.to_string());
    assert_eq!(
        (&report["checked"], &report["unreachable"]),
        (&json!(41), &json!(2))
    );
    let line = &figures(&scenario)[1];
    assert_eq!(
        (&line["Part"], &line["Continues"], &line["Checked"]),
        (&json!(3), &json!(false), &json!(41))
    );
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_near_or_not_known_is_counted_but_not_where_a_rotation_runs_or_the_first_secret_is_waited_for()
 {
    let near = Scenario::with(&ending_in(6)).await;
    let store = &near.world.secrets_manager;
    store.cancel_rotation(&near.mailbox.secret).unwrap();
    near.check().await;
    let counted = |scenario: &Scenario, name: &str| figures(scenario)[0][name].clone();
    assert_eq!(counted(&near, "EndsWithin7DaysWithoutRotation"), 1);

    let renewed = Scenario::with(&ending_in(6)).await;
    renewed.check().await;
    assert_eq!(counted(&renewed, "EndsWithin7DaysWithoutRotation"), 0);

    let of = |document: fn(&mut Value)| MailboxPlan {
        ends_in: days(100),
        granted: false,
        document,
        ..MailboxPlan::default()
    };
    let without_end = of(|document| {
        document["key_id"] = json!("0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e");
        document["expires_at"] = json!("");
    });
    let unknown = Scenario::with(&without_end).await;
    unknown.check().await;
    assert_eq!(counted(&unknown, "EndNotKnown"), 1);

    let without_secret = of(|document| {
        for field in ["client_secret", "key_id", "expires_at"] {
            document[field] = json!("");
        }
    });
    let first = Scenario::with(&without_secret).await;
    first.check().await;
    assert_eq!(counted(&first, "EndNotKnown"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_checked_four_times_running_is_named_once_in_one_mail_and_it_is_closed() {
    let settings = [("CHECK_SCHEDULE", "rate(6 hours)")];
    let orders = Scenario::with_settings(&settings, &ending_in(100)).await;
    let returns = orders.beside(&MailboxPlan {
        name: "returns".to_owned(),
        address: "returns@shop.example".to_owned(),
        shop_id: 13,
        ..ending_in(100)
    });
    let world = &orders.world;
    let queue = world.deliver_mail(mailed_events()).unwrap();
    let down = || {
        world.gate.fail(
            Calls::of("graph", "*").times(10_000),
            answer(503, false, "{}"),
        )
    };
    down();
    let mut published = Vec::new();
    for _ in 0..5 {
        world.clock.advance(SignedDuration::from_hours(6));
        orders.check().await;
        published.push(orders.details("Rotation Stalled").len());
    }
    assert_eq!(published, [0, 0, 0, 2, 2]);
    let stalled = orders.details("Rotation Stalled");
    let named = stalled.iter().map(|detail| detail["secret"].as_str());
    let named: BTreeSet<&str> = named.flatten().collect();
    let both = [&orders, &returns].map(|scenario| scenario.mailbox.secret.as_str());
    assert_eq!(named, both.into());
    let tenant = json!({"kind": "tenant", "name": orders.document()["tenant_id"]});
    let of_tenant = |detail: &Value| detail["out_of_reach"] == tenant;
    assert!(stalled.iter().all(of_tenant), "{stalled:?}");
    world.gate.heal();
    world.clock.advance(SignedDuration::from_hours(6));
    orders.check().await;
    assert_eq!(orders.details("Mailbox Recovered").len(), 2);
    queue.settled().await;
    let mails = world.sns.published();
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(
        subjects[0].starts_with("2 mailboxes could not be checked"),
        "{subjects:?}"
    );
    for address in ["orders@shop.example", "returns@shop.example"] {
        assert!(mails[0].message.contains(address), "{}", mails[0].message);
    }
    orders.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_week_a_report_says_how_all_stand() {
    let schedule = [("CHECK_SCHEDULE", "rate(6 hours)")];
    let scenario = Scenario::with_settings(&schedule, &ending_in(100)).await;
    let queue = scenario.world.deliver_mail(mailed_events()).unwrap();
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
    queue.settled().await;
    let mails = scenario.world.sns.published();
    let weekly = mails
        .iter()
        .filter(|mail| mail.subject.starts_with("Weekly report: 1 mailbox"));
    assert_eq!(weekly.count(), reports.len());
    scenario.assert_events_keep_their_schemas();
}
