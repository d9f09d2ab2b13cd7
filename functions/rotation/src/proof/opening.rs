//! The mailbox of connections, opened the way that each uses it, side by side. What a token is for is seen in what Entra
//! grants with it; that sending by Graph works, nothing else shows without a mail.

use futures_util::future::join_all;
use shared::cloud::Endpoints;
use shared::entra::token::Tokens;
use shared::failure::Failure;
use shared::graph::account;
use shared::mailbox::{Access, NotOpened, Unusable};
use shared::mailbox_secret::{Connection, Direction, MailboxSecret, Protocol};

use super::patience::Patience;
use crate::clients::Clients;

/// A connection whose mailbox could not be opened its way.
pub(crate) struct Broken<'c> {
    pub(crate) connection: &'c Connection,
    /// What has to be mended, where that is known.
    pub(crate) unusable: Option<Unusable>,
    pub(crate) failure: Failure,
}

/// Opens each way once, for all of the mailbox's connections that use it. The connections are of one resource, which the
/// tokens are for.
pub(crate) async fn open<'c>(
    clients: &Clients,
    document: &MailboxSecret,
    tokens: &Tokens,
    connections: &[&'c Connection],
    patience: &impl Patience,
) -> Vec<Broken<'c>> {
    let same_way = |one: &Connection, other: &Connection| {
        one.protocol == other.protocol && one.direction == other.direction
    };
    let mut ways: Vec<&Connection> = Vec::new();
    for connection in connections {
        if !ways.iter().any(|way| same_way(way, connection)) {
            ways.push(connection);
        }
    }
    let opened = ways.into_iter().map(async |way| {
        let opened = open_one(clients, document, tokens, way, patience).await;
        (way, opened)
    });
    let mut broken = Vec::new();
    for (way, opened) in join_all(opened).await {
        let Err((unusable, failure)) = opened else {
            continue;
        };
        let by_it = connections.iter().filter(|c| same_way(c, way));
        broken.extend(by_it.map(|connection| Broken {
            connection,
            unusable,
            failure: failure.clone(),
        }));
    }
    broken
}

async fn open_one(
    clients: &Clients,
    document: &MailboxSecret,
    tokens: &Tokens,
    connection: &Connection,
    patience: &impl Patience,
) -> Result<(), (Option<Unusable>, Failure)> {
    let endpoints = clients.app(document).endpoints;
    let mut unusable = None;
    let call = async || {
        let opened = open_once(clients, &endpoints, tokens, connection).await;
        opened.map_err(|not_opened| {
            unusable = not_opened.unusable;
            not_opened.error
        })
    };
    let opened = match endpoints.mail.of(connection.protocol) {
        Some(server) => patience.mail_server(server.host(), call).await,
        None => patience.entra(call).await,
    };
    opened.map_err(|failure| (unusable, failure))
}

async fn open_once(
    clients: &Clients,
    endpoints: &Endpoints,
    tokens: &Tokens,
    connection: &Connection,
) -> Result<(), NotOpened> {
    match (connection.protocol, connection.direction) {
        (Protocol::Graph, Direction::Receiving) => {
            let opened = account::open_inbox(&clients.http, endpoints, &tokens.access).await;
            opened.map_err(NotOpened::by_graph)
        }
        (Protocol::Graph, Direction::Sending) => Ok(()),
        (Protocol::Imap | Protocol::Pop3 | Protocol::Smtp, _) => {
            let account = connection.sign_in_as.as_ref();
            let access = Access {
                servers: &endpoints.mail,
                mailbox: &connection.mailbox,
                account: account.unwrap_or(&connection.mailbox),
                token: &tokens.access,
            };
            clients.mail.open(connection.protocol, access).await
        }
    }
}
