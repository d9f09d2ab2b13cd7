//! POP3 as `outlook.office365.com` speaks it. The texts are those of public logs (docs/beliefs.md, Exchange).

use std::fmt::Write;
use std::sync::Arc;

use uuid::Uuid;

use super::Protocol;
use super::connection::{Answer, Asked, Session, Then};
use super::message;
use super::store::{Folder, Mail};
use super::wire::Awaited;
use crate::microsoft::directory::Directory;

/// `AM0PR05CA0084.eurprd05.prod.outlook.com`, as Base64 of UTF-16 (MailKit#1948: the form since 2025).
const GREETING: &str = "+OK Microsoft Exchange POP3 server ready (tcpproxy/15.20.9137.005). [QQBNADAAUABSADAANQBDAEEAMAAwADgANAAuAGUAdQByAHAAcgBkADAANQAuAHAAcgBvAGQALgBvAHUAdABsAG8AbwBrAC4AYwBvAG0A]\r\n";
/// vmime#267
const CAPA: &str = "+OK\r\nTOP\r\nUIDL\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.\r\n";
/// A token that is longer is a protocol error (MailKit#1948).
const LONGEST_TOKEN: usize = 4096;

pub(super) struct Pop3 {
    directory: Arc<Directory>,
    state: State,
}

enum State {
    Authorization,
    /// `AUTH XOAUTH2` was answered with `+`.
    Authenticating,
    Transaction(Maildrop),
}

/// What the session sees, until its end.
struct Maildrop {
    mailbox: Uuid,
    mails: Vec<Mail>,
    /// UIDs of what `QUIT` removes.
    deleted: Vec<u32>,
}

impl Session for Pop3 {
    fn greeting(&mut self) -> Answer {
        Answer::new(200, GREETING)
    }

    fn awaited(&self) -> Awaited {
        Awaited::Line
    }

    fn read(&self, line: &[u8]) -> Asked {
        if let State::Authenticating = self.state {
            return Asked::command("AUTH continued", String::new());
        }
        let line = String::from_utf8_lossy(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words.first().unwrap_or(&"").to_ascii_uppercase();
        let shown = match name.as_str() {
            "AUTH" => words.iter().take(2).copied().collect::<Vec<_>>().join(" "),
            "USER" | "PASS" => name.clone(),
            _ => line.trim().to_owned(),
        };
        Asked::command(&name, shown)
    }

    fn answer(&mut self, line: &[u8]) -> Answer {
        let line = String::from_utf8_lossy(line);
        if let State::Authenticating = self.state {
            return self.sign_in(&line);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words.first().unwrap_or(&"").to_ascii_uppercase();
        match (name.as_str(), words.get(1..).unwrap_or_default()) {
            ("CAPA", _) => Answer::new(200, CAPA),
            ("QUIT", _) => self.quit(),
            (name, arguments) => match &mut self.state {
                State::Transaction(maildrop) => maildrop.answer(name, arguments),
                State::Authorization | State::Authenticating => self.before(name, arguments),
            },
        }
    }
}

impl Pop3 {
    pub(super) fn new(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            state: State::Authorization,
        }
    }

    fn before(&mut self, name: &str, arguments: &[&str]) -> Answer {
        let mechanism = arguments.first().map(|word| word.to_ascii_uppercase());
        match (name, mechanism.as_deref(), arguments.len()) {
            ("AUTH", Some("XOAUTH2"), 1) => {
                self.state = State::Authenticating;
                Answer::new(200, "+ \r\n")
            }
            // The response comes in a line of its own (getmail6#256, mpop#11).
            ("AUTH", Some("XOAUTH2"), _) => protocol_error(),
            ("AUTH", ..) => refused("Protocol error. 18"),
            ("USER", ..) => Answer::new(200, "+OK\r\n"),
            ("PASS", ..) => refused("Logon failure: unknown user name or bad password."),
            _ => refused("Command is not valid in this state."),
        }
    }

    fn sign_in(&mut self, response: &str) -> Answer {
        self.state = State::Authorization;
        if response.len() > LONGEST_TOKEN {
            return protocol_error();
        }
        let Ok(admitted) = self.directory.admit(Protocol::Pop3, response) else {
            // One text for all (email-oauth2-proxy#244, #238, #160).
            return refused("Authentication failure: unknown user name or bad password.");
        };
        let now = self.directory.clock.now();
        let mut records = self.directory.records();
        let contents = records.mail.contents(admitted.mailbox, now);
        self.state = State::Transaction(Maildrop {
            mailbox: admitted.mailbox,
            mails: contents.of(Folder::Inbox).cloned().collect(),
            deleted: Vec::new(),
        });
        Answer::new(200, "+OK User successfully authenticated.\r\n")
    }

    /// Nothing is removed before (RFC 1939, 6).
    fn quit(&mut self) -> Answer {
        if let State::Transaction(maildrop) = &self.state {
            let now = self.directory.clock.now();
            let mut records = self.directory.records();
            let contents = records.mail.contents(maildrop.mailbox, now);
            contents.mails.retain(|mail| {
                mail.folder != Folder::Inbox || !maildrop.deleted.contains(&mail.uid)
            });
        }
        let line = "+OK Microsoft Exchange Server POP3 server signing off.\r\n";
        Answer::new(200, line).then(Then::Close)
    }
}

impl Maildrop {
    fn answer(&mut self, name: &str, arguments: &[&str]) -> Answer {
        match (name, arguments) {
            ("NOOP", _) => Answer::new(200, "+OK\r\n"),
            ("RSET", _) => {
                self.deleted.clear();
                Answer::new(200, "+OK\r\n")
            }
            ("STAT", _) => {
                let sizes = self.left().map(|(_, mail)| mail.message.len());
                let line = format!("+OK {} {}\r\n", self.left().count(), sizes.sum::<usize>());
                Answer::new(200, line)
            }
            ("LIST", _) => self.listed(arguments, |mail| mail.message.len().to_string()),
            ("UIDL", _) => self.listed(arguments, |mail| format!("AAUADABC{:08}", mail.uid)),
            ("TOP", [number, lines]) => match (self.numbered(number), lines.parse().ok()) {
                (Some(mail), Some(lines)) => Answer::new(200, shown(mail, lines)),
                _ => refused("The specified message is out of range."),
            },
            ("RETR", [number]) => match self.numbered(number) {
                Some(mail) => Answer::new(200, shown(mail, usize::MAX)),
                None => refused("The specified message is out of range."),
            },
            ("DELE", [number]) => match self.numbered(number).map(|mail| mail.uid) {
                Some(uid) => {
                    self.deleted.push(uid);
                    Answer::new(200, "+OK\r\n")
                }
                None => refused("The specified message is out of range."),
            },
            _ => refused("Protocol error. 14"),
        }
    }

    /// What is not marked as deleted, by its number.
    fn left(&self) -> impl Iterator<Item = (usize, &Mail)> {
        let numbered = (1..).zip(&self.mails);
        numbered.filter(|(_, mail)| !self.deleted.contains(&mail.uid))
    }

    fn numbered(&self, number: &str) -> Option<&Mail> {
        let number: usize = number.parse().ok()?;
        let mut left = self.left();
        let found = left.find(|(known, _)| *known == number);
        found.map(|(_, mail)| mail)
    }

    fn listed(&self, arguments: &[&str], what: impl Fn(&Mail) -> String) -> Answer {
        if let Some(number) = arguments.first() {
            return match self.numbered(number) {
                Some(mail) => Answer::new(200, format!("+OK {number} {}\r\n", what(mail))),
                None => refused("The specified message is out of range."),
            };
        }
        let mut lines = "+OK\r\n".to_owned();
        for (number, mail) in self.left() {
            let _ = write!(lines, "{number} {}\r\n", what(mail));
        }
        Answer::new(200, lines + ".\r\n")
    }
}

/// The header and so many lines of the body; lines that begin with a dot get another (RFC 1939, 3).
fn shown(mail: &Mail, lines: usize) -> Vec<u8> {
    let header = message::header_part(&mail.message);
    let body = message::body(&mail.message);
    let mut shown = b"+OK\r\n".to_vec();
    let of_header = header.split_inclusive(|byte| *byte == b'\n');
    let of_body = body.split_inclusive(|byte| *byte == b'\n').take(lines);
    for line in of_header.chain(of_body) {
        if line.starts_with(b".") {
            shown.push(b'.');
        }
        shown.extend_from_slice(line);
    }
    shown.extend_from_slice(b".\r\n");
    shown
}

fn refused(text: &str) -> Answer {
    Answer::new(400, format!("-ERR {text}\r\n"))
}

fn protocol_error() -> Answer {
    refused("Protocol error. Connection is closed. 10").then(Then::Close)
}
