//! One connection with a mail server: lines come in, pass the world's gate one by one, and are answered.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::imap::Imap;
use super::pop3::Pop3;
use super::smtp::Smtp;
use super::{Event, Exchange, Happening, Protocol};
use crate::gate::{Call, Fault};

/// No command and no message is longer.
const LONGEST: u64 = 1024 * 1024;

/// How a server is entered, ready for use.
pub(super) enum Door {
    Tls(TlsAcceptor),
    Plain,
    Injecting(TlsAcceptor, String),
}

impl From<super::Door<'_>> for Door {
    fn from(door: super::Door<'_>) -> Self {
        match door {
            super::Door::Tls(identity) => Self::Tls(identity.rustls_config().into()),
            super::Door::Plain => Self::Plain,
            super::Door::Injecting(identity, text) => {
                Self::Injecting(identity.rustls_config().into(), text.to_owned())
            }
        }
    }
}

/// The connection is over.
pub(super) struct Gone;

impl From<std::io::Error> for Gone {
    fn from(_: std::io::Error) -> Self {
        Self
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

/// What the server waits for.
pub(super) enum Awaited {
    /// A line.
    Line,
    /// A command of IMAP, which may have literals in it (RFC 3501, 4.3).
    Command,
    /// A message up to the line with a dot alone.
    Message,
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

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

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

    async fn converse(&self, stream: TcpStream, door: &Door) -> Result<(), Gone> {
        let directory = &self.exchange.directory;
        let plain = matches!(door, Door::Plain);
        let mut session: Box<dyn Session> = match self.protocol {
            Protocol::Imap => Box::new(Imap::new(Arc::clone(directory))),
            Protocol::Pop3 => Box::new(Pop3::new(Arc::clone(directory))),
            Protocol::Smtp => Box::new(Smtp::new(Arc::clone(directory), plain)),
        };
        let stream: Box<dyn Stream> = match (self.protocol, door) {
            (Protocol::Imap | Protocol::Pop3, Door::Tls(tls) | Door::Injecting(tls, _)) => {
                Box::new(tls.accept(stream).await?)
            }
            (Protocol::Smtp, _) | (_, Door::Plain) => Box::new(stream),
        };
        let mut wire = Wire(BufReader::new(stream));
        let connect = Asked::command("CONNECT", String::new());
        self.call(&mut wire, connect, || session.greeting()).await?;
        loop {
            let line = wire.next(session.awaited()).await?;
            let asked = session.read(&line);
            let act = || {
                let mut answer = session.answer(&line);
                if let (Then::StartTls, Door::Injecting(_, text)) = (answer.then, door) {
                    answer.bytes.extend_from_slice(text.as_bytes());
                }
                answer
            };
            let answered = self.call(&mut wire, asked, act).await?;
            match (answered, door) {
                (Then::GoOn, _) => {}
                (Then::Close, _) | (Then::StartTls, Door::Plain) => return wire.close().await,
                (Then::StartTls, Door::Tls(tls) | Door::Injecting(tls, _)) => {
                    // What was sent ahead in plain text is not taken for something said within TLS.
                    let stream = tls.accept(wire.0.into_inner()).await?;
                    wire = Wire(BufReader::new(Box::new(stream)));
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
        act: impl FnOnce() -> Answer,
    ) -> Result<Then, Gone> {
        let gate = &self.exchange.gate;
        let tag = asked.tag.clone();
        self.happened(Happening::Asked(match asked.text.as_str() {
            "" => asked.operation.clone(),
            text => text.to_owned(),
        }));
        let (number, fault) = gate.note(self.noted(asked));
        let mut answer = match fault {
            None | Some(Fault::Odd(_)) => act(),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                act()
            }
            Some(Fault::Hold(hold)) => {
                hold.pass().await;
                act()
            }
            Some(Fault::Answer { effect, body, .. }) => {
                if effect {
                    act();
                }
                Answer::new(200, body.replace("{tag}", &tag))
            }
            Some(Fault::NotJson) => {
                act();
                Answer::new(200, "<html>Gateway</html>\r\n")
            }
            Some(Fault::CutOff) => {
                let mut answer = act();
                answer.bytes.truncate(answer.bytes.len() / 2);
                answer.then(Then::Close)
            }
            Some(Fault::Reset { effect }) => {
                if effect {
                    act();
                }
                return Err(Gone);
            }
            Some(Fault::Hang { effect }) => {
                if effect {
                    act();
                }
                return wire.until_closed().await;
            }
            Some(Fault::Endless(text)) => loop {
                wire.send(text.as_bytes()).await?;
            },
            Some(Fault::Kill { effect }) => {
                if effect {
                    act();
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

/// The bytes of a connection.
struct Wire(BufReader<Box<dyn Stream>>);

impl Wire {
    async fn next(&mut self, awaited: Awaited) -> Result<Vec<u8>, Gone> {
        match awaited {
            Awaited::Line => self.line().await,
            Awaited::Command => self.command().await,
            Awaited::Message => self.message().await,
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<Vec<u8>, Gone> {
        let mut line = Vec::new();
        let mut limited = (&mut self.0).take(LONGEST);
        limited.read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(Gone);
        }
        line.pop_if(|last| *last == b'\r');
        Ok(line)
    }

    /// A line with its literals in their places: `{3}`, a line's end, and three bytes.
    async fn command(&mut self) -> Result<Vec<u8>, Gone> {
        let mut command = Vec::new();
        loop {
            command.extend(self.line().await?);
            let Some((length, waits)) = literal_after(&command) else {
                return Ok(command);
            };
            if waits {
                self.send(b"+ Ready for additional command text.\r\n")
                    .await?;
            }
            command.extend_from_slice(b"\r\n");
            let start = command.len();
            command.resize(start + length, 0);
            let literal = command.get_mut(start..).unwrap_or_default();
            self.0.read_exact(literal).await?;
        }
    }

    /// Lines up to a dot alone, with the dots taken off that were put in front of others (RFC 5321, 4.5.2).
    async fn message(&mut self) -> Result<Vec<u8>, Gone> {
        let mut message = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                return Ok(message);
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            message.extend_from_slice(b"\r\n");
            if message.len() as u64 > LONGEST {
                return Err(Gone);
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.0.write_all(bytes).await?;
        self.0.flush().await?;
        Ok(())
    }

    /// Ends it in order: within TLS the other side is told.
    async fn close(mut self) -> Result<(), Gone> {
        self.0.shutdown().await?;
        Ok(())
    }

    /// Says nothing until the other side goes.
    async fn until_closed<T>(&mut self) -> Result<T, Gone> {
        let mut ignored = [0; 1024];
        while self.0.read(&mut ignored).await? > 0 {}
        Err(Gone)
    }
}

/// How long the literal is that a line ends with the announcement of, and whether its sender waits to be asked for it.
fn literal_after(line: &[u8]) -> Option<(usize, bool)> {
    let announced = line.strip_suffix(b"}")?;
    let start = announced.iter().rposition(|byte| *byte == b'{')?;
    let length = announced.get(start + 1..)?;
    let at_once = length.strip_suffix(b"+");
    let length = std::str::from_utf8(at_once.unwrap_or(length)).ok()?;
    let length: usize = length.parse().ok()?;
    (length as u64 <= LONGEST).then_some((length, at_once.is_none()))
}
