//! What ShopCtrl's connections hold, as far as it can be seen: whether a credential may go, and what stops
//! by the end of one.

use shared::events::{StoppedConnection, StoppedWhy, Stops};
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::{Deadline, with_retries};
use tracing::warn;

use super::logins::Logins;
use crate::clients::Clients;

/// What a connection was seen to hold.
pub(crate) struct Held<'a> {
    connection: &'a Connection,
    secret: Secret,
}

#[derive(Debug, Clone, Copy)]
enum Secret {
    /// This credential.
    Key(KeyId),
    /// A secret that was entered by hand: it has no id, and may be any.
    Unnamed,
    /// It could not be asked.
    NotAsked,
}

impl Held<'_> {
    pub(crate) fn may_hold(&self, key_id: KeyId) -> bool {
        match self.secret {
            Secret::Key(held) => held == key_id,
            Secret::Unnamed | Secret::NotAsked => true,
        }
    }

    /// Whether a credential whose value was never stored may go: nobody can have entered that by hand.
    pub(crate) fn lets_go_of_lost(&self, key_id: KeyId) -> bool {
        match self.secret {
            Secret::Key(held) => held != key_id,
            Secret::Unnamed => true,
            Secret::NotAsked => false,
        }
    }
}

/// What stops working once a credential is gone that leaked: it goes whether it is in use or not.
pub(crate) fn stops(mailbox: &MailboxSecret, held: &[Held<'_>], removed: KeyId) -> Stops {
    let why = |connection: &Connection| {
        let held = held.iter().find(|held| held.connection == connection);
        match held.map(|held| held.secret) {
            // Nobody can look into an attended one.
            None => Some(StoppedWhy::OnlyAttested),
            Some(Secret::Unnamed | Secret::NotAsked) => Some(StoppedWhy::NotKnown),
            Some(Secret::Key(held)) => (held == removed).then_some(StoppedWhy::HoldsIt),
        }
    };
    let stopped = mailbox.connections.iter().filter_map(|connection| {
        Some(StoppedConnection {
            id: connection.id.clone(),
            direction: connection.direction,
            why: why(connection)?,
        })
    });
    let connections: Vec<StoppedConnection> = stopped.collect();
    let named: Vec<&str> = connections.iter().map(|c| c.id.as_str()).collect();
    let of_the_document = match named.as_slice() {
        [] => "Every connection holds the new secret.".to_owned(),
        named => format!(
            "Not seen to hold the new secret, and without mail until they do: {}.",
            named.join(", ")
        ),
    };
    Stops {
        connections,
        summary: format!(
            "The leaked secret is gone. {of_the_document} Whatever else used it has stopped working: scripts, reports, shops that the document does not name."
        ),
    }
}

/// What each `api` connection holds.
pub(crate) async fn look_at_connections<'a>(
    clients: &Clients,
    mailbox: &'a MailboxSecret,
    deadline: Deadline,
) -> Vec<Held<'a>> {
    let api = |c: &&Connection| c.delivery == Delivery::Api;
    if !mailbox.connections.iter().any(|c| api(&c)) {
        return Vec::new();
    }
    let logins = Logins::read(clients, mailbox).await;
    let looks = mailbox.connections.iter().filter(api);
    let looks = looks.map(async |connection| {
        let look = async {
            let shopctrl = logins.shopctrl(connection)?;
            let held = with_retries(deadline, async || shopctrl.connection(connection).await);
            Ok::<_, Failure>(held.await?.key_id.map_or(Secret::Unnamed, Secret::Key))
        };
        let secret = look.await.unwrap_or_else(|failure| {
            warn!(connection = %connection.id, %failure, "the connection could not be asked; only what leaked is removed");
            Secret::NotAsked
        });
        Held { connection, secret }
    });
    futures_util::future::join_all(looks).await
}
