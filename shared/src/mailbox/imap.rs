//! IMAP (RFC 3501): signs in, and opens the inbox read-only.

use std::borrow::Cow;

use imap_proto::{MailboxDatum, Response, Status};
use secrecy::ExposeSecret;

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted, read_exactly, read_line, write_line};
use super::test_mail::TestMail;
use super::xoauth2::initial_response;

/// So many of the newest mails are looked at for a test mail.
const NEWEST: u32 = 20;

pub(super) struct Session {
    stream: Encrypted,
    commands: u32,
    /// How many mails the inbox has.
    exists: u32,
}

/// Exchange says OK to a sign-in that opens nothing, and tells with the next command: "User is authenticated but not
/// connected" (postalsys/imapflow#314). `EXAMINE`, because `SELECT` would take the mark \Recent from new mail.
pub(super) async fn open(dialer: Dialer<'_>, access: Access<'_>) -> Result<Session, Ended> {
    let mut session = Session {
        stream: dialer.encrypted(&access.servers.imap).await?,
        commands: 0,
        exists: 0,
    };
    session.greeting().await?;
    session.authenticate(access).await?;
    session.command("EXAMINE INBOX", Stage::Open).await?;
    Ok(session)
}

/// A response as it came: what its lines say, and the literals between them.
#[derive(Default)]
struct Received {
    text: Vec<u8>,
    literals: Vec<Vec<u8>>,
}

/// What of a response is used.
enum Line {
    Untagged(Status, Refusal),
    Tagged(String, Status, Refusal),
    Continue,
    Exists(u32),
    Other,
}

impl Session {
    async fn greeting(&mut self) -> Result<(), Ended> {
        match parse(&self.read().await?)? {
            Line::Untagged(Status::Ok, _) => Ok(()),
            // "BYE" here is a server that has no room, or goes down.
            Line::Untagged(Status::Bye, refusal) => {
                Err(Ended::Refused(refusal.at(Stage::Greeting)))
            }
            Line::Untagged(..)
            | Line::Tagged(..)
            | Line::Continue
            | Line::Exists(_)
            | Line::Other => Err(Ended::NotUnderstood),
        }
    }

    /// The response follows the server's "+": every server takes it so, and one without SASL-IR no other way.
    async fn authenticate(&mut self, access: Access<'_>) -> Result<(), Ended> {
        let tag = self.send("AUTHENTICATE XOAUTH2").await?;
        let mut response = Some(initial_response(access.mailbox, access.token));
        loop {
            match parse(&self.read().await?)? {
                // The second one has an error's details, as JSON, and waits for an empty answer.
                Line::Continue => {
                    let response = response.take();
                    let response = response.as_ref().map_or("", |r| r.expose_secret());
                    write_line(&mut self.stream, response).await?;
                }
                line => match done(line, &tag, Stage::SignIn) {
                    // Whom nobody has shown a token, nobody has let in.
                    Some(Ok(())) if response.is_some() => return Err(Ended::NotUnderstood),
                    Some(done) => return done,
                    None => {}
                },
            }
        }
    }

    /// The UID of the newest mail with this test mail's subject. Not by SEARCH, whose index lags behind what has just
    /// come (node-imap#567).
    pub(super) async fn find(&mut self, mail: &TestMail) -> Result<Option<u32>, Ended> {
        if self.exists == 0 {
            return Ok(None);
        }
        let from = self.exists.saturating_sub(NEWEST - 1).max(1);
        let to = self.exists;
        let command = format!("FETCH {from}:{to} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        let tag = self.send(&command).await?;
        let mut found = None;
        loop {
            let received = self.read().await?;
            if let Some(uid) = received.uid_of(mail) {
                found = found.max(Some(uid));
            }
            if let Some(done) = done(parse(&received)?, &tag, Stage::Open) {
                return done.map(|()| found);
            }
        }
    }

    /// By its UID, with UIDPLUS (RFC 4315): EXPUNGE would remove whatever else is marked, too.
    pub(super) async fn remove(&mut self, uid: u32) -> Result<(), Ended> {
        let marked = |sign: char| format!("UID STORE {uid} {sign}FLAGS.SILENT (\\Deleted)");
        self.command("SELECT INBOX", Stage::Open).await?;
        self.command(&marked('+'), Stage::Open).await?;
        let expunge = format!("UID EXPUNGE {uid}");
        let expunged = self.command(&expunge, Stage::Open).await;
        if expunged.is_err() {
            self.command(&marked('-'), Stage::Open).await?;
        }
        expunged
    }

    pub(super) async fn leave(mut self) -> Result<(), Ended> {
        self.command("LOGOUT", Stage::Open).await
    }

    /// Sends a command and reads until its end.
    async fn command(&mut self, command: &str, stage: Stage) -> Result<(), Ended> {
        let tag = self.send(command).await?;
        loop {
            match parse(&self.read().await?)? {
                Line::Exists(exists) => self.exists = exists,
                line => {
                    if let Some(done) = done(line, &tag, stage) {
                        return done;
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

    /// One response, which with literals is several lines (RFC 3501, 4.3).
    async fn read(&mut self) -> Result<Received, Ended> {
        let mut received = Received::default();
        loop {
            let line = read_line(&mut self.stream).await?;
            let literal = length_of_literal(&line);
            received.text.extend(line);
            match literal {
                Some(length) => {
                    let literal = read_exactly(&mut self.stream, length).await?;
                    received.literals.push(literal);
                }
                None => return Ok(received),
            }
        }
    }
}

/// `{63}` at the end of a line: so many bytes follow.
fn length_of_literal(line: &[u8]) -> Option<usize> {
    let line = line.trim_ascii_end().strip_suffix(b"}")?;
    let at = line.iter().rposition(|byte| *byte == b'{')?;
    let (_, digits) = line.split_at_checked(at + 1)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

impl Received {
    /// The UID of a mail whose header has this test mail's subject: `* 12 FETCH (UID 345 BODY[…] {63}`, the header, and
    /// what closes it, where the UID may stand as well.
    fn uid_of(&self, mail: &TestMail) -> Option<u32> {
        let text = std::str::from_utf8(&self.text).ok()?;
        if !text.starts_with("* ") || !self.literals.iter().any(|header| mail.is_of(header)) {
            return None;
        }
        let (_, behind) = text.split_once("UID ")?;
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }
}

fn parse(received: &Received) -> Result<Line, Ended> {
    if !is_of_use(&received.text) {
        return Ok(Line::Other);
    }
    // imap-proto cuts texts at the first byte, and what is not ASCII is nothing that is looked for.
    let ascii = received.text.iter();
    let mut ascii: Vec<u8> = ascii
        .map(|byte| if byte.is_ascii() { *byte } else { b'?' })
        .collect();
    let end = ascii.trim_ascii_end().len();
    ascii.truncate(end);
    ascii.extend(b"\r\n");
    let Ok((_, response)) = Response::parse(&ascii) else {
        return Err(Ended::NotUnderstood);
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
    Ok(match response {
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
    })
}

/// Flags, mails and whatever else a server volunteers is not read at all.
fn is_of_use(read: &[u8]) -> bool {
    let Some(untagged) = read.strip_prefix(b"* ") else {
        return true;
    };
    let mut words = untagged.split(|b| matches!(b, b' ' | b'\r' | b'\n'));
    let word = words.next().unwrap_or_default().to_ascii_uppercase();
    let is_status = [&b"OK"[..], b"NO", b"BAD", b"PREAUTH", b"BYE"].contains(&word.as_slice());
    is_status
        || words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(b"EXISTS"))
}

/// How a command ended, if this line says it.
fn done(line: Line, tag: &str, stage: Stage) -> Option<Result<(), Ended>> {
    match line {
        Line::Tagged(of, Status::Ok, _) if of == tag => Some(Ok(())),
        Line::Tagged(of, _, refusal) if of == tag => Some(Err(Ended::Refused(refusal.at(stage)))),
        // An end before the answer, or a refusal without a tag. At LOGOUT it is the answer's beginning, which nobody
        // waits for.
        Line::Untagged(Status::Bye | Status::Bad, refusal) => {
            Some(Err(Ended::Refused(refusal.at(stage))))
        }
        Line::Tagged(..) | Line::Continue => Some(Err(Ended::NotUnderstood)),
        Line::Untagged(..) | Line::Exists(_) | Line::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn received(text: &str, literals: &[&str]) -> Received {
        let literals = literals.iter().map(|literal| literal.as_bytes().to_vec());
        Received {
            text: text.as_bytes().to_vec(),
            literals: literals.collect(),
        }
    }

    #[test]
    fn a_mail_is_found_by_its_whole_subject_wherever_its_uid_stands() {
        let mail = TestMail::new("5f0d9a2c", Timestamp::UNIX_EPOCH);
        let subject = "Subject: [shopmail round trip] 5f0d9a2c\r\n\r\n";
        let before = "* 2 FETCH (UID 9 BODY[HEADER.FIELDS (SUBJECT)] {45}\r\n)\r\n";
        assert_eq!(received(before, &[subject]).uid_of(&mail), Some(9));
        let behind = "* 2 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {45}\r\n UID 9)\r\n";
        assert_eq!(received(behind, &[subject]).uid_of(&mail), Some(9));
        // A bounce of it, or an answer to it.
        let bounce = "Subject: Undeliverable: [shopmail round trip] 5f0d9a2c\r\n\r\n";
        assert_eq!(received(before, &[bounce]).uid_of(&mail), None);
        assert_eq!(received("A3 OK UID 9\r\n", &[subject]).uid_of(&mail), None);
    }

    #[test]
    fn a_literal_is_told_by_its_length_at_the_end_of_a_line() {
        assert_eq!(length_of_literal(b"* LIST () \"/\" {5}\r\n"), Some(5));
        assert_eq!(length_of_literal(b"* 1 FETCH (BODY[] {0}\n"), Some(0));
        for none in [
            &b"* OK {5} x\r\n"[..],
            b"* OK {x}\r\n",
            b"}\r\n",
            b"{-1}\r\n",
            b"",
        ] {
            assert_eq!(length_of_literal(none), None, "{none:?}");
        }
    }
}
