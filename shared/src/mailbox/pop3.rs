//! POP3 (RFC 1939, RFC 5034): signs in, and asks how much mail there is. In a few lines of our own: no crate speaks POP3
//! over this runtime and TLS with XOAUTH2 (docs/decisions.md).

use secrecy::ExposeSecret;

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted, read_line, write_line};
use super::test_mail::{self, TestMail};
use super::xoauth2::initial_response;

pub(super) async fn open(dialer: Dialer<'_>, access: Access<'_>) -> Result<(), Ended> {
    let mut session = sign_in(dialer, access).await?;
    session.stat().await?;
    session.quit().await;
    Ok(())
}

/// Looks for a test mail among the newest, and removes it where it is there.
pub(super) async fn take(
    dialer: Dialer<'_>,
    access: Access<'_>,
    mail: &TestMail,
) -> Result<bool, Ended> {
    let mut session = sign_in(dialer, access).await?;
    let there = session.stat().await?;
    let mut found = false;
    for number in (1..=there).rev().take(NEWEST) {
        if session.has_token(number, mail.token()).await? {
            // What is marked goes when leave is taken.
            let _ = session.command(&format!("DELE {number}")).await;
            found = true;
            break;
        }
    }
    session.quit().await;
    Ok(found)
}

/// So many of the newest mails are looked at.
const NEWEST: usize = 20;

async fn sign_in(dialer: Dialer<'_>, access: Access<'_>) -> Result<Session, Ended> {
    let stream = dialer.encrypted(&access.servers.pop3).await?;
    let mut session = Session { stream };
    match session.read().await? {
        Reply::Ok(_) => {}
        Reply::Refused(refusal) => return Err(Ended::Refused(refusal.at(Stage::Greeting))),
        Reply::Continue => return Err(Ended::NotUnderstood),
    }
    session.authenticate(access).await?;
    Ok(session)
}

struct Session {
    stream: Encrypted,
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

    /// How many mails there are.
    async fn stat(&mut self) -> Result<u32, Ended> {
        let text = self.command("STAT").await?;
        messages(&text).ok_or(Ended::NotUnderstood)
    }

    /// Whether the header of a mail has the token. TOP marks nothing as read.
    async fn has_token(&mut self, number: u32, token: &str) -> Result<bool, Ended> {
        self.command(&format!("TOP {number} 0")).await?;
        let mut found = false;
        loop {
            let line = read_line(&mut self.stream).await?;
            if line.trim_ascii_end() == b"." {
                return Ok(found);
            }
            found |= test_mail::has_token(&line, token);
        }
    }

    /// Takes leave, with which what was marked is deleted.
    async fn quit(&mut self) {
        // All is known already: a server that does not take leave changes nothing.
        let _ = self.command("QUIT").await;
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
