//! What is told goes out here: as text for eyes, or as one JSON object a line.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use simulators::clock::Clock;
use simulators::world::World;

use crate::fact::Fact;
use crate::layout::{self, INDENT, Row, behind};
use crate::leak_guard::LeakGuard;
use crate::manual_page::{Steps, written};
use crate::next;
use crate::scenario::Scenario;
use crate::state::Line;
use crate::stop::Stop;
use crate::terminal;
use crate::told::{Told, Tone};
use crate::wrap::wrap;

/// The simulated clock runs at the machine's pace; what is more was set forward, and is shown.
const A_JUMP: SignedDuration = SignedDuration::from_mins(2);
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";

/// The world's clock, and when the story began.
struct Begun {
    clock: Arc<Clock>,
    at: Instant,
}

/// Tells.
pub struct Teller {
    json: bool,
    colour: bool,
    begun: Option<Begun>,
    guard: LeakGuard,
    chapter: &'static str,
    chapters: usize,
    links: Vec<String>,
    /// The time that was shown last.
    shown_at: Option<Timestamp>,
    /// What each fact was when it was shown last.
    shown_facts: BTreeMap<&'static str, Value>,
    shown_state: Option<[Line; 4]>,
}

impl Teller {
    /// Tells on standard output.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            colour: !json && terminal::takes_colours(),
            begun: None,
            guard: LeakGuard::default(),
            chapter: "start",
            chapters: 0,
            links: Vec::new(),
            shown_at: None,
            shown_facts: BTreeMap::new(),
            shown_state: None,
        }
    }

    /// From now on times are this world's and seconds count, and its secrets are kept.
    pub fn enter(&mut self, world: &Arc<World>) {
        self.begun = Some(Begun {
            clock: Arc::clone(&world.clock),
            at: Instant::now(),
        });
        self.guard.watch(Arc::clone(world));
    }

    /// The next table is another mailbox's, in which nothing has changed yet.
    pub fn forget_state(&mut self) {
        self.shown_state = None;
    }

    /// A password that a person has to type may be shown.
    pub fn allow(&mut self, password: &str) {
        self.guard.allow(password);
    }

    /// How many sentences were searched for secrets, each with its facts.
    pub fn searched(&self) -> usize {
        self.guard.searched()
    }

    /// Text that belongs to no sentence; JSON does without.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn aside(&mut self, text: &str) -> Result<(), Stop> {
        if self.json {
            return Ok(());
        }
        self.guard.check(text)?;
        for line in wrap(text, terminal::width()) {
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
        let width = terminal::width();
        if self.chapters == 1 {
            print("")?;
        }
        for line in behind(&format!("{:>2}  ", self.chapters), headline, width) {
            print(&self.painted(BOLD, &line))?;
        }
        for fact in told.facts {
            let place = format!("In place of the manual page's steps {}.", fact.shown);
            for line in behind("    ", &place, width) {
                print(&self.painted(DIM, &line))?;
            }
        }
        Ok(())
    }

    /// Tells one thing.
    ///
    /// # Errors
    /// [`Stop::Leak`] when a secret is in it; then nothing is printed.
    pub fn tell(&mut self, told: Told) -> Result<(), Stop> {
        let object = self.object(&told).to_string();
        let shown = told.facts.iter().map(|fact| fact.shown.as_str());
        let shown: Vec<&str> = shown
            .chain(told.quoted.iter().map(String::as_str))
            .collect();
        let all = format!("{object} {} {}", told.text, shown.join(" "));
        self.guard.check(&all)?;
        if self.json {
            return print(&object);
        }
        self.show_date()?;
        for line in self.lines(&told) {
            print(&self.painted(told.tone.colour(), &line))?;
        }
        Ok(())
    }

    /// The table at the end of a chapter.
    ///
    /// # Errors
    /// As [`Self::tell`].
    pub fn state(&mut self, state: [Line; 4]) -> Result<(), Stop> {
        if self.json {
            let told = Told::new("state", "What an administrator would see now.");
            let names = ["entra", "labels", "receiving", "sending"];
            let facts = names.into_iter().zip(state);
            let facts = facts.map(|(name, (_, text))| Fact::new(name, text));
            return self.tell(facts.fold(told, Told::fact));
        }
        let before = self.shown_state.replace(state.clone());
        let changed = |number: usize, line: &Line| {
            let before = before.as_ref().and_then(|before| before.get(number));
            before.is_some_and(|before| before != line)
        };
        let rows = state.iter().enumerate().map(|(number, line)| Row {
            label: line.0,
            text: line.1.clone(),
            changed: changed(number, line),
        });
        let rows: Vec<Row> = rows.collect();
        print("")?;
        for (line, changed) in layout::table(&rows, terminal::width()) {
            self.guard.check(&line)?;
            print(&self.painted(if changed { BOLD } else { DIM }, &line))?;
        }
        print("")
    }

    /// A link with its number, on a line of its own and whole, so that it can be clicked or copied.
    ///
    /// # Errors
    /// [`Stop::Leak`] when a secret is in it; then nothing is printed.
    pub fn link(&mut self, link: &str, is_for: &str) -> Result<(), Stop> {
        let known = self.links.iter().position(|known| known == link);
        let number = known.unwrap_or(self.links.len()) + 1;
        if known.is_none() {
            self.links.push(link.to_owned());
        }
        let told = Told::new("link", format!("Link {number}: {is_for}."))
            .tone(Tone::Person)
            .fact(Fact::new("number", number).quiet())
            .fact(Fact::new("link", link).quiet());
        self.tell(told)?;
        if self.json || known.is_some() {
            return Ok(());
        }
        print("")?;
        print(link)?;
        print("")
    }

    /// The last lines: what to try next.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub fn what_next(&mut self, told: Scenario) -> Result<(), Stop> {
        if self.json {
            return self.tell(Told::new("next", "What to try next.").fact(next::fact(told)));
        }
        print("")?;
        print(&self.painted(BOLD, "What to try next"))?;
        for line in next::lines(told, terminal::width()) {
            print(&line)?;
        }
        print("")?;
        self.aside("README.md says what the system is for, docs/onboarding.md how it is set up, docs/architecture.md how it is made.")
    }

    fn elapsed(&self) -> Option<f64> {
        let begun = self.begun.as_ref()?;
        Some(begun.at.elapsed().as_secs_f64())
    }

    fn object(&self, told: &Told) -> Value {
        let at = self.begun.as_ref().map(|begun| begun.clock.now());
        let elapsed = self.elapsed();
        let elapsed = elapsed.map(|elapsed| (elapsed * 1000.0).round() / 1000.0);
        let mut object = Map::new();
        object.insert("at".to_owned(), at.map(|at| at.to_string()).into());
        object.insert("elapsed_s".to_owned(), elapsed.into());
        object.insert("chapter".to_owned(), self.chapter.into());
        object.insert("what".to_owned(), told.what.into());
        object.insert("text".to_owned(), told.text.clone().into());
        for fact in &told.facts {
            object.insert(fact.name.to_owned(), fact.value.clone());
        }
        object.into()
    }

    /// The simulated date, where it is another one than expected.
    fn show_date(&mut self) -> Result<(), Stop> {
        let Some(begun) = &self.begun else {
            return Ok(());
        };
        let now = begun.clock.now();
        let before = self.shown_at.replace(now);
        if before.is_some_and(|before| now.duration_since(before) < A_JUMP) {
            return Ok(());
        }
        let date = now.strftime("%-d %b %Y, %H:%M UTC");
        print(&self.painted(BOLD, &format!("{:INDENT$}{date}", "")))
    }

    fn lines(&mut self, told: &Told) -> Vec<String> {
        let width = terminal::width();
        let sign = told.tone.sign();
        let front = match self.elapsed() {
            Some(elapsed) => format!("{elapsed:>6.1} s  {sign} "),
            None => format!("{sign} "),
        };
        let mut lines = behind(&front, &told.text, width);
        let shown = told.facts.iter().filter(|fact| {
            let is_new = |before: Option<Value>| before.as_ref() != Some(&fact.value);
            !fact.shown.is_empty() && is_new(self.shown_facts.insert(fact.name, fact.value.clone()))
        });
        let shown: Vec<&Fact> = shown.collect();
        lines.extend(layout::facts(&shown, width));
        lines.extend(layout::quoted(&told.quoted, width));
        lines
    }

    fn painted(&self, colour: &str, line: &str) -> String {
        match self.colour && !colour.is_empty() {
            true => format!("{colour}{line}\x1b[0m"),
            false => line.to_owned(),
        }
    }
}

fn print(line: &str) -> Result<(), Stop> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| Stop::Output(error.to_string()))
}
