//! [`super::SUPERSEDED`]: what was last published of superseded credentials, `<hash of the keyId>:<threshold>:<why>.…`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::ids::KeyId;
use crate::short_hash::short_hash;

/// What was last published of superseded credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupersededWarnings(BTreeMap<String, Warned>);

/// What was published of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warned {
    /// The threshold of its end, in days: 7, 3 or 1.
    pub threshold: Option<i64>,
    /// What else there was to say.
    pub why: Why,
}

/// Why people are warned of a superseded credential, beside its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// For no other reason.
    EndOnly,
    /// Somebody uses it.
    Used,
    /// It leaked, and is kept.
    Leaked,
}

/// So many fit into a tag's 256 characters.
const MOST: usize = 13;

impl SupersededWarnings {
    /// What the tag says of these credentials; of others it is history.
    #[must_use]
    pub fn read(tag: Option<&str>, keys: impl Iterator<Item = KeyId>) -> Self {
        let all: Self = tag.unwrap_or_default().parse().unwrap_or_default();
        let of_key = |key_id| Some((hash(key_id), all.of(key_id)?));
        Self(keys.filter_map(of_key).collect())
    }

    /// What was published of a credential.
    #[must_use]
    pub fn of(&self, key_id: KeyId) -> Option<Warned> {
        self.0.get(&hash(key_id)).copied()
    }

    /// Keeps what was published.
    pub fn set(&mut self, key_id: KeyId, warned: Warned) {
        self.0.insert(hash(key_id), warned);
    }
}

fn hash(key_id: KeyId) -> String {
    short_hash(&key_id.to_string())
}

impl FromStr for SupersededWarnings {
    type Err = Infallible;

    fn from_str(tag: &str) -> Result<Self, Infallible> {
        let entries = tag.split('.').filter_map(|entry| {
            let (key, rest) = entry.split_once(':')?;
            let (threshold, why) = rest.split_once(':')?;
            let warned = Warned {
                threshold: threshold.parse().ok(),
                why: match why {
                    "used" => Why::Used,
                    "leaked" => Why::Leaked,
                    _ => Why::EndOnly,
                },
            };
            Some((key.to_owned(), warned))
        });
        Ok(Self(entries.collect()))
    }
}

impl fmt::Display for SupersededWarnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.0.iter().take(MOST).map(|(key, warned)| {
            let threshold = warned.threshold.map(|days| days.to_string());
            let why = match warned.why {
                Why::EndOnly => "",
                Why::Used => "used",
                Why::Leaked => "leaked",
            };
            format!("{key}:{}:{why}", threshold.unwrap_or_default())
        });
        f.write_str(&entries.collect::<Vec<_>>().join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn warned() -> impl Strategy<Value = Warned> {
        let why = prop_oneof![Just(Why::EndOnly), Just(Why::Used), Just(Why::Leaked)];
        let both = (prop::option::of(1..=7_i64), why);
        both.prop_map(|(threshold, why)| Warned { threshold, why })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            entries in prop::collection::btree_map("[0-9a-f]{8}", warned(), 0..=MOST),
        ) {
            let warnings = SupersededWarnings(entries);
            prop_assert_eq!(warnings.to_string().parse(), Ok(warnings));
        }
    }

    fn key(n: usize) -> KeyId {
        let text = format!("33333333-3333-4333-8333-{n:012}");
        text.parse().unwrap()
    }

    #[test]
    fn what_is_known_of_one_credential_does_not_overwrite_what_is_known_of_another() {
        let ending = Warned {
            threshold: Some(7),
            why: Why::EndOnly,
        };
        let used = Warned {
            threshold: None,
            why: Why::Used,
        };
        let mut warnings = SupersededWarnings::default();
        warnings.set(key(1), ending);
        warnings.set(key(2), used);
        let tag = warnings.to_string();
        let read = SupersededWarnings::read(Some(&tag), [1, 2, 3].map(key).into_iter());
        assert_eq!(read, warnings);
        assert_eq!((read.of(key(1)), read.of(key(3))), (Some(ending), None));
        let gone = SupersededWarnings::read(Some(&tag), [2, 3].map(key).into_iter());
        assert_eq!(gone.of(key(1)), None);
    }

    #[test]
    fn the_most_that_is_kept_fits_into_a_tag() {
        let mut many = SupersededWarnings::default();
        for n in 0..100 {
            let warned = Warned {
                threshold: Some(7),
                why: Why::Leaked,
            };
            many.set(key(n), warned);
        }
        assert!(many.to_string().len() <= 256, "{many}");
    }
}
