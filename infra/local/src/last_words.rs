//! What the functions logged of trouble: the first thing to read when something was not seen.

use serde_json::Value;
use simulators::world::World;

use crate::narration::text;

/// So many lines are shown.
const MOST: usize = 5;

/// The last lines of trouble, oldest first, each with its function.
pub fn last_words(world: &World) -> Vec<String> {
    let logs = world.lambda.logs();
    let trouble = logs.iter().filter_map(|line| {
        let words = of_trouble(&line.line)?;
        Some(format!("{}: {words}", line.function))
    });
    let mut trouble: Vec<String> = trouble.collect();
    trouble.split_off(trouble.len().saturating_sub(MOST))
}

/// A line that is no JSON is none of a function's own: a library's complaint.
fn of_trouble(line: &str) -> Option<String> {
    let Ok(line) = serde_json::from_str::<Value>(line) else {
        return Some(line.to_owned());
    };
    let is_trouble = matches!(text(&line, "level"), "WARN" | "ERROR");
    is_trouble.then(|| {
        let words = [text(&line, "message"), text(&line, "failure")];
        let words: Vec<&str> = words
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect();
        words.join(": ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_apart() {
        let warning = r#"{"level":"WARN","message":"failed for now","failure":"no answer"}"#;
        assert_eq!(of_trouble(warning).unwrap(), "failed for now: no answer");
        assert_eq!(of_trouble(r#"{"level":"INFO","message":"done"}"#), None);
        assert_eq!(of_trouble("no certificate").unwrap(), "no certificate");
    }
}
