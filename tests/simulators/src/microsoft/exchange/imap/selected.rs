//! A folder that a session has selected or examined.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;
use uuid::Uuid;

use super::command::Command;
use super::search::{is_in, search, set};
use super::{bad, no};
use crate::microsoft::exchange::connection::Answer;
use crate::microsoft::exchange::message;
use crate::microsoft::exchange::store::{Contents, Folder, Mail};

pub(super) struct Selected {
    pub(super) mailbox: Uuid,
    folder: Folder,
    read_only: bool,
    /// The UIDs that the session knows, by their number from 1.
    view: Vec<u32>,
    /// Those that are `\Recent` to this session.
    recent: BTreeSet<u32>,
}

impl Selected {
    /// `EXAMINE` leaves `\Recent` for the next session, `SELECT` takes it (RFC 3501, 2.3.2 and 6.3.2).
    pub(super) fn new(
        mailbox: Uuid,
        folder: Folder,
        read_only: bool,
        contents: &mut Contents,
    ) -> Self {
        let recent = contents.of(folder).filter(|mail| mail.recent);
        let recent = recent.map(|mail| mail.uid).collect();
        if !read_only {
            contents.of_mut(folder).for_each(|mail| mail.recent = false);
        }
        Self {
            mailbox,
            folder,
            read_only,
            view: contents.of(folder).map(|mail| mail.uid).collect(),
            recent,
        }
    }

    pub(super) fn recent(&self) -> usize {
        self.recent.len()
    }

    /// `indexed` is when a mail has to have come for `SEARCH` to find it.
    pub(super) fn answer(
        &mut self,
        command: &Command,
        contents: &mut Contents,
        indexed: Timestamp,
    ) -> Answer {
        let tag = command.tag.as_str();
        let name = command.name.as_str();
        let done =
            |lines: String| Answer::new(200, format!("{lines}{tag} OK {name} completed.\r\n"));
        let by_uid = name.starts_with("UID ");
        match name.trim_start_matches("UID ") {
            "NOOP" | "CHECK" => done(self.news(contents)),
            "CLOSE" if !self.read_only => {
                contents
                    .mails
                    .retain(|mail| mail.folder != self.folder || !mail.deleted);
                done(String::new())
            }
            "CLOSE" | "UNSELECT" => done(String::new()),
            "SEARCH" => {
                let news = self.news(contents);
                let last = self.view.last().copied().unwrap_or_default();
                let last = if by_uid { last } else { self.view.len() as u32 };
                let mails = self.known(contents);
                let mails = mails.filter(|(_, mail)| mail.arrived <= indexed);
                let Some(found) = search(&command.words, mails, by_uid, last) else {
                    return bad(tag, "Command Argument Error. 11");
                };
                let found: String = found.iter().map(|number| format!(" {number}")).collect();
                let lines = format!("* SEARCH{found}\r\n{news}{tag} OK SEARCH completed.\r\n");
                Answer::new(200, lines)
            }
            "FETCH" => self.fetch(command, by_uid, contents),
            "STORE" | "EXPUNGE" if self.read_only => no(tag, "The mailbox is read-only."),
            "STORE" => self.store(command, by_uid, contents),
            "EXPUNGE" => {
                let set = match (by_uid, command.words.first()) {
                    (true, Some(words)) => set(words, u32::MAX),
                    (true, None) => None,
                    (false, _) => Some(vec![(0, u32::MAX)]),
                };
                let Some(set) = set else {
                    return bad(tag, "Command Argument Error. 11");
                };
                let folder = self.folder;
                contents.mails.retain(|mail| {
                    mail.folder != folder || !mail.deleted || !is_in(&set, mail.uid)
                });
                let news = self.news(contents);
                Answer::new(200, format!("{news}{tag} OK EXPUNGE completed.\r\n"))
            }
            _ => bad(tag, "Command Error. 12"),
        }
    }

    /// The mails that the session knows and that are there, with their numbers.
    fn known<'a>(&'a self, contents: &'a Contents) -> impl Iterator<Item = (u32, &'a Mail)> {
        let known = (1..).zip(&self.view);
        known.filter_map(|(number, uid)| {
            let mut mails = contents.of(self.folder);
            Some((number, mails.find(|mail| mail.uid == *uid)?))
        })
    }

    /// What has gone and come since it was last told.
    fn news(&mut self, contents: &mut Contents) -> String {
        let mut lines = String::new();
        let there: BTreeSet<u32> = contents.of(self.folder).map(|mail| mail.uid).collect();
        for at in (0..self.view.len()).rev() {
            if self.view.get(at).is_some_and(|uid| !there.contains(uid)) {
                self.view.remove(at);
                let _ = write!(lines, "* {} EXPUNGE\r\n", at + 1);
            }
        }
        let known = self.view.len();
        let newest = self.view.last().copied().unwrap_or_default();
        for mail in contents.of_mut(self.folder) {
            if mail.uid > newest {
                self.view.push(mail.uid);
                if mail.recent {
                    self.recent.insert(mail.uid);
                    mail.recent = self.read_only;
                }
            }
        }
        if self.view.len() > known {
            let _ = write!(lines, "* {} EXISTS\r\n", self.view.len());
        }
        lines
    }

    /// The numbers and UIDs that a set names.
    fn named(&self, words: Option<&String>, by_uid: bool) -> Option<Vec<(u32, u32)>> {
        let last = match by_uid {
            true => self.view.last().copied().unwrap_or_default(),
            false => self.view.len() as u32,
        };
        let set = set(words?, last)?;
        let known = (1..).zip(self.view.iter().copied());
        let is_named =
            |(number, uid): &(u32, u32)| is_in(&set, if by_uid { *uid } else { *number });
        Some(known.filter(is_named).collect())
    }

    fn fetch(&mut self, command: &Command, by_uid: bool, contents: &mut Contents) -> Answer {
        let tag = command.tag.as_str();
        let (Some(named), Some(items)) = (
            self.named(command.words.first(), by_uid),
            command.words.get(1..).and_then(items),
        ) else {
            return bad(tag, "Command Argument Error. 11");
        };
        let mut lines = Vec::new();
        for (number, uid) in named {
            let mut mails = contents.of_mut(self.folder);
            let Some(mail) = mails.find(|mail| mail.uid == uid) else {
                continue;
            };
            let reads = |item: &Item| matches!(item, Item::Body { peek: false, .. });
            if !self.read_only && items.iter().any(reads) {
                mail.seen = true;
            }
            let mut shown: Vec<Vec<u8>> = Vec::new();
            if by_uid && !items.contains(&Item::Uid) {
                shown.push(format!("UID {uid}").into_bytes());
            }
            shown.extend(items.iter().map(|item| item.of(mail, &self.recent)));
            lines.extend(format!("* {number} FETCH (").into_bytes());
            lines.extend(shown.join(&b' '));
            lines.extend_from_slice(b")\r\n");
        }
        lines.extend(format!("{tag} OK FETCH completed.\r\n").into_bytes());
        Answer::new(200, lines)
    }

    fn store(&mut self, command: &Command, by_uid: bool, contents: &mut Contents) -> Answer {
        let tag = command.tag.as_str();
        let (Some(named), Some(how), Some(flags)) = (
            self.named(command.words.first(), by_uid),
            command.words.get(1).map(|how| how.to_ascii_uppercase()),
            command.words.get(2).map(|flags| flags.to_ascii_lowercase()),
        ) else {
            return bad(tag, "Command Argument Error. 11");
        };
        let silent = how.ends_with(".SILENT");
        let mut lines = String::new();
        for (number, uid) in named {
            let mut mails = contents.of_mut(self.folder);
            let Some(mail) = mails.find(|mail| mail.uid == uid) else {
                continue;
            };
            let changed = |was: bool, flag: &str| match how.trim_end_matches(".SILENT") {
                "+FLAGS" => was || flags.contains(flag),
                "-FLAGS" => was && !flags.contains(flag),
                _ => flags.contains(flag),
            };
            mail.seen = changed(mail.seen, "\\seen");
            mail.deleted = changed(mail.deleted, "\\deleted");
            if !silent {
                let flags = flags_of(mail, &self.recent);
                let uid = if by_uid {
                    format!(" UID {uid}")
                } else {
                    String::new()
                };
                let _ = write!(lines, "* {number} FETCH (FLAGS ({flags}){uid})\r\n");
            }
        }
        Answer::new(200, format!("{lines}{tag} OK STORE completed.\r\n"))
    }
}

/// What `FETCH` is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Flags,
    Uid,
    Size,
    InternalDate,
    Body { section: String, peek: bool },
}

fn items(words: &[String]) -> Option<Vec<Item>> {
    let text = words.join(" ");
    let text = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(&text);
    // The words of a list are split as those of a command are: tag, name and all.
    let listed = Command::read(format!("* * {text}").as_bytes());
    listed.words.iter().map(|word| item(word)).collect()
}

fn item(word: &str) -> Option<Item> {
    let upper = word.to_ascii_uppercase();
    let section = |peek: bool, start: &str| {
        let section = upper.strip_prefix(start)?.strip_suffix(']')?;
        Some(Item::Body {
            section: section.to_owned(),
            peek,
        })
    };
    match upper.as_str() {
        "FLAGS" => Some(Item::Flags),
        "UID" => Some(Item::Uid),
        "RFC822.SIZE" => Some(Item::Size),
        "INTERNALDATE" => Some(Item::InternalDate),
        _ => section(true, "BODY.PEEK[").or_else(|| section(false, "BODY[")),
    }
}

impl Item {
    fn of(&self, mail: &Mail, recent: &BTreeSet<u32>) -> Vec<u8> {
        match self {
            Self::Flags => format!("FLAGS ({})", flags_of(mail, recent)).into_bytes(),
            Self::Uid => format!("UID {}", mail.uid).into_bytes(),
            Self::Size => format!("RFC822.SIZE {}", mail.message.len()).into_bytes(),
            Self::InternalDate => {
                format!("INTERNALDATE \"{}\"", internal_date(mail.arrived)).into_bytes()
            }
            Self::Body { section, .. } => {
                let part = part(&mail.message, section);
                let mut shown = format!("BODY[{section}] {{{}}}\r\n", part.len()).into_bytes();
                shown.extend(part);
                shown
            }
        }
    }
}

/// The whole message, its header, its text, or some fields.
fn part(message: &[u8], section: &str) -> Vec<u8> {
    let fields = section
        .strip_prefix("HEADER.FIELDS (")
        .and_then(|fields| fields.strip_suffix(')'));
    match (section, fields) {
        (_, Some(fields)) => {
            let wanted: Vec<&str> = fields.split(' ').collect();
            let is_wanted = |name: &str| wanted.iter().any(|one| one.eq_ignore_ascii_case(name));
            let mut part = String::new();
            for (name, value) in message::headers(message) {
                if is_wanted(&name) {
                    let _ = write!(part, "{name}: {value}\r\n");
                }
            }
            format!("{part}\r\n").into_bytes()
        }
        ("HEADER", None) => message::header_part(message).to_vec(),
        ("TEXT", None) => message::body(message).to_vec(),
        _ => message.to_vec(),
    }
}

fn flags_of(mail: &Mail, recent: &BTreeSet<u32>) -> String {
    let flags = [
        ("\\Seen", mail.seen),
        ("\\Deleted", mail.deleted),
        ("\\Recent", recent.contains(&mail.uid)),
    ];
    let set = flags.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(flag, _)| flag).collect::<Vec<_>>().join(" ")
}

/// ` 9-Nov-2022 10:09:41 +0000`
fn internal_date(date: Timestamp) -> String {
    date.strftime("%e-%b-%Y %H:%M:%S +0000").to_string()
}
