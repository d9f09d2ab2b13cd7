//! infra/events/README.md: the sample payloads.

use crate::part::{Part, parts, well};
use crate::system::{Own, System};

const DOCUMENT: &str = "infra/events/README.md";

pub const PARTS: &[Part] = parts![
    DOCUMENT,
    a_dry_run(well): ["Sample payloads"],
];

async fn a_dry_run(system: &System, own: &Own) {
    let mut reader = system.reader(DOCUMENT, &["Sample payloads"], own);
    reader.at("Sample payloads").runs("dry-run.json").await;
    let plan = reader.types("jq .dry_run plan.json").await;
    assert_eq!(plan, "true\n");
    reader.ends();
}
