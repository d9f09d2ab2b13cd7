//! A fact under a sentence: a name and a value, for eyes and for JSON.

use jiff::Timestamp;
use serde_json::Value;

/// A fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The field's name in JSON; its words are the label in the text.
    pub name: &'static str,
    /// The value in JSON.
    pub value: Value,
    /// The value in the text, which leaves it out where this is empty.
    pub shown: String,
}

impl Fact {
    /// A fact that reads the same in both.
    pub fn new(name: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let shown = match &value {
            Value::String(text) => text.clone(),
            Value::Array(all) => {
                let all = all
                    .iter()
                    .map(|one| one.as_str().map_or(one.to_string(), str::to_owned));
                all.collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        Self { name, value, shown }
    }

    /// A day: the text does without the time of day.
    pub fn day(name: &'static str, at: Timestamp) -> Self {
        Self {
            shown: day(at),
            ..Self::new(name, at.to_string())
        }
    }

    /// A fact that the text shows in other words.
    pub fn shown_as(self, shown: impl Into<String>) -> Self {
        Self {
            shown: shown.into(),
            ..self
        }
    }

    /// A fact for programs alone: the sentence says it already.
    pub fn quiet(self) -> Self {
        self.shown_as("")
    }

    /// What stands before the value in the text.
    pub fn label(&self) -> String {
        self.name.replace('_', " ")
    }
}

/// A day as people write it, in UTC.
pub fn day(at: Timestamp) -> String {
    at.strftime("%-d %b %Y").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fact_is_whole_in_json_and_readable_in_text() {
        let at: Timestamp = "2027-05-02T09:30:00Z".parse().unwrap();
        let ends = Fact::day("next_due_on", at);
        assert_eq!(ends.value, "2027-05-02T09:30:00Z");
        assert_eq!(
            (ends.label().as_str(), ends.shown.as_str()),
            ("next due on", "2 May 2027")
        );
        let list = Fact::new("connections", json!(["receiving", "sending"]));
        assert_eq!(list.shown, "receiving, sending");
        assert_eq!(Fact::new("steps", 36).shown, "36");
    }
}
