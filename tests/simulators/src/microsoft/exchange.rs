//! Exchange Online beside Graph: IMAP, POP3 and SMTP client submission on loopback ports, as `outlook.office365.com` and
//! `smtp.office365.com` speak them, over the mailboxes that Graph reads too. Held to docs/beliefs.md, Exchange. Behind the
//! same doors Dovecot can answer, and its conversations pass the gate as these do.

mod admission;
mod connection;
mod imap;
pub(crate) mod message;
mod passed_on;
mod pop3;
mod smtp;
pub mod store;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::dovecot::Dovecot;
use crate::gate::Gate;
use crate::microsoft::directory::Directory;
use crate::serve::bind;
use crate::tls_authority::{ServerIdentity, TlsAuthority};
pub(crate) use admission::Shut;
use connection::Connection;
use passed_on::Behind;

/// A protocol that mail is fetched or sent by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// IMAP, over TLS.
    Imap,
    /// POP3, over TLS.
    Pop3,
    /// SMTP client submission, with STARTTLS.
    Smtp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Smtp];

    /// Its name in the gate's journal.
    #[must_use]
    pub fn service(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }
}

/// How a server is entered.
#[derive(Debug, Clone, Copy)]
pub enum Door<'a> {
    /// As Exchange has it: IMAP and POP3 within TLS from the first byte, SMTP with STARTTLS.
    Tls(&'a ServerIdentity),
    /// Never with TLS: IMAP and POP3 speak plain text at once; SMTP offers no STARTTLS, and takes a sign-in without.
    Plain,
    /// A connection is taken, and then nothing is said, TLS included.
    Silent,
    /// SMTP whose answer to STARTTLS has this behind it, in plain text and the same packet: what somebody on the way can
    /// add, and a client must not take for something that was said within TLS (CVE-2021-38371 and its like).
    Injecting(&'a ServerIdentity, &'a str),
}

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It was opened.
    Opened,
    /// This was asked; what signs in is left out.
    Asked(String),
    /// The last line of an answer.
    Answered(String),
    /// It ended.
    Closed,
}

/// What happened on which connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The protocol.
    pub protocol: Protocol,
    /// The connection's number, from 1.
    pub connection: u64,
    /// What happened.
    pub what: Happening,
}

/// Exchange's servers.
pub struct Exchange {
    directory: Arc<Directory>,
    gate: Arc<Gate>,
    doors: Mutex<BTreeMap<Protocol, Arc<connection::Door>>>,
    behind: Mutex<Option<Arc<Behind>>>,
    log: Mutex<Vec<Event>>,
    connections: AtomicU64,
    servers: Mutex<Vec<AbortHandle>>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Exchange {
    /// An Exchange that shows this identity, and that no server is open of yet.
    #[must_use]
    pub fn new(directory: Arc<Directory>, gate: Arc<Gate>, identity: &ServerIdentity) -> Arc<Self> {
        let door = Arc::new(connection::Door::from(Door::Tls(identity)));
        let doors = Protocol::ALL.map(|protocol| (protocol, Arc::clone(&door)));
        Arc::new(Self {
            directory,
            gate,
            doors: Mutex::new(doors.into()),
            behind: Mutex::default(),
            log: Mutex::default(),
            connections: AtomicU64::new(0),
            servers: Mutex::default(),
        })
    }

    /// Opens a server on a loopback port, until the runtime ends or [`Exchange::close`].
    ///
    /// # Errors
    /// When no loopback port can be had.
    pub async fn open(self: &Arc<Self>, protocol: Protocol) -> std::io::Result<SocketAddr> {
        let (listener, address) = bind().await?;
        let server = tokio::spawn(Arc::clone(self).accept(listener, protocol));
        self.servers().push(server.abort_handle());
        Ok(address)
    }

    /// Decides how the next connections of a protocol are entered.
    pub fn set_door(&self, protocol: Protocol, door: Door<'_>) {
        let door = Arc::new(connection::Door::from(door));
        self.doors().insert(protocol, door);
    }

    /// From the next connections on this Dovecot, which `authority` has certified, answers by IMAP and SMTP. POP3 stays.
    pub fn pass_on_to(&self, dovecot: Dovecot, authority: &TlsAuthority) {
        *self.behind() = Some(Arc::new(Behind::new(dovecot, authority)));
    }

    /// The subjects of the mails in an inbox, in the order in which they came.
    #[must_use]
    pub fn inbox(&self, mailbox: &str) -> Vec<String> {
        if let Some(behind) = self.passes_on() {
            return behind.dovecot.inbox(mailbox);
        }
        let mut mails = self.directory.mails(mailbox);
        mails.retain(|mail| mail.folder == store::Folder::Inbox);
        mails.iter().map(store::Mail::subject).collect()
    }

    /// Closes all servers, with their connections.
    pub fn close(&self) {
        self.servers().drain(..).for_each(|server| server.abort());
        self.behind().take();
    }

    fn passes_on(&self) -> Option<Arc<Behind>> {
        self.behind().clone()
    }

    fn behind(&self) -> MutexGuard<'_, Option<Arc<Behind>>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that happened on the connections, in order over all protocols.
    #[must_use]
    pub fn log(&self) -> Vec<Event> {
        self.events().clone()
    }

    /// What was asked by a protocol, in order.
    #[must_use]
    pub fn asked(&self, protocol: Protocol) -> Vec<String> {
        let events = self.log().into_iter();
        let asked = events.filter_map(|event| match event.what {
            Happening::Asked(asked) if event.protocol == protocol => Some(asked),
            _ => None,
        });
        asked.collect()
    }

    fn doors(&self) -> MutexGuard<'_, BTreeMap<Protocol, Arc<connection::Door>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn servers(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, protocol: Protocol) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let Some(door) = self.doors().get(&protocol).cloned() else {
                continue;
            };
            let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
            let connection = Connection::new(Arc::clone(&self), protocol, number);
            connections.spawn(connection.serve(stream, door));
        }
    }
}

#[cfg(test)]
mod tests;
