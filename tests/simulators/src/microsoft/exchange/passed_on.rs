//! A conversation that another mail server has: what is asked passes the gate here, command by command, and goes on to
//! that server, whose answers come back as they are.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connection::{Answer, Asked, Then};
use super::imap;
use super::smtp::State;
use super::wire::{Awaited, Gone, Stream, Wire};
use crate::dovecot::Dovecot;
use crate::tls_authority::TlsAuthority;

/// The other mail server.
pub(super) struct Behind {
    pub(super) dovecot: Dovecot,
    tls: TlsConnector,
}

impl Behind {
    pub(super) fn new(dovecot: Dovecot, authority: &TlsAuthority) -> Self {
        Self {
            dovecot,
            tls: authority.client_config().into(),
        }
    }
}

pub(super) struct PassedOn {
    there: Wire,
    speaks: Speaks,
    tls: TlsConnector,
}

enum Speaks {
    Imap {
        /// What the last line of an answer begins with.
        tag: String,
        /// Whether it was "+".
        goes_on: bool,
    },
    Smtp(State),
}

impl PassedOn {
    /// A connection for IMAP, which begins with TLS.
    pub(super) async fn imap(behind: &Behind) -> Result<Self, Gone> {
        let stream = Box::new(TcpStream::connect(behind.dovecot.imap()).await?);
        // The greeting is one untagged line.
        let speaks = Speaks::Imap {
            tag: "*".to_owned(),
            goes_on: false,
        };
        Ok(Self {
            there: encrypted(&behind.tls, stream).await?,
            speaks,
            tls: behind.tls.clone(),
        })
    }

    /// A connection for SMTP, which does not.
    pub(super) async fn smtp(behind: &Behind) -> Result<Self, Gone> {
        let stream = Box::new(TcpStream::connect(behind.dovecot.smtp()).await?);
        Ok(Self {
            there: Wire::new(stream),
            speaks: Speaks::Smtp(State::Commands),
            tls: behind.tls.clone(),
        })
    }

    pub(super) fn awaited(&self) -> Awaited {
        match &self.speaks {
            Speaks::Imap { .. } => Awaited::Line,
            Speaks::Smtp(state) => state.awaited(),
        }
    }

    pub(super) fn read(&self, line: &[u8]) -> Asked {
        match &self.speaks {
            Speaks::Imap { goes_on, .. } => imap::asked(line, *goes_on),
            Speaks::Smtp(state) => state.asked(line),
        }
    }

    /// Where STARTTLS is answered with 220, that server's side has begun with TLS.
    pub(super) async fn answer(&mut self, line: &[u8]) -> Result<Answer, Gone> {
        let asked = self.read(line);
        let sent = match self.awaited() {
            Awaited::Message => message(line),
            Awaited::Line | Awaited::Command => [line, b"\r\n"].concat(),
        };
        if let Speaks::Imap {
            tag,
            goes_on: false,
        } = &mut self.speaks
        {
            tag.clone_from(&asked.tag);
        }
        self.there.send(&sent).await?;
        let answer = self.said().await?;
        if asked.operation == "STARTTLS" && answer.status == 220 {
            let nothing = Wire::new(Box::new(tokio::io::empty()));
            let plain = std::mem::replace(&mut self.there, nothing).into_plain();
            self.there = encrypted(&self.tls, plain).await?;
            return Ok(answer.then(Then::StartTls));
        }
        Ok(answer)
    }

    /// What is said next, up to the line that ends it.
    pub(super) async fn said(&mut self) -> Result<Answer, Gone> {
        let mut bytes = Vec::new();
        loop {
            let line = match self.there.next(Awaited::Line).await {
                Ok(line) => line,
                // What it said before it hung up.
                Err(Gone) if !bytes.is_empty() => {
                    return Ok(Answer::new(400, bytes).then(Then::Close));
                }
                Err(Gone) => return Err(Gone),
            };
            bytes.extend_from_slice(&line);
            bytes.extend_from_slice(b"\r\n");
            if let Some(status) = self.ends(&line) {
                return Ok(Answer::new(status, bytes));
            }
        }
    }

    /// The status of an answer that this line ends.
    fn ends(&mut self, line: &[u8]) -> Option<u16> {
        let line = String::from_utf8_lossy(line);
        match &mut self.speaks {
            Speaks::Imap { tag, goes_on } => {
                let (first, rest) = line.split_once(' ').unwrap_or((&line, ""));
                *goes_on = first == "+";
                let ok = *goes_on || rest.starts_with("OK");
                (*goes_on || first == tag).then_some(if ok { 200 } else { 400 })
            }
            Speaks::Smtp(state) => {
                let (code, rest) = line.split_at_checked(3)?;
                *state = match code {
                    "334" => State::Authenticating,
                    "354" => State::Message,
                    _ => State::Commands,
                };
                (!rest.starts_with('-')).then_some(code.parse().unwrap_or(500))
            }
        }
    }
}

async fn encrypted(tls: &TlsConnector, stream: Box<dyn Stream>) -> Result<Wire, Gone> {
    let name = ServerName::try_from("localhost").map_err(|_| Gone)?;
    let stream = tls.connect(name, stream).await?;
    Ok(Wire::new(Box::new(stream)))
}

/// With the dots before others, and the one that ends it (RFC 5321, 4.5.2).
fn message(lines: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    sent.extend_from_slice(b".\r\n");
    sent
}
