//! IMAP (RFC 3501): signs in, and opens the inbox read-only.

use std::borrow::Cow;

use imap_proto::{Response, Status};
use secrecy::ExposeSecret;

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted, read_line, write_line};
use super::xoauth2::initial_response;

/// Exchange says OK to a sign-in that opens nothing, and tells with the next command: "User is authenticated but not
/// connected" (postalsys/imapflow#314). `EXAMINE`, because `SELECT` would take the mark \Recent from new mail.
pub(super) async fn open(dialer: Dialer<'_>, access: Access<'_>) -> Result<(), Ended> {
    let mut session = sign_in(dialer, access).await?;
    session.command("EXAMINE INBOX", Stage::Open).await?;
    // All is known already: a server that does not take leave changes nothing.
    let _ = session.command("LOGOUT", Stage::Open).await;
    Ok(())
}

pub(super) async fn sign_in(dialer: Dialer<'_>, access: Access<'_>) -> Result<Session, Ended> {
    let stream = dialer.encrypted(&access.servers.imap).await?;
    let mut session = Session {
        stream,
        commands: 0,
    };
    session.greeting().await?;
    session.authenticate(access).await?;
    Ok(session)
}

pub(super) struct Session {
    stream: Encrypted,
    commands: u32,
}

/// What of an answer is used.
enum Line {
    Untagged(Status, Refusal),
    Tagged(String, Status, Refusal),
    Continue,
    Search(Vec<u32>),
    Other,
}

impl Session {
    async fn greeting(&mut self) -> Result<(), Ended> {
        match self.read().await? {
            Line::Untagged(Status::Ok, _) => Ok(()),
            // "BYE" here is a server that has no room, or goes down.
            Line::Untagged(Status::Bye, refusal) => {
                Err(Ended::Refused(refusal.at(Stage::Greeting)))
            }
            _ => Err(Ended::NotUnderstood),
        }
    }

    /// The response follows the server's "+": every server takes it so, and one without SASL-IR no other way.
    async fn authenticate(&mut self, access: Access<'_>) -> Result<(), Ended> {
        let tag = self.send("AUTHENTICATE XOAUTH2").await?;
        let mut response = Some(initial_response(access.mailbox, access.token));
        loop {
            match self.read().await? {
                // The second one has an error's details, as JSON, and waits for an empty answer.
                Line::Continue => {
                    let response = response.take();
                    let response = response.as_ref().map_or("", |r| r.expose_secret());
                    write_line(&mut self.stream, response).await?;
                }
                line => {
                    if let Some(done) = done(line, &tag, Stage::SignIn) {
                        return done;
                    }
                }
            }
        }
    }

    /// Sends a command and reads until its end.
    pub(super) async fn command(&mut self, command: &str, stage: Stage) -> Result<Vec<u32>, Ended> {
        let tag = self.send(command).await?;
        let mut found = Vec::new();
        loop {
            match self.read().await? {
                Line::Search(numbers) => found.extend(numbers),
                line => {
                    if let Some(done) = done(line, &tag, stage) {
                        return done.map(|()| found);
                    }
                }
            }
        }
    }

    async fn send(&mut self, command: &str) -> Result<String, Ended> {
        self.commands += 1;
        let tag = format!("A{}", self.commands);
        write_line(&mut self.stream, &format!("{tag} {command}")).await?;
        Ok(tag)
    }

    /// One response, which with literals is several lines.
    async fn read(&mut self) -> Result<Line, Ended> {
        let mut read = Vec::new();
        loop {
            read.extend(read_line(&mut self.stream).await?);
            if let Some(line) = parse(&read) {
                return line;
            }
        }
    }
}

/// `None` where more lines belong to it. What is untagged and not understood is of no use either.
fn parse(read: &[u8]) -> Option<Result<Line, Ended>> {
    // imap-proto cuts texts at the first byte, and what is not ASCII is nothing that is looked for.
    let ascii: Vec<u8> = read
        .iter()
        .map(|b| if b.is_ascii() { *b } else { b'?' })
        .collect();
    if !is_of_use(&ascii) {
        return Some(Ok(Line::Other));
    }
    let response = match Response::parse(&ascii) {
        Ok((_, response)) => response,
        Err(error) if error.is_incomplete() => return None,
        Err(_) => return Some(Err(Ended::NotUnderstood)),
    };
    let refusal = |status: &Status, text: Option<Cow<'_, str>>| {
        let word = match status {
            Status::Ok => "OK",
            Status::No => "NO",
            Status::Bad => "BAD",
            Status::PreAuth => "PREAUTH",
            Status::Bye => "BYE",
        };
        Refusal::imap(word, text.as_deref().unwrap_or_default())
    };
    Some(Ok(match response {
        Response::Continue(_) => Line::Continue,
        Response::Done {
            tag,
            status,
            outcome,
        } => {
            let refusal = refusal(&status, outcome.information);
            Line::Tagged(tag.0, status, refusal)
        }
        Response::Data { status, outcome } => {
            let refusal = refusal(&status, outcome.information);
            Line::Untagged(status, refusal)
        }
        Response::MailboxData(imap_proto::MailboxDatum::Search(found)) => Line::Search(found),
        _ => Line::Other,
    }))
}

/// Flags, numbers of mails and whatever else a server volunteers is not read at all.
fn is_of_use(read: &[u8]) -> bool {
    let Some(untagged) = read.strip_prefix(b"* ") else {
        return true;
    };
    let word = untagged.split(|b| *b == b' ' || *b == b'\r').next();
    let word = word.unwrap_or_default().to_ascii_uppercase();
    [&b"OK"[..], b"NO", b"BAD", b"PREAUTH", b"BYE", b"SEARCH"].contains(&word.as_slice())
}

/// How a command ended, if this line says it.
fn done(line: Line, tag: &str, stage: Stage) -> Option<Result<(), Ended>> {
    match line {
        Line::Tagged(of, Status::Ok, _) if of == tag => Some(Ok(())),
        Line::Tagged(of, _, refusal) if of == tag => Some(Err(Ended::Refused(refusal.at(stage)))),
        // An end before the answer. At LOGOUT it is the answer's beginning, which nobody waits for.
        Line::Untagged(Status::Bye, refusal) => Some(Err(Ended::Refused(refusal.at(stage)))),
        // Some refuse without a tag.
        Line::Untagged(Status::Bad, refusal) => Some(Err(Ended::Refused(refusal.at(stage)))),
        Line::Tagged(..) | Line::Continue => Some(Err(Ended::NotUnderstood)),
        Line::Untagged(..) | Line::Search(_) | Line::Other => None,
    }
}
