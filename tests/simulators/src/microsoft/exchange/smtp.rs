//! SMTP client submission as `smtp.office365.com` speaks it. The texts are those of public logs (docs/beliefs.md,
//! Exchange).

use std::sync::Arc;

use bytes::Bytes;

use super::admission::{Admitted, Refusal, Shut};
use super::connection::{Answer, Asked, Session, Then};
use super::store::{SendAsRefusal, Submitted, Via};
use super::wire::Awaited;
use super::{Protocol, message};
use crate::microsoft::directory::Directory;

const HOST: &str = "AM0PR05CA0084.eurprd05.prod.outlook.com";
/// email-oauth2-proxy#95, MailKit#1770
const EXTENSIONS: [&str; 8] = [
    "SIZE 157286400",
    "PIPELINING",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "SMTPUTF8",
];

pub(super) struct Smtp {
    directory: Arc<Directory>,
    /// Whether it speaks plain text only, and takes a sign-in all the same.
    plain: bool,
    within_tls: bool,
    state: State,
    admitted: Option<Admitted>,
    from: Option<String>,
    to: Vec<String>,
}

/// What the last answer has made the client say next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Commands,
    /// `AUTH XOAUTH2` was answered with 334.
    Authenticating,
    /// `DATA` was answered with 354.
    Message,
}

impl State {
    pub(super) fn awaited(self) -> Awaited {
        match self {
            Self::Message => Awaited::Message,
            Self::Commands | Self::Authenticating => Awaited::Line,
        }
    }

    /// What a line asks, or a message.
    pub(super) fn asked(self, line: &[u8]) -> Asked {
        match self {
            Self::Authenticating => Asked::command("AUTH continued", String::new()),
            Self::Message => Asked {
                message: Bytes::copy_from_slice(line),
                ..Asked::command("DATA continued", String::new())
            },
            Self::Commands => {
                let line = String::from_utf8_lossy(line);
                let words: Vec<&str> = line.split_whitespace().collect();
                let name = words.first().unwrap_or(&"").to_ascii_uppercase();
                let shown = match name.as_str() {
                    "AUTH" => words.iter().take(2).copied().collect::<Vec<_>>().join(" "),
                    _ => line.trim().to_owned(),
                };
                Asked::command(&name, shown)
            }
        }
    }
}

impl Session for Smtp {
    fn greeting(&mut self) -> Answer {
        let date = message::rfc2822(self.directory.clock.now());
        let host = "AM0PR05CA0084.outlook.office365.com";
        let text =
            format!("{host} Microsoft ESMTP MAIL Service ready at {date} [08DCE8B62813AB2B]");
        Answer::new(220, format!("220 {text}\r\n"))
    }

    fn awaited(&self) -> Awaited {
        self.state.awaited()
    }

    fn read(&self, line: &[u8]) -> Asked {
        self.state.asked(line)
    }

    fn answer(&mut self, line: &[u8]) -> Answer {
        match std::mem::replace(&mut self.state, State::Commands) {
            State::Authenticating => self.sign_in(&String::from_utf8_lossy(line)),
            State::Message => self.take(line),
            State::Commands => self.command(&String::from_utf8_lossy(line)),
        }
    }

    /// What was said before is forgotten (RFC 3207, 4.2).
    fn secured(&mut self) {
        let directory = Arc::clone(&self.directory);
        *self = Self {
            within_tls: true,
            ..Self::new(directory, false)
        };
    }
}

impl Smtp {
    pub(super) fn new(directory: Arc<Directory>, plain: bool) -> Self {
        Self {
            directory,
            plain,
            within_tls: false,
            state: State::Commands,
            admitted: None,
            from: None,
            to: Vec::new(),
        }
    }

    fn command(&mut self, line: &str) -> Answer {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let name = name.trim().to_ascii_uppercase();
        match name.as_str() {
            "EHLO" => self.extensions(),
            "HELO" => reply(250, &format!("{HOST} Hello [127.0.0.1]")),
            "STARTTLS" if !self.plain && !self.within_tls => {
                reply(220, "2.0.0 SMTP server ready").then(Then::StartTls)
            }
            "AUTH" => self.authenticate(rest),
            "MAIL" => self.sender(rest),
            "RCPT" => self.recipient(rest),
            "DATA" if self.from.is_some() && !self.to.is_empty() => {
                self.state = State::Message;
                reply(354, "Start mail input; end with <CRLF>.<CRLF>")
            }
            "DATA" => self.refusal(503, "5.5.1 Bad sequence of commands"),
            "RSET" => {
                self.forget_mail();
                reply(250, "2.0.0 Resetting")
            }
            "NOOP" => reply(250, "2.0.0 OK"),
            "QUIT" => reply(221, "2.0.0 Service closing transmission channel").then(Then::Close),
            _ => self.refusal(500, &format!("5.3.3 Unrecognized command '{name}'")),
        }
    }

    /// STARTTLS is offered before TLS only, AUTH within it only.
    fn extensions(&self) -> Answer {
        let mut known = vec![format!("{HOST} Hello [127.0.0.1]")];
        known.extend(EXTENSIONS.map(str::to_owned));
        let also = match self.within_tls || self.plain {
            true => "AUTH LOGIN XOAUTH2",
            false => "STARTTLS",
        };
        known.insert(5, also.to_owned());
        let last = known.len() - 1;
        let lines = known.iter().enumerate().map(|(at, line)| {
            let mark = if at == last { ' ' } else { '-' };
            format!("250{mark}{line}\r\n")
        });
        Answer::new(250, lines.collect::<String>())
    }

    fn authenticate(&mut self, rest: &str) -> Answer {
        let mut words = rest.split_whitespace();
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        if !(self.within_tls || self.plain) || mechanism != "XOAUTH2" {
            return self.refusal(504, "5.7.4 Unrecognized authentication type");
        }
        match words.next() {
            Some(response) => self.sign_in(response),
            None => {
                self.state = State::Authenticating;
                Answer::new(334, "334 \r\n")
            }
        }
    }

    /// A refusal is one line, and no challenge comes before (MailKit#1770).
    fn sign_in(&mut self, response: &str) -> Answer {
        let refusal = match self.directory.admit(Protocol::Smtp, response) {
            Ok(admitted) => {
                self.admitted = Some(admitted);
                return reply(235, "2.7.0 Authentication successful");
            }
            Err(refusal) => refusal,
        };
        let disabled = |whose: &str| {
            format!(
                "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {whose}. Visit https://aka.ms/smtp_auth_disabled for more information."
            )
        };
        let text = match refusal {
            Refusal::Shut(Shut::SmtpAuthOffForTenant) => disabled("Tenant"),
            Refusal::Shut(Shut::SmtpAuthOffForMailbox) => disabled("Mailbox"),
            Refusal::Shut(Shut::SecurityDefaults) => "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.".to_owned(),
            Refusal::BadToken
            | Refusal::NoScope
            | Refusal::NotTheirs
            | Refusal::Shut(Shut::NoMailbox | Shut::Blocked | Shut::Off) => {
                "5.7.3 Authentication unsuccessful".to_owned()
            }
        };
        self.refusal(535, &text)
    }

    fn sender(&mut self, rest: &str) -> Answer {
        if !(self.within_tls || self.plain) {
            return self.refusal(451, "5.7.3 STARTTLS is required to send mail");
        }
        if self.admitted.is_none() {
            return self.refusal(530, "5.7.57 Client not authenticated to send mail.");
        }
        match path(rest, "FROM:") {
            // Send As is judged at the end (nextcloud/mail#13668).
            Some(from) => {
                self.forget_mail();
                self.from = Some(from);
                reply(250, "2.1.0 Sender OK")
            }
            None => self.refusal(501, "5.5.4 Invalid arguments"),
        }
    }

    fn recipient(&mut self, rest: &str) -> Answer {
        match (path(rest, "TO:"), &self.from) {
            (_, None) => self.refusal(503, "5.5.1 Bad sequence of commands"),
            (Some(to), Some(_)) if to.contains('@') => {
                self.to.push(to);
                reply(250, "2.1.5 Recipient OK")
            }
            _ => self.refusal(501, "5.1.3 Invalid address"),
        }
    }

    /// The message has come to its end.
    fn take(&mut self, message: &[u8]) -> Answer {
        let (from, to) = (
            self.from.take().unwrap_or_default(),
            std::mem::take(&mut self.to),
        );
        let now = self.directory.clock.now();
        let mut records = self.directory.records();
        let habits = records.mail.habits;
        let by = self
            .admitted
            .and_then(|admitted| records.account(admitted.by));
        let Some(by) = by.cloned() else {
            return Answer::new(530, "530 5.7.57 Client not authenticated to send mail.\r\n");
        };
        let named = message::header(message, "From").unwrap_or_default();
        let named = message::addresses(&named).pop().unwrap_or(from.clone());
        let denied = [from, named.clone()]
            .into_iter()
            .find(|sender| !by.person.may_send_as(sender));
        if let Some(sender) = denied {
            let own = by.person.mail.as_deref().unwrap_or(&by.person.upn);
            return match habits.send_as {
                SendAsRefusal::StoreDriver => reply(
                    554,
                    &format!(
                        "5.2.252 SendAsDenied; {own} not allowed to send as {sender}; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message [BeginDiagnosticData]Cannot submit message. 0.35250:1F009983, 1.36674:0A000000[EndDiagnosticData] [Hostname={HOST}]"
                    ),
                ),
                SendAsRefusal::ClientPermissions => self.refusal(
                    550,
                    "5.7.60 SMTP; Client does not have permissions to send as this sender",
                ),
            };
        }
        let id = message::header(message, "Message-ID");
        let id = id.unwrap_or_else(|| format!("<{}@{HOST}>", now.as_nanosecond()));
        let submitted = Submitted {
            by: by.oid,
            via: Via::Smtp,
            from: named,
            to,
            message: Bytes::copy_from_slice(message),
        };
        records.submit(submitted, !habits.smtp_keeps_no_copy, now);
        reply(250, &format!("2.0.0 OK {id} [Hostname={HOST}]"))
    }

    fn forget_mail(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Refusals end with where, when, and a number (email-oauth2-proxy#193).
    fn refusal(&self, code: u16, text: &str) -> Answer {
        let now = self.directory.clock.now();
        let now = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        reply(code, &format!("{text} [{HOST} {now} 08DBB276B7E699C4]"))
    }
}

fn reply(code: u16, text: &str) -> Answer {
    Answer::new(code, format!("{code} {text}\r\n"))
}

/// The address of `FROM:<…>` or `TO:<…>`; parameters may follow it.
fn path(text: &str, keyword: &str) -> Option<String> {
    let start = text.trim_start().get(..keyword.len())?;
    let path = text.trim_start().get(keyword.len()..)?.trim_start();
    let (address, _) = path.strip_prefix('<')?.split_once('>')?;
    start
        .eq_ignore_ascii_case(keyword)
        .then(|| address.to_owned())
}
