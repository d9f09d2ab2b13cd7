//! A mailbox, opened the way that a connection uses it: by IMAP, POP3 or SMTP, with the token of its owner. Graph's way is
//! [`crate::graph::account::open_inbox`].

mod imap;
mod not_opened;
mod pop3;
mod refusal;
mod smtp;
mod stream;
mod test_mail;
mod unusable;
mod xoauth2;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_rustls::TlsConnector;

use crate::cloud::MailServers;
use crate::failure::Failure;
use crate::http::Limits;
use crate::http::tls::{self, ExtraRoots};
use crate::ids::MailboxAddress;
use crate::mailbox_secret::Protocol;
use not_opened::Ended;
use stream::Dialer;

pub use not_opened::NotOpened;
pub(crate) use test_mail::{NO_AUTO_RESPONSE, TEXT};
pub use test_mail::{SUBJECT_PREFIX, TestMail};
pub use unusable::Unusable;

/// What opens mailboxes over the network; cheap to clone.
#[derive(Clone)]
pub struct MailClient {
    tls: TlsConnector,
    connect: Duration,
    conversation: Duration,
}

impl std::fmt::Debug for MailClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailClient").finish_non_exhaustive()
    }
}

/// With what a mailbox is opened.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Where the cloud's mail servers are.
    pub servers: &'a MailServers,
    /// Whose mail: also a shared mailbox that the token's account may open.
    pub mailbox: &'a MailboxAddress,
    /// What the token's account signs in with: SMTP takes nothing else, also for a shared mailbox
    /// (nextcloud/mail#13667, #13668).
    pub account: &'a MailboxAddress,
    /// An access token for Outlook's resource.
    pub token: &'a SecretString,
}

/// Exchange keeps who was refused waiting for seconds, and a conversation is several calls.
const CALLS: u32 = 2;

impl MailClient {
    /// How many calls' time a conversation may take.
    pub const CALLS: u32 = CALLS;

    /// A client that trusts these authorities too.
    ///
    /// # Errors
    /// [`crate::failure::Kind::Misconfigured`] when TLS cannot be set up.
    pub fn new(limits: Limits, extra_roots: &ExtraRoots) -> Result<Self, Failure> {
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls::config(extra_roots)?)),
            connect: limits.connect.duration(),
            conversation: limits.request.duration().saturating_mul(CALLS),
        })
    }

    /// Signs in and looks at the mailbox, and changes nothing: `EXAMINE INBOX`, `STAT`, or for SMTP the sign-in alone.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub async fn open(&self, protocol: Protocol, access: Access<'_>) -> Result<(), NotOpened> {
        let dialer = self.dialer();
        let opened = async {
            match protocol {
                Protocol::Imap => imap::open(dialer, access).await,
                Protocol::Pop3 => pop3::open(dialer, access).await,
                Protocol::Smtp => smtp::open(dialer, access).await,
                // By HTTP, elsewhere.
                Protocol::Graph => Ok(()),
            }
        };
        self.in_time(protocol, access, opened).await
    }

    /// Sends a test mail by SMTP.
    ///
    /// # Errors
    /// [`NotOpened`]; it may have been sent all the same.
    pub async fn send(&self, access: Access<'_>, mail: &TestMail) -> Result<(), NotOpened> {
        let sent = smtp::send(self.dialer(), access, mail);
        self.in_time(Protocol::Smtp, access, sent).await
    }

    /// Whether a test mail has come; where it has, it is removed, if the protocol and the server allow that.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub async fn take(
        &self,
        protocol: Protocol,
        access: Access<'_>,
        mail: &TestMail,
    ) -> Result<bool, NotOpened> {
        let dialer = self.dialer();
        let taken = async {
            match protocol {
                Protocol::Imap => imap::take(dialer, access, mail).await,
                Protocol::Pop3 => pop3::take(dialer, access, mail).await,
                // One does not receive, the other is looked at by HTTP.
                Protocol::Smtp | Protocol::Graph => Ok(false),
            }
        };
        self.in_time(protocol, access, taken).await
    }

    fn dialer(&self) -> Dialer<'_> {
        Dialer {
            tls: &self.tls,
            connect: self.connect,
        }
    }

    async fn in_time<T>(
        &self,
        protocol: Protocol,
        access: Access<'_>,
        conversation: impl Future<Output = Result<T, Ended>>,
    ) -> Result<T, NotOpened> {
        let ended = tokio::time::timeout(self.conversation, conversation).await;
        let ended = ended.unwrap_or(Err(Ended::TimedOut));
        ended.map_err(|ended| NotOpened::new(protocol, access.token, ended))
    }
}
