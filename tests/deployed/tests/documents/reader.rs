//! Somebody who goes through a part of a document, command by command, in one shell.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::commands::{Command, of_all};
use crate::not_run;
use crate::shell::Shell;

/// A reader of one document.
pub struct Reader {
    document: &'static str,
    shell: Shell,
    /// What the reader's own is, in the place of what the document has.
    own: Vec<(String, String)>,
    /// What is left to run of it, in its order.
    left: Vec<Command>,
    /// Where the reader is.
    heading: &'static str,
}

impl Reader {
    /// One who is to run all commands of the document that are meant.
    pub fn of(
        document: &'static str,
        is_meant: impl Fn(&Command) -> bool,
        folder: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let list = not_run::list();
        let left = of_all().unwrap().into_iter().filter(|command| {
            command.document == document
                && is_meant(command)
                && !list.iter().any(|entry| entry.names(command))
        });
        Self {
            document,
            shell: Shell::start(folder, variables),
            own: Vec::new(),
            left: left.collect(),
            heading: "",
        }
    }

    /// Puts in what is the reader's own: the document has `name`.
    pub fn puts(&mut self, name: &str, own: impl ToString) {
        self.own.push((name.to_owned(), own.to_string()));
    }

    /// Turns to a part.
    pub fn at(&mut self, heading: &'static str) -> &mut Self {
        self.heading = heading;
        self
    }

    /// Runs the next command of the part, which says `what`, and gives what it printed.
    pub async fn runs(&mut self, what: &str) -> String {
        let command = self.next(what);
        self.run(&command).await
    }

    /// The same for one that is refused: what it then said.
    pub async fn fails(&mut self, what: &str) -> String {
        let command = self.next(what);
        self.run_and_fail(command).await
    }

    fn next(&mut self, what: &str) -> Command {
        let next = self
            .left
            .iter()
            .position(|command| command.heading == self.heading);
        let (document, heading) = (self.document, self.heading);
        let next = next.unwrap_or_else(|| panic!("{document}, {heading}: no other command"));
        let command = self.left.remove(next);
        assert!(command.text.contains(what), "{command} does not say {what}");
        command
    }

    /// Runs a command of another part, which this one presumes.
    pub async fn has_run(&mut self, heading: &str, what: &str) -> String {
        let command = self.elsewhere(heading, what);
        self.run(&command).await
    }

    /// The same for one that is refused: what it then said.
    pub async fn has_run_and_failed(&mut self, heading: &str, what: &str) -> String {
        let command = self.elsewhere(heading, what);
        self.run_and_fail(command).await
    }

    async fn run_and_fail(&mut self, mut command: Command) -> String {
        command.text = format!(
            "if said=$( {{\n{}\n}} 2>&1); then exit 1; fi\necho \"$said\"",
            command.text
        );
        self.run(&command).await
    }

    fn elsewhere(&self, heading: &str, what: &str) -> Command {
        let mut all = of_all().unwrap().into_iter();
        let found = all.find(|command| {
            command.document == self.document
                && command.heading == heading
                && command.text.contains(what)
        });
        found.expect(what)
    }

    /// Runs what no document has: what a person does besides.
    pub async fn types(&mut self, command: &str) -> String {
        self.shell.run(command).await.unwrap()
    }

    async fn run(&mut self, command: &Command) -> String {
        let mut text = command.text.clone();
        for (name, own) in &self.own {
            text = text.replace(name, own);
        }
        let begun = Instant::now();
        let ran = self.shell.run(&text).await;
        println!("{:.1?} {command}", begun.elapsed());
        match ran {
            Ok(said) => said,
            Err(said) => panic!("{command}\n{text}\n{said}"),
        }
    }

    /// All was run.
    pub fn ends(self) {
        let left: Vec<String> = self.left.iter().map(ToString::to_string).collect();
        assert!(left.is_empty(), "not run: {left:#?}");
    }
}
