//! Dovecot, Debian's, as the mail server of tests: IMAP, POP3 and submission over TLS on loopback ports, below a folder
//! that is thrown away. It runs as an ordinary user; started by root, as `nobody`. Sign-in is by XOAUTH2 alone, and the
//! simulated Entra is asked whose token it is and what for (`microsoft::entra::introspection`). Mail that is sent goes
//! by a relay of ours into its recipients' inboxes here. Each address is a mailbox of its own.
//!
//! What 2.3.19 answers, each shown by a test here. Where a sign-in fails, a challenge comes first that says
//! `{"status":"401","schemes":"bearer","scope":"mail"}` in base64, and is answered by an empty line.
//!
//! | what is wrong | IMAP | POP3 | SMTP |
//! |---|---|---|---|
//! | token unknown, expired, for another audience or without the scope; account disabled; no right to the mailbox; protocol off | `NO [AUTHENTICATIONFAILED] Authentication failed.` | `-ERR [AUTH] Authentication failed.` | `535 5.7.8 Authentication failed.` |
//! | protocol off, with a text of the server's | `NO [ALERT] <text>` | `-ERR [AUTH] <text>` | `535 5.7.8 <text>` |
//! | Entra does not answer | `NO [UNAVAILABLE] Temporary authentication failure. [<host>:<time>]` | `-ERR [SYS/TEMP] Temporary …` | `454 4.7.0 Temporary …` |
//! | signed in, mailbox cannot be opened | `OK … Logged in`, then to EXAMINE `NO [SERVERBUG] Internal error occurred. Refer to server log for more information. [<time>] (…)` | `+OK Logged in.`, then to STAT `-ERR [SYS/TEMP] Internal …`, and it closes | signs in |
//! | AUTH before STARTTLS, where AUTH is not offered | | | `530 5.7.0 TLS required.` |
//! | the relay refuses a mail | | | what the relay answers to DATA, word for word |

mod configuration;
mod maildir;
mod process;
mod relay;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::left_out;
use crate::microsoft::exchange::Protocol;
use crate::serve::reserve;
use crate::tls_authority::{ServerIdentity, TlsAuthority};
use configuration::SWITCHES;
use maildir::Maildirs;
use process::{Owner, Process};
pub use relay::Relay;

/// Where it listens. Clients come from 127.0.0.1: one that comes from the server's own address Dovecot takes for safe
/// without TLS, and offers it AUTH before STARTTLS.
const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// The names in its certificate.
const NAMES: [&str; 2] = ["127.0.0.2", "localhost"];
/// Set where a missing Dovecot is a failure.
const REQUIRED: &str = "REQUIRE_DOVECOT";
/// What Debian's packages dovecot-core, -imapd, -pop3d and -submissiond bring.
const PROGRAMS: [&str; 4] = [
    process::DOVECOT,
    "/usr/lib/dovecot/imap",
    "/usr/lib/dovecot/pop3",
    "/usr/lib/dovecot/submission",
];
/// How long it may take to start, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(60);

/// Dovecot's name of the service.
fn service(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        Protocol::Smtp => "submission",
    }
}

/// The permission that a token needs (facts, 3.1).
fn scope(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "IMAP.AccessAsUser.All",
        Protocol::Pop3 => "POP.AccessAsUser.All",
        Protocol::Smtp => "SMTP.Send",
    }
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    imap: SocketAddr,
    pop3: SocketAddr,
    smtp: SocketAddr,
}

/// A running Dovecot. When this is dropped, all of its processes end, and its folder goes.
pub struct Dovecot {
    // Dropped first: what runs writes into the folder.
    process: Process,
    relay: Arc<Mutex<Relay>>,
    relaying: AbortHandle,
    mail: Arc<Maildirs>,
    owner: Owner,
    addresses: Addresses,
    off: Mutex<BTreeMap<(Protocol, String), Option<String>>>,
    folder: TempDir,
}

impl std::fmt::Debug for Dovecot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dovecot")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.relaying.abort();
    }
}

impl Dovecot {
    /// Whether it can be started here: 2.4 reads another configuration.
    #[must_use]
    pub fn installed() -> bool {
        let there = PROGRAMS.iter().all(|program| Path::new(program).is_file());
        there && process::version().is_ok_and(|version| version.starts_with("2.3."))
    }

    /// Whether it can be started here; where not, a line on stderr says that the test is left out, and where
    /// `REQUIRE_DOVECOT` is `1` it fails.
    #[must_use]
    pub fn installed_or_say() -> bool {
        if !Self::installed() {
            left_out::say("Dovecot 2.3", REQUIRED);
        }
        Self::installed()
    }

    /// Starts one with a certificate of this authority's. `entra` is where the simulated Entra is served
    /// (`Directory::authority` of a world).
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub async fn start(entra: &str, authority: &TlsAuthority) -> Result<Self, String> {
        Self::start_as(entra, &authority.server(&NAMES)).await
    }

    /// Starts one with this certificate.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub async fn start_as(entra: &str, identity: &ServerIdentity) -> Result<Self, String> {
        Self::started(entra, identity)
            .await
            .map_err(|error| format!("Dovecot does not start: {error}"))
    }

    async fn started(entra: &str, identity: &ServerIdentity) -> std::io::Result<Self> {
        let owner = Owner::find()?;
        let folder = tempfile::Builder::new().prefix("dovecot-").tempdir()?;
        owner.give(folder.path())?;
        let mail = Arc::new(Maildirs::below(&folder.path().join("mail"), owner.clone())?);
        let (relay, relaying, relay_address) = relay::serve(Arc::clone(&mail)).await?;
        // Kept until it listens.
        let (_imap, imap) = reserve(HOST)?;
        let (_pop3, pop3) = reserve(HOST)?;
        let (_smtp, smtp) = reserve(HOST)?;
        let addresses = Addresses { imap, pop3, smtp };
        configuration::write(
            folder.path(),
            &owner,
            identity,
            &addresses,
            relay_address,
            entra,
        )?;
        let mut dovecot = Self {
            process: Process::start(&owner, folder.path())?,
            relay,
            relaying,
            mail,
            owner,
            addresses,
            off: Mutex::new(BTreeMap::new()),
            folder,
        };
        let greeted = timeout(START, dovecot.greets()).await;
        let greeted = greeted.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        greeted.map_err(|error| std::io::Error::other(format!("{error}\n{}", dovecot.log())))?;
        Ok(dovecot)
    }

    /// Waits for the greeting of SMTP, which comes once sign-in works.
    async fn greets(&mut self) -> std::io::Result<()> {
        let stream = loop {
            if let Some(ended) = self.process.ended()? {
                return Err(std::io::Error::other(format!("it ended with {ended}")));
            }
            match TcpStream::connect(self.addresses.smtp).await {
                Ok(stream) => break stream,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        };
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).await?;
        match greeting.starts_with("220 ") {
            true => Ok(()),
            false => Err(std::io::Error::other(format!("it greets with {greeting}"))),
        }
    }

    /// Where it is reached by IMAP: host and port.
    #[must_use]
    pub fn imap(&self) -> String {
        self.addresses.imap.to_string()
    }

    /// Where it is reached by POP3: host and port.
    #[must_use]
    pub fn pop3(&self) -> String {
        self.addresses.pop3.to_string()
    }

    /// Where it is reached by SMTP: host and port.
    #[must_use]
    pub fn smtp(&self) -> String {
        self.addresses.smtp.to_string()
    }

    /// What it wrote into its log: why it refused, too.
    #[must_use]
    pub fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name));
        read("log").unwrap_or_default() + &read("said").unwrap_or_default()
    }
}

#[expect(
    clippy::expect_used,
    reason = "a test that cannot write below its temporary folder has come to its end"
)]
impl Dovecot {
    /// From now on nobody opens this mailbox by this protocol.
    pub fn switch_off(&self, protocol: Protocol, mailbox: &str) {
        self.switch(|off| off.insert((protocol, mailbox.to_lowercase()), None));
    }

    /// The same, and who tries is told this. IMAP, POP3 and SMTP have it after their own reply code.
    pub fn switch_off_saying(&self, protocol: Protocol, mailbox: &str, text: &str) {
        let text = Some(text.to_owned());
        self.switch(|off| off.insert((protocol, mailbox.to_lowercase()), text));
    }

    /// Takes that back.
    pub fn switch_on(&self, protocol: Protocol, mailbox: &str) {
        self.switch(|off| off.remove(&(protocol, mailbox.to_lowercase())));
    }

    fn switch<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<(Protocol, String), Option<String>>) -> T,
    ) {
        let mut off = lock(&self.off);
        change(&mut off);
        // dict's file format: a line for the key, a line for its value.
        let lines = off.iter().map(|((protocol, mailbox), text)| {
            let value = match text {
                Some(text) => json!({"nologin": "y", "reason": text}),
                None => json!({"nologin": "y"}),
            };
            format!("shared/{}/{mailbox}\n{value}\n", service(*protocol))
        });
        let written = self.folder.path().join("switches.new");
        self.owner
            .write(&written, lines.collect::<String>())
            .and_then(|()| std::fs::rename(&written, self.folder.path().join(SWITCHES)))
            .expect("the switches are written");
    }

    /// From now on this mailbox cannot be opened, though one can sign in to it.
    pub fn take_away(&self, mailbox: &str) {
        self.mail.take_away(mailbox).expect("it is taken away");
    }

    /// Takes that back, with what was in it.
    pub fn bring_back(&self, mailbox: &str) {
        self.mail.bring_back(mailbox).expect("it is brought back");
    }

    /// Puts a mail into an inbox, as if it had come from outside.
    pub fn deliver(&self, mailbox: &str, mail: &str) {
        let delivered = self.mail.deliver(mailbox, mail.as_bytes());
        delivered.expect("it is delivered");
    }

    /// The subjects of the mails in an inbox, in the order in which they came.
    #[must_use]
    pub fn inbox(&self, mailbox: &str) -> Vec<String> {
        self.mail.subjects(mailbox).expect("the inbox is read")
    }

    /// Decides what becomes of mail that is sent.
    pub fn set_relay(&self, relay: Relay) {
        *lock(&self.relay) = relay;
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
