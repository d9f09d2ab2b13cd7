//! SMTP submission (RFC 6409): STARTTLS, and the sign-in alone. That it may send as the mailbox, only a mail tells.

use std::fmt;

use async_smtp::error::Error;
use async_smtp::{EmailAddress, Envelope, SendableEmail, SmtpClient, SmtpTransport};
use secrecy::{ExposeSecret, SecretString};

use super::Access;
use super::not_opened::Ended;
use super::refusal::{Refusal, Stage};
use super::stream::{Dialer, Encrypted};
use super::test_mail::TestMail;
use super::xoauth2::initial_response;

pub(super) async fn open(dialer: Dialer<'_>, access: Access<'_>) -> Result<(), Ended> {
    let mut session = sign_in(dialer, access).await?;
    // All is known already: a server that does not take leave changes nothing.
    let _ = session.quit().await;
    Ok(())
}

/// Sends a test mail from the mailbox to itself.
pub(super) async fn send(
    dialer: Dialer<'_>,
    access: Access<'_>,
    mail: &TestMail,
) -> Result<(), Ended> {
    let mut session = sign_in(dialer, access).await?;
    let address = EmailAddress::new(access.mailbox.to_string());
    let envelope = address.and_then(|own| Envelope::new(Some(own.clone()), vec![own]));
    // It takes addresses of ASCII, which Exchange's are.
    let envelope = envelope.map_err(|_| Ended::NotUnderstood)?;
    let message = SendableEmail::new(envelope, mail.message(access.mailbox));
    let sent = session.send(message).await;
    let _ = session.quit().await;
    sent.map(drop).map_err(|error| ended(error, Stage::Open))
}

async fn sign_in(
    dialer: Dialer<'_>,
    access: Access<'_>,
) -> Result<SmtpTransport<Encrypted>, Ended> {
    let server = &access.servers.smtp;
    let plain = dialer.plain(server).await?;
    let greeted = SmtpTransport::new(SmtpClient::new(), plain).await;
    let greeted = greeted.map_err(|error| ended(error, Stage::Greeting))?;
    let plain = match greeted.starttls().await {
        Ok(plain) => plain,
        // What it says where EHLO did not name STARTTLS.
        Err(Error::Client(_)) => return Err(Ended::NoStartTls),
        Err(error) => return Err(ended(error, Stage::Greeting)),
    };
    let encrypted = dialer.encrypt(server, plain).await?;
    let client = SmtpClient::new().without_greeting();
    let session = SmtpTransport::new(client, encrypted).await;
    let mut session = session.map_err(|error| ended(error, Stage::Greeting))?;
    authenticate(
        &mut session,
        &initial_response(access.account, access.token),
    )
    .await?;
    Ok(session)
}

/// A command as async-smtp takes it.
struct Auth<'a>(&'a SecretString);

impl fmt::Display for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AUTH XOAUTH2 {}\r\n", self.0.expose_secret())
    }
}

/// By hand, for async-smtp does not answer the challenge in which servers tell an error's details, and so does not learn
/// of the refusal behind it.
async fn authenticate(
    session: &mut SmtpTransport<Encrypted>,
    response: &SecretString,
) -> Result<(), Ended> {
    let stream = session.get_mut();
    let mut answer = stream.command(Auth(response)).await;
    if answer.as_ref().is_ok_and(|answer| answer.has_code(334)) {
        answer = stream.command("\r\n").await;
    }
    match answer {
        Ok(answer) if answer.has_code(235) => Ok(()),
        Ok(_) => Err(Ended::NotUnderstood),
        Err(error) => Err(ended(error, Stage::SignIn)),
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
