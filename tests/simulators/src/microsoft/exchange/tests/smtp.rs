use super::*;
use crate::microsoft::exchange::store::{Folder, SendAsRefusal, Via};

/// Within TLS, after the second EHLO.
async fn secured(place: &Place) -> Client {
    let mut client = place.connect(Protocol::Smtp).await;
    client.line().await;
    client.send("EHLO here").await;
    client.until("250 ").await;
    assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 SMTP server ready");
    let mut client = place.secure(client.0.into_inner()).await;
    client.send("EHLO here").await;
    let offered = client.until("250 ").await;
    assert!(offered.contains(&"250-AUTH LOGIN XOAUTH2".to_owned()));
    assert!(!offered.iter().any(|line| line.contains("STARTTLS")));
    client
}

async fn signed_in(place: &Place) -> Client {
    let mut client = secured(place).await;
    let response = place.response(Protocol::Smtp);
    let done = client.ask(&format!("AUTH XOAUTH2 {response}")).await;
    assert_eq!(done, "235 2.7.0 Authentication successful");
    client
}

async fn hand_in(client: &mut Client, envelope: &str, header: &str, to: &str) -> String {
    let mail = client.ask(&format!("MAIL FROM:<{envelope}>")).await;
    assert_eq!(mail, "250 2.1.0 Sender OK");
    assert_eq!(
        client.ask(&format!("RCPT TO:<{to}>")).await,
        "250 2.1.5 Recipient OK"
    );
    assert_eq!(
        client.ask("DATA").await,
        "354 Start mail input; end with <CRLF>.<CRLF>"
    );
    let lines = format!("From: {header}\r\nTo: {to}\r\nSubject: canary\r\n\r\n..leading dot\r\n.");
    client.ask(&lines).await
}

#[tokio::test]
async fn nothing_is_taken_before_tls_and_nothing_before_a_sign_in() {
    let place = Place::new();
    let mut client = place.connect(Protocol::Smtp).await;
    client.line().await;
    client.send("EHLO here").await;
    let offered = client.until("250 ").await;
    assert!(
        offered.contains(&"250-STARTTLS".to_owned())
            && !offered.iter().any(|line| line.contains("AUTH"))
    );
    let response = place.response(Protocol::Smtp);
    let early = client.ask(&format!("AUTH XOAUTH2 {response}")).await;
    assert!(early.starts_with("504 5.7.4 Unrecognized authentication type ["));
    let early = client.ask(&format!("MAIL FROM:<{MAILBOX}>")).await;
    assert!(early.starts_with("451 5.7.3 STARTTLS is required to send mail ["));
    let mut client = secured(&place).await;
    let early = client.ask(&format!("MAIL FROM:<{MAILBOX}>")).await;
    assert!(early.starts_with("530 5.7.57 Client not authenticated to send mail. ["));
    assert_eq!(client.ask("AUTH XOAUTH2").await, "334 ");
    assert_eq!(
        client.ask(&response).await,
        "235 2.7.0 Authentication successful"
    );
    assert!(client.ask("QUIT").await.starts_with("221 2.0.0 "));
    assert_eq!(client.line().await, "");
}

#[tokio::test]
async fn what_is_said_in_plain_text_behind_starttls_is_not_taken_for_said_within_tls() {
    let place = Place::new();
    let mut client = place.connect(Protocol::Smtp).await;
    client.line().await;
    assert_eq!(
        client.ask("STARTTLS\r\nMAIL FROM:<a@b.example>").await,
        "220 2.0.0 SMTP server ready"
    );
    let mut client = place.secure(client.0.into_inner()).await;
    assert!(
        client.ask("NOOP").await.starts_with("250 "),
        "the first answer is NOOP's"
    );
    // The other way round it is for the client to see.
    let door = Door::Injecting(&place.identity, "250-injected\r\n250 AUTH XOAUTH2\r\n");
    place.exchange.set_door(Protocol::Smtp, door);
    let address = place.exchange.open(Protocol::Smtp).await.unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut client = Client(BufReader::new(Box::new(stream)));
    client.line().await;
    client.ask("STARTTLS").await;
    assert_eq!(client.line().await, "250-injected");
}

#[tokio::test]
async fn smtp_auth_is_switched_at_the_mailbox_before_the_organization() {
    let place = Place::new();
    let response = place.response(Protocol::Smtp);
    let tenant = place.fixture.tenant;
    let directory = &place.fixture.directory;
    let answered = async || {
        let mut client = secured(&place).await;
        client.ask(&format!("AUTH XOAUTH2 {response}")).await
    };
    let disabled = |whose: &str| {
        format!(
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the {whose}. Visit https://aka.ms/smtp_auth_disabled for more information. ["
        )
    };
    assert!(answered().await.starts_with("235 "));
    place.allow_smtp(None);
    assert!(answered().await.starts_with(&disabled("Tenant")));
    directory.change_tenant(tenant, |tenant| tenant.smtp_auth_disabled = false);
    assert!(answered().await.starts_with("235 "));
    place.allow_smtp(Some(false));
    assert!(answered().await.starts_with(&disabled("Mailbox")));
    place.allow_smtp(Some(true));
    directory.change_tenant(tenant, |tenant| tenant.security_defaults = true);
    assert!(answered().await.starts_with("535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy."));
}

#[tokio::test]
async fn another_token_or_user_is_refused_in_one_line() {
    let place = Place::new();
    let shared = shared_mailbox(&place);
    place.change(|person| person.full_access.push("info@shop.example".to_owned()));
    let token = place.fixture.signed_in(scope(Protocol::Smtp));
    for response in [
        xoauth2(
            MAILBOX,
            &place
                .fixture
                .signed_in("https://graph.microsoft.com/SMTP.Send"),
        ),
        xoauth2(MAILBOX, &place.fixture.signed_in(scope(Protocol::Imap))),
        // By SMTP a shared mailbox is no user, whoever has access.
        xoauth2(shared, &token),
    ] {
        let mut client = secured(&place).await;
        let refused = client.ask(&format!("AUTH XOAUTH2 {response}")).await;
        assert!(
            refused.starts_with("535 5.7.3 Authentication unsuccessful ["),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_mail_that_is_handed_in_arrives_after_a_while_and_a_copy_is_kept() {
    let place = Place::new();
    let directory = &place.fixture.directory;
    directory
        .set_exchange_habits(|habits| habits.delivery_takes = jiff::SignedDuration::from_secs(30));
    let mut client = signed_in(&place).await;
    let done = hand_in(&mut client, MAILBOX, MAILBOX, MAILBOX).await;
    assert!(
        done.starts_with("250 2.0.0 OK <") && done.contains(" [Hostname="),
        "{done}"
    );
    let folders = || {
        let mails = directory.mails(MAILBOX).into_iter();
        mails.map(|mail| mail.folder).collect::<Vec<_>>()
    };
    assert_eq!(folders(), [Folder::SentItems]);
    place.fixture.wait(31);
    assert_eq!(folders(), [Folder::SentItems, Folder::Inbox]);
    directory.set_exchange_habits(|habits| {
        habits.takes_for_junk = true;
        habits.smtp_keeps_no_copy = true;
    });
    hand_in(&mut client, MAILBOX, MAILBOX, MAILBOX).await;
    place.fixture.wait(31);
    assert_eq!(
        folders(),
        [Folder::SentItems, Folder::Inbox, Folder::JunkEmail]
    );
    let sent = directory.submitted_mail();
    assert_eq!((sent[0].via, sent[0].to[0].as_str()), (Via::Smtp, MAILBOX));
    assert!(sent[0].message.ends_with(b"\r\n\r\n.leading dot\r\n"));
}

#[tokio::test]
async fn sending_in_anothers_name_is_refused_after_the_message() {
    let place = Place::new();
    let shared = shared_mailbox(&place);
    let mut client = signed_in(&place).await;
    let denied = hand_in(&mut client, MAILBOX, shared, MAILBOX).await;
    let start = format!("554 5.2.252 SendAsDenied; {MAILBOX} not allowed to send as {shared}; ");
    assert!(denied.starts_with(&start), "{denied}");
    let directory = &place.fixture.directory;
    directory.set_exchange_habits(|habits| habits.send_as = SendAsRefusal::ClientPermissions);
    let denied = hand_in(&mut client, shared, shared, MAILBOX).await;
    assert!(
        denied.starts_with(
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender ["
        )
    );
    assert!(client.ask("RSET").await.starts_with("250 "));
    place.change(|person| person.send_as.push("info@shop.example".to_owned()));
    let done = hand_in(&mut client, shared, shared, MAILBOX).await;
    assert!(done.starts_with("250 "), "{done}");
}
