use super::*;
use crate::dovecot::Dovecot;
use crate::serve::{bind, serve_on};

/// Within TLS and signed in.
async fn signed_in(place: &Place) -> Client {
    let mut client = place.connect(Protocol::Smtp).await;
    client.line().await;
    client.send("EHLO here").await;
    client.until("250 ").await;
    assert!(client.ask("STARTTLS").await.starts_with("220 "));
    let mut client = place.secure(client.0.into_inner()).await;
    client.send("EHLO here").await;
    client.until("250 ").await;
    assert_eq!(client.ask("AUTH XOAUTH2").await, "334 ");
    let done = client.ask(&place.response(Protocol::Smtp)).await;
    assert!(done.starts_with("235 "), "{done}");
    client
}

#[tokio::test]
async fn what_another_server_is_asked_passes_the_gate_and_is_done_there_or_not() {
    if !Dovecot::installed_or_say() {
        return;
    }
    let place = Place::new();
    let (listener, address) = bind().await.unwrap();
    let entra = serve_on(listener, place.fixture.entra.clone());
    let entra_url = format!("http://{address}");
    let dovecot = Dovecot::start(&entra_url, &place.authority).await.unwrap();
    place.exchange.pass_on_to(dovecot, &place.authority);
    let mail = "Subject: canary\r\n\r\nHello.\r\n.";
    for (effect, there) in [(false, 0), (true, 1)] {
        let gone = Fault::Reset { effect };
        place.gate.fail_next("smtp", "DATA continued", gone);
        let mut client = signed_in(&place).await;
        client.ask(&format!("MAIL FROM:<{MAILBOX}>")).await;
        client.ask(&format!("RCPT TO:<{MAILBOX}>")).await;
        assert!(client.ask("DATA").await.starts_with("354 "));
        assert_eq!(client.ask(mail).await, "");
        assert_eq!(place.exchange.inbox(MAILBOX).len(), there);
    }
    let mut client = place.connect(Protocol::Imap).await;
    assert!(client.line().await.contains("Dovecot"));
    assert_eq!(client.ask("A1 AUTHENTICATE XOAUTH2").await, "+ ");
    client.send(&place.response(Protocol::Imap)).await;
    client.until("A1 OK ").await;
    let opened = client.imap("EXAMINE INBOX").await;
    assert!(opened.contains(&"* 1 EXISTS".to_owned()), "{opened:?}");
    let calls = place.gate.operations();
    for call in [
        "smtp AUTH continued",
        "imap AUTHENTICATE continued",
        "imap EXAMINE",
    ] {
        assert!(calls.contains(&call.to_owned()), "{call}: {calls:?}");
    }
    entra.abort();
}
