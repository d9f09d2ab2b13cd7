//! The remote calls of one rotation, so that a change of their number or order is seen.

use std::collections::BTreeMap;

use crate::support::Scenario;
use crate::support::steps::{STEPS, TOKEN};

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_makes_these_calls_and_no_others() {
    let scenario = Scenario::begin().await;
    // ShopCtrl checks mail so often here that it is asked for it once.
    scenario.begin_rotation(TOKEN);
    let mut report = String::new();
    for name in STEPS {
        scenario.world.gate.clear();
        scenario
            .world
            .clock
            .advance(jiff::SignedDuration::from_secs(2));
        scenario.take_step(name, TOKEN).await;
        let operations = scenario.world.gate.operations();
        in_this_order(name, &operations);
        report.push_str(&format!("{name}: {} calls\n", operations.len()));
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for operation in &operations {
            *counts.entry(operation).or_default() += 1;
        }
        for (operation, count) in counts {
            report.push_str(&format!("  {count} x {operation}\n"));
        }
    }
    insta::assert_snapshot!(report);
}

/// What runs side by side has no order; what depends on another has.
fn in_this_order(step: &str, operations: &[String]) {
    let order: &[&str] = match step {
        "createSecret" => &[
            "secretsmanager GetSecretValue",
            "sts GetWebIdentityToken",
            "entra POST token client_credentials",
            "graph GET application",
            "graph POST addPassword",
            "secretsmanager PutSecretValue",
            "events PutEvents",
        ],
        "setSecret" => &[
            "secretsmanager GetSecretValue",
            "entra POST token client_credentials",
            "shopctrl GET connection",
            "shopctrl PUT connection",
            "events PutEvents",
        ],
        "testSecret" => &[
            "secretsmanager GetSecretValue",
            "entra POST token client_credentials",
            "shopctrl POST connection test",
            "shopctrl GET ShopStatus",
        ],
        _ => &[
            "secretsmanager DescribeSecret",
            "shopctrl GET connection",
            "secretsmanager UpdateSecretVersionStage",
            "events PutEvents",
            "secretsmanager TagResource",
        ],
    };
    let at = |operation: &&str| {
        let found = operations.iter().position(|o| o == operation);
        found.unwrap_or_else(|| panic!("{step}: no {operation} in {operations:#?}"))
    };
    let places: Vec<usize> = order.iter().map(at).collect();
    assert!(places.is_sorted(), "{step}: {operations:#?}");
}
