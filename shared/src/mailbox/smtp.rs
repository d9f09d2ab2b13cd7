//! SMTP submission (RFC 6409): STARTTLS, and the sign-in alone. That it may send as the mailbox, only a mail tells.

use std::fmt;

use async_smtp::commands::{DataCommand, MailCommand, RcptCommand};
use async_smtp::error::Error;
use async_smtp::{EmailAddress, SmtpClient, SmtpTransport};
use secrecy::{ExposeSecret, SecretString};

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted};
use super::test_mail::TestMail;
use super::xoauth2::initial_response;
use crate::ids::MailboxAddress;

pub(super) struct Session(SmtpTransport<Encrypted>);

pub(super) async fn open(dialer: Dialer<'_>, access: Access<'_>) -> Result<Session, Ended> {
    let server = &access.servers.smtp;
    let plain = dialer.plain(server).await?;
    let greeted = SmtpTransport::new(SmtpClient::new(), plain).await;
    let mut plain = greeted
        .map_err(|error| ended(error, Stage::Greeting))?
        .into_inner();
    // Whether or not EHLO names it, and in which case: whoever has it takes it.
    if plain.command("STARTTLS\r\n").await.is_err() {
        return Err(Ended::NoStartTls);
    }
    let encrypted = dialer.encrypt(server, plain.into_inner()).await?;
    let client = SmtpClient::new().without_greeting();
    let session = SmtpTransport::new(client, encrypted).await;
    let mut session = session.map_err(|error| ended(error, Stage::Greeting))?;
    let response = initial_response(access.account, access.token);
    authenticate(&mut session, &response).await?;
    Ok(Session(session))
}

impl Session {
    /// Up to where the server waits for a mail from the mailbox to itself. One command after the other, and not all at
    /// once with the mail behind them: what fails here has sent nothing.
    pub(super) async fn announce(&mut self, mailbox: &MailboxAddress) -> Result<(), Ended> {
        // It takes addresses of ASCII, which Exchange's are.
        let own = EmailAddress::new(mailbox.to_string()).map_err(|_| Ended::NotReached)?;
        let refused = |error| ended(error, Stage::Open);
        let stream = self.0.get_mut();
        let from = MailCommand::new(Some(own.clone()), Vec::new());
        stream.command(from).await.map_err(refused)?;
        let to = RcptCommand::new(own, Vec::new());
        stream.command(to).await.map_err(refused)?;
        stream.command(DataCommand).await.map_err(refused)?;
        Ok(())
    }

    /// Sends the mail that was announced.
    pub(super) async fn send(
        &mut self,
        mailbox: &MailboxAddress,
        mail: &TestMail,
    ) -> Result<(), Ended> {
        // No line of it begins with a dot (RFC 5321, 4.5.2).
        let message = format!("{}.\r\n", mail.message(mailbox));
        let sent = self.0.get_mut().command(message).await;
        sent.map(drop).map_err(|error| ended(error, Stage::Open))
    }

    pub(super) async fn leave(mut self) -> Result<(), Ended> {
        let left = self.0.quit().await;
        left.map_err(|error| ended(error, Stage::Open))
    }
}

/// A line as async-smtp takes it.
struct Response<'a>(&'a SecretString);

impl fmt::Display for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0.expose_secret())
    }
}

/// By hand: async-smtp sends the response with the command, for which a line has 512 bytes (RFC 4954, 4), and does not
/// answer the challenge in which servers tell an error's details, so that it does not learn of the refusal behind it.
async fn authenticate(
    session: &mut SmtpTransport<Encrypted>,
    response: &SecretString,
) -> Result<(), Ended> {
    let stream = session.get_mut();
    let refused = |error| ended(error, Stage::SignIn);
    let challenge = stream.command("AUTH XOAUTH2\r\n").await.map_err(refused)?;
    if !challenge.has_code(334) {
        return Err(Ended::NotUnderstood);
    }
    let mut answer = stream.command(Response(response)).await;
    if answer.as_ref().is_ok_and(|answer| answer.has_code(334)) {
        answer = stream.command("\r\n").await;
    }
    match answer.map_err(refused)?.has_code(235) {
        true => Ok(()),
        false => Err(Ended::NotUnderstood),
    }
}

fn ended(error: Error, stage: Stage) -> Ended {
    match error {
        Error::Transient(response) | Error::Permanent(response) => {
            let code = response.code.to_string();
            let refusal = Refusal::smtp(&code, &response.message.join(" "));
            Ended::Refused(refusal.at(stage))
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Ended::NotUnderstood,
        Error::Io(_) | Error::Timeout(_) | Error::Resolution => Ended::Closed,
        Error::ResponseParsing(_)
        | Error::ChallengeParsing(_)
        | Error::Utf8Parsing(_)
        | Error::Client(_)
        | Error::Parsing(_)
        | Error::AddrParseError(_) => Ended::NotUnderstood,
    }
}
