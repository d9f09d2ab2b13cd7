//! The list of the commands that CI does not run as they stand.

use crate::commands::Command;

const LIST: &str = include_str!("../../commands-not-run.md");

/// A line of it.
#[derive(Debug)]
pub struct NotRun {
    /// How the command begins, or all of it.
    begins: &'static str,
    goes_on: bool,
}

/// All its lines.
pub fn list() -> Vec<NotRun> {
    let rows = LIST.lines().filter_map(|line| line.strip_prefix("| `"));
    let entry = |row: &'static str| {
        let (command, reason) = row.split_once("` | ").unwrap();
        assert_ne!(
            reason.trim_matches([' ', '|']),
            "",
            "a reason for {command}"
        );
        NotRun {
            begins: command.trim_end_matches('…').trim_end(),
            goes_on: command.ends_with('…'),
        }
    };
    rows.map(entry).collect()
}

impl NotRun {
    pub fn names(&self, command: &Command) -> bool {
        let rest = command.first_line().strip_prefix(self.begins);
        rest.is_some_and(|rest| rest.is_empty() || self.goes_on && rest.starts_with(' '))
    }
}
