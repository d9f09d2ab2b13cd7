//! One thing that is told, and how it is meant.

use crate::fact::Fact;

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
    /// A mail goes out.
    Mail,
    /// The story breaks something, on purpose.
    Fault,
    /// It is not good.
    Bad,
}

impl Tone {
    /// What stands before the sentence, so that it reads without colours too.
    pub fn sign(self) -> char {
        match self {
            Self::Plain => '-',
            Self::Good => '+',
            Self::Waiting => '.',
            Self::Person => '>',
            Self::Mail => '@',
            Self::Fault => 'x',
            Self::Bad => '!',
        }
    }

    /// The sentence's colour in a terminal.
    pub fn colour(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[32m",
            Self::Waiting => "\x1b[2m",
            Self::Person => "\x1b[33m",
            Self::Mail => "\x1b[36m",
            Self::Fault => "\x1b[35m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// What the signs mean, for whoever sees them first.
pub const SIGNS: &str =
    "Signs: - happens, + good, . time passes, > person, @ mail, x broken on purpose, ! trouble.";

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
    /// Somebody else's words under it, in lines of their own.
    pub quoted: Vec<String>,
}

impl Told {
    /// A plain sentence.
    pub fn new(what: &'static str, text: impl Into<String>) -> Self {
        Self {
            tone: Tone::Plain,
            what,
            text: text.into(),
            facts: Vec::new(),
            quoted: Vec::new(),
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

    /// With these words under it.
    pub fn quoting(self, quoted: Vec<String>) -> Self {
        Self { quoted, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_tone_has_a_sign_of_its_own_that_is_explained() {
        let tones = [
            Tone::Plain,
            Tone::Good,
            Tone::Waiting,
            Tone::Person,
            Tone::Mail,
            Tone::Fault,
            Tone::Bad,
        ];
        let signs: BTreeSet<char> = tones.iter().map(|tone| tone.sign()).collect();
        assert_eq!(signs.len(), tones.len());
        for sign in signs {
            assert!(SIGNS.contains(&format!(" {sign} ")), "{sign}");
        }
    }
}
