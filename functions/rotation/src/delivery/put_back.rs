//! Gives the current secret to `api` connections that hold another, or are not Authorized: what a
//! rotation that was given up or a person's hand left behind.

use std::collections::BTreeSet;

use jiff::Timestamp;
use shared::failure::Failure;
use shared::ids::ConnectionId;
use shared::ids::KeyId;
use shared::mailbox_secret::{Connection, Delivery, StoredCredential};
use shared::retry::with_retries;
use shared::tags;
use shared::tags::redelivery::Redelivery;
use tracing::warn;

use super::deliver::{Delivered, deliver, delivered_event};
use super::logins::Logins;
use crate::ask_person::Need;
use crate::context::Context;

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
    context: &'a Context<'a>,
    credential: &'a StoredCredential,
    logins: Logins<'a>,
    /// The rotation that may be in progress.
    beside: Option<&'a str>,
    mends: &'a Mends,
    now: Timestamp,
    begun: Redelivery,
}

/// What became of them.
#[derive(Debug, Default)]
pub(crate) struct PutBack {
    /// These have the current secret again.
    pub(crate) delivered: Vec<ConnectionId>,
    /// For these somebody has to sign in.
    pub(crate) needs: Vec<Need>,
}

/// The context is of the current version, and the credential is its. A rotation in progress has its own deliveries, so nothing is
/// done beside it, other than beside the one that gives up.
pub(crate) async fn put_back(
    context: &Context<'_>,
    credential: &StoredCredential,
    now: Timestamp,
    beside: Option<&str>,
    mends: &Mends,
) -> Result<PutBack, Failure> {
    let Context {
        clients,
        secret,
        document,
        ..
    } = context;
    let api = |c: &&Connection| c.delivery == Delivery::Api;
    if !document.connections.iter().any(|c| api(&c)) {
        return Ok(PutBack::default());
    }
    let tag = secret.tags.get(tags::REDELIVERY).map(String::as_str);
    let mut round = Round {
        context,
        credential,
        logins: Logins::read(clients, document).await,
        beside,
        mends,
        now,
        begun: Redelivery::read(tag, &context.version),
    };
    let (mut all, mut failure) = (PutBack::default(), None);
    for connection in document.connections.iter().filter(api) {
        // One that cannot be mended does not keep the others.
        match round.put_back_one(connection).await {
            Ok(None) => {}
            Ok(Some(Delivered::Yes(_))) => all.delivered.push(connection.id.clone()),
            Ok(Some(Delivered::PersonNeeded)) => {
                all.needs.extend(Need::hand_overs([connection]));
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if all.needs.is_empty() => Err(failure),
        _ => Ok(all),
    }
}

impl Round<'_> {
    /// `None` where there is nothing to put right.
    async fn put_back_one(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<Delivered>, Failure> {
        let Context {
            clients,
            secret,
            version,
            document,
            deadline,
        } = self.context;
        let shopctrl = self.logins.shopctrl(connection)?;
        let held = with_retries(*deadline, async || shopctrl.connection(connection).await);
        let held = held.await?;
        if held.has(self.credential.key_id) {
            if self.begun.has(&connection.id) {
                self.publish(connection).await?;
            }
            return Ok(None);
        }
        if !self.mends.takes(held.key_id) {
            warn!(connection = %connection.id, "the connection holds a credential that is not to be replaced here; it is left");
            return Ok(None);
        }
        // A rotation that has begun since would have its delivery taken back.
        let versions = clients.store.describe(&secret.arn).await?.versions;
        if versions.in_progress() != self.beside || versions.current() != Some(version) {
            return Ok(None);
        }
        warn!(connection = %connection.id, "the connection does not work with the current secret; delivering it");
        if !self.begun.has(&connection.id) {
            self.begun.begin(&connection.id, self.now);
            self.note().await?;
        }
        let delivered =
            deliver(&shopctrl, connection, document, self.credential, *deadline).await?;
        if let Delivered::Yes(_) = delivered {
            self.publish(connection).await?;
        }
        Ok(Some(delivered))
    }

    async fn publish(&mut self, connection: &Connection) -> Result<(), Failure> {
        let key_id = self.credential.key_id;
        let delivered = delivered_event(self.context, key_id, connection, self.begun.begun());
        self.context.clients.events.publish(&[delivered]).await?;
        self.begun.published(&connection.id);
        self.note().await
    }

    async fn note(&self) -> Result<(), Failure> {
        let tag = (tags::REDELIVERY, self.begun.to_string());
        let Context {
            clients, secret, ..
        } = self.context;
        clients.store.tag(&secret.arn, &[tag]).await?;
        Ok(())
    }
}
