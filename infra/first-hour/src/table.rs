//! The findings as people read them, at 100 columns: what is believed of a service, and below it side by side what was
//! believed in particular and what was seen.

use crate::findings::{Finding, Outcome};

const WIDTH: usize = 100;
/// Before the text of a belief: `different    `.
const VERDICT: usize = 13;
/// Between the two columns.
const GAP: &str = " | ";

pub fn lines(finding: &Finding) -> Vec<String> {
    let (verdict, right) = match &finding.outcome {
        Outcome::Same { seen } => ("same", format!("seen: {seen}")),
        Outcome::Different { seen } => ("DIFFERENT", format!("seen: {seen}")),
        Outcome::NotAnswered { because, instead } => {
            ("not answered", format!("because: {because}. Do: {instead}"))
        }
    };
    let mut lines = behind(&format!("{verdict:VERDICT$}"), &plain(finding.belief.text));
    let column = (WIDTH - VERDICT - GAP.len()) / 2;
    let left = wrap(&format!("believed: {}", finding.belief.believed), column);
    let right = wrap(&right, column);
    let cell = |cells: &[String], at: usize| cells.get(at).cloned().unwrap_or_default();
    for at in 0..left.len().max(right.len()) {
        let (left, right) = (cell(&left, at), cell(&right, at));
        let line = format!("{:VERDICT$}{left:column$}{GAP}{right}", "");
        lines.push(line.trim_end().to_owned());
    }
    if let Outcome::Different { .. } = finding.outcome {
        let row = finding.belief.row();
        let rows = row.into_iter().flat_map(|row| [row.touches, row.place]);
        lines.extend(rows.flat_map(|text| behind(&" ".repeat(VERDICT), &plain(&text))));
    }
    lines
}

/// Text of this command's own, as wide as the table.
pub fn paragraph(text: &str) -> String {
    wrap(text, WIDTH).join("\n")
}

fn behind(front: &str, text: &str) -> Vec<String> {
    let lines = wrap(text, WIDTH - VERDICT).into_iter().enumerate();
    let fronted = lines.map(|(at, line)| match at {
        0 => format!("{front}{line}"),
        _ => format!("{:VERDICT$}{line}", ""),
    });
    fronted.collect()
}

/// Without the marks of Markdown.
fn plain(text: &str) -> String {
    text.replace("**", "").replace('`', "")
}

/// Breaks text between words, and a word that is too long wherever it has to.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let taken = lines.last().map_or(0, |line| line.chars().count());
            let space = usize::from(taken > 0);
            let fits = taken + space + word.len() <= width;
            if !fits && taken > 0 {
                lines.push(String::new());
                continue;
            }
            let part: String = word.drain(..word.len().min(width)).collect();
            if let Some(line) = lines.last_mut() {
                line.push_str(if space > 0 { " " } else { "" });
                line.push_str(&part);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::all;

    #[test]
    fn every_belief_has_room_at_a_hundred_columns_whatever_is_seen_of_it() {
        for seen in ["", "x", &"long ".repeat(60), &"y".repeat(300)] {
            for belief in all() {
                for outcome in [
                    Outcome::Different {
                        seen: seen.to_owned(),
                    },
                    Outcome::NotAnswered {
                        because: seen.to_owned(),
                        instead: seen.to_owned(),
                    },
                ] {
                    let lines = lines(&Finding { belief, outcome });
                    let widest = lines.iter().map(|line| line.chars().count()).max();
                    assert!(widest <= Some(WIDTH), "{lines:#?}");
                }
            }
        }
        assert_eq!(wrap("one two abcdefgh", 7), ["one two", "abcdefg", "h"]);
    }
}
