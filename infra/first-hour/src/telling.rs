//! What is printed, as a table or as JSON.

use std::io::Write;

use serde_json::{Value, json};
use shared::failure::Failure;

use crate::clean_up::CleanedUp;
use crate::findings::{Finding, Findings, Outcome};
use crate::marker::{NAME, Run, TAG};
use crate::table;

/// How to print: as a table, or as one JSON object a line.
#[derive(Debug, Clone, Copy)]
pub struct Telling {
    json: bool,
}

impl Telling {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn begins(self, run: &Run) {
        self.tell(
            || json!({"run": run.id()}),
            || {
                let words = format!(
                    "Run {run}. All that it makes is called {NAME}... and is tagged ({NAME} in Entra, {TAG} in AWS); it is removed at the end, after a failure and after Ctrl-C. What a run that was killed leaves, `cargo run -p first-hour -- clean-up` removes."
                );
                vec![table::paragraph(&words)]
            },
        );
    }

    pub fn heading(self, heading: &str) {
        if !self.json {
            print(&[String::new(), heading.to_owned()]);
        }
    }

    pub fn finding(self, finding: &Finding) {
        self.tell(|| finding.json(), || table::lines(finding));
    }

    pub fn cleaning_up(self, interrupted: bool) {
        if !self.json {
            let why = if interrupted { "Interrupted. " } else { "" };
            let more = "Ctrl-C leaves it for `clean-up`.";
            print(&[
                String::new(),
                format!("{why}Removing what was made. {more}"),
            ]);
        }
    }

    /// What became of what was made; `None` where that was interrupted.
    pub fn cleaned_up(self, cleaned: Option<&CleanedUp>) {
        let Some(CleanedUp { removed, failures }) = cleaned else {
            let words = "Interrupted: something may be left. cargo run -p first-hour -- clean-up";
            return self.tell(|| json!({"interrupted": true}), || vec![words.to_owned()]);
        };
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        self.tell(
            || json!({"removed": removed, "not_removed": failures}),
            || {
                let mut lines = vec![format!("{} removed.", removed.len())];
                lines.extend(removed.iter().map(|name| format!("  {name}")));
                let left = failures
                    .iter()
                    .map(|why| table::paragraph(&format!("NOT REMOVED, something is left: {why}")));
                lines.extend(left);
                lines
            },
        );
    }

    pub fn not_looked_at(self, failure: &Failure) {
        let why = failure.to_string();
        let words = table::paragraph(&format!("Not looked at: {why}"));
        self.tell(|| json!({"not_looked_at": why}), || vec![words]);
    }

    pub fn summary(self, findings: &Findings) {
        let same = findings.count(|outcome| matches!(outcome, Outcome::Same { .. }));
        let open = findings.count(|outcome| matches!(outcome, Outcome::NotAnswered { .. }));
        let different = findings.different();
        self.tell(
            || json!({"same": same, "different": different, "not_answered": open}),
            || {
                let counts = format!("{same} same, {different} different, {open} not answered.");
                vec![String::new(), counts]
            },
        );
    }

    fn tell(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> Vec<String>) {
        match self.json {
            true => print(&[json().to_string()]),
            false => print(&text()),
        }
    }
}

/// Where nobody listens any more, what was made is removed all the same.
fn print(lines: &[String]) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
}
