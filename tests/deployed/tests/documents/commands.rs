//! The commands that the documents have for a person: blocks of shell, and what a sentence says to run.

use std::fmt;
use std::path::Path;

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

    /// The operations of the AWS CLI that it calls, such as `secretsmanager describe-secret`.
    pub fn aws_calls(&self) -> Vec<String> {
        let words = self.text.split_whitespace().filter(|word| *word != "\\");
        let words: Vec<&str> = words
            .map(|word| word.trim_end_matches([')', '"']))
            .collect();
        let is_aws = |word: &str| {
            let before = word.strip_suffix("aws");
            before.is_some_and(|before| before.is_empty() || before.ends_with('('))
        };
        let calls = words
            .windows(3)
            .filter(|three| is_called(three) && is_aws(three[0]));
        calls
            .map(|three| format!("{} {}", three[1], three[2]))
            .collect()
    }
}

/// Whether what follows `aws` is a service and an operation.
fn is_called(three: &[&str]) -> bool {
    let is_name = |word: &str| {
        word.chars()
            .all(|c| c.is_ascii_lowercase() || "-0123456789".contains(c))
    };
    three.iter().skip(1).all(|word| is_name(word))
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

/// The command that a template puts together as an output: what of it stands there, and begins with `aws`.
pub fn of_template(document: &str, text: &str) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    let mut heading = String::new();
    let mut goes_on_at = None;
    for (line, number) in text.lines().zip(1..) {
        let code = line.trim_start();
        let indent = Some(line.len() - code.len());
        let name = code.strip_suffix(':').filter(|_| indent == Some(2));
        if let Some(name) = name {
            name.clone_into(&mut heading);
        }
        match found
            .last_mut()
            .filter(|_| goes_on_at.is_some() && goes_on_at == indent)
        {
            Some(command) => command.text = format!("{}\n{code}", command.text),
            None if code.starts_with("aws ") => {
                goes_on_at = indent;
                found.push(Command {
                    document: document.to_owned(),
                    heading: heading.clone(),
                    line: number,
                    text: code.to_owned(),
                });
            }
            None => goes_on_at = None,
        }
    }
    found
}

/// Beside those in `docs/`.
const DOCUMENTS: [&str; 4] = [
    "CONTRIBUTING.md",
    "README.md",
    "infra/events/README.md",
    "tests/simulators/README.md",
];

/// Those of all documents and of the templates.
///
/// # Errors
/// Where a document cannot be read, and as [`of_markdown`].
pub fn of_all(root: &Path) -> Result<Vec<Command>, String> {
    let mut documents = DOCUMENTS.map(str::to_owned).to_vec();
    let folder = std::fs::read_dir(root.join("docs")).map_err(|error| error.to_string())?;
    for entry in folder {
        let name = entry.map_err(|error| error.to_string())?.file_name();
        documents.push(format!("docs/{}", name.display()));
    }
    documents.retain(|name| name.ends_with(".md"));
    documents.sort();
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"))
    };
    let mut found = Vec::new();
    for document in documents {
        found.extend(of_markdown(&document, &read(&document)?)?);
    }
    for template in ["template.yaml", "infra/mailbox.yaml"] {
        found.extend(of_template(template, &read(template)?));
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

#[test]
fn the_calls_of_a_block_are_found_wherever_they_stand() {
    let text = "a=$(aws kms describe-key --key-id x) &&\n  aws sns publish | jq .\necho \"$(aws \\\n  sts get-it)\"";
    let command = Command {
        document: String::new(),
        heading: String::new(),
        line: 1,
        text: text.to_owned(),
    };
    assert_eq!(
        command.aws_calls(),
        ["kms describe-key", "sns publish", "sts get-it"]
    );
}

#[test]
fn a_templates_output_is_a_command_to_its_end() {
    let text = "Outputs:\n  PutCommand:\n    Value: !Sub\n      - >-\n        aws a b\n        --c ||\n        aws d e\n      - Token: x\n";
    let commands = of_template("m.yaml", text);
    let [command] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(command.heading, "PutCommand");
    assert_eq!(command.text, "aws a b\n--c ||\naws d e");
}
