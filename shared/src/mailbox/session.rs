//! A mailbox that is open, whichever protocol it was opened by.

use super::Access;
use super::not_opened::Ended;
use super::stream::Dialer;
use super::test_mail::TestMail;
use super::{imap, pop3, smtp};
use crate::mailbox_secret::Protocol;

pub(super) enum Session {
    Imap(imap::Session),
    Pop3(pop3::Session),
    Smtp(smtp::Session),
}

impl Session {
    /// `None` for what is opened by HTTP, elsewhere.
    pub(super) async fn open(
        dialer: Dialer<'_>,
        protocol: Protocol,
        access: Access<'_>,
    ) -> Result<Option<Self>, Ended> {
        Ok(Some(match protocol {
            Protocol::Imap => Self::Imap(imap::open(dialer, access).await?),
            Protocol::Pop3 => Self::Pop3(pop3::open(dialer, access).await?),
            Protocol::Smtp => Self::Smtp(smtp::open(dialer, access).await?),
            Protocol::Graph => return Ok(None),
        }))
    }

    /// By what a test mail is removed: its UID, or its number in this session. By SMTP nothing comes.
    pub(super) async fn find(&mut self, mail: &TestMail) -> Result<Option<u32>, Ended> {
        match self {
            Self::Imap(session) => session.find(mail).await,
            Self::Pop3(session) => session.find(mail).await,
            Self::Smtp(_) => Ok(None),
        }
    }

    pub(super) async fn remove(&mut self, number: u32) -> Result<(), Ended> {
        match self {
            Self::Imap(session) => session.remove(number).await,
            Self::Pop3(session) => session.remove(number).await,
            Self::Smtp(_) => Ok(()),
        }
    }

    pub(super) async fn leave(self) -> Result<(), Ended> {
        match self {
            Self::Imap(session) => session.leave().await,
            Self::Pop3(session) => session.leave().await,
            Self::Smtp(session) => session.leave().await,
        }
    }
}
