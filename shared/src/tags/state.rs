//! [`super::STATE`]: where a rotation stands: `rotated`, `waiting:<token>:<until>/<threshold>:<hash>.<hash>…`, or
//! `stalled:<token>:<check>`; times in Unix seconds.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::Unreadable;

/// Where a rotation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The last one is done.
    Rotated,
    /// It waits for a person.
    Waiting {
        /// The rotation.
        token: String,
        /// What it asked for.
        asked: Asked,
    },
    /// A check found it standing still.
    Stalled {
        /// The rotation.
        token: String,
        /// The check's time, in Unix seconds.
        check: i64,
    },
}

/// What a rotation has asked a person for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When the first of the links ends, in Unix seconds.
    pub until: i64,
    /// The threshold at which it was asked, in days before mail stops: [`crate::policy::urgency`].
    pub threshold: Option<i64>,
    /// A hash of each thing.
    hashes: Vec<String>,
}

/// So many fit into a tag's 256 characters, of which a token takes up to 64. What is beyond this is asked for
/// again in each attempt.
const MOST: usize = 16;

impl Asked {
    /// Nothing yet, with links that end at `ends`.
    #[must_use]
    pub fn new(ends: Timestamp, threshold: Option<i64>) -> Self {
        Self {
            until: ends.as_second(),
            threshold,
            hashes: Vec::new(),
        }
    }

    /// Whether the thing with this hash was asked for.
    #[must_use]
    pub fn has(&self, hash: &str) -> bool {
        self.hashes.iter().any(|asked| asked == hash)
    }

    /// Adds the hash of something; whether it was not asked before.
    pub fn add(&mut self, hash: String) -> bool {
        let new = !self.hashes.contains(&hash);
        if new && self.hashes.len() < MOST {
            self.hashes.push(hash);
        }
        new
    }
}

impl State {
    /// What the tag says; one that was edited says nothing.
    #[must_use]
    pub fn read(tag: Option<&str>) -> Option<Self> {
        tag?.parse().ok()
    }

    /// What this rotation asked for, where it waits for a person.
    #[must_use]
    pub fn asked(&self, token: &str) -> Option<&Asked> {
        match self {
            Self::Waiting { token: of, asked } if of == token => Some(asked),
            Self::Waiting { .. } | Self::Rotated | Self::Stalled { .. } => None,
        }
    }

    /// The check that found this rotation standing still, in Unix seconds.
    #[must_use]
    pub fn stalled_at(&self, token: &str) -> Option<i64> {
        match self {
            Self::Stalled { token: of, check } if of == token => Some(*check),
            Self::Stalled { .. } | Self::Rotated | Self::Waiting { .. } => None,
        }
    }
}

impl FromStr for State {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        if tag == "rotated" {
            return Ok(Self::Rotated);
        }
        // From the right: AWS checks of a token that somebody chose its length only.
        let (form, rest) = tag.split_once(':').ok_or(Unreadable)?;
        let (front, last) = rest.rsplit_once(':').ok_or(Unreadable)?;
        match form {
            "waiting" => {
                let (token, when) = front.rsplit_once(':').ok_or(Unreadable)?;
                Ok(Self::Waiting {
                    token: token.to_owned(),
                    asked: format!("{when}:{last}").parse()?,
                })
            }
            "stalled" => Ok(Self::Stalled {
                token: front.to_owned(),
                check: last.parse().map_err(|_| Unreadable)?,
            }),
            _ => Err(Unreadable),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotated => f.write_str("rotated"),
            Self::Waiting { token, asked } => write!(f, "waiting:{token}:{asked}"),
            Self::Stalled { token, check } => write!(f, "stalled:{token}:{check}"),
        }
    }
}

impl FromStr for Asked {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (when, hashes) = text.split_once(':').ok_or(Unreadable)?;
        let (until, threshold) = when.split_once('/').unwrap_or((when, ""));
        let hashes = hashes.split('.').filter(|hash| !hash.is_empty());
        Ok(Self {
            until: until.parse().map_err(|_| Unreadable)?,
            threshold: threshold.parse().ok(),
            hashes: hashes.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threshold = self.threshold.map(|days| days.to_string());
        let (until, threshold) = (self.until, threshold.unwrap_or_default());
        write!(f, "{until}/{threshold}:{}", self.hashes.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn states() -> impl Strategy<Value = State> {
        let token = "[a-zA-Z0-9:-]{1,64}";
        let hashes = prop::collection::vec("[0-9a-f]{8}", 0..=MOST);
        let asked = (any::<i64>(), prop::option::of(0..=30_i64), hashes);
        let asked = asked.prop_map(|(until, threshold, hashes)| Asked {
            until,
            threshold,
            hashes,
        });
        prop_oneof![
            Just(State::Rotated),
            (token, asked).prop_map(|(token, asked)| State::Waiting { token, asked }),
            (token, any::<i64>()).prop_map(|(token, check)| State::Stalled { token, check }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(state in states()) {
            prop_assert_eq!(state.to_string().parse(), Ok(state));
        }

        #[test]
        fn no_tag_makes_the_reader_panic(tag in ".*") {
            let _ = State::read(Some(&tag));
        }
    }

    #[test]
    fn what_was_asked_is_known_to_its_own_rotation_only() {
        let mut asked = Asked::new(Timestamp::from_second(1000).unwrap(), Some(14));
        assert!(asked.add("abcd".into()));
        assert!(asked.add("ef01".into()));
        assert!(!asked.add("abcd".into()));
        let state = State::Waiting {
            token: "t".into(),
            asked: asked.clone(),
        };
        assert_eq!(state.to_string(), "waiting:t:1000/14:abcd.ef01");
        let read = State::read(Some("waiting:t:1000/14:abcd.ef01")).unwrap();
        assert_eq!(read.asked("t"), Some(&asked));
        assert_eq!(read.asked("u"), None);
        assert_eq!(State::Rotated.asked("t"), None);
        // Releases before knew no thresholds.
        let before = State::read(Some("waiting:t:1000:abcd")).unwrap();
        assert_eq!(before.asked("t").unwrap().threshold, None);
    }

    #[test]
    fn a_rotation_that_stood_still_is_known_with_the_check_that_saw_it() {
        let state = State::read(Some("stalled:t:1795000000")).unwrap();
        assert_eq!(state.stalled_at("t"), Some(1_795_000_000));
        assert_eq!((state.stalled_at("u"), state.asked("t")), (None, None));
        for edited in [
            "",
            "stalled:t",
            "stalled:t:soon",
            "waiting:t",
            "waiting:t:soon:x",
            "x:t:1",
        ] {
            assert_eq!(State::read(Some(edited)), None, "{edited}");
        }
    }

    #[test]
    fn the_longest_state_fits_into_a_tag() {
        let mut asked = Asked::new(Timestamp::MAX, Some(30));
        for n in 0..100 {
            asked.add(crate::short_hash::short_hash(&n.to_string()));
        }
        let token = "t".repeat(64);
        let state = State::Waiting { token, asked }.to_string();
        assert!(state.len() <= 256, "{}", state.len());
    }
}
