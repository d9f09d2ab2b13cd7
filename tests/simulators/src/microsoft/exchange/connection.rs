//! One connection with a mail server: lines come in, pass the world's gate one by one, and are answered.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::imap::Imap;
use super::passed_on::PassedOn;
use super::pop3::Pop3;
use super::smtp::Smtp;
use super::wire::{Awaited, Gone, Stream, Wire};
use super::{Event, Exchange, Happening, Protocol};
use crate::gate::{Call, Fault};

/// How a server is entered, ready for use.
pub(super) enum Door {
    Tls(TlsAcceptor),
    Plain,
    Silent,
    Injecting(TlsAcceptor, String),
}

impl From<super::Door<'_>> for Door {
    fn from(door: super::Door<'_>) -> Self {
        match door {
            super::Door::Tls(identity) => Self::Tls(identity.rustls_config().into()),
            super::Door::Plain => Self::Plain,
            super::Door::Silent => Self::Silent,
            super::Door::Injecting(identity, text) => {
                Self::Injecting(identity.rustls_config().into(), text.to_owned())
            }
        }
    }
}

/// What is asked, as the journal shows it.
pub(super) struct Asked {
    /// Its name.
    pub(super) operation: String,
    /// The command, without what signs in.
    pub(super) text: String,
    /// IMAP's tag.
    pub(super) tag: String,
    /// A message that is handed in.
    pub(super) message: Bytes,
}

impl Asked {
    pub(super) fn command(operation: &str, text: String) -> Self {
        Self {
            operation: operation.to_owned(),
            text,
            tag: String::new(),
            message: Bytes::new(),
        }
    }
}

/// What is answered.
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) status: u16,
    pub(super) then: Then,
}

/// What happens after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Close,
    StartTls,
}

impl Answer {
    pub(super) fn new(status: u16, lines: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: lines.into(),
            status,
            then: Then::GoOn,
        }
    }

    pub(super) fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// The last line.
    fn gist(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        text.lines().next_back().unwrap_or_default().to_owned()
    }
}

/// A protocol's side of one connection.
pub(super) trait Session: Send {
    fn greeting(&mut self) -> Answer;
    fn awaited(&self) -> Awaited;
    fn read(&self, line: &[u8]) -> Asked;
    fn answer(&mut self, line: &[u8]) -> Answer;
    /// TLS was begun.
    fn secured(&mut self) {}
}

/// Who answers.
enum Conversation {
    Simulated(Box<dyn Session>),
    PassedOn(PassedOn),
}

impl Conversation {
    async fn greeting(&mut self) -> Result<Answer, Gone> {
        match self {
            Self::Simulated(session) => Ok(session.greeting()),
            Self::PassedOn(session) => session.said().await,
        }
    }

    fn awaited(&self) -> Awaited {
        match self {
            Self::Simulated(session) => session.awaited(),
            Self::PassedOn(session) => session.awaited(),
        }
    }

    fn read(&self, line: &[u8]) -> Asked {
        match self {
            Self::Simulated(session) => session.read(line),
            Self::PassedOn(session) => session.read(line),
        }
    }

    async fn answer(&mut self, line: &[u8]) -> Result<Answer, Gone> {
        match self {
            Self::Simulated(session) => Ok(session.answer(line)),
            Self::PassedOn(session) => session.answer(line).await,
        }
    }

    fn secured(&mut self) {
        match self {
            Self::Simulated(session) => session.secured(),
            Self::PassedOn(_) => {}
        }
    }
}

/// A connection, from its first byte to its last.
pub(super) struct Connection {
    exchange: Arc<Exchange>,
    protocol: Protocol,
    number: u64,
}

impl Connection {
    pub(super) fn new(exchange: Arc<Exchange>, protocol: Protocol, number: u64) -> Self {
        Self {
            exchange,
            protocol,
            number,
        }
    }

    pub(super) async fn serve(self, stream: TcpStream, door: Arc<Door>) {
        // Answers go out as they are written.
        let _ = stream.set_nodelay(true);
        self.happened(Happening::Opened);
        // That it ended is all that there is to say of it.
        let _ = self.converse(stream, &door).await;
        self.happened(Happening::Closed);
    }

    async fn session(&self, door: &Door) -> Result<Conversation, Gone> {
        let directory = &self.exchange.directory;
        let plain = matches!(door, Door::Plain);
        let simulated: Box<dyn Session> = match (self.protocol, self.exchange.passes_on()) {
            (Protocol::Imap, Some(behind)) => {
                return Ok(Conversation::PassedOn(PassedOn::imap(&behind).await?));
            }
            (Protocol::Smtp, Some(behind)) => {
                return Ok(Conversation::PassedOn(PassedOn::smtp(&behind).await?));
            }
            (Protocol::Imap, None) => Box::new(Imap::new(Arc::clone(directory))),
            (Protocol::Pop3, _) => Box::new(Pop3::new(Arc::clone(directory))),
            (Protocol::Smtp, None) => Box::new(Smtp::new(Arc::clone(directory), plain)),
        };
        Ok(Conversation::Simulated(simulated))
    }

    async fn converse(&self, stream: TcpStream, door: &Door) -> Result<(), Gone> {
        let mut session = self.session(door).await?;
        let stream: Box<dyn Stream> = match (self.protocol, door) {
            (Protocol::Imap | Protocol::Pop3, Door::Tls(tls) | Door::Injecting(tls, _)) => {
                Box::new(tls.accept(stream).await?)
            }
            (Protocol::Smtp, _) | (_, Door::Plain | Door::Silent) => Box::new(stream),
        };
        let mut wire = Wire::new(stream);
        if let Door::Silent = door {
            return wire.until_closed().await;
        }
        let connect = Asked::command("CONNECT", String::new());
        self.call(&mut wire, connect, session.greeting()).await?;
        loop {
            let line = wire.next(session.awaited()).await?;
            let asked = session.read(&line);
            let act = async {
                let mut answer = session.answer(&line).await?;
                if let (Then::StartTls, Door::Injecting(_, text)) = (answer.then, door) {
                    answer.bytes.extend_from_slice(text.as_bytes());
                }
                Ok(answer)
            };
            let answered = self.call(&mut wire, asked, act).await?;
            match (answered, door) {
                (Then::GoOn, _) => {}
                (Then::Close, _) | (Then::StartTls, Door::Plain | Door::Silent) => {
                    return wire.close().await;
                }
                (Then::StartTls, Door::Tls(tls) | Door::Injecting(tls, _)) => {
                    // What was sent ahead in plain text is not taken for something said within TLS.
                    let stream = tls.accept(wire.into_plain()).await?;
                    wire = Wire::new(Box::new(stream));
                    session.secured();
                }
            }
        }
    }

    /// One call: what was asked and what comes of it, past the gate.
    async fn call(
        &self,
        wire: &mut Wire,
        asked: Asked,
        act: impl Future<Output = Result<Answer, Gone>>,
    ) -> Result<Then, Gone> {
        let gate = &self.exchange.gate;
        let tag = asked.tag.clone();
        self.happened(Happening::Asked(match asked.text.as_str() {
            "" => asked.operation.clone(),
            text => text.to_owned(),
        }));
        let (number, fault) = gate.note(self.noted(asked));
        let mut answer = match fault {
            None | Some(Fault::Odd(_)) => act.await?,
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                act.await?
            }
            Some(Fault::Hold(hold)) => {
                hold.pass().await;
                act.await?
            }
            Some(Fault::Answer {
                effect,
                body,
                headers,
                ..
            }) => {
                if effect {
                    act.await?;
                }
                let closes = |(name, value): &(String, String)| {
                    name.eq_ignore_ascii_case("connection") && value == "close"
                };
                let then = match headers.iter().any(closes) {
                    true => Then::Close,
                    false => Then::GoOn,
                };
                Answer::new(200, body.replace("{tag}", &tag)).then(then)
            }
            Some(Fault::NotJson) => {
                act.await?;
                Answer::new(200, "<html>Gateway</html>\r\n")
            }
            Some(Fault::CutOff) => {
                let mut answer = act.await?;
                answer.bytes.truncate(answer.bytes.len() / 2);
                answer.then(Then::Close)
            }
            Some(Fault::Reset { effect }) => {
                if effect {
                    act.await?;
                }
                return Err(Gone);
            }
            Some(Fault::Hang { effect }) => {
                if effect {
                    act.await?;
                }
                return wire.until_closed().await;
            }
            Some(Fault::Endless(text)) => loop {
                wire.send(text.as_bytes()).await?;
            },
            Some(Fault::Kill { effect }) => {
                if effect {
                    act.await?;
                }
                gate.kill();
                return Err(Gone);
            }
        };
        self.happened(Happening::Answered(answer.gist()));
        wire.send(&answer.bytes).await?;
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        gate.answered(number, status, &std::mem::take(&mut answer.bytes).into());
        Ok(answer.then)
    }

    fn noted(&self, asked: Asked) -> Call {
        let word = asked.operation.split(' ').next().unwrap_or_default();
        Call {
            number: 0,
            service: self.protocol.service(),
            method: Method::from_bytes(word.as_bytes()).unwrap_or_default(),
            operation: asked.operation,
            uri: asked.text,
            headers: HeaderMap::new(),
            body: asked.message,
            status: None,
            answer: Bytes::new(),
        }
    }

    fn happened(&self, what: Happening) {
        self.exchange.events().push(Event {
            protocol: self.protocol,
            connection: self.number,
            what,
        });
    }
}
