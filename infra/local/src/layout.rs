//! Where things stand on the lines of a text of some width.

use crate::fact::Fact;
use crate::wrap::wrap;

/// How far sentences are behind the left edge: `  12.3 s  + `.
pub const INDENT: usize = 12;
/// How far a table is.
const TABLE_INDENT: usize = 4;

/// Text behind a front, its further lines below its first.
pub fn behind(front: &str, text: &str, width: usize) -> Vec<String> {
    let indent = front.chars().count();
    let lines = wrap(text, width.saturating_sub(indent));
    let mut lines = lines.into_iter();
    let first = format!("{front}{}", lines.next().unwrap_or_default());
    std::iter::once(first)
        .chain(lines.map(|line| format!("{:indent$}{line}", "")))
        .collect()
}

/// Facts, each behind its label; one that has no room there and has it below is below.
pub fn facts(facts: &[&Fact], width: usize) -> Vec<String> {
    let labels = facts.iter().map(|fact| fact.label().len());
    let widest = labels.max().unwrap_or_default();
    let one = |fact: &&Fact| {
        let front = format!("{:INDENT$}{:widest$}  ", "", fact.label());
        let length = fact.shown.chars().count();
        let words = fact.shown.split_whitespace();
        let longest = words.map(|word| word.chars().count()).max();
        let only_below = front.len() + length > width && INDENT + 2 + length <= width;
        match front.len() + longest.unwrap_or_default() <= width && !only_below {
            true => behind(&front, &fact.shown, width),
            false => {
                let mut lines = vec![format!("{:INDENT$}{}", "", fact.label())];
                lines.extend(behind(&" ".repeat(INDENT + 2), &fact.shown, width));
                lines
            }
        }
    };
    facts.iter().flat_map(one).collect()
}

/// Somebody else's words, marked as such; each as far in as it was.
pub fn quoted(words: &[String], width: usize) -> Vec<String> {
    let one = |words: &String| {
        let indent = words.len() - words.trim_start().len();
        let front = format!("{:INDENT$}| {:indent$}", "", "");
        let lines = wrap(words, width.saturating_sub(front.len())).into_iter();
        let lines = lines.map(|line| format!("{front}{line}").trim_end().to_owned());
        lines.collect::<Vec<_>>()
    };
    words.iter().flat_map(one).collect()
}

/// A line of a table, and whether it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub label: &'static str,
    /// How that is.
    pub text: String,
    /// Whether it was otherwise before.
    pub changed: bool,
}

/// The lines of a table, each with whether its row is new.
pub fn table(rows: &[Row], width: usize) -> Vec<(String, bool)> {
    let labels = rows.iter().map(|row| row.label.len());
    let widest = labels.max().unwrap_or_default();
    let one = |row: &Row| {
        let sign = if row.changed { '*' } else { ' ' };
        let front = format!("{:TABLE_INDENT$}{sign} {:widest$} | ", "", row.label);
        let below = format!("{:TABLE_INDENT$}  {:widest$} | ", "", "");
        let lines = wrap(&row.text, width.saturating_sub(front.len()));
        let lines = lines.into_iter().enumerate();
        let lines = lines.map(|(number, line)| match number {
            0 => (format!("{front}{line}"), row.changed),
            _ => (format!("{below}{line}"), row.changed),
        });
        lines.collect::<Vec<_>>()
    };
    rows.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &'static str, text: &str, changed: bool) -> Row {
        let text = text.to_owned();
        Row {
            label,
            text,
            changed,
        }
    }

    #[test]
    fn a_table_says_what_changed_and_keeps_its_columns_at_any_width() {
        let rows = [
            row("Entra", "A ends 17 Dec 2026; B ends 26 May 2027", true),
            row("receiving", "Authorized with A; mail flows", false),
        ];
        let lines = table(&rows, 40);
        let texts: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(
            texts,
            [
                "    * Entra     | A ends 17 Dec 2026; B",
                "                | ends 26 May 2027",
                "      receiving | Authorized with A;",
                "                | mail flows",
            ]
        );
        let changed: Vec<bool> = lines.iter().map(|(_, changed)| *changed).collect();
        assert_eq!(changed, [true, true, false, false]);
        for width in 30..160 {
            let fits = |(line, _): &(String, bool)| line.chars().count() <= width;
            assert!(table(&rows, width).iter().all(fits), "{width}");
        }
    }

    #[test]
    fn an_id_that_has_no_room_behind_its_label_is_whole_below_it() {
        let id = Fact::new("key_id", "45d0fd02-2156-4df5-a890-7af36f1a7b96");
        let owner = Fact::new("previous_key_id", "A");
        let both = [&id, &owner];
        assert_eq!(facts(&both, 100).len(), 2);
        let narrow = facts(&both, 60);
        assert_eq!(narrow.len(), 3, "{narrow:?}");
        assert!(narrow.iter().any(|line| line.ends_with("-7af36f1a7b96")));
        let named = id.shown_as("B = 45d0fd02-2156-4df5-a890-7af36f1a7b96");
        let lines = facts(&[&named], 58);
        assert!(
            lines.contains(&format!("{:14}{}", "", named.shown)),
            "{lines:?}"
        );
    }

    #[test]
    fn further_lines_are_below_the_first() {
        let lines = behind("  1.0 s  + ", "one two three four", 20);
        assert_eq!(
            lines,
            ["  1.0 s  + one two", "           three", "           four"]
        );
        let mail = quoted(&["One line.".to_owned(), String::new()], 60);
        assert_eq!(mail, ["            | One line.", "            |"]);
        let command = quoted(&["    az ad app owner add".to_owned()], 30);
        assert_eq!(
            command,
            ["            |     az ad app", "            |     owner add"]
        );
    }
}
