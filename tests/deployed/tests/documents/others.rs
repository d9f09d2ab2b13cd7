//! The documents that have a block or two to be run.

use crate::part::{Part, parts, well};
use crate::reader::Reader;
use crate::system::{Own, System};

const PAYLOADS: &str = "infra/events/README.md";
const FIRST_HOUR: &str = "docs/first-hour.md";

pub const PARTS: &[Part] = parts![
    PAYLOADS: a_dry_run(well): ["Sample payloads"],
    FIRST_HOUR: a_deployed_function(well): ["What is needed"],
];

async fn a_dry_run(_: &System, _: &Own, reader: &mut Reader) {
    reader.runs("dry-run.json").await;
    let plan = reader.types("jq .dry_run plan.json").await;
    assert_eq!(plan, "true\n");
}

async fn a_deployed_function(_: &System, _: &Own, reader: &mut Reader) {
    reader.runs("--rotation-function").await;
}
