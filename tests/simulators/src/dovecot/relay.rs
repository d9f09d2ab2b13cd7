//! Where Dovecot's submission hands mail on to: an SMTP server that puts it into the recipients' inboxes.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::lock;
use super::maildir::Maildirs;
use crate::serve::bind;

/// What becomes of a mail that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    /// It comes into its recipients' inboxes.
    Deliver,
    /// It is taken, and never seen again.
    Lose,
    /// It is refused with this reply, code and all: `550 5.7.60 SMTP; Client does not have …`.
    Refuse(String),
}

/// Serves one that delivers, until it is told otherwise or aborted.
pub(super) async fn serve(
    mail: Arc<Maildirs>,
) -> Result<(Arc<Mutex<Relay>>, AbortHandle, SocketAddr)> {
    let relay = Arc::new(Mutex::new(Relay::Deliver));
    let (listener, address) = bind().await?;
    let serving = tokio::spawn(accept(listener, Arc::clone(&relay), mail));
    Ok((relay, serving.abort_handle(), address))
}

async fn accept(listener: TcpListener, relay: Arc<Mutex<Relay>>, mail: Arc<Maildirs>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (relay, mail) = (Arc::clone(&relay), Arc::clone(&mail));
        // Dovecot tells its client of a connection that broke.
        connections.spawn(async move { talk(stream, &relay, &mail).await.ok() });
    }
}

/// As much of RFC 5321 as Dovecot speaks to a server that offers nothing.
async fn talk(stream: TcpStream, relay: &Mutex<Relay>, mail: &Maildirs) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut recipients = Vec::new();
    stream.write_all(b"220 relay\r\n").await?;
    loop {
        let line = read_line(&mut stream).await?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line.split(' ').next().unwrap_or_default();
        let reply = match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => "250-relay\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME".to_owned(),
            "MAIL" | "RSET" => {
                recipients.clear();
                "250 2.1.0 OK".to_owned()
            }
            "RCPT" => {
                recipients.extend(address(&line));
                "250 2.1.5 OK".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let message = read_message(&mut stream).await?;
                let told = lock(relay).clone();
                end_of_data(&told, mail, &recipients, &message)
            }
            "QUIT" => {
                stream.write_all(b"221 2.0.0 bye\r\n").await?;
                return Ok(());
            }
            _ => "502 5.5.1 not here".to_owned(),
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
}

fn end_of_data(relay: &Relay, mail: &Maildirs, recipients: &[String], message: &[u8]) -> String {
    match relay {
        Relay::Refuse(reply) => return reply.clone(),
        Relay::Lose => {}
        Relay::Deliver => {
            for recipient in recipients {
                if let Err(error) = mail.deliver(recipient, message) {
                    return format!("451 4.3.0 {recipient}: {error}");
                }
            }
        }
    }
    "250 2.0.0 OK".to_owned()
}

/// What stands between angle brackets.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    Some(address.to_owned())
}

/// The lines up to the one that is a dot, without the dots that were put before others (RFC 5321, 4.5.2).
async fn read_message(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let line = read_line(stream).await?;
        match line.as_slice() {
            b".\r\n" => return Ok(message),
            [b'.', rest @ ..] => message.extend_from_slice(rest),
            line => message.extend_from_slice(line),
        }
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    match stream.read_until(b'\n', &mut line).await? {
        0 => Err(Error::from(ErrorKind::UnexpectedEof)),
        _ => Ok(line),
    }
}
