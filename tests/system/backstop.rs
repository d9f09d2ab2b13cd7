//! The backstop, Secrets Manager's own schedule: it belongs between the renewal and the last week.

use simulators::aws::lambda::function_arn;
use simulators::aws::secrets_manager::RotationRules;

use crate::support::Scenario;

/// What checks tell of a mailbox that was just renewed for 180 days and rotates by itself after so many.
async fn told_with(days: i64) -> Vec<String> {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    let rules = Some(RotationRules::every_days(days));
    let store = &scenario.world.secrets_manager;
    store
        .set_rotation(&scenario.mailbox.secret, &function_arn("rotation"), rules)
        .unwrap();
    scenario.check_daily(3).await;
    scenario.assert_whole();
    scenario.assert_events_keep_their_schemas();
    let told = scenario.details("Drift Found").into_iter();
    told.map(|drift| drift["what"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backstop_that_would_ask_for_nothing_or_too_late_is_told_once_and_one_between_is_not() {
    for (days, told) in [
        (100, vec!["backstop_early"]),
        (160, vec![]),
        (178, vec!["backstop_late"]),
    ] {
        assert_eq!(told_with(days).await, told, "{days} days");
    }
}
