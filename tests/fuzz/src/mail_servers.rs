//! What a mail server says: a protocol on the first line, then its words, all of them at once. Whatever they are, the
//! client comes to an end, and what is said of it is one of our own sentences with a reply code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::thread;

use jiff::Timestamp;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use secrecy::SecretString;
use shared::cloud::{Cloud, MicrosoftSettings};
use shared::config::Reader;
use shared::http::Limits;
use shared::ids::MailboxAddress;
use shared::mailbox::{Access, MailClient, TestMail};
use shared::mailbox_secret::Protocol;
use shared::period::Period;
use simulators::tls_authority::TlsAuthority;

use crate::said::assert_fit_for_logs_and_mails;

/// Trusted by the client and shown by the server; keys are costly, and one pair does for all.
static TRUST: LazyLock<(MailClient, Arc<ServerConfig>)> = LazyLock::new(|| {
    let authority = TlsAuthority::new();
    let limits = Limits {
        connect: Period::seconds(5),
        request: Period::seconds(5),
    };
    let client = MailClient::new(limits, &authority.pem().parse().unwrap()).unwrap();
    (client, authority.server(&["localhost"]).rustls_config())
});

/// See the module.
pub fn property(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n');
    let Some((protocol, words)) = at.map(|at| (&data[..at], data[at + 1..].to_owned())) else {
        return;
    };
    let (protocol, before_tls) = match protocol {
        b"imap" => (Protocol::Imap, false),
        b"pop3" => (Protocol::Pop3, false),
        b"smtp" => (Protocol::Smtp, false),
        b"smtp before TLS" => (Protocol::Smtp, true),
        _ => return,
    };
    // A server that keeps the connection open and says no more costs the client its time limit, and the fuzzer too.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = Arc::clone(&TRUST.1);
    let server = thread::spawn(move || {
        // One for the look, one for the test mail.
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let _ = talk(stream, &tls, protocol, before_tls, &words);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let at_port = |name: &str| {
        name.ends_with("_SERVER")
            .then(|| format!("localhost:{port}"))
    };
    let settings = MicrosoftSettings::read(&mut Reader::new(at_port));
    let servers = settings.endpoints(Cloud::Global).mail;
    let mailbox = MailboxAddress::read("orders@shop.example").unwrap();
    let token = SecretString::from("a-token-that-nobody-may-see");
    let access = Access {
        servers: &servers,
        mailbox: &mailbox,
        account: &mailbox,
        token: &token,
    };
    let client = &TRUST.0;
    let mail = TestMail::new("5f0d9a2c", Timestamp::UNIX_EPOCH);
    let opened = runtime.block_on(client.open(protocol, access));
    let gone = runtime.block_on(async {
        match protocol {
            Protocol::Smtp => client.send(access, &mail).await,
            Protocol::Imap | Protocol::Pop3 | Protocol::Graph => {
                client.take(protocol, access, &mail).await.map(drop)
            }
        }
    });
    for ended in [opened, gone] {
        if let Err(not_opened) = ended {
            assert_fit_for_logs_and_mails(&not_opened.error.failure);
            let said = format!("{not_opened:?}");
            assert!(!said.contains("nobody-may-see"), "{said}");
        }
    }
    server.join().unwrap();
}

fn talk(
    stream: TcpStream,
    tls: &Arc<ServerConfig>,
    protocol: Protocol,
    before_tls: bool,
    words: &[u8],
) -> std::io::Result<()> {
    if before_tls {
        return say(stream.try_clone()?, &stream, words);
    }
    if protocol == Protocol::Smtp {
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut heard = String::new();
        (&stream).write_all(b"220 ready\r\n")?;
        lines.read_line(&mut heard)?;
        (&stream).write_all(b"250-here\r\n250 STARTTLS\r\n")?;
        lines.read_line(&mut heard)?;
        (&stream).write_all(b"220 go\r\n")?;
    }
    let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
    let mut encrypted = StreamOwned::new(connection, stream);
    encrypted.write_all(words)?;
    encrypted.conn.send_close_notify();
    encrypted.flush()?;
    encrypted.sock.shutdown(Shutdown::Write)?;
    drain(&mut encrypted.sock);
    Ok(())
}

fn say(mut to: TcpStream, mut from: &TcpStream, words: &[u8]) -> std::io::Result<()> {
    to.write_all(words)?;
    to.shutdown(Shutdown::Write)?;
    drain(&mut from);
    Ok(())
}

/// Until the client has gone, so that nothing of what was said is lost with a reset.
fn drain(from: &mut impl Read) {
    let mut heard = [0; 4096];
    while matches!(from.read(&mut heard), Ok(read) if read > 0) {}
}
