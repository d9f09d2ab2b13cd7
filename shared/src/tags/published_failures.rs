//! [`super::PUBLISHED_FAILURES`]: the failures that were published while a version was current,
//! `<version>:<hash>.<hash>…`. A `t` before a hash: by a configuration test, which nothing repeats by itself.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::Unreadable;
use crate::failure::Failure;
use crate::short_hash::short_hash;

/// The failures that were published while a version was current.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFailures {
    version: String,
    hashes: BTreeSet<String>,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedBy {
    /// A rotation.
    Rotation,
    /// A test of the configuration.
    ConfigurationTest,
}

/// So many fit into a tag's 256 characters. What is beyond this is published at each attempt.
const MOST: usize = 18;

const TEST: char = 't';

impl PublishedFailures {
    /// Those of `version`, AWSCURRENT's; those of another one are history.
    #[must_use]
    pub fn read(tag: Option<&str>, version: &str) -> Self {
        let read: Option<Self> = tag.and_then(|tag| tag.parse().ok());
        read.filter(|read| read.version == version).unwrap_or(Self {
            version: version.to_owned(),
            hashes: BTreeSet::new(),
        })
    }

    /// Whether the tag has some of a version that is current no more.
    #[must_use]
    pub fn of_another_version(tag: Option<&str>, version: &str) -> bool {
        let read: Option<Self> = tag.and_then(|tag| tag.parse().ok());
        read.is_some_and(|read| read.version != version && !read.hashes.is_empty())
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Without those of rotations, which have ended and are not tried again.
    #[must_use]
    pub fn of_tests(mut self) -> Self {
        self.hashes.retain(|hash| hash.starts_with(TEST));
        self
    }

    /// Adds a failure of a step; whether it is new. The next step may say what was seen at that moment, and does
    /// not make it another one.
    pub fn add(&mut self, by: FailedBy, step: &str, failure: &Failure) -> bool {
        let Failure {
            kind, what, code, ..
        } = failure;
        let (kind, code) = (kind.error_type(), code.as_deref().unwrap_or_default());
        let hash = short_hash(&format!("{step} {kind} {what} {code}"));
        let hash = match by {
            FailedBy::Rotation => hash,
            FailedBy::ConfigurationTest => format!("{TEST}{hash}"),
        };
        if self.hashes.contains(&hash) {
            return false;
        }
        if self.hashes.len() < MOST {
            self.hashes.insert(hash);
        }
        true
    }
}

impl FromStr for PublishedFailures {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        let (version, hashes) = tag.rsplit_once(':').ok_or(Unreadable)?;
        let hashes = hashes.split('.').filter(|hash| !hash.is_empty());
        Ok(Self {
            version: version.to_owned(),
            hashes: hashes.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for PublishedFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hashes: Vec<&str> = self.hashes.iter().map(String::as_str).collect();
        write!(f, "{}:{}", self.version, hashes.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            version in "[a-zA-Z0-9:-]{0,64}",
            hashes in prop::collection::btree_set("t?[0-9a-f]{8}", 0..=MOST),
        ) {
            let published = PublishedFailures { version, hashes };
            prop_assert!(published.to_string().len() <= 256);
            prop_assert_eq!(published.to_string().parse(), Ok(published));
        }
    }

    #[test]
    fn a_failure_is_new_once_for_each_version() {
        let failure = Failure::new(Kind::Misconfigured, "adding: answered 403").code("X");
        let mut published = PublishedFailures::read(None, "v-1");
        let by = FailedBy::Rotation;
        assert!(published.add(by, "createSecret", &failure));
        let said_otherwise = failure.clone().next_step("Another one.");
        assert!(!published.add(by, "createSecret", &said_otherwise));
        assert!(published.add(by, "setSecret", &failure));
        let tag = published.to_string();
        assert_eq!(PublishedFailures::read(Some(&tag), "v-1"), published);
        assert!(PublishedFailures::read(Some(&tag), "v-2").add(by, "setSecret", &failure));
        for edited in ["", "v-1", "nonsense"] {
            let mut read = PublishedFailures::read(Some(edited), "v-1");
            assert!(read.add(by, "setSecret", &failure), "{edited}");
        }
    }

    #[test]
    fn a_failed_test_stands_when_the_failed_rotations_are_over() {
        let failure = Failure::new(Kind::Misconfigured, "adding: answered 403");
        let mut published = PublishedFailures::read(None, "v");
        published.add(FailedBy::Rotation, "createSecret", &failure);
        assert!(published.clone().of_tests().is_empty());
        published.add(FailedBy::ConfigurationTest, "testSecret", &failure);
        assert!(!published.of_tests().is_empty());
    }
}
