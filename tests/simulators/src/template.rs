//! What template.yaml says, as far as the simulated world follows it.

use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The events that the rule `Mail` matches: what people are mailed of.
#[must_use]
pub fn mailed_events() -> Value {
    let (_, rule) = TEMPLATE.split_once("\n  Mail:\n").unwrap_or_default();
    let (_, types) = rule.split_once("detail-type:\n").unwrap_or_default();
    let types = types
        .lines()
        .map_while(|line| line.trim().strip_prefix("- "));
    json!({"source": ["shopmail"], "detail-type": types.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_found_with_what_asks_for_something() {
        let types = mailed_events()["detail-type"].clone();
        assert!(types.as_array().unwrap().len() > 5, "{types}");
        assert!(types.to_string().contains("\"Hand-over Required\""));
    }
}
