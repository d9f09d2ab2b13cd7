//! A mailbox, opened the way that a connection uses it: by IMAP, POP3 or SMTP, with the token of its owner. Graph's way is
//! [`crate::graph::account::open_inbox`].

mod imap;
mod not_opened;
mod pop3;
mod refusal;
mod session;
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
use session::Session;
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

/// What comes after the answer is known: nothing depends on it, and a server that does not take leave has time for that
/// alone.
const IN_PASSING: Duration = Duration::from_secs(3);

async fn in_passing(rest: impl Future<Output = Result<(), Ended>>) {
    match tokio::time::timeout(IN_PASSING, rest).await {
        Ok(Ok(())) => {}
        // A test mail stays where it is, and a server may end a connection as it likes.
        Ok(Err(_)) | Err(_) => {
            tracing::debug!("the end of a conversation with a mail server was not taken")
        }
    }
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
        let opened = Session::open(self.dialer(), protocol, access);
        if let Some(session) = self.in_time(protocol, access, opened).await? {
            in_passing(session.leave()).await;
        }
        Ok(())
    }

    /// Sends a test mail by SMTP.
    ///
    /// # Errors
    /// [`NotOpened`]; whether it was sent all the same, its effect says.
    pub async fn send(&self, access: Access<'_>, mail: &TestMail) -> Result<(), NotOpened> {
        let announced = async {
            let mut session = smtp::open(self.dialer(), access).await?;
            session.announce(access.mailbox).await?;
            Ok(session)
        };
        let session = self.in_time(Protocol::Smtp, access, announced).await;
        let mut session = session.map_err(NotOpened::before_anything_was_sent)?;
        let sent = session.send(access.mailbox, mail);
        self.in_time(Protocol::Smtp, access, sent).await?;
        in_passing(session.leave()).await;
        Ok(())
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
        let found = async {
            let Some(mut session) = Session::open(self.dialer(), protocol, access).await? else {
                return Ok(None);
            };
            let found = session.find(mail).await?;
            Ok(Some((session, found)))
        };
        let Some((mut session, found)) = self.in_time(protocol, access, found).await? else {
            return Ok(false);
        };
        if let Some(number) = found {
            in_passing(session.remove(number)).await;
        }
        in_passing(session.leave()).await;
        Ok(found.is_some())
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
