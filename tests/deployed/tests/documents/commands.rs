//! The commands that the documents have for a person: blocks of shell, and what a sentence says to run.

use std::fmt;

use deployed::checkout::repository;

/// A command, as a document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The document's path in the repository.
    pub document: String,
    /// The heading that it stands under.
    pub heading: String,
    /// The line on which it begins.
    pub line: usize,
    /// All of it; of a block without the indentation of its list.
    pub text: String,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { document, line, .. } = self;
        write!(f, "{document}:{line}: {}", self.first_line())
    }
}

impl Command {
    /// What it is called by.
    pub fn first_line(&self) -> &str {
        let is_code = |line: &&str| !line.is_empty() && !line.starts_with('#');
        self.text.lines().find(is_code).unwrap_or_default()
    }
}

/// Languages of blocks that a person types.
const SHELLS: [&str; 2] = ["sh", "powershell"];
/// Languages of blocks that are only read.
const READ: [&str; 3] = ["json", "text", "yaml"];

/// With what a command begins that stands in a sentence.
const PROGRAMS: [&str; 10] = [
    ".ci/run",
    "aws",
    "az",
    "cargo",
    "curl",
    "jq",
    "openssl",
    "sam",
    "tests/fuzz/run",
    "tests/performance/run",
];

/// The commands of a document in Markdown, in its order.
///
/// # Errors
/// Where a block says no language, or one that is not known.
pub fn of_markdown(document: &str, text: &str) -> Result<Vec<Command>, String> {
    let mut reading = Reading {
        document,
        heading: String::new(),
        found: Vec::new(),
        paragraph: (1, String::new()),
    };
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            reading.end_paragraph();
            let indent = line.len() - line.trim_start().len();
            let rest = lines.by_ref().map(|(line, _)| line);
            let block = rest.take_while(|line| line.trim() != "```");
            let block: Vec<&str> = block.map(|line| line.get(indent..).unwrap_or("")).collect();
            match language {
                _ if SHELLS.contains(&language) => reading.add(number, block.join("\n")),
                _ if READ.contains(&language) => {}
                _ => {
                    return Err(format!(
                        "{document}:{number}: is a block of {language:?} to be run, or read?"
                    ));
                }
            }
        } else if line.trim().is_empty() {
            reading.end_paragraph();
        } else if line.starts_with('#') {
            reading.end_paragraph();
            reading.heading = line.trim_start_matches('#').trim().to_owned();
        } else {
            if reading.paragraph.1.is_empty() {
                reading.paragraph.0 = number;
            }
            reading.paragraph.1.push_str(line);
            reading.paragraph.1.push('\n');
        }
    }
    reading.end_paragraph();
    Ok(reading.found)
}

struct Reading<'a> {
    document: &'a str,
    heading: String,
    found: Vec<Command>,
    paragraph: (usize, String),
}

impl Reading<'_> {
    fn add(&mut self, line: usize, text: String) {
        self.found.push(Command {
            document: self.document.to_owned(),
            heading: self.heading.clone(),
            line,
            text,
        });
    }

    /// What stands between backquotes: the odd parts.
    fn end_paragraph(&mut self) {
        let (mut line, paragraph) = std::mem::take(&mut self.paragraph);
        for (number, part) in paragraph.split('`').enumerate() {
            let said = part.split_whitespace().collect::<Vec<_>>().join(" ");
            if number % 2 == 1 && is_command(&said) {
                self.add(line, said);
            }
            line += part.matches('\n').count();
        }
    }
}

/// Whether a sentence says to run it: a program of the list or a cmdlet, and what for.
fn is_command(said: &str) -> bool {
    let is_setting = |word: &&str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let mut words = said.split(' ').skip_while(is_setting);
    let program = words.next().unwrap_or_default();
    let cmdlet = program.split_once('-').is_some_and(|(verb, noun)| {
        let is_capital = |word: &str| word.starts_with(|c: char| c.is_ascii_uppercase());
        is_capital(verb) && is_capital(noun) && said.contains(" -")
    });
    let script = program.starts_with("infra/onboarding/");
    // `aws secretsmanager` alone is no command.
    let at_least = if program == "aws" { 2 } else { 1 };
    (PROGRAMS.contains(&program) || cmdlet || script) && words.count() >= at_least
}

/// Beside those in `docs/`.
const DOCUMENTS: [&str; 4] = [
    "CONTRIBUTING.md",
    "README.md",
    "infra/events/README.md",
    "tests/simulators/README.md",
];

/// Those of all documents.
///
/// # Errors
/// Where a document cannot be read, and as [`of_markdown`].
pub fn of_all() -> Result<Vec<Command>, String> {
    let root = repository();
    let mut documents = DOCUMENTS.map(str::to_owned).to_vec();
    let folder = std::fs::read_dir(root.join("docs")).map_err(|error| error.to_string())?;
    for entry in folder {
        let name = entry.map_err(|error| error.to_string())?.file_name();
        documents.push(format!("docs/{}", name.display()));
    }
    documents.retain(|name| name.ends_with(".md"));
    documents.sort();
    let mut found = Vec::new();
    for document in documents {
        let text = std::fs::read_to_string(root.join(&document));
        let text = text.map_err(|error| format!("{document}: {error}"))?;
        found.extend(of_markdown(&document, &text)?);
    }
    Ok(found)
}

#[test]
fn a_block_and_what_a_sentence_says_to_run_are_commands_in_their_order() {
    let text = "# Title\nSome `jq` and\n`aws events\nlist-rules` here.\n\n## Part\n1. Do\n\n   ```sh\n   a=1\n\n   aws x y\n   ```\n\
        \n```json\naws z\n```\nThen `Set-CASMailbox -Identity X` and `sam build`.\n";
    let commands = of_markdown("a.md", text).unwrap();
    let told = commands
        .iter()
        .map(|c| (c.line, c.heading.as_str(), c.text.as_str()));
    let wanted = [
        (3, "Title", "aws events list-rules"),
        (9, "Part", "a=1\n\naws x y"),
        (18, "Part", "Set-CASMailbox -Identity X"),
        (18, "Part", "sam build"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), wanted);
}

#[test]
fn a_block_without_a_language_hides_no_command() {
    let refused = of_markdown("a.md", "```\naws x y\n```\n").unwrap_err();
    assert_eq!(refused, "a.md:1: is a block of \"\" to be run, or read?");
}
