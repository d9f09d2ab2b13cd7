//! axe-core, the checker of accessibility: `.ci/run` fetches it.

use std::path::PathBuf;

use serde_json::Value;
use thirtyfour::WebDriver;

/// Names the file, where it is not where `.ci/run` puts it.
const PLACE: &str = "AXE_JS";
const RUN: &str = "const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations'], preload: false}).then(
    found => done(found.violations.flatMap(rule => rule.nodes.map(
        node => `${rule.id} (${rule.impact}): ${rule.help}: ${node.html}`))),
    error => done([`axe did not run: ${error}`]));";

/// What keeps people out of the current page: a line for each place. None where axe is not there.
pub async fn violations(web: &WebDriver) -> Option<Vec<String>> {
    let source = std::fs::read_to_string(place()).ok()?;
    web.execute(source, vec![]).await.expect("axe is loaded");
    let found = web.execute_async(RUN, vec![]).await.expect("axe runs");
    let lines: Vec<Value> = found.convert().expect("a list");
    let line = |line: Value| line.as_str().unwrap_or_default().to_owned();
    Some(lines.into_iter().map(line).collect())
}

/// Whether there is one.
pub fn is_there() -> bool {
    place().is_file()
}

fn place() -> PathBuf {
    let tools = || super::window::target().join("ci-tools");
    std::env::var_os(PLACE).map_or_else(|| tools().join("axe.min.js"), PathBuf::from)
}
