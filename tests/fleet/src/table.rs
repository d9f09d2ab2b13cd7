//! The figures as a table in Markdown.

use std::fmt::{self, Write};

use crate::check::{Case, Measured};
use crate::memory::Memory;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, look) = (thousands(self.size as u64), self.look.name());
        write!(f, "{size} mailboxes, {look}, {}", self.scenario.name())
    }
}

pub(crate) fn table(all: &[Measured]) -> String {
    let mut table = String::from(
        "| mailboxes | looks | scenario | seconds | calls | of these light | parts | healthy | waiting | unreachable | failed |\n\
         |---:|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for one in all {
        let count = |state| thousands(one.count(state));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {:.2} | {} | {} | {} | {} | {} | {} | {} |",
            thousands(one.case.size as u64),
            one.case.look.name(),
            one.case.scenario.name(),
            one.seconds(),
            thousands(one.calls),
            thousands(one.light_calls),
            one.parts,
            count("healthy"),
            count("waiting_for_person"),
            count("unreachable"),
            count("failed"),
        );
    }
    table
}

pub(crate) fn memory_table(all: &[Memory]) -> String {
    let mut table = String::from(
        "| mailboxes | check | seconds | checker MiB | checker CPU s | rotation MiB | rotation CPU s |\n\
         |---:|---|---:|---:|---:|---:|---:|\n",
    );
    for one in all {
        let _ = writeln!(
            table,
            "| {} | {} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} |",
            thousands(one.size as u64),
            one.check,
            one.seconds,
            one.checker.mebibytes,
            one.checker.processor_seconds,
            one.rotation.mebibytes,
            one.rotation.processor_seconds,
        );
    }
    table
}

/// With a comma before each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
