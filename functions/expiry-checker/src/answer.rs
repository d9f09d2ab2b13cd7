//! The answer to whoever asked for the check; of a dry run also as lines, for whoever reads it in a terminal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::events::{Left, Totals};
use shared::preflight::{Seen, Told};

use crate::call::Check;
use crate::report::Outcome;

/// An answer has 6 MB (Lambda quotas, "Invocation payload"): of that so many are for what rotations need.
const PREFLIGHT: usize = 2_500_000;

/// `system` is what all mail depends on: of a dry run alone.
pub(crate) fn answer(
    check: &Check,
    outcomes: &[Outcome],
    totals: &Totals,
    left: &Left,
    system: Option<&[Told]>,
) -> Value {
    let told = fitting(outcomes);
    let secrets = outcomes.iter().zip(&told).map(|(outcome, preflight)| {
        let failures = outcome.failures.iter();
        let mut secret = json!({
            "secret": outcome.secret,
            "state": outcome.state(),
            "expires_at": outcome.expires_at,
            "actions": outcome.actions,
            "needs": outcome.needs,
            "half_done": outcome.half_done,
            "failures": failures.map(|failed| failed.failure.to_string()).collect::<Vec<_>>(),
        });
        if let (true, Some(fields)) = (check.dry_run, secret.as_object_mut()) {
            fields.insert("preflight".to_owned(), json!(preflight));
        }
        secret
    });
    let named = outcomes.len();
    let mut answer = json!({
        "now": check.now,
        "dry_run": check.dry_run,
        "part": check.part,
        "continues_with": (!left.is_empty()).then_some(left),
        "counts": totals.counts,
        "left_out": totals.counts.checked.saturating_sub(check.so_far.counts.checked + named),
        "secrets": secrets.collect::<Vec<_>>(),
    });
    if let (Some(system), Some(fields)) = (system, answer.as_object_mut()) {
        fields.insert("preflight".to_owned(), json!(system));
        fields.insert("table".to_owned(), json!(table(outcomes, &told, system)));
    }
    answer
}

/// What the answer has of each mailbox, of those first that are not plain; `None` of what does not fit into it.
fn fitting(outcomes: &[Outcome]) -> Vec<Option<&[Told]>> {
    let mut room = PREFLIGHT;
    let mut by_need: Vec<(usize, &Outcome)> = outcomes.iter().enumerate().collect();
    by_need.sort_by_key(|(_, outcome)| outcome.is_plain());
    by_need.retain(|(_, outcome)| {
        let size = serde_json::to_string(&outcome.preflight).map_or(0, |json| json.len());
        let left = room.checked_sub(size);
        room = left.unwrap_or(room);
        left.is_some()
    });
    let fitting: BTreeSet<usize> = by_need.into_iter().map(|(at, _)| at).collect();
    let of_each = outcomes.iter().enumerate();
    of_each
        .map(|(at, outcome)| {
            fitting
                .contains(&at)
                .then_some(outcome.preflight.as_slice())
        })
        .collect()
}

/// What one permission would show.
#[derive(Default)]
struct Hidden<'a> {
    what: BTreeSet<&'a str>,
    of: BTreeSet<&'a str>,
}

/// The plan, a line each with what is missing for it below; then what is not visible, and the system.
fn table(outcomes: &[Outcome], told: &[Option<&[Told]>], system: &[Told]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut not_visible: BTreeMap<(String, &str), Hidden<'_>> = BTreeMap::new();
    for (outcome, preflight) in outcomes.iter().zip(told) {
        lines.push(line(outcome));
        let Some(preflight) = preflight else {
            lines.push("    what its rotation needs: not in this answer, which is full".to_owned());
            continue;
        };
        for row in *preflight {
            match row.seen {
                Seen::Present => {}
                Seen::Missing | Seen::NotSeen | Seen::NotTold => lines.extend(row_lines(row)),
                Seen::NotVisible { permission } => {
                    let command = row.command.as_deref().unwrap_or_default();
                    let hidden = not_visible.entry((permission.name(), command));
                    let hidden = hidden.or_default();
                    hidden.what.insert(&row.requirement);
                    hidden.of.insert(&outcome.secret);
                }
            }
        }
    }
    for ((permission, command), Hidden { what, of }) in not_visible {
        let what: Vec<&str> = what.into_iter().collect();
        let (what, of) = (what.join(", "), of.len());
        lines.push(format!(
            "not visible without {permission}: {what} (mailbox secrets: {of})"
        ));
        lines.push(format!("        {command}"));
    }
    lines.push("the system:".to_owned());
    lines.extend(system.iter().flat_map(row_lines));
    lines
}

fn line(outcome: &Outcome) -> String {
    let end = outcome.expires_at.map_or_else(
        || "not known".to_owned(),
        |end| end.strftime("%Y-%m-%d").to_string(),
    );
    let state = serde_json::to_value(outcome.state()).unwrap_or_default();
    let state = state.as_str().unwrap_or_default().to_owned();
    let mut words = outcome.actions.clone();
    words.extend(outcome.half_done.map(|half_done| half_done.to_string()));
    words.extend(outcome.needs.iter().map(|need| format!("needs {need}")));
    let failures = outcome.failures.iter();
    words.extend(failures.map(|failed| failed.failure.to_string()));
    let words = match words.as_slice() {
        [] => "nothing to do".to_owned(),
        words => words.join("; "),
    };
    format!("{state:<20} {end:<10} {}: {words}", outcome.secret)
}

/// What is needed, and below it the command.
fn row_lines(row: &Told) -> impl Iterator<Item = String> {
    let state = match row.seen {
        Seen::Present => "present".to_owned(),
        Seen::Missing => "MISSING".to_owned(),
        Seen::NotVisible { permission } => format!("not visible without {}", permission.name()),
        Seen::NotSeen => "not seen this time".to_owned(),
        Seen::NotTold => "cannot be told".to_owned(),
    };
    let at = row.connection.as_ref().map(|id| format!(", at {id}"));
    let about = row.about.as_ref().map(|about| format!(" ({about})"));
    let (at, about) = (at.unwrap_or_default(), about.unwrap_or_default());
    let line = format!(
        "    {state}: {}{about}{at}: {}",
        row.requirement, row.meaning
    );
    let command = row
        .command
        .as_ref()
        .map(|command| format!("        {command}"));
    [line].into_iter().chain(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_full_has_what_is_missing_whatever_its_name() {
        let told = |seen| Told {
            requirement: "room_for_secret".to_owned(),
            seen,
            connection: None,
            about: None,
            meaning: "x".repeat(PREFLIGHT * 2 / 5),
            command: None,
        };
        let outcome = |name: &str, seen| Outcome {
            preflight: vec![told(seen)],
            ..Outcome::replica(name.to_owned())
        };
        let (fine, missing) = (Seen::Present, Seen::Missing);
        let outcomes = [
            outcome("a", fine),
            outcome("b", fine),
            outcome("y", missing),
            outcome("z", missing),
        ];
        let named: Vec<bool> = fitting(&outcomes).iter().map(Option::is_some).collect();
        assert_eq!(named, [false, false, true, true]);
    }
}
