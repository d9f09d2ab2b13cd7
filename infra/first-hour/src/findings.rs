//! What was seen of each belief, and whether it is what was believed.

use serde_json::{Value, json};
use shared::failure::{Failure, Kind};

use crate::beliefs::Belief;

/// What became of a belief.
pub enum Outcome {
    Same {
        seen: String,
    },
    Different {
        seen: String,
    },
    /// It could not be tried.
    NotAnswered {
        because: String,
        /// What has to be done for it to be.
        instead: String,
    },
}

pub struct Finding {
    pub belief: Belief,
    pub outcome: Outcome,
}

impl Finding {
    /// The finding as one JSON object.
    pub fn json(&self) -> Value {
        let Belief { id, text, believed } = self.belief;
        let (place, touches) = self
            .belief
            .row()
            .map(|row| (row.place, row.touches))
            .unzip();
        let (verdict, seen, because, instead) = match &self.outcome {
            Outcome::Same { seen } => ("same", Some(seen), None, None),
            Outcome::Different { seen } => ("different", Some(seen), None, None),
            Outcome::NotAnswered { because, instead } => {
                ("not answered", None, Some(because), Some(instead))
            }
        };
        json!({
            "id": id, "belief": text, "place": place, "believed": believed,
            "verdict": verdict, "seen": seen, "because": because, "do": instead, "touches": touches,
        })
    }
}

/// What a probe hands over as it goes.
pub struct Findings {
    shown: Box<dyn FnMut(&Finding)>,
    all: Vec<Finding>,
}

impl Findings {
    /// None yet; each is shown as soon as it is there.
    pub fn new(shown: impl FnMut(&Finding) + 'static) -> Self {
        Self {
            shown: Box::new(shown),
            all: Vec::new(),
        }
    }

    /// What was seen of a belief, and whether that is what was believed.
    pub fn saw(&mut self, belief: Belief, as_believed: bool, seen: impl Into<String>) {
        let seen = one_line(&seen.into());
        self.add(
            belief,
            match as_believed {
                true => Outcome::Same { seen },
                false => Outcome::Different { seen },
            },
        );
    }

    /// A belief that could not be tried.
    pub fn not_answered(&mut self, belief: Belief, failure: &Failure) {
        let because = Failure {
            next_step: String::new(),
            ..failure.clone()
        };
        let outcome = Outcome::NotAnswered {
            because: one_line(&because.to_string()),
            instead: one_line(&failure.next_step),
        };
        self.add(belief, outcome);
    }

    /// How a probe of these ended: what it left open has no answer.
    pub fn ended(&mut self, beliefs: &[Belief], ended: Result<(), Failure>) {
        let failure = ended.err().unwrap_or_else(left_out);
        for belief in beliefs {
            if !self.all.iter().any(|f| f.belief.id == belief.id) {
                self.not_answered(*belief, &failure);
            }
        }
    }

    /// How many are otherwise than believed.
    pub fn different(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Different { .. }))
    }

    /// How many of this kind there are.
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.all
            .iter()
            .filter(|finding| is(&finding.outcome))
            .count()
    }

    fn add(&mut self, belief: Belief, outcome: Outcome) {
        let finding = Finding { belief, outcome };
        (self.shown)(&finding);
        self.all.push(finding);
    }
}

fn left_out() -> Failure {
    Failure::new(Kind::Temporary, "it did not show while it was looked").next_step("Run it again.")
}

/// What services say comes from outside: one line of printable characters, and not more of it than a cell can bear.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 1200;
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_is_one_line_and_fits() {
        assert_eq!(one_line("404\nof somebody's own"), "404 of somebody's own");
        assert_eq!(one_line(&"x".repeat(5000)).len(), 1200);
    }
}
