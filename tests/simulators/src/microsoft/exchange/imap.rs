//! IMAP as `outlook.office365.com` speaks it: the sign-in, the folders, and what else is needed to look at them. The texts
//! are those of public logs (docs/beliefs.md, Exchange).

mod command;
mod search;
mod selected;

use std::fmt::Write;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::Protocol;
use super::admission::{Admitted, Refusal};
use super::connection::{Answer, Asked, Session, Then};
use super::store::{Contents, Folder};
use super::wire::Awaited;
use crate::microsoft::directory::Directory;
use command::Command;
use selected::Selected;

/// `AM0PR05CA0084.eurprd05.prod.outlook.com`, as Base64 of UTF-16.
const GREETING: &str = "* OK The Microsoft Exchange IMAP4 service is ready. [QQBNADAAUABSADAANQBDAEEAMAAwADgANAAuAGUAdQByAHAAcgBkADAANQAuAHAAcgBvAGQALgBvAHUAdABsAG8AbwBrAC4AYwBvAG0A]\r\n";
/// MailKit#1494
const CAPABILITY: &str = "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+\r\n";
/// MailKit#290
const CAPABILITY_WITHIN: &str = "* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+\r\n";

/// email-oauth2-proxy#74, #191
const CLOSED: &str = "* BYE Connection closed. 14\r\n";

pub(super) struct Imap {
    directory: Arc<Directory>,
    state: State,
    /// The tag of an `AUTHENTICATE` whose response is awaited.
    authenticating: Option<String>,
    /// When the token ends, and the session with it (aioimaplib#83).
    ends: Timestamp,
}

enum State {
    Greeted,
    /// `AUTHENTICATE` was answered with OK, and no mailbox is behind it.
    NotConnected {
        /// That was said already.
        told: bool,
    },
    Connected(Uuid),
    Selected(Selected),
}

/// What a line asks, which may go on with an `AUTHENTICATE`.
pub(super) fn asked(line: &[u8], goes_on: bool) -> Asked {
    if goes_on {
        return Asked::command("AUTHENTICATE continued", String::new());
    }
    let command = Command::read(line);
    let shown = match command.name.as_str() {
        "AUTHENTICATE" => command.named_with(1),
        "LOGIN" => command.named_with(0),
        _ => command.named_with(usize::MAX),
    };
    Asked {
        tag: command.tag,
        ..Asked::command(&command.name, shown)
    }
}

impl Session for Imap {
    fn greeting(&mut self) -> Answer {
        Answer::new(200, GREETING)
    }

    fn awaited(&self) -> Awaited {
        match self.authenticating {
            Some(_) => Awaited::Line,
            None => Awaited::Command,
        }
    }

    fn read(&self, line: &[u8]) -> Asked {
        asked(line, self.authenticating.is_some())
    }

    fn answer(&mut self, line: &[u8]) -> Answer {
        if let Some(tag) = self.authenticating.take() {
            return self.sign_in(&tag, &String::from_utf8_lossy(line));
        }
        let command = Command::read(line);
        let tag = command.tag.as_str();
        if !matches!(self.state, State::Greeted)
            && command.name != "LOGOUT"
            && self.directory.throttles_imap()
        {
            let text = "Request is throttled. Suggested Backoff Time: 89117 milliseconds";
            return Answer::new(400, format!("{tag} BAD {text}\r\n{CLOSED}")).then(Then::Close);
        }
        if self.directory.clock.now() >= self.ends {
            let line = "* BYE Session invalidated - AccessTokenExpired\r\n";
            return Answer::new(400, line).then(Then::Close);
        }
        match command.name.as_str() {
            "CAPABILITY" => {
                let known = match self.state {
                    State::Greeted => CAPABILITY,
                    _ => CAPABILITY_WITHIN,
                };
                Answer::new(200, format!("{known}{tag} OK CAPABILITY completed.\r\n"))
            }
            "LOGOUT" => Answer::new(
                200,
                format!(
                    "* BYE Microsoft Exchange Server 2016 IMAP4 server signing off.\r\n{tag} OK LOGOUT completed.\r\n"
                ),
            )
            .then(Then::Close),
            "ID" => Answer::new(
                200,
                format!(
                    "* ID (\"name\" \"Microsoft.Exchange.Imap4.Imap4Server\" \"version\" \"15.20\")\r\n{tag} OK ID completed\r\n"
                ),
            ),
            "LOGIN" => no(tag, "LOGIN failed."),
            "AUTHENTICATE" => self.authenticate(&command),
            _ => self.within(&command),
        }
    }
}

impl Imap {
    pub(super) fn new(directory: Arc<Directory>) -> Self {
        Self {
            directory,
            state: State::Greeted,
            authenticating: None,
            ends: Timestamp::MAX,
        }
    }

    fn authenticate(&mut self, command: &Command) -> Answer {
        let tag = command.tag.as_str();
        let mechanism = command.words.first().map(|word| word.to_ascii_uppercase());
        match (&self.state, mechanism.as_deref(), command.words.get(1)) {
            (State::Greeted, Some("XOAUTH2"), Some(response)) => self.sign_in(tag, response),
            (State::Greeted, Some("XOAUTH2"), None) => {
                self.authenticating = Some(tag.to_owned());
                Answer::new(200, "+ \r\n")
            }
            (State::Greeted, _, _) => no(tag, "AUTHENTICATE failed."),
            _ => invalid_state(tag),
        }
    }

    fn sign_in(&mut self, tag: &str, response: &str) -> Answer {
        self.state = match self.directory.admit(Protocol::Imap, response) {
            Ok(Admitted {
                mailbox, expires, ..
            }) => {
                self.ends = expires;
                State::Connected(mailbox)
            }
            // That OK is no proof of a mailbox is seen where the right to it or the switch is missing, or it is none of
            // Exchange Online's (email-oauth2-proxy#74, #275, getmail6#214, #221).
            Err(Refusal::NotTheirs | Refusal::Shut(_)) => State::NotConnected { told: false },
            // office-developer-exchange-docs#87, redmine_oauth#3
            Err(Refusal::BadToken | Refusal::NoScope) => return no(tag, "AUTHENTICATE failed."),
        };
        Answer::new(200, format!("{tag} OK AUTHENTICATE completed.\r\n"))
    }

    /// What needs a sign-in, and a mailbox behind it.
    fn within(&mut self, command: &Command) -> Answer {
        let tag = command.tag.as_str();
        let mailbox = match &self.state {
            State::Greeted if command.name == "NOOP" => {
                return Answer::new(200, format!("{tag} OK NOOP completed.\r\n"));
            }
            State::Greeted => return invalid_state(tag),
            State::NotConnected { told: true } => {
                return Answer::new(400, CLOSED).then(Then::Close);
            }
            State::NotConnected { told: false } => {
                self.state = State::NotConnected { told: true };
                return bad(tag, "User is authenticated but not connected.");
            }
            State::Connected(mailbox) => *mailbox,
            State::Selected(selected) => selected.mailbox,
        };
        let directory = Arc::clone(&self.directory);
        let now = directory.clock.now();
        let mut records = directory.records();
        let indexed = now - records.mail.habits.search_takes;
        let contents = records.mail.contents(mailbox, now);
        match command.name.as_str() {
            "SELECT" | "EXAMINE" => return self.select(command, mailbox, contents),
            "LIST" => return list(tag),
            "STATUS" => return status(command, contents),
            _ => {}
        }
        let State::Selected(selected) = &mut self.state else {
            return match command.name.as_str() {
                "NOOP" => Answer::new(200, format!("{tag} OK NOOP completed.\r\n")),
                _ => invalid_state(tag),
            };
        };
        let answer = selected.answer(command, contents, indexed);
        if ["CLOSE", "UNSELECT"].contains(&command.name.as_str()) {
            self.state = State::Connected(mailbox);
        }
        answer
    }

    fn select(&mut self, command: &Command, mailbox: Uuid, contents: &mut Contents) -> Answer {
        let tag = command.tag.as_str();
        let name = &command.name;
        let Some(folder) = command.words.first().and_then(|name| Folder::named(name)) else {
            return no(tag, &format!("{} doesn't exist.", command.words.join(" ")));
        };
        let read_only = name == "EXAMINE";
        let selected = Selected::new(mailbox, folder, read_only, contents);
        let mut lines = String::new();
        let flags = r"\Seen \Answered \Flagged \Deleted \Draft $MDNSent";
        let kept = if read_only { "" } else { flags };
        let unseen = contents.of(folder).position(|mail| !mail.seen);
        let _ = write!(
            lines,
            "* {} EXISTS\r\n* {} RECENT\r\n* FLAGS ({flags})\r\n* OK [PERMANENTFLAGS ({kept})] Permanent flags\r\n",
            contents.of(folder).count(),
            selected.recent(),
        );
        if let Some(unseen) = unseen {
            let text = "Is the first unseen message";
            let _ = write!(lines, "* OK [UNSEEN {}] {text}\r\n", unseen + 1);
        }
        let access = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        let _ = write!(
            lines,
            "* OK [UIDVALIDITY 14] UIDVALIDITY value\r\n* OK [UIDNEXT {}] The next unique identifier value\r\n{tag} OK [{access}] {name} completed.\r\n",
            contents.next_uid(folder),
        );
        self.state = State::Selected(selected);
        Answer::new(200, lines)
    }
}

fn list(tag: &str) -> Answer {
    let mut lines = String::new();
    for folder in Folder::ALL {
        let (marks, name) = match folder {
            Folder::Inbox => ("\\Marked \\HasNoChildren", "INBOX"),
            Folder::JunkEmail => ("\\HasNoChildren \\Junk", "\"Junk Email\""),
            Folder::SentItems => ("\\HasNoChildren \\Sent", "\"Sent Items\""),
        };
        let _ = write!(lines, "* LIST ({marks}) \"/\" {name}\r\n");
    }
    Answer::new(200, format!("{lines}{tag} OK LIST completed.\r\n"))
}

fn status(command: &Command, contents: &Contents) -> Answer {
    let tag = command.tag.as_str();
    let [name, items] = command.words.as_slice() else {
        return bad(tag, "Command Argument Error. 11");
    };
    let Some(folder) = Folder::named(name) else {
        return no(tag, &format!("{name} doesn't exist."));
    };
    let items = items.trim_matches(['(', ')']).split_whitespace();
    let counted = |item: &str| match item.to_ascii_uppercase().as_str() {
        "MESSAGES" => contents.of(folder).count(),
        "RECENT" => contents.of(folder).filter(|mail| mail.recent).count(),
        "UNSEEN" => contents.of(folder).filter(|mail| !mail.seen).count(),
        "UIDNEXT" => contents.next_uid(folder) as usize,
        _ => 14,
    };
    let counts: Vec<String> = items
        .map(|item| format!("{item} {}", counted(item)))
        .collect();
    let lines = format!(
        "* STATUS {name} ({})\r\n{tag} OK STATUS completed.\r\n",
        counts.join(" ")
    );
    Answer::new(200, lines)
}

fn no(tag: &str, text: &str) -> Answer {
    Answer::new(400, format!("{tag} NO {text}\r\n"))
}

fn bad(tag: &str, text: &str) -> Answer {
    Answer::new(400, format!("{tag} BAD {text}\r\n"))
}

fn invalid_state(tag: &str) -> Answer {
    bad(tag, "Command received in Invalid state.")
}
