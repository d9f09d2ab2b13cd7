//! [`super::REDELIVERY`]: the deliveries outside of a rotation that were begun and not published yet,
//! `<version>:<begun>:<hash>.<hash>…`: a kill after the delivery does not swallow the event.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::Unreadable;
use crate::ids::ConnectionId;
use crate::short_hash::short_hash;

/// The deliveries of one version that were begun and not published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redelivery {
    version: String,
    /// When the last one was begun, in Unix seconds by Entra's clock.
    begun: i64,
    /// A hash of each connection's id.
    connections: BTreeSet<String>,
}

/// So many fit into a tag's 256 characters, of which a version takes up to 64.
const MOST: usize = 20;

impl Redelivery {
    /// Those of `version`; what was begun with another one is history.
    #[must_use]
    pub fn read(tag: Option<&str>, version: &str) -> Self {
        let read: Option<Self> = tag.and_then(|tag| tag.parse().ok());
        read.filter(|read| read.version == version).unwrap_or(Self {
            version: version.to_owned(),
            begun: 0,
            connections: BTreeSet::new(),
        })
    }

    /// When the last one was begun, by Entra's clock.
    #[must_use]
    pub fn begun(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.begun).ok()
    }

    /// Whether a delivery to this connection was begun and not published.
    #[must_use]
    pub fn has(&self, connection: &ConnectionId) -> bool {
        self.connections.contains(&short_hash(connection.as_str()))
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// A delivery to this connection begins.
    pub fn begin(&mut self, connection: &ConnectionId, now: Timestamp) {
        self.begun = now.as_second();
        self.connections.insert(short_hash(connection.as_str()));
    }

    /// The delivery to this connection was published.
    pub fn published(&mut self, connection: &ConnectionId) {
        self.connections.remove(&short_hash(connection.as_str()));
    }
}

impl FromStr for Redelivery {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        // From the right: AWS checks of a version's id that somebody chose its length only.
        let (front, connections) = tag.rsplit_once(':').ok_or(Unreadable)?;
        let (version, begun) = front.rsplit_once(':').ok_or(Unreadable)?;
        let connections = connections.split('.').filter(|hash| !hash.is_empty());
        Ok(Self {
            version: version.to_owned(),
            begun: begun.parse().map_err(|_| Unreadable)?,
            connections: connections.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Redelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = self.connections.iter().take(MOST);
        let some: Vec<&str> = some.map(String::as_str).collect();
        write!(f, "{}:{}:{}", self.version, self.begun, some.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            version in "[a-zA-Z0-9:-]{1,64}",
            begun in any::<i64>(),
            connections in prop::collection::btree_set("[0-9a-f]{8}", 0..=MOST),
        ) {
            let redelivery = Redelivery { version, begun, connections };
            prop_assert_eq!(redelivery.to_string().parse(), Ok(redelivery));
        }
    }

    fn connection(n: usize) -> ConnectionId {
        serde_json::from_value(format!("c-{n}").into()).unwrap()
    }

    #[test]
    fn what_was_begun_is_known_to_its_own_version_until_it_is_published() {
        let now = Timestamp::from_second(1_795_428_000).unwrap();
        let mut begun = Redelivery::read(None, "v-1");
        begun.begin(&connection(1), now);
        let tag = begun.to_string();
        assert!(tag.starts_with("v-1:1795428000:"), "{tag}");
        let mut read = Redelivery::read(Some(&tag), "v-1");
        assert!(read.has(&connection(1)) && !read.has(&connection(2)));
        assert_eq!(read.begun(), Some(now));
        read.published(&connection(1));
        assert!(!read.has(&connection(1)));
        for other in ["v-2", "v"] {
            assert!(!Redelivery::read(Some(&tag), other).has(&connection(1)));
        }
    }

    #[test]
    fn a_tag_that_was_edited_says_nothing() {
        for tag in ["", "v", "v:", "v:x:0a", "v:1", "nonsense"] {
            let read = Redelivery::read(Some(tag), "v");
            assert!(read.connections.is_empty(), "{tag}");
        }
    }

    #[test]
    fn the_most_that_is_kept_fits_into_a_tag() {
        let mut many = Redelivery::read(None, &"v".repeat(64));
        for n in 0..100 {
            many.begin(
                &connection(n),
                Timestamp::from_second(9_999_999_999).unwrap(),
            );
        }
        assert!(many.to_string().len() <= 256, "{many}");
    }
}
