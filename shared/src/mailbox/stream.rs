//! Connections to mail servers: TCP, TLS on it, and a bound for what a server may say.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Join, ReadHalf,
    Take, WriteHalf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::not_opened::Ended;
use crate::cloud::MailServer;

/// So much a server may say in one conversation; what is beyond this reads as the end. The headers of some mails fit in,
/// of which Exchange's are up to 20 KB each.
const MOST: u64 = 1024 * 1024;
/// Before a sign-in, and by SMTP at all, a server says a few lines. What is read there is read anew with each of them.
const MOST_BY_SMTP: u64 = 16 * 1024;
/// A line: nothing that is asked for is longer.
const LONGEST_LINE: u64 = 16 * 1024;

/// What is read is bounded, what is written is not held back.
pub(super) type Bounded<S> = Join<BufReader<Take<ReadHalf<S>>>, WriteHalf<S>>;
pub(super) type Plain = Bounded<TcpStream>;
pub(super) type Encrypted = Bounded<TlsStream<TcpStream>>;

/// How connections are made.
#[derive(Clone, Copy)]
pub(super) struct Dialer<'a> {
    pub(super) tls: &'a TlsConnector,
    pub(super) connect: Duration,
}

impl Dialer<'_> {
    /// Without TLS: for `STARTTLS` to follow.
    pub(super) async fn plain(self, server: &MailServer) -> Result<Plain, Ended> {
        let stream = self.tcp(server).await?;
        Ok(bounded(stream, MOST_BY_SMTP))
    }

    pub(super) async fn encrypted(self, server: &MailServer) -> Result<Encrypted, Ended> {
        let stream = self.tcp(server).await?;
        self.handshake(server, stream, MOST).await
    }

    /// Goes on with TLS. What the server said before in plain text nobody vouches for: where something of it is left,
    /// it was put there to be taken for the server's (CVE-2021-38371 and its kin, nostarttls.secvuln.info).
    pub(super) async fn encrypt(
        self,
        server: &MailServer,
        plain: Plain,
    ) -> Result<Encrypted, Ended> {
        let (read, write) = plain.into_inner();
        if !read.buffer().is_empty() {
            return Err(Ended::NotUnderstood);
        }
        let stream = read.into_inner().into_inner().unsplit(write);
        self.handshake(server, stream, MOST_BY_SMTP).await
    }

    async fn tcp(self, server: &MailServer) -> Result<TcpStream, Ended> {
        let connecting = async {
            let found = tokio::net::lookup_host((server.host(), server.port())).await?;
            let mut addresses: Vec<SocketAddr> = found.collect();
            // Over IPv6 Exchange was seen to take a sign-in and open nothing (MailKit#1494, thunderbird-android#9635).
            addresses.sort_by_key(SocketAddr::is_ipv6);
            TcpStream::connect(addresses.as_slice()).await
        };
        let connected = tokio::time::timeout(self.connect, connecting).await;
        let stream = connected
            .ok()
            .and_then(Result::ok)
            .ok_or(Ended::NotReached)?;
        // Commands are small, and each waits for its answer.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    async fn handshake(
        self,
        server: &MailServer,
        stream: TcpStream,
        most: u64,
    ) -> Result<Encrypted, Ended> {
        let name = ServerName::try_from(server.host().to_owned()).map_err(|_| Ended::NotReached)?;
        let stream = self.tls.connect(name, stream).await;
        stream
            .map(|stream| bounded(stream, most))
            .map_err(|error| Ended::of_tls(&error))
    }
}

fn bounded<S: AsyncRead + AsyncWrite>(stream: S, most: u64) -> Bounded<S> {
    let (read, write) = tokio::io::split(stream);
    tokio::io::join(BufReader::new(read.take(most)), write)
}

/// One line, with what ends it.
pub(super) async fn read_line(stream: &mut Encrypted) -> Result<Vec<u8>, Ended> {
    let mut line = Vec::new();
    let mut bounded = stream.reader_mut().take(LONGEST_LINE);
    bounded.read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() as u64 >= LONGEST_LINE => Err(Ended::NotUnderstood),
        _ => Err(Ended::Closed),
    }
}

/// So many bytes.
pub(super) async fn read_exactly(stream: &mut Encrypted, bytes: usize) -> Result<Vec<u8>, Ended> {
    if bytes as u64 > MOST {
        return Err(Ended::NotUnderstood);
    }
    let mut read = vec![0; bytes];
    stream.read_exact(&mut read).await?;
    Ok(read)
}

/// One command, without what ends it.
pub(super) async fn write_line(stream: &mut Encrypted, line: &str) -> Result<(), Ended> {
    stream.write_all(line.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    Ok(stream.flush().await?)
}
