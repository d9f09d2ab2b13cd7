//! A client that speaks lines, as the protocols' documents have them.

use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

/// What comes before a failure, in base64.
const CHALLENGE: &[u8] = br#"{"status":"401","schemes":"bearer","scope":"mail"}"#;

pub(super) struct Client {
    protocol: Protocol,
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Client {
    /// Connects, with STARTTLS by SMTP, and reads what comes before the first command.
    pub(super) async fn connect(
        protocol: Protocol,
        address: SocketAddr,
        authority: &TlsAuthority,
    ) -> io::Result<Self> {
        let mut plain = TcpStream::connect(address).await?;
        if protocol == Protocol::Smtp {
            let mut stream = BufReader::new(&mut plain);
            line(&mut stream).await?;
            say(&mut stream, "EHLO client.example").await?;
            replies(&mut stream).await?;
            say(&mut stream, "STARTTLS").await?;
            line(&mut stream).await?;
        }
        let name = ServerName::from(address.ip());
        let connector = TlsConnector::from(authority.client_config());
        let stream = BufReader::new(connector.connect(name, plain).await?);
        let mut client = Self { protocol, stream };
        match protocol {
            Protocol::Imap | Protocol::Pop3 => drop(line(&mut client.stream).await?),
            Protocol::Smtp => drop(client.command("EHLO client.example").await),
        }
        Ok(client)
    }

    /// Signs in with XOAUTH2 and returns the answer, without IMAP's tag.
    pub(super) async fn sign_in(&mut self, mailbox: &str, token: &str) -> String {
        let blob = format!("user={mailbox}\x01auth=Bearer {token}\x01\x01");
        let blob = BASE64.encode(blob.as_bytes());
        let goes_on = match self.protocol {
            Protocol::Imap => "+ ",
            Protocol::Pop3 => "+ ",
            Protocol::Smtp => "334 ",
        };
        let command = match self.protocol {
            Protocol::Imap => "t AUTHENTICATE XOAUTH2",
            Protocol::Pop3 | Protocol::Smtp => "AUTH XOAUTH2",
        };
        say(&mut self.stream, command).await.unwrap();
        assert_eq!(line(&mut self.stream).await.unwrap(), goes_on);
        say(&mut self.stream, &blob).await.unwrap();
        let mut answer = line(&mut self.stream).await.unwrap();
        if let Some(challenge) = answer.strip_prefix(goes_on) {
            assert_eq!(BASE64.decode(challenge.as_bytes()).unwrap(), CHALLENGE);
            say(&mut self.stream, "").await.unwrap();
            answer = line(&mut self.stream).await.unwrap();
        }
        while answer.starts_with("* ") {
            answer = line(&mut self.stream).await.unwrap();
        }
        let untagged = answer.strip_prefix("t ").unwrap_or(&answer);
        untagged.to_owned()
    }

    /// The lines that answer a command, the last one without IMAP's tag. One that is empty is the connection's end.
    pub(super) async fn command(&mut self, command: &str) -> Vec<String> {
        match self.protocol {
            Protocol::Imap => {
                let tagged = format!("t {command}");
                say(&mut self.stream, &tagged).await.unwrap();
                let mut lines = Vec::new();
                loop {
                    let line = line(&mut self.stream).await.unwrap();
                    match line.strip_prefix("t ") {
                        Some(last) => lines.push(last.to_owned()),
                        None => lines.push(line.clone()),
                    }
                    if line.is_empty() || line.starts_with("t ") {
                        return lines;
                    }
                }
            }
            Protocol::Pop3 => {
                // To one that has closed nothing can be said.
                let _ = say(&mut self.stream, command).await;
                vec![line(&mut self.stream).await.unwrap_or_default()]
            }
            Protocol::Smtp => {
                say(&mut self.stream, command).await.unwrap();
                replies(&mut self.stream).await.unwrap()
            }
        }
    }

    /// Sends a mail, and returns what is said to its end.
    pub(super) async fn send(&mut self, from: &str, to: &str, mail: &str) -> String {
        for command in [&format!("MAIL FROM:<{from}>"), &format!("RCPT TO:<{to}>")] {
            let answer = self.command(command).await;
            assert!(answer[0].starts_with("250 "), "{answer:?}");
        }
        let answer = self.command("DATA").await;
        assert!(answer[0].starts_with("354 "), "{answer:?}");
        self.command(&format!("{mail}.")).await.remove(0)
    }
}

/// What SMTP offers before STARTTLS, and what it says to who signs in all the same.
pub(super) async fn before_starttls(address: SocketAddr) -> (Vec<String>, String) {
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    line(&mut stream).await.unwrap();
    say(&mut stream, "EHLO client.example").await.unwrap();
    let offered = replies(&mut stream).await.unwrap();
    say(&mut stream, "AUTH XOAUTH2").await.unwrap();
    (offered, line(&mut stream).await.unwrap())
}

/// Why TLS did not come about.
pub(super) fn rejected(met: io::Result<Client>) -> rustls::Error {
    let error = met.err().expect("no connection");
    error.downcast().expect("an error of TLS")
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn line(stream: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The lines of one reply of SMTP.
async fn replies(stream: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let line = line(stream).await?;
        let goes_on = line.get(3..4) == Some("-");
        lines.push(line);
        if !goes_on {
            return Ok(lines);
        }
    }
}
