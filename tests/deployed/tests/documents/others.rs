//! The documents that have a block or two to be run.

use crate::part::{Part, parts, well};
use crate::system::{Own, System};

const PAYLOADS: &str = "infra/events/README.md";
const FIRST_HOUR: &str = "docs/first-hour.md";

pub const OF_PAYLOADS: &[Part] = parts![
    PAYLOADS,
    a_dry_run(well): ["Sample payloads"],
];

pub const OF_THE_FIRST_HOUR: &[Part] = parts![
    FIRST_HOUR,
    a_deployed_function(well): ["What is needed"],
];

async fn a_dry_run(system: &System, own: &Own) {
    let mut reader = system.reader(PAYLOADS, &["Sample payloads"], own);
    reader.at("Sample payloads").runs("dry-run.json").await;
    let plan = reader.types("jq .dry_run plan.json").await;
    assert_eq!(plan, "true\n");
    reader.ends();
}

async fn a_deployed_function(system: &System, own: &Own) {
    let mut reader = system.reader(FIRST_HOUR, &["What is needed"], own);
    reader
        .at("What is needed")
        .runs("--rotation-function")
        .await;
    reader.ends();
}
