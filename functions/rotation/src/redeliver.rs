//! Gives the current secret to `api` connections that hold another, or are not Authorized: what a
//! rotation that was given up or a person's hand left behind.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use shared::failure::Failure;
use shared::ids::{ConnectionId, KeyId};
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::with_retries;
use shared::short_hash::short_hash;
use shared::tags;
use tracing::warn;

use crate::connections::ShopCtrls;
use crate::person::Need;
use crate::set_secret::Delivered;
use crate::{Invocation, Rotation};

/// The deliveries that were begun and not told yet, as a tag keeps them: a kill after the delivery does
/// not swallow the event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Untold {
    /// The version that is delivered.
    version: String,
    /// When the last one was begun, in Unix seconds by Entra's clock.
    begun: i64,
    /// A hash of each connection's id.
    connections: BTreeSet<String>,
}

/// A tag has 256 characters.
const MOST_UNTOLD: usize = 20;

impl Untold {
    /// Those of `version`; what was begun with another one is history.
    fn read(tag: Option<&String>, version: &str) -> Self {
        let none = Self {
            version: version.to_owned(),
            ..Self::default()
        };
        let fields = tag.and_then(|tag| {
            let (begun, connections) = tag
                .strip_prefix(version)?
                .strip_prefix(':')?
                .split_once(':')?;
            Some((begun.parse().ok()?, connections))
        });
        let Some((begun, connections)) = fields else {
            return none;
        };
        let connections = connections.split('.').filter(|hash| !hash.is_empty());
        Self {
            begun,
            connections: connections.map(str::to_owned).collect(),
            ..none
        }
    }

    fn begin(&mut self, connection: &Connection, now: Timestamp) {
        self.begun = now.as_second();
        self.connections.insert(short_hash(connection.id.as_str()));
    }

    fn has(&self, connection: &Connection) -> bool {
        self.connections
            .contains(&short_hash(connection.id.as_str()))
    }

    fn told(&mut self, connection: &Connection) {
        self.connections.remove(&short_hash(connection.id.as_str()));
    }
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = self.connections.iter().take(MOST_UNTOLD);
        let some: Vec<&str> = some.map(String::as_str).collect();
        write!(f, "{}:{}:{}", self.version, self.begun, some.join("."))
    }
}

/// Which connections are given the current secret back, by what they hold.
#[derive(Debug)]
pub(crate) enum Mends {
    /// All but those with a credential that another mailbox secret issued: they are looked after there.
    AllBut(BTreeSet<KeyId>),
    /// Those with a credential of ours that died before it was promoted.
    Only(KeyId),
}

impl Mends {
    fn takes(&self, held: Option<KeyId>) -> bool {
        match self {
            Self::AllBut(of_others) => held.is_none_or(|held| !of_others.contains(&held)),
            Self::Only(dead) => held == Some(*dead),
        }
    }
}

/// One look at all connections of a mailbox.
struct Round<'a> {
    /// Of the current version.
    run: &'a Invocation,
    mailbox: &'a MailboxSecret,
    logins: ShopCtrls,
    /// The rotation that may be in progress.
    beside: Option<&'a str>,
    mends: &'a Mends,
    now: Timestamp,
    untold: Untold,
}

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct Redelivered {
    /// These have the current secret again.
    pub(crate) delivered: Vec<ConnectionId>,
    /// For these somebody has to sign in.
    pub(crate) needs: Vec<Need>,
}

impl Rotation {
    /// `run` is of the current version, whose document is `mailbox`. A rotation in progress has its own
    /// deliveries, so nothing is done beside it, other than beside the one that gives up.
    pub(crate) async fn redeliver(
        &self,
        run: &Invocation,
        mailbox: &MailboxSecret,
        now: Timestamp,
        beside: Option<&str>,
        mends: &Mends,
    ) -> Result<Redelivered, Failure> {
        let api = |c: &&Connection| c.delivery == Delivery::Api;
        if !mailbox.connections.iter().any(|c| api(&c)) {
            return Ok(Redelivered::default());
        }
        let mut round = Round {
            run,
            mailbox,
            logins: self.shopctrls(mailbox).await,
            beside,
            mends,
            now,
            untold: Untold::read(run.secret.tags.get(tags::REDELIVERY), &run.token),
        };
        let (mut all, mut failure) = (Redelivered::default(), None);
        for connection in mailbox.connections.iter().filter(api) {
            // One that cannot be mended does not keep the others.
            match self.redeliver_one(&mut round, connection).await {
                Ok(None) => {}
                Ok(Some(Delivered::Yes)) => all.delivered.push(connection.id.clone()),
                Ok(Some(Delivered::PersonNeeded)) => {
                    all.needs.push(Need::HandOver(vec![connection.clone()]));
                }
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(failure) if all.needs.is_empty() => Err(failure),
            _ => Ok(all),
        }
    }

    /// `None` where there is nothing to put right.
    async fn redeliver_one(
        &self,
        round: &mut Round<'_>,
        connection: &Connection,
    ) -> Result<Option<Delivered>, Failure> {
        let Round { run, mailbox, .. } = *round;
        let shopctrl = self.shopctrl(&round.logins, connection)?;
        let held = with_retries(run.deadline, async || shopctrl.connection(connection).await);
        let held = held.await?;
        if held.has(mailbox.key_id) {
            if round.untold.has(connection) {
                self.tell_redelivered(round, connection).await?;
            }
            return Ok(None);
        }
        if !round.mends.takes(held.key_id) {
            warn!(connection = %connection.id, "the connection holds a credential that is not to be replaced here; it is left");
            return Ok(None);
        }
        // A rotation that has begun since would have its delivery taken back.
        let versions = self.store.describe(&run.secret.arn).await?.versions;
        if versions.in_progress() != round.beside || versions.current() != Some(&run.token) {
            return Ok(None);
        }
        warn!(connection = %connection.id, "the connection does not work with the current secret; delivering it");
        if !round.untold.has(connection) {
            round.untold.begin(connection, round.now);
            self.note_untold(round).await?;
        }
        let delivered = self
            .deliver(run, &round.logins, connection, mailbox)
            .await?;
        if delivered == Delivered::Yes {
            self.tell_redelivered(round, connection).await?;
        }
        Ok(Some(delivered))
    }

    async fn tell_redelivered(
        &self,
        round: &mut Round<'_>,
        connection: &Connection,
    ) -> Result<(), Failure> {
        let begun = Timestamp::from_second(round.untold.begun).ok();
        let delivered = round.run.delivered(connection, round.mailbox, begun);
        self.events.publish(&[delivered]).await?;
        round.untold.told(connection);
        self.note_untold(round).await
    }

    async fn note_untold(&self, round: &Round<'_>) -> Result<(), Failure> {
        let tag = (tags::REDELIVERY, round.untold.to_string());
        self.store.tag(&round.run.secret.arn, &[tag]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_with_the_same_version_is_read_back() {
        let untold = Untold {
            version: "v-1".to_owned(),
            begun: 1_795_428_000,
            connections: ["0a".to_owned(), "1b".to_owned()].into(),
        };
        let tag = untold.to_string();
        assert_eq!(tag, "v-1:1795428000:0a.1b");
        assert_eq!(Untold::read(Some(&tag), "v-1"), untold);
        for other in ["v-2", "v"] {
            assert!(Untold::read(Some(&tag), other).connections.is_empty());
        }
    }

    #[test]
    fn a_tag_that_was_edited_says_nothing() {
        for tag in ["", "v", "v:", "v:x:0a", "v:1", "nonsense"] {
            let untold = Untold::read(Some(&tag.to_owned()), "v");
            assert!(untold.connections.is_empty(), "{tag}");
        }
    }
}
