//! [`super::STATE`]: where a rotation stands: `rotated`,
//! `waiting:<token>:<until>/<threshold>/<key>/<at>x<times>:<hash>.<hash>…`, or `stalled:<token>:<check>`; times in Unix
//! seconds.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

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
    /// The threshold at which it was asked, in days before mail stops: [`crate::policy::Thresholds::urgency`].
    pub threshold: Option<i64>,
    /// The key that signed the links: [`crate::ticket::TicketKey::id`]. Releases before did not note it.
    key: Option<String>,
    /// When the links were last sent, in Unix seconds. Releases before did not note it.
    pub at: Option<i64>,
    /// How often they were sent anew because somebody asked for them.
    pub times: u32,
    /// A hash of each thing.
    hashes: Vec<String>,
}

/// When the links of a request are sent, with which key, and until when they are good.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// Now.
    pub at: Timestamp,
    /// When they end.
    pub until: Timestamp,
    /// The id of the key that signs them.
    pub key: &'a str,
}

/// A whole day has no more than some ten of them.
const MOST_TIMES: u32 = 9;

/// So many fit into a tag's 256 characters, of which a token takes up to 64. What is beyond this is asked for
/// again in each attempt.
const MOST: usize = 16;

impl Asked {
    /// Nothing yet.
    #[must_use]
    pub fn new(sending: Sending<'_>, threshold: Option<i64>) -> Self {
        Self {
            until: sending.until.as_second(),
            threshold,
            key: Some(sending.key.to_owned()),
            at: Some(sending.at.as_second()),
            times: 0,
            hashes: Vec::new(),
        }
    }

    /// The same, sent once more. What was asked with another key was not asked.
    #[must_use]
    pub fn again(&self, sending: Sending<'_>) -> Self {
        let fresh = Self::new(sending, self.threshold);
        if !self.is_signed_with(sending.key) {
            return fresh;
        }
        Self {
            times: (self.times + 1).min(MOST_TIMES),
            // What is not sent now was done.
            ..fresh
        }
    }

    /// Whether the links were signed with this key, as far as that is known: what another key signed may open
    /// nothing.
    #[must_use]
    pub fn is_signed_with(&self, key: &str) -> bool {
        self.key.as_deref().is_none_or(|signed| signed == key)
    }

    /// From when on they may be sent anew on request: after a pause that doubles each time, up to a day.
    #[must_use]
    pub fn not_before(&self, pause: SignedDuration) -> Option<Timestamp> {
        let pause = pause.as_secs().checked_shl(self.times)?;
        let pause = pause.min(SignedDuration::from_hours(24).as_secs());
        Timestamp::from_second(self.at?.checked_add(pause)?).ok()
    }

    /// Whether this was asked for.
    #[must_use]
    pub fn has(&self, hash: &str) -> bool {
        self.hashes.iter().any(|asked| asked == hash)
    }

    /// Adds the hash of something; whether it was not asked before.
    pub fn add(&mut self, hash: String) -> bool {
        let new = !self.has(&hash);
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
        let mut when = when.split('/');
        let mut part = || when.next().unwrap_or_default();
        let (until, threshold, key, sent) = (part(), part(), part(), part());
        let (at, times) = sent.split_once('x').unwrap_or_default();
        let hashes = hashes.split('.').filter(|hash| !hash.is_empty());
        Ok(Self {
            until: until.parse().map_err(|_| Unreadable)?,
            threshold: threshold.parse().ok(),
            key: (!key.is_empty()).then(|| key.to_owned()),
            at: at.parse().ok(),
            times: times.parse().unwrap_or_default(),
            hashes: hashes.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
        let (until, threshold, at) = (self.until, number(self.threshold), number(self.at));
        let (key, times) = (self.key.as_deref().unwrap_or_default(), self.times);
        let hashes = self.hashes.join(".");
        write!(f, "{until}/{threshold}/{key}/{at}x{times}:{hashes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn states() -> impl Strategy<Value = State> {
        let token = "[a-zA-Z0-9:-]{1,64}";
        let hashes = prop::collection::vec("[0-9a-f]{8}", 0..=MOST);
        let threshold = prop::option::of(0..=30_i64);
        let key = prop::option::of("[0-9a-f]{8}");
        let sent = (prop::option::of(any::<i64>()), 0..=MOST_TIMES);
        let asked = (any::<i64>(), threshold, key, sent, hashes);
        let asked = asked.prop_map(|(until, threshold, key, (at, times), hashes)| Asked {
            until,
            threshold,
            key,
            at,
            times,
            hashes,
        });
        prop_oneof![
            Just(State::Rotated),
            (token, asked).prop_map(|(token, asked)| State::Waiting { token, asked }),
            (token, any::<i64>()).prop_map(|(token, check)| State::Stalled { token, check }),
        ]
    }

    fn sending(at: i64, until: i64) -> Sending<'static> {
        Sending {
            at: Timestamp::from_second(at).unwrap(),
            until: Timestamp::from_second(until).unwrap(),
            key: "k",
        }
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
        let mut asked = Asked::new(sending(900, 1000), Some(14));
        assert!(asked.add("abcd".into()));
        assert!(asked.add("ef01".into()));
        assert!(!asked.add("abcd".into()));
        let state = State::Waiting {
            token: "t".into(),
            asked: asked.clone(),
        };
        assert_eq!(state.to_string(), "waiting:t:1000/14/k/900x0:abcd.ef01");
        let read = State::read(Some("waiting:t:1000/14/k/900x0:abcd.ef01")).unwrap();
        assert_eq!(read.asked("t"), Some(&asked));
        assert_eq!(read.asked("u"), None);
        assert_eq!(State::Rotated.asked("t"), None);
        // Releases before knew no thresholds, and then no keys.
        for before in ["waiting:t:1000:abcd", "waiting:t:1000/14:abcd"] {
            let before = State::read(Some(before)).unwrap();
            let asked = before.asked("t").unwrap();
            assert!(asked.has("abcd") && asked.is_signed_with("k"));
            assert_eq!(asked.not_before(SignedDuration::from_mins(15)), None);
        }
    }

    #[test]
    fn links_are_sent_anew_after_a_pause_that_doubles_up_to_a_day() {
        let quarter = SignedDuration::from_mins(15);
        let mut asked = Asked::new(sending(0, 1000), None);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pauses.push(asked.not_before(quarter).unwrap().as_second() / 60);
            asked = asked.again(sending(0, 2000));
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert!(asked.is_signed_with("k") && !asked.is_signed_with("l"));
        assert_eq!(asked.until, 2000);
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
        let sending = Sending {
            at: Timestamp::MAX,
            until: Timestamp::MAX,
            key: "01234567",
        };
        let mut asked = Asked::new(sending, Some(30)).again(sending);
        for n in 0..100 {
            asked.add(crate::short_hash::short_hash(&n.to_string()));
        }
        let token = "t".repeat(64);
        let state = State::Waiting { token, asked }.to_string();
        assert!(state.len() <= 256, "{}", state.len());
    }
}
