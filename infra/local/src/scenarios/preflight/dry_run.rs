//! What a dry run answers of what a renewal needs.

use serde_json::{Value, json};

use super::lacks::State;
use crate::narration::text;
use crate::stop::Stop;
use crate::story::Story;

/// How its table begins a line of what is there.
const PRESENT: &str = "    present: ";
/// And any other.
const ROW: &str = "    ";
/// And the command below one.
const COMMAND: &str = "        ";

/// The answer.
pub(super) struct DryRun(Value);

impl DryRun {
    /// Asks for one, as an administrator would.
    pub(super) async fn of(story: &mut Story) -> Result<Self, Stop> {
        let now = story.world.clock.now();
        let event = json!({"dry_run": true, "time": now});
        let answer = story.ask_checker("the dry run's answer", event).await?;
        Ok(Self(answer))
    }

    /// Those of each mailbox, and then those of the system.
    pub(super) fn rows(&self) -> Vec<&Value> {
        let secrets = self.0.get("secrets").and_then(Value::as_array);
        let of_each = secrets.into_iter().flatten().filter_map(rows_of);
        of_each.chain(rows_of(&self.0)).flatten().collect()
    }

    /// Holds it to all being there.
    pub(super) fn see_all_present(&self) -> Result<(), Stop> {
        let rows = self.rows();
        let lacking: Vec<String> = rows
            .iter()
            .filter(|row| text(row, "seen") != "present")
            .map(|row| row.to_string())
            .collect();
        match (rows.is_empty(), lacking.as_slice()) {
            (false, []) => Ok(()),
            _ => Err(not_seen("all present", &lacking)),
        }
    }

    /// Holds it to these requirements, and no other, being in this state, each with a way out of it; gives the first row.
    pub(super) fn see_only(&self, requirements: &[&str], state: State) -> Result<Value, Stop> {
        let rows = self.rows().into_iter();
        let lacking: Vec<&Value> = rows.filter(|row| state.is_of(row)).collect();
        let fits = |row: &&Value| {
            requirements.contains(&text(row, "requirement")) && !text(row, "command").is_empty()
        };
        match lacking.first() {
            Some(first) if lacking.iter().all(fits) => Ok((*first).clone()),
            _ => {
                let lacking: Vec<String> = lacking.iter().map(|row| row.to_string()).collect();
                Err(not_seen(&requirements.join(", "), &lacking))
            }
        }
    }

    /// What is there, in its words.
    pub(super) fn meanings(&self) -> Vec<String> {
        let words = |row: &&Value| {
            let at = |name, before: &str, after: &str| match text(row, name) {
                "" => String::new(),
                words => format!("{before}{words}{after}"),
            };
            let (about, connection) = (at("about", " (", ")"), at("connection", ", at ", ""));
            format!("- {}{about}{connection}", text(row, "meaning"))
        };
        self.rows().iter().map(words).collect()
    }

    /// What is not there, as its table says it.
    pub(super) fn lacking(&self) -> Vec<String> {
        let table = self.0.get("table").and_then(Value::as_array);
        let lines = table.into_iter().flatten().filter_map(Value::as_str);
        let lines = lines.filter(|line| is_of_a_row(line) && !line.starts_with(PRESENT));
        let lines = lines.map(|line| match line.strip_prefix(COMMAND) {
            Some(command) => format!("{ROW}{command}"),
            None => line.trim_start().to_owned(),
        });
        lines.collect()
    }
}

/// Of a mailbox, or of the system.
fn rows_of(of: &Value) -> Option<&Vec<Value>> {
    of.get("preflight")?.as_array()
}

/// And not a mailbox's, or the heading of the system's.
fn is_of_a_row(line: &str) -> bool {
    line.starts_with(ROW) || line.starts_with("not visible")
}

fn not_seen(what: &str, lacking: &[String]) -> Stop {
    let lacking = lacking.join(", ");
    Stop::NotSeen(format!("a dry run that says: {what} (it says: {lacking})"))
}
