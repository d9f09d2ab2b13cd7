//! Each test talks to the real server, and is left out where there is none.

mod client;

use client::{Client, rejected};

use super::*;
use crate::fixture::{Fixture, MAILBOX};
use crate::microsoft::directory::account::{Obstacle, Person};
use crate::serve::{bind, serve_on};

const ALL_SCOPES: &str = "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All https://outlook.office.com/SMTP.Send";
const SHARED: &str = "info@shop.example";
/// What each protocol says to a sign-in that fails.
const REFUSED: [&str; 3] = [
    "NO [AUTHENTICATIONFAILED] Authentication failed.",
    "-ERR [AUTH] Authentication failed.",
    "535 5.7.8 Authentication failed.",
];

impl Dovecot {
    fn address(&self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Imap => self.addresses.imap,
            Protocol::Pop3 => self.addresses.pop3,
            Protocol::Smtp => self.addresses.smtp,
        }
    }
}

struct Setup {
    fixture: Fixture,
    entra: AbortHandle,
    authority: TlsAuthority,
    dovecot: Dovecot,
}

impl Setup {
    async fn new() -> Option<Self> {
        if !Dovecot::installed_or_say() {
            return None;
        }
        let fixture = Fixture::new();
        let app = fixture.app.app_id;
        let everything = format!("offline_access Mail.Read {ALL_SCOPES}");
        fixture.directory.consent(fixture.person, app, &everything);
        let (listener, address) = bind().await.unwrap();
        let entra = serve_on(listener, fixture.entra.clone());
        let authority = TlsAuthority::new();
        let dovecot = Dovecot::start(&format!("http://{address}"), &authority)
            .await
            .unwrap();
        Some(Self {
            fixture,
            entra,
            authority,
            dovecot,
        })
    }

    async fn client(&self, protocol: Protocol) -> Client {
        let address = self.dovecot.address(protocol);
        Client::connect(protocol, address, &self.authority)
            .await
            .unwrap()
    }

    /// What a sign-in by this protocol is answered.
    async fn signs_in(&self, protocol: Protocol, mailbox: &str, token: &str) -> String {
        let mut client = self.client(protocol).await;
        client.sign_in(mailbox, token).await
    }

    /// What sign-ins by IMAP, POP3 and SMTP are answered.
    async fn sign_ins(&self, mailbox: &str, token: &str) -> [String; 3] {
        [
            self.signs_in(Protocol::Imap, mailbox, token).await,
            self.signs_in(Protocol::Pop3, mailbox, token).await,
            self.signs_in(Protocol::Smtp, mailbox, token).await,
        ]
    }

    /// By which protocols a sign-in works.
    async fn open(&self, mailbox: &str, token: &str) -> [bool; 3] {
        let answers = self.sign_ins(mailbox, token).await;
        answers.map(|answer| answer.contains("Logged in"))
    }
}

#[tokio::test]
async fn a_mail_that_is_sent_by_smtp_is_seen_by_imap_and_pop3() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    let mut smtp = setup.client(Protocol::Smtp).await;
    let signed_in = smtp.sign_in(MAILBOX, &token).await;
    assert_eq!(signed_in, "235 2.7.0 Logged in.");
    let mail = "Subject: A test\r\nTo: <orders@shop.example>\r\n\r\n.. dots\r\n";
    assert_eq!(smtp.send(MAILBOX, MAILBOX, mail).await, "250 2.0.0 OK");
    assert_eq!(setup.dovecot.inbox(MAILBOX), ["A test"]);

    let mut imap = setup.client(Protocol::Imap).await;
    let signed_in = imap.sign_in(MAILBOX, &token).await;
    assert!(signed_in.ends_with(" Logged in"), "{signed_in}");
    let lines = imap.command("EXAMINE INBOX").await;
    assert!(lines.contains(&"* 1 EXISTS".to_owned()), "{lines:?}");
    let examined = lines.last().unwrap();
    assert!(
        examined.starts_with("OK [READ-ONLY] Examine completed"),
        "{examined}"
    );
    let found = imap.command("UID SEARCH SUBJECT \"A test\"").await;
    assert_eq!(found.first().unwrap(), "* SEARCH 1");

    let mut pop3 = setup.client(Protocol::Pop3).await;
    assert_eq!(pop3.sign_in(MAILBOX, &token).await, "+OK Logged in.");
    let stat = pop3.command("STAT").await;
    assert!(stat[0].starts_with("+OK 1 "), "{stat:?}");
    assert_eq!(pop3.command("QUIT").await, ["+OK Logging out."]);
    assert_eq!(setup.dovecot.inbox(MAILBOX), ["A test"]);
}

#[tokio::test]
async fn a_mail_that_the_relay_refuses_or_loses_comes_nowhere() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    let mut smtp = setup.client(Protocol::Smtp).await;
    smtp.sign_in(MAILBOX, &token).await;
    // As Exchange refuses who may not send as another.
    let refusal = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
    let mail = "Subject: A test\r\n\r\n";
    setup.dovecot.set_relay(Relay::Refuse(refusal.to_owned()));
    assert_eq!(smtp.send(MAILBOX, MAILBOX, mail).await, refusal);
    setup.dovecot.set_relay(Relay::Lose);
    assert_eq!(smtp.send(MAILBOX, MAILBOX, mail).await, "250 2.0.0 OK");
    assert!(setup.dovecot.inbox(MAILBOX).is_empty());
    setup.dovecot.set_relay(Relay::Deliver);
    assert_eq!(smtp.send(MAILBOX, MAILBOX, mail).await, "250 2.0.0 OK");
    assert_eq!(setup.dovecot.inbox(MAILBOX), ["A test"]);
}

#[tokio::test]
async fn nobody_signs_in_by_smtp_without_tls() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let (offered, refused) = client::before_starttls(setup.dovecot.addresses.smtp).await;
    assert!(offered.iter().any(|line| line == "250-STARTTLS"));
    assert!(!offered.iter().any(|line| line.contains("AUTH")));
    assert_eq!(refused, "530 5.7.0 TLS required.");
}

#[tokio::test]
async fn a_token_that_is_unknown_or_expired_or_another_resources_opens_nothing() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    assert_eq!(setup.sign_ins(MAILBOX, "invented").await, REFUSED);
    let of_graph = setup.fixture.signed_in("Mail.Read");
    assert_eq!(setup.sign_ins(MAILBOX, &of_graph).await, REFUSED);
    let token = setup.fixture.signed_in(ALL_SCOPES);
    assert_eq!(setup.open(MAILBOX, &token).await, [true; 3]);
    setup.fixture.wait(3600);
    assert_eq!(setup.sign_ins(MAILBOX, &token).await, REFUSED);
}

#[tokio::test]
async fn each_protocol_wants_the_scope_of_its_own() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    for (protocol, opened) in [
        (Protocol::Imap, [true, false, false]),
        (Protocol::Pop3, [false, true, false]),
        (Protocol::Smtp, [false, false, true]),
    ] {
        let scope = format!("https://outlook.office.com/{}", scope(protocol));
        let token = setup.fixture.signed_in(&scope);
        assert_eq!(setup.open(MAILBOX, &token).await, opened, "{scope}");
        for (other, refused) in Protocol::ALL.into_iter().zip(REFUSED) {
            if other != protocol {
                assert_eq!(setup.signs_in(other, MAILBOX, &token).await, refused);
            }
        }
    }
}

#[tokio::test]
async fn an_account_that_is_disabled_opens_nothing() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    setup
        .fixture
        .directory
        .change_account(setup.fixture.person, |person| {
            person.obstacle = Some(Obstacle::Disabled);
        });
    assert_eq!(setup.sign_ins(MAILBOX, &token).await, REFUSED);
}

#[tokio::test]
async fn a_shared_mailbox_is_open_to_who_has_full_access_alone() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    let directory = &setup.fixture.directory;
    directory.add_account(setup.fixture.tenant, Person::with_mailbox(SHARED, "-"));
    setup.dovecot.deliver(SHARED, "Subject: An order\r\n\r\n");
    assert_eq!(setup.sign_ins(SHARED, &token).await, REFUSED);
    directory.change_account(setup.fixture.person, |person| {
        person.full_access.push(SHARED.to_owned());
    });
    assert_eq!(setup.open("Info@Shop.example", &token).await, [true; 3]);
    let mut imap = setup.client(Protocol::Imap).await;
    imap.sign_in(SHARED, &token).await;
    let lines = imap.command("EXAMINE INBOX").await;
    assert!(lines.contains(&"* 1 EXISTS".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_protocol_that_is_off_for_a_mailbox_is_so_at_once_and_for_no_other() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    assert_eq!(setup.open(MAILBOX, &token).await, [true; 3]);
    for (protocol, refused) in Protocol::ALL.into_iter().zip(REFUSED) {
        setup.dovecot.switch_off(protocol, MAILBOX);
        let left = Protocol::ALL.map(|other| other != protocol);
        assert_eq!(setup.open(MAILBOX, &token).await, left);
        assert_eq!(setup.signs_in(protocol, MAILBOX, &token).await, refused);
        setup.dovecot.switch_on(protocol, MAILBOX);
        assert_eq!(setup.open(MAILBOX, &token).await, [true; 3]);
    }
    // What Exchange has as its text (facts, 3.2).
    let text = "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.";
    for protocol in Protocol::ALL {
        setup.dovecot.switch_off_saying(protocol, MAILBOX, text);
    }
    let said = ["NO [ALERT]", "-ERR [AUTH]", "535 5.7.8"].map(|code| format!("{code} {text}"));
    assert_eq!(setup.sign_ins(MAILBOX, &token).await, said);
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_opened_lets_sign_in() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    setup.dovecot.deliver(MAILBOX, "Subject: An order\r\n\r\n");
    setup.dovecot.take_away(MAILBOX);
    let internal = "Internal error occurred. Refer to server log for more information. [";
    let mut imap = setup.client(Protocol::Imap).await;
    let signed_in = imap.sign_in(MAILBOX, &token).await;
    assert!(signed_in.ends_with(" Logged in"), "{signed_in}");
    let examined = imap.command("EXAMINE INBOX").await;
    let expected = format!("NO [SERVERBUG] {internal}");
    assert!(examined[0].starts_with(&expected), "{examined:?}");
    let mut pop3 = setup.client(Protocol::Pop3).await;
    assert_eq!(pop3.sign_in(MAILBOX, &token).await, "+OK Logged in.");
    let stat = pop3.command("STAT").await;
    let expected = format!("-ERR [SYS/TEMP] {internal}");
    assert!(stat[0].starts_with(&expected), "{stat:?}");
    assert_eq!(pop3.command("QUIT").await, [""; 1], "it has closed");
    setup.dovecot.bring_back(MAILBOX);
    let mut pop3 = setup.client(Protocol::Pop3).await;
    pop3.sign_in(MAILBOX, &token).await;
    let stat = pop3.command("STAT").await;
    assert!(stat[0].starts_with("+OK 1 "), "{stat:?}");
}

#[tokio::test]
async fn while_entra_does_not_answer_a_sign_in_fails_for_now() {
    let Some(setup) = Setup::new().await else {
        return;
    };
    let token = setup.fixture.signed_in(ALL_SCOPES);
    setup.entra.abort();
    let answers = setup.sign_ins(MAILBOX, &token).await;
    let codes = ["NO [UNAVAILABLE]", "-ERR [SYS/TEMP]", "454 4.7.0"];
    for (answer, code) in answers.iter().zip(codes) {
        let expected = format!("{code} Temporary authentication failure. [");
        assert!(answer.starts_with(&expected), "{answer}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_or_authority_or_one_that_ended_is_shown_as_it_is() {
    if !Dovecot::installed_or_say() {
        return;
    }
    let authority = TlsAuthority::new();
    for (identity, wrong) in [
        (authority.server(&["mail.example"]), "NotValidForName"),
        (authority.expired_server(&NAMES), "Expired"),
        (TlsAuthority::new().server(&NAMES), "UnknownIssuer"),
    ] {
        let dovecot = Dovecot::start_as("http://127.0.0.1:9", &identity)
            .await
            .unwrap();
        for protocol in Protocol::ALL {
            let address = dovecot.address(protocol);
            let met = Client::connect(protocol, address, &authority).await;
            let error = format!("{:?}", rejected(met));
            assert!(error.contains(wrong), "{protocol:?}: {error}");
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_it_when_it_is_dropped() {
    if !Dovecot::installed_or_say() {
        return;
    }
    let authority = TlsAuthority::new();
    let dovecot = Dovecot::start("http://127.0.0.1:9", &authority)
        .await
        .unwrap();
    let folder = dovecot.folder.path().to_owned();
    let group = dovecot.process.master.id();
    assert!(members(group).len() > 2);
    let addresses = Protocol::ALL.map(|protocol| dovecot.address(protocol));
    drop(dovecot);
    assert!(!folder.exists());
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
    while !members(group).is_empty() {
        tokio::task::yield_now().await;
    }
}

/// The living processes of a group.
fn members(group: u32) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats =
        processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    // proc_pid_stat(5): number, (name), state, parent, group.
    let of_group = stats.filter(|stat| {
        let fields = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        fields[0] != "Z" && fields[2] == group.to_string()
    });
    of_group.collect()
}
