//! What there is to do, as a mail shows it: causes as a list, and commands on lines of their own, from which they can be
//! copied. In events and logs it is one text: "What it may be. (1) This: `command`. (2) That."

use maud::{Markup, html};

use super::{WIDTH, wrapped};

/// What there is to do, in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ToDo<'t> {
    first: Vec<Part<'t>>,
    /// Numbered from 1.
    causes: Vec<Vec<Part<'t>>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Words(&'t str),
    Command(&'t str),
}

impl<'t> ToDo<'t> {
    pub(super) fn read(text: &'t str) -> Self {
        let mut texts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(&format!("({}) ", texts.len() + 1)) {
            texts.push(before);
            rest = behind;
        }
        texts.push(rest);
        let mut all = texts.into_iter().map(parts);
        Self {
            first: all.next().unwrap_or_default(),
            causes: all.collect(),
        }
    }

    pub(super) fn text(&self, label: &str) -> String {
        let mut blocks = vec![lines(label, &self.first, 0)];
        let causes = self.causes.iter().enumerate();
        blocks.extend(causes.map(|(n, parts)| lines(&format!("{}.", n + 1), parts, 3)));
        blocks.join("\n\n")
    }

    pub(super) fn html(&self, label: &str) -> Markup {
        html! {
            p style="margin:0 0 12px;overflow-wrap:anywhere" { strong { (label) " " } (shown(&self.first)) }
            @if !self.causes.is_empty() {
                ol style="margin:0 0 12px;padding-left:1.5em" {
                    @for cause in &self.causes { li style="margin:0 0 8px;overflow-wrap:anywhere" { (shown(cause)) } }
                }
            }
        }
    }
}

/// What stands between backquotes is a command.
fn parts(text: &str) -> Vec<Part<'_>> {
    let is_command = [false, true].into_iter().cycle();
    let parts = text.split('`').zip(is_command);
    let parts = parts.map(|(text, is_command)| match is_command {
        true => Part::Command(text),
        // The mark that ends a command's sentence stands on no line of its own.
        false => Part::Words(text.trim_start_matches(['.', ',', ';']).trim()),
    });
    parts.filter(|part| *part != Part::Words("")).collect()
}

/// A label and what stands behind and below it, with this indent from the second line on.
fn lines(label: &str, parts: &[Part<'_>], indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match part {
            Part::Words(words) if lines.is_empty() => {
                let text = wrapped(&format!("{label} {words}"), WIDTH - indent);
                lines.extend(text.lines().map(str::to_owned));
            }
            Part::Words(words) => {
                lines.extend(wrapped(words, WIDTH - indent).lines().map(str::to_owned));
            }
            Part::Command(command) => lines.push(format!("    {command}")),
        }
    }
    lines.join(&format!("\n{margin}"))
}

fn shown(parts: &[Part<'_>]) -> Markup {
    const COMMAND: &str = "display:block;margin:4px 0;padding:6px 8px;background:#f0f1f3;font:13px/1.5 Consolas,Menlo,monospace;overflow-wrap:anywhere";
    html! {
        @for part in parts {
            @match part {
                Part::Words(words) => { (words) " " }
                Part::Command(command) => { code style=(COMMAND) { (command) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_a_list_and_commands_have_lines_of_their_own() {
        let to_do =
            ToDo::read("Look. (1) It is off: `Get-X | Y`, on again by `Set-X $true`. (2) Other.");
        let text = "What to do: Look.\n\n1. It is off:\n       Get-X | Y\n   on again by\n       Set-X $true\n\n2. Other.";
        assert_eq!(to_do.text("What to do:"), text);
        let html = to_do.html("What to do:").into_string();
        assert!(html.contains("Set-X $true</code></li>"), "{html}");
        assert_eq!(html.matches("<li").count(), 2);
    }

    #[test]
    fn a_text_without_them_is_one_paragraph() {
        for text in ["Now: press Enable.", "Ask (2) people.", ""] {
            assert_eq!(ToDo::read(text).causes, Vec::<Vec<Part<'_>>>::new());
        }
        let text = ToDo::read("Now: press Enable.").text("What to do:");
        assert_eq!(text, "What to do: Now: press Enable.");
    }
}
