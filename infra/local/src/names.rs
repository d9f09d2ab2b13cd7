//! Short names for the client secrets of the story, which Entra knows by long ids only.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::fact::Fact;

/// The names: A, B, and so on, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Names {
    foreign: BTreeSet<Uuid>,
    known: Vec<Uuid>,
    introduced: BTreeSet<Uuid>,
}

impl Names {
    /// This credential is somebody else's, and gets none.
    pub fn leave_out(&mut self, foreign: Uuid) {
        self.foreign.insert(foreign);
    }

    /// These are listed now.
    pub fn learn(&mut self, listed: impl IntoIterator<Item = Uuid>) {
        for key in listed {
            if !self.foreign.contains(&key) && !self.known.contains(&key) {
                self.known.push(key);
            }
        }
    }

    /// The name of a credential.
    pub fn of(&self, key: Uuid) -> Option<String> {
        let place = self.known.iter().position(|known| *known == key)?;
        let letter = u8::try_from(place).ok().filter(|place| *place < 26)?;
        Some(char::from(b'A' + letter).to_string())
    }

    /// The fact with the name of the credential that it is of; the id is shown once.
    pub fn introduce(&mut self, fact: Fact) -> Fact {
        let key = fact.value.as_str().and_then(|text| text.parse().ok());
        let Some((key, name)) = key.and_then(|key| Some((key, self.of(key)?))) else {
            return fact;
        };
        match self.introduced.insert(key) {
            true => fact.shown_as(format!("{name} = {key}")),
            false => fact.shown_as(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_once_and_named_from_then_on() {
        let [foreign, first, second] = [1, 2, 3].map(Uuid::from_u128);
        let mut names = Names::default();
        names.leave_out(foreign);
        names.learn([foreign, first]);
        names.learn([second, first]);
        assert_eq!(names.of(foreign), None);
        assert_eq!(names.of(second).unwrap(), "B");
        let fact = |key: Uuid| Fact::new("key_id", key.to_string());
        assert_eq!(names.introduce(fact(second)).shown, format!("B = {second}"));
        assert_eq!(names.introduce(fact(second)).shown, "B");
        assert_eq!(names.introduce(fact(foreign)).shown, foreign.to_string());
    }
}
