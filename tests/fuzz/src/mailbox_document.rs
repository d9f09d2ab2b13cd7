//! The mailbox secret's document: what was read is written and read again as the same; and an error
//! names the field, and nothing that the document says.

use secrecy::ExposeSecret;
use shared::mailbox_secret::{DocumentCredential, MailboxSecret};

use crate::said::assert_fit_for_logs_and_mails;

/// Microsoft's client secrets have it, and no sentence of ours: a value that has one must not be said.
const OF_SECRETS: char = '~';

/// A good one.
pub(crate) const EXAMPLE: &str = include_str!("../corpus/mailbox_document/one_connection.json");

/// See the module.
pub fn property(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match MailboxSecret::read(&text.to_owned().into()) {
        Ok(mailbox) => assert_survives_writing(&mailbox),
        Err(failure) => {
            assert_fit_for_logs_and_mails(&failure);
            let said = failure.to_string();
            assert!(!said.contains(OF_SECRETS), "{said}");
            let names_the_place = [
                "field ",
                "missing field",
                "unknown field",
                "not JSON (line",
                "text behind the document",
                "expected struct",
            ];
            assert!(names_the_place.iter().any(|it| said.contains(it)), "{said}");
        }
    }
}

fn assert_survives_writing(mailbox: &MailboxSecret) {
    let written = mailbox.write().unwrap();
    let again = MailboxSecret::read(&written).expect("what was written is read");
    assert!(again.differs_only_in_credential(mailbox));
    let (one, other) = (&again.credential, &mailbox.credential);
    assert!(one.is_the_same_as(other));
    assert_eq!(one.end(None), other.end(None));
    let value = |held: &DocumentCredential| {
        let stored = held.stored();
        stored.map(|stored| stored.client_secret.expose().to_owned())
    };
    assert_eq!(value(one), value(other));
    let twice = again.write().unwrap();
    assert_eq!(twice.expose_secret(), written.expose_secret());
    let printed = format!("{mailbox:?}");
    let secret = value(other).unwrap_or_default();
    assert!(!secret.contains(OF_SECRETS) || secret.len() < 8 || !printed.contains(&secret));
}
