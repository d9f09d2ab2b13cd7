//! What is told to the world: every event keeps its schema, and is told.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Scenario;

impl Scenario {
    /// Every event so far keeps its JSON Schema in infra/event-schemas, and repeats only itself.
    pub fn assert_events_keep_their_schemas(&self) {
        let mut seen: BTreeMap<String, Value> = BTreeMap::new();
        for event in self.world.event_bridge.events() {
            assert_eq!(event["source"], "shopmail");
            let kind = event["detail-type"].as_str().unwrap();
            let file = kind.to_lowercase().replace(' ', "-");
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../infra/event-schemas")
                .join(format!("{file}.schema.json"));
            let schema =
                std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{kind} has no schema"));
            let schema: Value = serde_json::from_str(&schema).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let detail = &event["detail"];
            // Mail templates take texts as they are: shared/src/events/one_line.rs.
            let text = detail.to_string();
            assert!(!text.contains('\\'), "something to escape: {text}");
            let problems: Vec<String> = validator
                .iter_errors(detail)
                .map(|e| e.to_string())
                .collect();
            assert_eq!(problems, Vec::<String>::new(), "{kind}: {detail:#}");
            let id = detail["id"].as_str().unwrap().to_owned();
            let first = seen.entry(id).or_insert_with(|| event.clone());
            assert_eq!(
                first["detail-type"], event["detail-type"],
                "an id belongs to one kind"
            );
            assert_eq!(
                first["detail"]["secret"], event["detail"]["secret"],
                "and to one secret"
            );
        }
    }

    /// How often each kind was told, repeats of one id counted once.
    pub fn told(&self) -> BTreeMap<String, usize> {
        let mut ids: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
        for event in self.world.event_bridge.events() {
            let kind = event["detail-type"].as_str().unwrap().to_owned();
            let id = event["detail"]["id"].as_str().unwrap().to_owned();
            ids.entry(kind).or_default().insert(id);
        }
        ids.into_iter()
            .map(|(kind, ids)| (kind, ids.len()))
            .collect()
    }

    /// The details of each event of this type, in order.
    pub fn details(&self, detail_type: &str) -> Vec<Value> {
        self.world.event_bridge.details(detail_type)
    }

    /// The credentials that were told to be retired, each with the reason.
    pub fn retired(&self) -> Vec<(String, String)> {
        let told = self.details("Credential Retired");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let told = told.iter();
        told.map(|event| (text(&event["key_id"]), text(&event["reason"])))
            .collect()
    }

    /// The link in the last event of this type.
    pub fn link_in(&self, detail_type: &str) -> String {
        let details = self.details(detail_type);
        let last = details
            .last()
            .unwrap_or_else(|| panic!("no {detail_type}: {:?}", self.failures()));
        last["link"].as_str().unwrap().to_owned()
    }
}
