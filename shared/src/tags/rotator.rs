//! [`super::ROTATOR`]: who issues a mailbox secret's credentials, `<cloud> <kind> <client id>[ <secret>]`, so that a
//! check finds those of one tenant together without reading a document.

use std::fmt;
use std::str::FromStr;

use super::Unreadable;
use crate::cloud::Cloud;
use crate::ids::DirectoryId;
use crate::mailbox_secret::Rotator;

/// A rotator in its cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudRotator {
    /// The cloud.
    pub cloud: Cloud,
    /// The rotator.
    pub rotator: Rotator,
}

impl FromStr for CloudRotator {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        let mut words = tag.split(' ');
        let mut word = || words.next().ok_or(Unreadable);
        let cloud = Cloud::named(word()?).ok_or(Unreadable)?;
        let kind = word()?;
        let mut client_id = || DirectoryId::read(word()?).ok_or(Unreadable);
        let rotator = match kind {
            "federated" => Rotator::Federated {
                client_id: client_id()?,
            },
            "secret" => Rotator::Secret {
                client_id: client_id()?,
                secret: word()?.to_owned(),
            },
            "self" => Rotator::Itself {},
            _ => return Err(Unreadable),
        };
        match words.next() {
            None => Ok(Self { cloud, rotator }),
            Some(_) => Err(Unreadable),
        }
    }
}

impl fmt::Display for CloudRotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cloud = self.cloud.name();
        match &self.rotator {
            Rotator::Federated { client_id } => write!(f, "{cloud} federated {client_id}"),
            Rotator::Secret { client_id, secret } => {
                write!(f, "{cloud} secret {client_id} {secret}")
            }
            Rotator::Itself {} => write!(f, "{cloud} self"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_somebody_edited_says_nothing() {
        let client_id = DirectoryId::read("11111111-1111-4111-8111-111111111111").unwrap();
        let rotators = [
            Rotator::Federated {
                client_id: client_id.clone(),
            },
            Rotator::Secret {
                client_id,
                secret: "shopmail-rotator/agency".into(),
            },
            Rotator::Itself {},
        ];
        for cloud in ["global", "us-gov", "us-dod", "china"] {
            let cloud = Cloud::named(cloud).unwrap();
            for rotator in rotators.clone() {
                let written = CloudRotator { cloud, rotator };
                assert_eq!(written.to_string().parse(), Ok(written));
            }
        }
        for edited in [
            "",
            "global",
            "moon self",
            "global federated x",
            "global self too",
        ] {
            assert_eq!(edited.parse::<CloudRotator>(), Err(Unreadable), "{edited}");
        }
    }
}
