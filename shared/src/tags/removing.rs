//! [`super::REMOVING`]: the credentials that were lost and are being removed, `<keyId>.<keyId>…`, the latest first: a
//! kill after the removal does not swallow its event.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::ids::KeyId;

/// The credentials whose removal was begun, and perhaps not published. In the order of the tag where they come from
/// one; what is added comes behind, and is written first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removing(pub Vec<KeyId>);

/// So many fit into a tag's 256 characters.
const MOST: usize = 6;

impl Removing {
    /// What the tag says.
    #[must_use]
    pub fn read(tag: Option<&str>) -> Self {
        tag.unwrap_or_default().parse().unwrap_or_default()
    }
}

impl FromStr for Removing {
    type Err = Infallible;

    fn from_str(tag: &str) -> Result<Self, Infallible> {
        let keys = tag.split('.').filter_map(|key| key.parse().ok());
        Ok(Self(keys.collect()))
    }
}

impl fmt::Display for Removing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latest = self.0.iter().rev().take(MOST).map(ToString::to_string);
        f.write_str(&latest.collect::<Vec<_>>().join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_what_is_written_the_latest_read_back(keys in prop::collection::vec(any::<u128>(), 0..20)) {
            let removing = Removing(keys.into_iter().map(|n| KeyId(uuid::Uuid::from_u128(n))).collect());
            let latest: Vec<KeyId> = removing.0.iter().rev().take(MOST).copied().collect();
            let tag = removing.to_string();
            prop_assert!(tag.len() <= 256);
            prop_assert_eq!(Removing::read(Some(&tag)), Removing(latest));
        }

        #[test]
        fn no_tag_makes_the_reader_panic(tag in ".*") {
            let _ = Removing::read(Some(&tag));
        }
    }
}
