//! POP3 (RFC 1939, RFC 5034): signs in, and asks how much mail there is. In a few lines of our own: no crate speaks POP3
//! over this runtime and TLS with XOAUTH2 (docs/decisions.md).

use secrecy::ExposeSecret;

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted, read_line, write_line};
use super::test_mail::TestMail;
use super::xoauth2::initial_response;

/// So many of the newest mails are looked at for a test mail: their whole headers come.
const NEWEST: usize = 10;

pub(super) struct Session {
    stream: Encrypted,
    /// How many mails there are.
    messages: u32,
}

pub(super) async fn open(dialer: Dialer<'_>, access: Access<'_>) -> Result<Session, Ended> {
    let mut session = Session {
        stream: dialer.encrypted(&access.servers.pop3).await?,
        messages: 0,
    };
    match session.read().await? {
        Reply::Ok(_) => {}
        Reply::Refused(refusal) => return Err(Ended::Refused(refusal.at(Stage::Greeting))),
        Reply::Continue => return Err(Ended::NotUnderstood),
    }
    session.authenticate(access).await?;
    let listing = session.command("STAT").await?;
    session.messages = messages(&listing).ok_or(Ended::NotUnderstood)?;
    Ok(session)
}

/// What a server says (RFC 1939, 3; RFC 5034, 4).
#[derive(Debug)]
enum Reply {
    Ok(String),
    Refused(Refusal),
    Continue,
}

impl Session {
    /// The response on a line of its own: Exchange ends the connection of who sends it with the command
    /// (getmail6#256).
    async fn authenticate(&mut self, access: Access<'_>) -> Result<(), Ended> {
        write_line(&mut self.stream, "AUTH XOAUTH2").await?;
        let mut response = Some(initial_response(access.mailbox, access.token));
        loop {
            match self.read().await? {
                // The second one has an error's details, as JSON, and waits for an empty answer.
                Reply::Continue => {
                    let response = response.take();
                    let response = response.as_ref().map_or("", |r| r.expose_secret());
                    write_line(&mut self.stream, response).await?;
                }
                Reply::Ok(_) if response.is_none() => return Ok(()),
                Reply::Ok(_) => return Err(Ended::NotUnderstood),
                Reply::Refused(refusal) => return Err(Ended::Refused(refusal.at(Stage::SignIn))),
            }
        }
    }

    /// The number of the newest mail with this test mail's subject.
    pub(super) async fn find(&mut self, mail: &TestMail) -> Result<Option<u32>, Ended> {
        for number in (1..=self.messages).rev().take(NEWEST) {
            match self.header(number).await {
                Ok(header) if mail.is_of(&header) => return Ok(Some(number)),
                Ok(_) => {}
                // One that cannot be shown, or that somebody has just removed, is not the one.
                Err(Ended::Refused(_)) => {}
                Err(ended) => return Err(ended),
            }
        }
        Ok(None)
    }

    /// TOP marks nothing as read.
    async fn header(&mut self, number: u32) -> Result<Vec<u8>, Ended> {
        self.command(&format!("TOP {number} 0")).await?;
        let mut header = Vec::new();
        loop {
            let line = read_line(&mut self.stream).await?;
            if line.trim_ascii_end() == b"." {
                return Ok(header);
            }
            header.extend(line);
        }
    }

    /// What is marked goes when leave is taken.
    pub(super) async fn remove(&mut self, number: u32) -> Result<(), Ended> {
        self.command(&format!("DELE {number}")).await.map(drop)
    }

    pub(super) async fn leave(mut self) -> Result<(), Ended> {
        self.command("QUIT").await.map(drop)
    }

    async fn command(&mut self, command: &str) -> Result<String, Ended> {
        write_line(&mut self.stream, command).await?;
        match self.read().await? {
            Reply::Ok(text) => Ok(text),
            Reply::Refused(refusal) => Err(Ended::Refused(refusal.at(Stage::Open))),
            Reply::Continue => Err(Ended::NotUnderstood),
        }
    }

    async fn read(&mut self) -> Result<Reply, Ended> {
        parse(&read_line(&mut self.stream).await?).ok_or(Ended::NotUnderstood)
    }
}

fn parse(line: &[u8]) -> Option<Reply> {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches(['\r', '\n']);
    let (status, text) = line.split_once(' ').unwrap_or((line, ""));
    match status {
        "+OK" => Some(Reply::Ok(text.to_owned())),
        "-ERR" => Some(Reply::Refused(Refusal::pop3(text))),
        "+" => Some(Reply::Continue),
        _ => None,
    }
}

/// `2 320`: the drop listing (RFC 1939, 5).
fn messages(stat: &str) -> Option<u32> {
    let mut numbers = stat.split(' ');
    let messages = numbers.next()?.parse().ok()?;
    let _octets: u64 = numbers.next()?.parse().ok()?;
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_listing_has_two_numbers_and_perhaps_more() {
        assert_eq!(messages("2 320"), Some(2));
        assert_eq!(messages("2 320 more"), Some(2));
        for odd in ["", "2", "two 320", "2  320", "-1 0", "99999999999 0"] {
            assert_eq!(messages(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_is_no_reply_is_not_taken_for_one() {
        for odd in [&b"OK"[..], b"+ok", b"", b"\r\n", b"+OKAY", b"* OK"] {
            assert!(parse(odd).is_none(), "{odd:?}");
        }
        assert!(matches!(parse(b"+OK\r\n"), Some(Reply::Ok(text)) if text.is_empty()));
        assert!(matches!(parse(b"+ \r\n"), Some(Reply::Continue)));
        assert!(matches!(parse(b"+\r\n"), Some(Reply::Continue)));
    }
}
