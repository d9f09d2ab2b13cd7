//! Tickets: only what the key signed is taken, for exactly what it says, and by no other algorithm.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::hmac;
use serde_json::Value;
use shared::ids::MailboxAddress;
use shared::ticket::{Purpose, Refused, Ticket, TicketKey, claimed_expiry};

/// The key of this module's tickets, those of the corpus included.
const KEY: &str = "a ticket key that only the properties use";

/// See the module.
pub fn property(data: &[u8]) {
    let key = TicketKey::new(KEY.to_owned().into()).unwrap();
    as_a_ticket(&key, data);
    as_a_change_of_a_good_one(&key, data);
    as_signed_claims(&key, data);
    as_a_signed_header(&key, data);
}

/// What is taken says nothing that signing it again would not say.
fn as_a_ticket(key: &TicketKey, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let claimed = claimed_expiry(text);
    if let Some(ticket) = taken(key, text) {
        assert_eq!(
            claimed,
            Some(ticket.expires_at),
            "what is taken has the form"
        );
        let claims = |text: &str| {
            let payload = text.split('.').nth(1).unwrap().as_bytes();
            serde_json::from_slice::<Value>(&BASE64URL_NOPAD.decode(payload).unwrap()).unwrap()
        };
        assert_eq!(claims(&key.sign(&ticket).unwrap()), claims(text));
    }
}

/// Pairs of a place and a byte to be put there.
fn as_a_change_of_a_good_one(key: &TicketKey, data: &[u8]) {
    let good = key.sign(&good()).unwrap();
    let mut changed = good.clone().into_bytes();
    for pair in data.chunks_exact(2) {
        let at = usize::from(pair[0]) % changed.len();
        changed[at] = pair[1];
    }
    if let Ok(changed) = String::from_utf8(changed)
        && changed != good
    {
        let refused = key.verify(&changed, now());
        assert!(matches!(refused, Err(Refused::Invalid | Refused::OtherKey)));
    }
}

/// What our own key signed is read without a panic, and read again as the same.
fn as_signed_claims(key: &TicketKey, data: &[u8]) {
    let text = signed(key, br#"{"typ":"JWT","alg":"HS256"}"#, data);
    if let Some(ticket) = taken(key, &text) {
        let again = key.sign(&ticket).unwrap();
        assert_eq!(taken(key, &again), Some(ticket));
    }
}

/// Whatever the header says, it is HS256 or nothing.
fn as_a_signed_header(key: &TicketKey, data: &[u8]) {
    let good = key.sign(&good()).unwrap();
    let payload = good.split('.').nth(1).unwrap();
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    if taken(key, &signed(key, data, &payload)).is_some() {
        let header: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(header["alg"], "HS256");
    }
}

fn taken(key: &TicketKey, text: &str) -> Option<Ticket> {
    match key.verify(text, now()) {
        Ok(ticket) => {
            assert!(ticket.expires_at > now());
            Some(ticket)
        }
        Err(Refused::Expired(ticket)) => {
            assert!(ticket.expires_at <= now());
            Some(ticket)
        }
        Err(Refused::Invalid | Refused::OtherKey) => None,
    }
}

fn signed(key: &TicketKey, header: &[u8], payload: &[u8]) -> String {
    let front = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header),
        BASE64URL_NOPAD.encode(payload)
    );
    let mac = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &key.derive("ticket")),
        front.as_bytes(),
    );
    format!("{front}.{}", BASE64URL_NOPAD.encode(mac.as_ref()))
}

fn good() -> Ticket {
    Ticket {
        purpose: Purpose::Rotate,
        secret: "arn:aws:secretsmanager:eu-west-1:1:secret:shopmail/a-AbC123".to_owned(),
        version: "v1".to_owned(),
        mailbox: MailboxAddress::read("orders@shop.example").unwrap(),
        expires_at: "2026-12-01T00:00:00Z".parse().unwrap(),
    }
}

fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}
