//! IMAP (RFC 3501): signs in, and opens the inbox read-only.

use std::borrow::Cow;

use imap_proto::{MailboxDatum, Response, Status};
use secrecy::ExposeSecret;

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted, read_line, write_line};
use super::test_mail::{self, TestMail};
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

/// Looks for a test mail among the newest, and removes it where it is there: that one alone, or it lets it be.
pub(super) async fn take(
    dialer: Dialer<'_>,
    access: Access<'_>,
    mail: &TestMail,
) -> Result<bool, Ended> {
    let mut session = sign_in(dialer, access).await?;
    // Read-only while nothing is known to be there.
    let there = session.command("EXAMINE INBOX", Stage::Open).await?.exists;
    let found = session.find(there, mail.token()).await?;
    if let Some(uid) = found {
        session.remove(uid).await;
    }
    let _ = session.command("LOGOUT", Stage::Open).await;
    Ok(found.is_some())
}

/// So many of the newest mails are looked at.
const NEWEST: u32 = 20;

async fn sign_in(dialer: Dialer<'_>, access: Access<'_>) -> Result<Session, Ended> {
    let stream = dialer.encrypted(&access.servers.imap).await?;
    let mut session = Session {
        stream,
        commands: 0,
    };
    session.greeting().await?;
    session.authenticate(access).await?;
    Ok(session)
}

struct Session {
    stream: Encrypted,
    commands: u32,
}

/// What of an answer is used.
enum Line {
    Untagged(Status, Refusal),
    Tagged(String, Status, Refusal),
    Continue,
    Exists(u32),
    Other,
}

/// What a command was answered beside its end.
#[derive(Default)]
struct Answer {
    /// How many mails the opened mailbox has.
    exists: u32,
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
    async fn command(&mut self, command: &str, stage: Stage) -> Result<Answer, Ended> {
        let tag = self.send(command).await?;
        let mut answer = Answer::default();
        loop {
            match self.read().await? {
                Line::Exists(exists) => answer.exists = exists,
                line => {
                    if let Some(done) = done(line, &tag, stage) {
                        return done.map(|()| answer);
                    }
                }
            }
        }
    }

    /// The UID of the newest mail whose subject has the token. Not by SEARCH, whose index lags behind what has just come
    /// (node-imap#567).
    async fn find(&mut self, exists: u32, token: &str) -> Result<Option<u32>, Ended> {
        if exists == 0 {
            return Ok(None);
        }
        let from = exists.saturating_sub(NEWEST - 1).max(1);
        let command = format!("FETCH {from}:{exists} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        let tag = self.send(&command).await?;
        let end = format!("{tag} ").into_bytes();
        let mut lines = Vec::new();
        loop {
            let line = read_line(&mut self.stream).await?;
            // No line of a header begins so: a folded one begins with a space.
            if line.starts_with(&end) {
                let ended = parse(&line).unwrap_or(Err(Ended::NotUnderstood))?;
                done(ended, &tag, Stage::Open).unwrap_or(Err(Ended::NotUnderstood))?;
                return Ok(uid_of(&lines, token));
            }
            lines.push(line);
        }
    }

    /// By its UID, with UIDPLUS (RFC 4315): EXPUNGE would remove whatever else is marked, too.
    async fn remove(&mut self, uid: u32) {
        let removed = async {
            self.command("SELECT INBOX", Stage::Open).await?;
            self.command(
                &format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"),
                Stage::Open,
            )
            .await?;
            let expunged = self
                .command(&format!("UID EXPUNGE {uid}"), Stage::Open)
                .await;
            if expunged.is_err() {
                self.command(
                    &format!("UID STORE {uid} -FLAGS.SILENT (\\Deleted)"),
                    Stage::Open,
                )
                .await?;
            }
            expunged
        };
        if removed.await.is_err() {
            tracing::info!("the test mail could not be removed; it is left where it is");
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
        Response::MailboxData(MailboxDatum::Exists(exists)) => Line::Exists(exists),
        _ => Line::Other,
    }))
}

/// Flags, numbers of mails and whatever else a server volunteers is not read at all.
fn is_of_use(read: &[u8]) -> bool {
    let Some(untagged) = read.strip_prefix(b"* ") else {
        return true;
    };
    let mut words = untagged.split(|b| matches!(b, b' ' | b'\r'));
    let word = words.next().unwrap_or_default().to_ascii_uppercase();
    let is_status = [&b"OK"[..], b"NO", b"BAD", b"PREAUTH", b"BYE"].contains(&word.as_slice());
    is_status
        || words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(b"EXISTS"))
}

/// The UID of the last mail with the token among the lines of a FETCH: `* 12 FETCH (UID 345 BODY[…] {63}`, the header, and
/// what closes it, where the UID may stand as well.
fn uid_of(lines: &[Vec<u8>], token: &str) -> Option<u32> {
    let (mut uid, mut has_token, mut found) = (None, false, None);
    for line in lines {
        if line.starts_with(b"* ") {
            (uid, has_token) = (None, false);
        }
        uid = uid.or_else(|| uid_in(line));
        has_token |= test_mail::has_token(line, token);
        if has_token && uid.is_some() {
            found = uid;
        }
    }
    found
}

/// Of a line that is no header's: what a subject says is no UID.
fn uid_in(line: &[u8]) -> Option<u32> {
    if !(line.starts_with(b"* ") || line.starts_with(b" UID ") || line.starts_with(b")")) {
        return None;
    }
    let text = std::str::from_utf8(line).ok()?;
    let (_, behind) = text.split_once("UID ")?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(answer: &[&str]) -> Vec<Vec<u8>> {
        answer.iter().map(|line| line.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_mail_is_found_by_its_token_wherever_its_uid_stands() {
        let before = lines(&[
            "* 1 FETCH (UID 7 BODY[HEADER.FIELDS (SUBJECT)] {20}\r\n",
            "Subject: hello\r\n",
            ")\r\n",
            "* 2 FETCH (UID 9 BODY[HEADER.FIELDS (SUBJECT)] {33}\r\n",
            "Subject: [x]\r\n",
            " token UID 1\r\n",
            ")\r\n",
        ]);
        assert_eq!(uid_of(&before, "token"), Some(9));
        let behind = lines(&[
            "* 2 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {33}\r\n",
            "Subject: token UID 4\r\n",
            " UID 9)\r\n",
        ]);
        assert_eq!(uid_of(&behind, "token"), Some(9));
        assert_eq!(uid_of(&before, "other"), None);
        assert_eq!(uid_of(&[], ""), None);
    }
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
        Line::Untagged(..) | Line::Exists(_) | Line::Other => None,
    }
}
