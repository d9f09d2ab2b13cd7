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
        let rest = without_settings(command.first_line()).strip_prefix(self.begins);
        rest.is_some_and(|rest| rest.is_empty() || self.goes_on && rest.starts_with(' '))
    }
}

/// A command without the `NAME=value` before it.
fn without_settings(line: &str) -> &str {
    let setting = line.split_once(' ').filter(|(word, _)| {
        let name = word
            .split_once('=')
            .filter(|(_, value)| !value.contains('$'));
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        name.is_some_and(|(name, _)| is_name(name))
    });
    setting.map_or(line, |(_, rest)| without_settings(rest))
}
