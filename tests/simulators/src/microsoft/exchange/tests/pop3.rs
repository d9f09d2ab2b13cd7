use super::*;

async fn authenticating(place: &Place) -> Client {
    let mut client = place.connect(Protocol::Pop3).await;
    client.line().await;
    assert_eq!(client.ask("AUTH XOAUTH2").await, "+ ");
    client
}

async fn signed_in(place: &Place) -> Client {
    let mut client = authenticating(place).await;
    let done = client.ask(&place.response(Protocol::Pop3)).await;
    assert_eq!(done, "+OK User successfully authenticated.");
    client
}

#[tokio::test]
async fn a_sign_in_is_of_two_lines_and_of_tokens_that_are_not_too_long() {
    let place = Place::new();
    let mut client = place.connect(Protocol::Pop3).await;
    client.line().await;
    client.send("CAPA").await;
    let capabilities = ["+OK", "TOP", "UIDL", "SASL PLAIN XOAUTH2", "USER", "."];
    assert_eq!(client.until(".").await, capabilities);
    assert_eq!(
        client.ask("STAT").await,
        "-ERR Command is not valid in this state."
    );
    let response = place.response(Protocol::Pop3);
    let refused = client.ask(&format!("AUTH XOAUTH2 {response}")).await;
    assert_eq!(refused, "-ERR Protocol error. Connection is closed. 10");
    assert_eq!(client.line().await, "");
    let long = authenticating(&place).await.ask(&"a".repeat(4097)).await;
    assert_eq!(long, "-ERR Protocol error. Connection is closed. 10");
    signed_in(&place).await;
}

#[tokio::test]
async fn every_refusal_has_one_text() {
    let place = Place::new();
    let refused = "-ERR Authentication failure: unknown user name or bad password.";
    let shared = shared_mailbox(&place);
    let response = place.response(Protocol::Pop3);
    for other in [
        xoauth2(MAILBOX, &place.fixture.signed_in(scope(Protocol::Imap))),
        xoauth2(shared, &place.fixture.signed_in(scope(Protocol::Pop3))),
        "made-up".to_owned(),
    ] {
        assert_eq!(authenticating(&place).await.ask(&other).await, refused);
    }
    place.change(|person| person.email_apps.pop = false);
    assert_eq!(authenticating(&place).await.ask(&response).await, refused);
}

#[tokio::test]
async fn mails_are_counted_and_shown_and_nothing_goes_before_quit() {
    let place = Place::new();
    let directory = &place.fixture.directory;
    directory.receive_mail("a@b.example", MAILBOX, "one");
    directory.receive_mail("a@b.example", MAILBOX, "two");
    let before = directory.mails(MAILBOX);
    let size: usize = before.iter().map(|mail| mail.message.len()).sum();
    let mut client = signed_in(&place).await;
    assert_eq!(client.ask("STAT").await, format!("+OK 2 {size}"));
    client.send("UIDL").await;
    let listed = client.until(".").await;
    assert_eq!(
        listed[..3],
        ["+OK", "1 AAUADABC00000001", "2 AAUADABC00000002"]
    );
    client.send("TOP 2 0").await;
    let shown = client.until(".").await;
    assert!(shown.contains(&"Subject: two".to_owned()) && !shown.contains(&"Hello.".to_owned()));
    assert_eq!(client.ask("DELE 2").await, "+OK");
    assert!(client.ask("DELE 2").await.starts_with("-ERR "));
    drop(client);
    assert_eq!(
        directory.mails(MAILBOX),
        before,
        "it was not ended with QUIT"
    );
    let mut client = signed_in(&place).await;
    assert_eq!(client.ask("DELE 2").await, "+OK");
    assert_eq!(directory.mails(MAILBOX), before);
    assert!(client.ask("QUIT").await.starts_with("+OK "));
    assert_eq!(directory.mails(MAILBOX), before[..1]);
}
