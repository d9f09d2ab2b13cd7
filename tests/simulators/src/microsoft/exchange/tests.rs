//! The mail protocols by raw lines over TLS, as clients send them.

mod imap;
mod passed_on;
mod pop3;
mod smtp;

use std::sync::Arc;

use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Door, Event, Exchange, Happening, Protocol};
use crate::fixture::{Fixture, MAILBOX, PASSWORD};
use crate::gate::{Calls, Fault, Gate, Hold};
use crate::microsoft::directory::account::Person;
use crate::tls_authority::{ServerIdentity, TlsAuthority};

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Somebody who speaks a protocol by hand.
struct Client(BufReader<Box<dyn Stream>>);

impl Client {
    async fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.0.write_all(line.as_bytes()).await.unwrap();
    }

    /// The next line; none where the connection has ended.
    async fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        // That it ended without a word of TLS is an end, too.
        let _ = self.0.read_until(b'\n', &mut line).await;
        let line = String::from_utf8(line).unwrap();
        (!line.is_empty()).then(|| line.trim_end_matches("\r\n").to_owned())
    }

    /// The same; empty where the connection has ended.
    async fn line(&mut self) -> String {
        self.next().await.unwrap_or_default()
    }

    /// Sends a line, and reads one.
    async fn ask(&mut self, line: &str) -> String {
        self.send(line).await;
        self.line().await
    }

    /// Lines up to the one that begins so, with it.
    async fn until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            lines.push(line);
            if lines.last().is_some_and(|last| last.starts_with(start)) {
                break;
            }
        }
        lines
    }

    /// Sends a command of IMAP with a tag, and reads up to its answer.
    async fn imap(&mut self, command: &str) -> Vec<String> {
        self.send(&format!("A1 {command}")).await;
        self.until("A1 ").await
    }
}

/// A server that somebody is before.
struct Place {
    fixture: Fixture,
    gate: Arc<Gate>,
    exchange: Arc<Exchange>,
    authority: TlsAuthority,
    identity: ServerIdentity,
}

impl Place {
    fn new() -> Self {
        let fixture = Fixture::new();
        let gate = Arc::new(Gate::default());
        let authority = TlsAuthority::new();
        let identity = authority.server(&["localhost"]);
        let directory = Arc::clone(&fixture.directory);
        let exchange = Exchange::new(directory, Arc::clone(&gate), &identity);
        let place = Self {
            fixture,
            gate,
            exchange,
            authority,
            identity,
        };
        place.allow_smtp(Some(true));
        place
    }

    fn allow_smtp(&self, allowed: Option<bool>) {
        self.change(|person| person.email_apps.smtp_auth = allowed);
    }

    fn change(&self, change: impl FnOnce(&mut Person)) {
        let directory = &self.fixture.directory;
        directory.change_account(self.fixture.person, change);
    }

    fn response(&self, protocol: Protocol) -> String {
        xoauth2(MAILBOX, &self.fixture.signed_in(scope(protocol)))
    }

    /// A connection, before its greeting.
    async fn connect(&self, protocol: Protocol) -> Client {
        let address = self.exchange.open(protocol).await.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        match protocol {
            Protocol::Imap | Protocol::Pop3 => self.secure(stream).await,
            Protocol::Smtp => Client(BufReader::new(Box::new(stream))),
        }
    }

    async fn secure(&self, stream: impl Stream + 'static) -> Client {
        self.try_to_secure(stream).await.unwrap()
    }

    async fn try_to_secure(&self, stream: impl Stream + 'static) -> std::io::Result<Client> {
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(self.authority.client_config()).connect(name, stream);
        Ok(Client(BufReader::new(Box::new(stream.await?))))
    }
}

fn scope(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "https://outlook.office.com/IMAP.AccessAsUser.All",
        Protocol::Pop3 => "https://outlook.office.com/POP.AccessAsUser.All",
        Protocol::Smtp => "https://outlook.office.com/SMTP.Send",
    }
}

fn xoauth2(user: &str, token: &str) -> String {
    BASE64.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes())
}

fn shared_mailbox(place: &Place) -> &'static str {
    let shared = "info@shop.example";
    let mut person = Person::with_mailbox(shared, PASSWORD);
    person.email_apps.smtp_auth = Some(true);
    let fixture = &place.fixture;
    fixture.directory.add_account(fixture.tenant, person);
    shared
}

#[tokio::test]
async fn calls_of_several_protocols_are_held_together_and_the_log_shows_that_they_overlap() {
    let place = Place::new();
    let hold = Hold::default();
    for protocol in Protocol::ALL {
        let calls = Calls::of(protocol.service(), "CONNECT");
        place.gate.fail(calls, Fault::Hold(hold.clone()));
    }
    let greeted = async |protocol| place.connect(protocol).await.line().await;
    let (imap, pop3, smtp, ()) = tokio::join!(
        greeted(Protocol::Imap),
        greeted(Protocol::Pop3),
        greeted(Protocol::Smtp),
        async {
            hold.reached(3).await;
            hold.let_go();
        }
    );
    assert!(imap.starts_with("* OK The Microsoft Exchange IMAP4 service is ready."));
    assert!(pop3.starts_with("+OK Microsoft Exchange POP3 server ready"));
    assert!(smtp.starts_with("220 ") && smtp.contains("Microsoft ESMTP MAIL Service ready at"));
    let log = place.exchange.log();
    let first = log
        .iter()
        .position(|event| matches!(event.what, Happening::Answered(_)));
    let asked = |event: &&Event| event.what == Happening::Asked("CONNECT".to_owned());
    let before = log[..first.unwrap()].iter().filter(asked).count();
    assert_eq!(before, 3, "{log:?}");
}

#[tokio::test]
async fn a_fault_answers_in_the_servers_place_with_effect_or_without() {
    let place = Place::new();
    let response = place.response(Protocol::Imap);
    let kills = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let killed = Arc::clone(&kills);
    place.gate.set_kill_switch(move || {
        killed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    let recent = || place.fixture.directory.mails(MAILBOX)[0].recent;
    place
        .fixture
        .directory
        .receive_mail("a@b.example", MAILBOX, "one");
    for (fault, answer, effect) in [
        (
            Fault::says("* OK \u{e9}\r\n{tag} OK [READ-ONLY]\r\n"),
            "* OK \u{e9}",
            false,
        ),
        (Fault::Kill { effect: false }, "", false),
        (Fault::CutOff, "* 1 EXISTS", true),
        (Fault::Reset { effect: true }, "", true),
        (
            Fault::Endless("* 1 EXISTS\r\n".to_owned()),
            "* 1 EXISTS",
            true,
        ),
    ] {
        let mut client = place.connect(Protocol::Imap).await;
        client.line().await;
        client
            .imap(&format!("AUTHENTICATE XOAUTH2 {response}"))
            .await;
        place.gate.fail_next("imap", "SELECT", fault.clone());
        assert_eq!(client.ask("A1 SELECT INBOX").await, answer, "{fault:?}");
        assert_eq!(recent(), !effect, "{fault:?}");
        if let Fault::CutOff = fault {
            let rest = client.until("A1 ").await;
            assert!(!rest.last().unwrap().starts_with("A1 "), "{rest:?}");
        }
    }
    assert_eq!(kills.load(std::sync::atomic::Ordering::SeqCst), 1);
    let noted: Vec<_> = place.gate.calls();
    let select = noted
        .iter()
        .find(|call| call.operation == "SELECT")
        .unwrap();
    assert_eq!(
        (select.uri.as_str(), select.status),
        ("SELECT INBOX", Some(200))
    );
    let blob = |call: &&crate::gate::Call| call.uri.contains(&response);
    assert_eq!(noted.iter().filter(blob).count(), 0);
}

#[tokio::test]
async fn a_connection_that_nothing_is_said_on_stays_open_until_it_is_closed() {
    let place = Place::new();
    place.exchange.set_door(Protocol::Imap, Door::Silent);
    let address = place.exchange.open(Protocol::Imap).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"hello\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    let mut said = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client, &mut said)
        .await
        .unwrap();
    assert_eq!(said, b"");
    let log = place.exchange.log();
    assert_eq!(log[0].what, Happening::Opened);
    assert!(place.exchange.asked(Protocol::Imap).is_empty());
    // Within TLS it is the greeting that does not come.
    place
        .gate
        .fail_next("pop3", "CONNECT", Fault::Hang { effect: false });
    let mut client = place.connect(Protocol::Pop3).await;
    client.send("QUIT").await;
    client.0.shutdown().await.unwrap();
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn a_certificate_of_another_name_or_authority_or_an_expired_one_is_met_where_a_door_has_it() {
    let place = Place::new();
    let other = TlsAuthority::new();
    for identity in [
        place.authority.server(&["other.example"]),
        place.authority.expired_server(&["localhost"]),
        other.server(&["localhost"]),
    ] {
        place
            .exchange
            .set_door(Protocol::Imap, Door::Tls(&identity));
        let address = place.exchange.open(Protocol::Imap).await.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(place.try_to_secure(stream).await.is_err());
    }
}

#[tokio::test]
async fn a_door_without_tls_speaks_plain_text() {
    let place = Place::new();
    for (protocol, greeting) in [
        (Protocol::Imap, "* OK"),
        (Protocol::Pop3, "+OK"),
        (Protocol::Smtp, "220 "),
    ] {
        place.exchange.set_door(protocol, Door::Plain);
        let address = place.exchange.open(protocol).await.unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let mut client = Client(BufReader::new(Box::new(stream)));
        assert!(client.line().await.starts_with(greeting));
        if protocol == Protocol::Smtp {
            client.send("EHLO here").await;
            let offered = client.until("250 ").await;
            assert!(offered.contains(&"250-AUTH LOGIN XOAUTH2".to_owned()));
            let refused = client.ask("STARTTLS").await;
            assert!(refused.starts_with("500 5.3.3 Unrecognized command 'STARTTLS'"));
        }
    }
}
