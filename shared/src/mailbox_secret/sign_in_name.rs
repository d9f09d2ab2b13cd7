//! The name that a mailbox's account signs in with: its address, or what the document says in its place.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Connection, MailboxSecret, Protocol, invalid};
use crate::failure::Failure;
use crate::ids::MailboxAddress;

/// The name that a mailbox's account signs in with at Microsoft, its user principal name. It need not be
/// one of the mailbox's addresses (osTicket/osTicket-plugins#248, glpi-project/glpi#18796).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInName {
    name: MailboxAddress,
    rests_on: RestsOn,
}

/// By what a sign-in name is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestsOn {
    /// It is the address, and Microsoft Graph tells all names and addresses of the account.
    Addresses,
    /// It is the address, because the document says nothing else.
    AddressAlone,
    /// The document's `sign_in_as`.
    SignInAs,
}

impl SignInName {
    /// The name as an address.
    #[must_use]
    pub fn address(&self) -> &MailboxAddress {
        &self.name
    }

    /// By what it is known.
    #[must_use]
    pub fn rests_on(&self) -> RestsOn {
        self.rests_on
    }
}

impl fmt::Display for SignInName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl MailboxSecret {
    /// The name that the account of `mailbox` signs in with. What the document says takes the place of
    /// the address, so that one name is right and not two.
    #[must_use]
    pub fn sign_in_name(&self, mailbox: &MailboxAddress) -> SignInName {
        let of_mailbox = || self.connections.iter().filter(|c| c.mailbox == *mailbox);
        let said = of_mailbox().find_map(|connection| connection.sign_in_as.as_ref());
        let rests_on = match said {
            Some(_) => RestsOn::SignInAs,
            None if of_mailbox().any(|c| c.protocol == Protocol::Graph) => RestsOn::Addresses,
            None => RestsOn::AddressAlone,
        };
        SignInName {
            name: said.unwrap_or(mailbox).clone(),
            rests_on,
        }
    }
}

/// `sign_in_as` stands only where Graph does not tell the account's names, and one mailbox has one.
pub(super) fn check(connections: &[Connection]) -> Result<(), Failure> {
    for (at, connection) in connections.iter().enumerate() {
        if connection.protocol == Protocol::Graph {
            if connection.sign_in_as.is_some() {
                return Err(invalid(&format!(
                    "field connections[{at}].sign_in_as: not for the protocol graph, which tells an account's names"
                )));
            }
            continue;
        }
        let mut earlier = connections.iter().take(at);
        let disagrees = |other: &Connection| {
            other.protocol != Protocol::Graph
                && other.mailbox == connection.mailbox
                && other.sign_in_as != connection.sign_in_as
        };
        if earlier.any(disagrees) {
            return Err(invalid(&format!(
                "field connections[{at}].sign_in_as: not as in an earlier connection of the same mailbox"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A document with these connections of one mailbox: protocol and `sign_in_as`.
    fn read(connections: &[(&str, Value)]) -> Result<MailboxSecret, Failure> {
        let connections = connections.iter().enumerate();
        let connections = connections.map(|(at, (protocol, sign_in_as))| {
            let sends = *protocol == "smtp";
            let mut connection = json!({
                "id": format!("c-{at}"), "direction": if sends { "sending" } else { "receiving" },
                "protocol": protocol, "mailbox": "orders@shop.example",
                "shopctrl": {"ui": "https://shop.example", "api": "https://shop.example/v1",
                             "shop_id": 12, "credentials": "shopmail-shopctrl/shop.example"},
            });
            if !sign_in_as.is_null() {
                connection["sign_in_as"] = sign_in_as.clone();
            }
            connection
        });
        let document = json!({
            "version": 1,
            "tenant_id": "11111111-1111-4111-8111-111111111111",
            "client_id": "22222222-2222-4222-8222-222222222222",
            "lifetime": "P180D",
            "key_id": "33333333-3333-4333-8333-333333333333",
            "client_secret": "Zx8Q~hunter2", "expires_at": "2027-01-15T00:00:00Z",
            "rotator": {"kind": "self"}, "connections": connections.collect::<Vec<_>>(),
        });
        MailboxSecret::read(&document.to_string().into())
    }

    fn name(connections: &[(&str, Value)]) -> (String, RestsOn) {
        let orders = MailboxAddress::read("ORDERS@shop.example").unwrap();
        let name = read(connections).unwrap().sign_in_name(&orders);
        (name.to_string().to_lowercase(), name.rests_on())
    }

    const NOTHING: Value = Value::Null;

    #[test]
    fn what_the_document_says_takes_the_place_of_the_address() {
        let (orders, u123456) = ("orders@shop.example", "u123456@corp.example");
        let graph = name(&[("graph", NOTHING)]);
        assert_eq!(graph, (orders.to_owned(), RestsOn::Addresses));
        let imap = name(&[("imap", NOTHING), ("smtp", NOTHING)]);
        assert_eq!(imap, (orders.to_owned(), RestsOn::AddressAlone));
        for protocols in [["pop3", "smtp"], ["smtp", "imap"]] {
            let said = protocols.map(|protocol| (protocol, json!(u123456)));
            assert_eq!(name(&said), (u123456.to_owned(), RestsOn::SignInAs));
        }
        let both = name(&[("graph", NOTHING), ("smtp", json!(u123456))]);
        assert_eq!(both, (u123456.to_owned(), RestsOn::SignInAs));
    }

    #[test]
    fn a_sign_in_name_that_cannot_hold_is_an_error_that_names_the_field_and_not_the_value() {
        let cases: [&[(&str, Value)]; 5] = [
            &[("imap", NOTHING), ("smtp", json!("hunter2"))],
            &[("imap", NOTHING), ("smtp", json!("hunter2@corp.example"))],
            &[("imap", json!("u1@corp.example")), ("smtp", NOTHING)],
            &[
                ("imap", json!("u1@corp.example")),
                ("smtp", json!("hunter2@corp.example")),
            ],
            &[("imap", NOTHING), ("graph", json!("hunter2@corp.example"))],
        ];
        for connections in cases {
            let error = read(connections).unwrap_err().to_string();
            assert!(error.contains("connections[1].sign_in_as: "), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        // Case makes no other name.
        let same = [
            ("imap", json!("U1@corp.example")),
            ("smtp", json!("u1@Corp.example")),
        ];
        assert!(read(&same).is_ok());
    }
}
