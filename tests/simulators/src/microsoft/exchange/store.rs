//! What lies in the mailboxes and what is on its way there: one store for Graph, IMAP, POP3, SMTP and ShopCtrl.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::message;
use crate::microsoft::directory::{Directory, Records};

/// A folder of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Folder {
    /// What came in.
    Inbox,
    /// What was taken for junk.
    JunkEmail,
    /// Copies of what was sent.
    SentItems,
}

impl Folder {
    pub(crate) const ALL: [Self; 3] = [Self::Inbox, Self::JunkEmail, Self::SentItems];

    /// Graph's well-known name (graph-docs, resources/mailfolder.md).
    pub(crate) fn well_known_name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::JunkEmail => "junkemail",
            Self::SentItems => "sentitems",
        }
    }

    /// The name that a person sees, and IMAP has.
    pub(crate) fn display_name(self) -> &'static str {
        match self {
            Self::Inbox => "Inbox",
            Self::JunkEmail => "Junk Email",
            Self::SentItems => "Sent Items",
        }
    }

    /// Folders are known to IMAP without regard to case in `INBOX` (RFC 3501, 5.1); Exchange minds it nowhere.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|folder| folder.display_name().eq_ignore_ascii_case(name))
    }
}

/// A mail in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The id that Graph knows it by.
    pub id: String,
    /// The UID within its folder.
    pub uid: u32,
    /// Where it lies.
    pub folder: Folder,
    /// The whole message (RFC 5322).
    pub message: Bytes,
    /// When it came to lie there.
    pub arrived: Timestamp,
    /// IMAP's `\Seen`, Graph's `isRead`.
    pub seen: bool,
    /// IMAP's `\Recent`: no session has selected the folder since it came.
    pub recent: bool,
    /// IMAP's `\Deleted`.
    pub deleted: bool,
}

impl Mail {
    /// A field of the header, unfolded.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        message::header(&self.message, name)
    }

    /// Its subject; empty if there is none.
    #[must_use]
    pub fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }
}

/// How a mail was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `POST /me/sendMail`
    Graph,
    /// SMTP client submission.
    Smtp,
}

/// A mail that an account handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The account that signed in.
    pub by: Uuid,
    /// How.
    pub via: Via,
    /// From whom it says that it is.
    pub from: String,
    /// To whom it went, blind copies too.
    pub to: Vec<String>,
    /// The whole message.
    pub message: Bytes,
}

/// How Exchange behaves where the vendor leaves it open or has been seen to vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExchangeHabits {
    /// How long a mail is on its way.
    pub delivery_takes: SignedDuration,
    /// Whether what comes in is taken for junk.
    pub takes_for_junk: bool,
    /// Whether what is handed in by SMTP leaves no copy in Sent Items, as what comes by Graph does unless told
    /// otherwise (`MessageCopyForSMTPClientSubmissionEnabled`).
    pub smtp_keeps_no_copy: bool,
    /// So many IMAP commands after the sign-in are answered that they are too many.
    pub throttled_imap_commands: u32,
    /// How long IMAP's `SEARCH` does not find what has come (mscdex/node-imap#567).
    pub search_takes: SignedDuration,
    /// How sending in another's name is refused.
    pub send_as: SendAsRefusal,
}

/// Both are seen of SMTP client submission, after the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendAsRefusal {
    /// `554 5.2.252 SendAsDenied; …` (gophish/gophish#2900)
    #[default]
    StoreDriver,
    /// `550 5.7.60 SMTP; Client does not have permissions to send as this sender` (gophish/gophish#1600)
    ClientPermissions,
}

struct OnTheWay {
    due: Timestamp,
    mailbox: Uuid,
    folder: Folder,
    message: Bytes,
}

/// The mails of one mailbox, in the order in which they came.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) mails: Vec<Mail>,
    last_uid: HashMap<Folder, u32>,
}

impl Contents {
    pub(crate) fn of(&self, folder: Folder) -> impl Iterator<Item = &Mail> {
        self.mails.iter().filter(move |mail| mail.folder == folder)
    }

    pub(crate) fn of_mut(&mut self, folder: Folder) -> impl Iterator<Item = &mut Mail> {
        let mails = self.mails.iter_mut();
        mails.filter(move |mail| mail.folder == folder)
    }

    pub(crate) fn next_uid(&self, folder: Folder) -> u32 {
        self.last_uid.get(&folder).copied().unwrap_or_default() + 1
    }

    fn put(&mut self, mail: Mail) {
        self.last_uid.insert(mail.folder, mail.uid);
        self.mails.push(mail);
    }
}

/// All mailboxes.
#[derive(Default)]
pub(crate) struct MailStore {
    mailboxes: HashMap<Uuid, Contents>,
    on_the_way: Vec<OnTheWay>,
    submitted: Vec<Submitted>,
    pub(crate) habits: ExchangeHabits,
    /// How many mails there ever were.
    count: u64,
}

impl MailStore {
    /// What lies in a mailbox now.
    pub(crate) fn contents(&mut self, mailbox: Uuid, now: Timestamp) -> &mut Contents {
        self.bring_in(now);
        self.mailboxes.entry(mailbox).or_default()
    }

    /// What is due arrives, in the order in which it was sent.
    fn bring_in(&mut self, now: Timestamp) {
        if self.on_the_way.is_empty() {
            return;
        }
        let (mut due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.on_the_way)
            .into_iter()
            .partition(|mail| mail.due <= now);
        self.on_the_way = waiting;
        due.sort_by_key(|mail| mail.due);
        for mail in due {
            self.put(mail.mailbox, mail.folder, mail.message, mail.due);
        }
    }

    fn put(&mut self, mailbox: Uuid, folder: Folder, message: Bytes, arrived: Timestamp) {
        self.count += 1;
        let id = format!("AAMkAD{:06}", self.count);
        let contents = self.mailboxes.entry(mailbox).or_default();
        contents.put(Mail {
            id,
            uid: contents.next_uid(folder),
            folder,
            message,
            arrived,
            seen: folder == Folder::SentItems,
            recent: folder != Folder::SentItems,
            deleted: false,
        });
    }
}

impl Records {
    /// A mail comes to an address; one that is nobody's here leaves this world.
    fn deliver(&mut self, to: &str, message: &Bytes, now: Timestamp) {
        let account = self.accounts.at_address(to);
        let Some(account) = account.filter(|account| account.person.has_mailbox) else {
            return;
        };
        let mailbox = account.oid;
        let mail = &mut self.mail;
        let folder = match mail.habits.takes_for_junk {
            true => Folder::JunkEmail,
            false => Folder::Inbox,
        };
        mail.on_the_way.push(OnTheWay {
            due: now + mail.habits.delivery_takes,
            mailbox,
            folder,
            message: message.clone(),
        });
    }

    /// Takes a mail from an account, with a copy for the account's own Sent Items or without.
    pub(crate) fn submit(&mut self, mail: Submitted, keeps_copy: bool, now: Timestamp) {
        for to in &mail.to {
            self.deliver(to, &mail.message, now);
        }
        if keeps_copy {
            let (by, message) = (mail.by, mail.message.clone());
            self.mail.put(by, Folder::SentItems, message, now);
        }
        self.mail.submitted.push(mail);
    }
}

impl Directory {
    /// Somebody elsewhere sends a mail to an address.
    pub fn receive_mail(&self, from: &str, to: &str, subject: &str) {
        let now = self.clock.now();
        let message = message::write(from, &[to], subject, "Hello.", now);
        self.records().deliver(to, &message, now);
    }

    /// What lies in the mailbox of this address, in all folders.
    #[must_use]
    pub fn mails(&self, address: &str) -> Vec<Mail> {
        let now = self.clock.now();
        let mut records = self.records();
        let account = records.accounts.at_address(address);
        let Some(mailbox) = account.map(|account| account.oid) else {
            return Vec::new();
        };
        records.mail.contents(mailbox, now).mails.clone()
    }

    /// Every mail that accounts handed in, by Graph and SMTP, in order.
    #[must_use]
    pub fn submitted_mail(&self) -> Vec<Submitted> {
        self.records().mail.submitted.clone()
    }

    /// Sets how Exchange behaves.
    pub fn set_exchange_habits(&self, change: impl FnOnce(&mut ExchangeHabits)) {
        change(&mut self.records().mail.habits);
    }

    /// Whether the next IMAP command is one too many.
    pub(super) fn throttles_imap(&self) -> bool {
        let left = &mut self.records().mail.habits.throttled_imap_commands;
        let throttled = *left > 0;
        *left = left.saturating_sub(1);
        throttled
    }
}
