//! [`super::APP`]: the app registration of a mailbox secret, and those before, with spaces between.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// The client ids, today's first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apps(Vec<String>);

/// So many fit into a tag's 256 characters.
const MOST: usize = 6;

impl Apps {
    /// Today's app, and of those that the tag names the latest before: what was superseded may be there yet.
    #[must_use]
    pub fn with_current(&self, app: &str) -> Self {
        let before = self.0.iter().filter(|other| *other != app);
        let all = std::iter::once(app).chain(before.map(String::as_str));
        Self(all.take(MOST).map(str::to_owned).collect())
    }

    /// Today's.
    #[must_use]
    pub fn current(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether both may be on one and the same app: what names none may be on any.
    #[must_use]
    pub fn may_overlap(&self, other: &Self) -> bool {
        let named = !self.0.is_empty() && !other.0.is_empty();
        !named || self.0.iter().any(|app| other.0.contains(app))
    }
}

impl FromStr for Apps {
    type Err = Infallible;

    fn from_str(tag: &str) -> Result<Self, Infallible> {
        let apps = tag.split(' ').filter(|app| !app.is_empty());
        Ok(Self(apps.map(str::to_owned).collect()))
    }
}

impl fmt::Display for Apps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(apps in prop::collection::vec("[0-9a-f-]{36}", 0..=MOST)) {
            let apps = Apps(apps);
            prop_assert_eq!(apps.to_string().parse(), Ok(apps));
        }
    }

    #[test]
    fn todays_app_comes_first_and_the_tag_has_room_for_all() {
        let mut apps = Apps::default();
        for n in 0..10 {
            apps = apps.with_current(&format!("{n:036}"));
        }
        let (tag, again) = (apps.to_string(), apps.with_current(&format!("{:036}", 8)));
        assert!(
            tag.len() <= 256 && tag.starts_with(&format!("{:036}", 9)),
            "{tag}"
        );
        assert_eq!(again.0.len(), MOST);
        let other: Apps = "another".parse().unwrap();
        assert!(again.may_overlap(&apps) && !again.may_overlap(&other));
        assert!(again.may_overlap(&Apps::default()), "nobody knows");
    }
}
