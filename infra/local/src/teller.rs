//! What is told goes out here: as text for eyes, or as one JSON object a line.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};
use simulators::clock::Clock;
use simulators::world::World;

use crate::fact::Fact;
use crate::leak_guard::LeakGuard;
use crate::manual_page::{Steps, written};
use crate::stop::Stop;
use crate::wrap::wrap;

/// No line of text is longer, but for a link that has to be clicked.
const WIDTH: usize = 100;
/// `23 Nov 2026 10:02   12.3 s  `
const INDENT: usize = 28;

/// How a sentence is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It happened.
    Plain,
    /// It was checked, and it is good.
    Good,
    /// Time passes.
    Waiting,
    /// A person is asked, or does something.
    Person,
    /// It is not good.
    Bad,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Waiting => "\x1b[2m",
            Self::Person => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// One thing that is told.
#[derive(Debug, Clone)]
pub struct Told {
    /// How it is meant.
    pub tone: Tone,
    /// What it is, as a code that stays the same.
    pub what: &'static str,
    /// A sentence.
    pub text: String,
    /// What belongs to it.
    pub facts: Vec<Fact>,
}

impl Told {
    /// A plain sentence.
    pub fn new(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Plain,
            what,
            text: text.into(),
            facts: Vec::new(),
        }
    }

    /// In this tone.
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// With a fact more.
    pub fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }
}

/// Tells.
pub struct Teller {
    json: bool,
    colour: bool,
    started: Instant,
    clock: Option<Arc<Clock>>,
    guard: LeakGuard,
    chapter: &'static str,
    chapters: usize,
}

impl Teller {
    /// Tells on standard output. Colours are for terminals, and for those who did not forbid them
    /// (<https://no-color.org>).
    pub fn new(json: bool) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            colour: !json && !no_colour && std::io::stdout().is_terminal(),
            started: Instant::now(),
            clock: None,
            guard: LeakGuard::default(),
            chapter: "start",
            chapters: 0,
        }
    }

    /// From now on times are this world's, and its secrets are kept.
    pub fn enter(&mut self, world: &Arc<World>) {
        self.clock = Some(Arc::clone(&world.clock));
        self.guard.watch(Arc::clone(world));
    }

    /// A password that a person has to type may be shown.
    pub fn allow(&mut self, password: &str) {
        self.guard.allow(password);
    }

    /// How many sentences were searched for secrets, each with its facts.
    pub fn searched(&self) -> usize {
        self.guard.searched()
    }

    /// Real seconds since the start.
    pub fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Text before the first chapter; JSON does without.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn preface(&mut self, paragraph: &str) -> Result<(), Stop> {
        if self.json {
            return Ok(());
        }
        self.guard.check(paragraph)?;
        for line in wrap(paragraph, WIDTH) {
            print(&line)?;
        }
        Ok(())
    }

    /// Begins a chapter, which shows what takes the place of these steps of the manual page.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn chapter(
        &mut self,
        name: &'static str,
        headline: &str,
        steps: Steps,
    ) -> Result<(), Stop> {
        self.chapter = name;
        self.chapters += 1;
        let told = Told::new("chapter", headline);
        let told = match steps {
            [] => told,
            _ => told.fact(Fact::new("manual_page_steps", written(steps))),
        };
        if self.json {
            return self.tell(told);
        }
        self.guard.check(headline)?;
        let headline = format!("{:>2}  {headline}", self.chapters);
        print("")?;
        print(&self.painted("\x1b[1m", &headline))?;
        for fact in told.facts {
            let place = format!("    (in place of the manual page's steps {})", fact.shown);
            print(&self.painted(Tone::Waiting.colour(), &place))?;
        }
        Ok(())
    }

    /// Tells one thing.
    ///
    /// # Errors
    /// [`Stop::Leak`] when a secret is in it; then nothing is printed.
    pub fn tell(&mut self, told: Told) -> Result<(), Stop> {
        let object = self.object(&told).to_string();
        self.guard.check(&format!("{object} {}", told.text))?;
        if self.json {
            return print(&object);
        }
        for line in self.lines(&told) {
            print(&self.painted(told.tone.colour(), &line))?;
        }
        Ok(())
    }

    /// A link on a line of its own, whole, so that it can be clicked or copied. JSON has it as a fact.
    ///
    /// # Errors
    /// [`Stop::Leak`] when a secret is in it; then nothing is printed.
    pub fn link(&mut self, link: &str) -> Result<(), Stop> {
        if self.json {
            return Ok(());
        }
        self.guard.check(link)?;
        print("")?;
        print(link)?;
        print("")
    }

    fn object(&self, told: &Told) -> Value {
        let at = self.clock.as_ref().map(|clock| clock.now().to_string());
        let elapsed = (self.elapsed() * 1000.0).round() / 1000.0;
        let mut object = Map::new();
        object.insert("at".to_owned(), at.into());
        object.insert("elapsed_s".to_owned(), elapsed.into());
        object.insert("chapter".to_owned(), self.chapter.into());
        object.insert("what".to_owned(), told.what.into());
        object.insert("text".to_owned(), told.text.clone().into());
        for fact in &told.facts {
            object.insert(fact.name.to_owned(), fact.value.clone());
        }
        object.into()
    }

    fn lines(&self, told: &Told) -> Vec<String> {
        let at = self.clock.as_ref().map(|clock| clock.now());
        let at = at.map(|at| at.strftime("%d %b %Y %H:%M").to_string());
        let front = format!("{:17} {:>6.1} s  ", at.unwrap_or_default(), self.elapsed());
        let mut lines = after(&front, &told.text);
        let shown = || told.facts.iter().filter(|fact| !fact.shown.is_empty());
        let widest = shown().map(|fact| fact.label().len()).max();
        for fact in shown() {
            let front = format!(
                "{:INDENT$}  {:width$}  ",
                "",
                fact.label(),
                width = widest.unwrap_or_default()
            );
            lines.extend(after(&front, &fact.shown));
        }
        lines
    }

    fn painted(&self, colour: &str, line: &str) -> String {
        match self.colour && !colour.is_empty() {
            true => format!("{colour}{line}\x1b[0m"),
            false => line.to_owned(),
        }
    }
}

/// Text behind a front, its further lines below its first.
fn after(front: &str, text: &str) -> Vec<String> {
    let indent = front.len();
    let lines = wrap(text, WIDTH.saturating_sub(indent));
    let mut lines = lines.into_iter();
    let first = format!("{front}{}", lines.next().unwrap_or_default());
    std::iter::once(first)
        .chain(lines.map(|line| format!("{:indent$}{line}", "")))
        .collect()
}

fn print(line: &str) -> Result<(), Stop> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| Stop::Output(error.to_string()))
}
