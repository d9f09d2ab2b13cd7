//! [`super::REMINDED`]: the last reminder of a client secret's end, `<version>:<threshold>`.

use std::fmt;
use std::str::FromStr;

use super::Unreadable;

/// The last reminder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminded {
    /// The version whose client secret ends.
    pub version: String,
    /// In days before the end; 0 is "expired".
    pub threshold: i64,
}

impl Reminded {
    /// Whether the tag says that this version's people were reminded at this threshold, or at a nearer one.
    #[must_use]
    pub fn covers(tag: Option<&str>, version: &str, threshold: i64) -> bool {
        let last: Option<Self> = tag.and_then(|tag| tag.parse().ok());
        last.is_some_and(|last| last.version == version && last.threshold <= threshold)
    }
}

impl FromStr for Reminded {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        let (version, threshold) = tag.rsplit_once(':').ok_or(Unreadable)?;
        Ok(Self {
            version: version.to_owned(),
            threshold: threshold.parse().map_err(|_| Unreadable)?,
        })
    }
}

impl fmt::Display for Reminded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.version, self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(version in "[a-zA-Z0-9:-]{1,64}", threshold in any::<i64>()) {
            let reminded = Reminded { version, threshold };
            prop_assert!(reminded.to_string().len() <= 256);
            prop_assert_eq!(reminded.to_string().parse(), Ok(reminded));
        }
    }

    #[test]
    fn a_nearer_reminder_of_the_same_version_covers_a_farther_one() {
        assert!(Reminded::covers(Some("c:7"), "c", 7));
        assert!(Reminded::covers(Some("c:7"), "c", 14));
        for tag in [None, Some("c:14"), Some("older:7"), Some("c:"), Some("c7")] {
            assert!(!Reminded::covers(tag, "c", 7), "{tag:?}");
        }
    }
}
