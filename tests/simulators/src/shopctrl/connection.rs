//! A mail connection of a shop, as Mailbox details shows it.

use jiff::Timestamp;
use regex_lite::Regex;
use uuid::Uuid;

use crate::microsoft::directory::scope::OUTLOOK;
use crate::microsoft::exchange;

/// Receiving or sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Receiving email.
    Receiving,
    /// Sending email.
    Sending,
}

impl Direction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        }
    }

    /// The entry of the topic menu.
    pub(super) fn topic(self) -> &'static str {
        match self {
            Self::Receiving => "Receiving email",
            Self::Sending => "Sending email",
        }
    }

    /// The last part of the topic's address.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::Receiving => "Receiving",
            Self::Sending => "Sending",
        }
    }

    pub(super) fn of_segment(segment: &str) -> Option<Self> {
        [Self::Receiving, Self::Sending]
            .into_iter()
            .find(|direction| direction.segment() == segment)
    }

    /// What the Protocol field of Mailbox details offers (docs/beliefs.md, ShopCtrl).
    pub(super) fn protocols(self) -> &'static [Protocol] {
        match self {
            Self::Receiving => &[Protocol::Graph, Protocol::Pop3, Protocol::Imap],
            Self::Sending => &[Protocol::Graph, Protocol::Smtp],
        }
    }
}

/// How mail is fetched or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Microsoft Graph API
    Graph,
    /// IMAP
    Imap,
    /// POP3
    Pop3,
    /// SMTP
    Smtp,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }

    /// What it is to Exchange, which Graph goes without.
    pub(super) fn at_exchange(self) -> Option<exchange::Protocol> {
        match self {
            Self::Graph => None,
            Self::Imap => Some(exchange::Protocol::Imap),
            Self::Pop3 => Some(exchange::Protocol::Pop3),
            Self::Smtp => Some(exchange::Protocol::Smtp),
        }
    }

    /// The entry of the Protocol field.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph API",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Smtp => "SMTP",
        }
    }

    /// What is asked for at Microsoft (docs/beliefs.md, ShopCtrl).
    pub(crate) fn scope(self, direction: Direction) -> String {
        match (self, direction) {
            (Self::Graph, Direction::Receiving) => "offline_access User.Read Mail.Read".to_owned(),
            (Self::Graph, Direction::Sending) => {
                "offline_access User.Read Mail.Read Mail.Send".to_owned()
            }
            (Self::Imap, _) => format!("offline_access {OUTLOOK}/IMAP.AccessAsUser.All"),
            (Self::Pop3, _) => format!("offline_access {OUTLOOK}/POP.AccessAsUser.All"),
            (Self::Smtp, _) => format!("offline_access {OUTLOOK}/SMTP.Send"),
        }
    }
}

/// The Status field of the Auth Parameters pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Authorized
    Authorized,
    /// Not authorized
    NotAuthorized,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Authorized => "Authorized",
            Self::NotAuthorized => "Not authorized",
        }
    }
}

/// Server, Port and Use SSL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailServer {
    /// Server.
    pub name: String,
    /// Port.
    pub port: String,
    /// Use SSL.
    pub ssl: bool,
}

/// Auto Reply mail, with the fields that ShopCtrl documents. The delay changes nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutoReply {
    /// The e-mail template; empty where it is off.
    pub template: String,
    /// Addresses that get none, with commas between.
    pub excluded_addresses: String,
    /// Exclude Subject Expressions: regular expressions, one in a line.
    pub excluded_subjects: String,
    /// Delayed sending: an entry of [`AutoReply::DELAYS`].
    pub delay: String,
}

impl AutoReply {
    /// What delayed sending offers.
    pub const DELAYS: [&str; 3] = ["No Delay", "Random Minutes", "Random Hours"];

    /// Whether a mail from this address with this subject is answered. An expression that cannot be read excludes nothing.
    #[must_use]
    pub fn answers(&self, from: &str, subject: &str) -> bool {
        let mut addresses = self.excluded_addresses.split(',').map(str::trim);
        let expressions = self.excluded_subjects.lines().map(str::trim);
        let mut expressions = expressions.filter(|one| !one.is_empty());
        !self.template.is_empty()
            && !addresses.any(|one| one.eq_ignore_ascii_case(from))
            && !expressions.any(|one| Regex::new(one).is_ok_and(|one| one.is_match(subject)))
    }
}

/// What Auth Parameters names of the app registration, beside the secret.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuthParameters {
    /// Tenant ID.
    pub tenant_id: Uuid,
    /// Client ID.
    pub client_id: Uuid,
}

/// A mail connection of a shop.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The shop.
    pub shop_id: i64,
    /// Its id within the shop.
    pub id: String,
    /// Receiving or sending.
    pub direction: Direction,
    /// How.
    pub protocol: Protocol,
    /// The account that it is for: no field of the window (docs/beliefs.md, ShopCtrl), but what it is tested
    /// with. One that is made in the screens is for whoever authorizes it first.
    pub mailbox: String,
    /// The Enable switch.
    pub enabled: bool,
    /// Server, Port and Use SSL: for the e-mail protocols only.
    pub server: MailServer,
    /// Priority, of SMTP connections: Send test mail tries the lowest number first.
    pub priority: i64,
    /// Disable Chunking, of SMTP connections. It changes nothing here.
    pub disable_chunking: bool,
    /// Auto Reply mail, of receiving connections: every sender of a mail that comes in gets a mail.
    pub auto_reply: AutoReply,
    /// After how many days mail is deleted from the server, of receiving connections; empty for never. It
    /// changes nothing here.
    pub delete_after_days: String,
    /// Whether it is authorized.
    pub status: Status,
    /// Tenant ID.
    pub tenant_id: Uuid,
    /// Client ID.
    pub client_id: Uuid,
    /// Client Secret: what it holds.
    pub secret: Option<String>,
    /// The key id that came with the secret; none when it was pasted.
    pub key_id: Option<Uuid>,
    /// When the secret was last changed.
    pub secret_changed_at: Option<Timestamp>,
    /// Its own refresh token.
    pub refresh_token: Option<String>,
    /// Who signed in, which may not be the mailbox.
    pub authorized_as: Option<Uuid>,
    /// The UID of the last mail that it has fetched.
    pub(super) fetched: u32,
    pub(super) version: u64,
    pub(super) trouble: Option<Trouble>,
    pub(super) trouble_with_next_secret: Option<String>,
}

impl Connection {
    /// A new connection: enabled, without a secret, not authorized.
    #[must_use]
    pub fn new(
        shop_id: i64,
        id: &str,
        (direction, protocol): (Direction, Protocol),
        mailbox: &str,
        parameters: AuthParameters,
    ) -> Self {
        Self {
            shop_id,
            id: id.to_owned(),
            direction,
            protocol,
            mailbox: mailbox.to_owned(),
            enabled: true,
            server: MailServer::default(),
            priority: 0,
            disable_chunking: false,
            auto_reply: AutoReply::default(),
            delete_after_days: String::new(),
            status: Status::NotAuthorized,
            tenant_id: parameters.tenant_id,
            client_id: parameters.client_id,
            secret: None,
            key_id: None,
            secret_changed_at: None,
            refresh_token: None,
            authorized_as: None,
            fetched: 0,
            version: 1,
            trouble: None,
            trouble_with_next_secret: None,
        }
    }

    /// The first three characters of the secret.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.secret
            .as_ref()
            .map(|secret| secret.chars().take(3).collect())
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    pub(super) fn hold(&mut self, secret: &str, key_id: Option<Uuid>, now: Timestamp) {
        self.secret = Some(secret.to_owned());
        self.key_id = key_id;
        self.secret_changed_at = Some(now);
        self.version += 1;
        if let Some(reason) = self.trouble_with_next_secret.take() {
            self.trouble = Some(Trouble {
                secret: Some(secret.to_owned()),
                reason,
            });
        }
    }
}

/// Why tests fail: always, or while a certain secret is held.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) secret: Option<String>,
    pub(super) reason: String,
}
