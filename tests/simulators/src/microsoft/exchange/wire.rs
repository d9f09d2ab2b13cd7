//! The bytes of a connection, in lines, commands and messages.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// No command and no message is longer.
const LONGEST: u64 = 1024 * 1024;

/// The connection is over.
pub(super) struct Gone;

impl From<std::io::Error> for Gone {
    fn from(_: std::io::Error) -> Self {
        Self
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

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The bytes of a connection.
pub(super) struct Wire(BufReader<Box<dyn Stream>>);

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    /// What TLS is begun on. What was sent ahead is forgotten.
    pub(super) fn into_plain(self) -> Box<dyn Stream> {
        self.0.into_inner()
    }

    pub(super) async fn next(&mut self, awaited: Awaited) -> Result<Vec<u8>, Gone> {
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

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.0.write_all(bytes).await?;
        self.0.flush().await?;
        Ok(())
    }

    /// Ends it in order: within TLS the other side is told.
    pub(super) async fn close(mut self) -> Result<(), Gone> {
        self.0.shutdown().await?;
        Ok(())
    }

    /// Says nothing until the other side goes.
    pub(super) async fn until_closed<T>(&mut self) -> Result<T, Gone> {
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
