//! The document that a mailbox secret holds, `shopmail/<name>`.

mod credential;
mod settings_link;
mod sign_in_name;
mod wire;

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::cloud::Cloud;
use crate::config::BaseUrl;
use crate::failure::{Failure, Kind};
use crate::ids::{ConnectionId, DirectoryId, MailboxAddress};
use crate::json::FormVersion;
use crate::period::Period;

pub use credential::{DocumentCredential, StoredCredential, UnknownCredential};
pub use settings_link::SettingsLink;
pub use sign_in_name::{RestsOn, SignInName};

/// One app registration's client secret and the connections that use it. Only the credential changes in a
/// rotation.
#[derive(Debug, Clone)]
pub struct MailboxSecret {
    /// Version of this document's form.
    pub version: FormVersion,
    /// Directory (tenant) id.
    pub tenant_id: DirectoryId,
    /// Application (client) id of the app registration that ShopCtrl uses.
    pub client_id: DirectoryId,
    /// The Microsoft cloud.
    pub cloud: Cloud,
    /// What the portal shows behind our marker.
    pub description: String,
    /// How long a new client secret is valid, where that is not as the delivery has it:
    /// [`MailboxSecret::lifetime`].
    pub lifetime: Option<Period>,
    /// The credential of this version.
    pub credential: DocumentCredential,
    /// The identity that issues and removes credentials.
    pub rotator: Rotator,
    /// Who uses the client secret.
    pub connections: Vec<Connection>,
    /// The mailboxes' own accounts (`oid`) that may see a pending client secret on the hand-over page, where no other
    /// account can sign in.
    pub reveal_to: Vec<DirectoryId>,
}

/// The identity that may add and remove credentials of the app registration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rotator {
    /// An app registration that trusts this function's role (AWS outbound identity federation):
    /// no standing secret.
    Federated {
        /// Its application (client) id.
        client_id: DirectoryId,
    },
    /// A second app registration with a client secret of its own, kept in `secret`
    /// (`shopmail-rotator/<name>`, `{"client_secret": "…"}`).
    Secret {
        /// Its application (client) id.
        client_id: DirectoryId,
        /// Name or ARN of the Secrets Manager secret.
        secret: String,
    },
    /// The app registration itself, with its current client secret. It cannot recover after expiry.
    #[serde(rename = "self")]
    Itself {},
}

/// One direction of one ShopCtrl shop on one host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Unique in the document; also the connection's id in the `api` contract.
    pub id: ConnectionId,
    /// Receiving or sending.
    pub direction: Direction,
    /// What ShopCtrl speaks with Microsoft 365.
    pub protocol: Protocol,
    /// The address of the mailbox account that ShopCtrl signs in as.
    pub mailbox: MailboxAddress,
    /// What that account signs in with, where it is not this address: [`MailboxSecret::sign_in_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_as: Option<MailboxAddress>,
    /// Where the connection is.
    pub shopctrl: ShopCtrlPlace,
    /// How a new secret gets there.
    #[serde(default)]
    pub delivery: Delivery,
    /// How a delivered secret is proved.
    #[serde(default)]
    pub proof: Proof,
}

/// The direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// ShopCtrl reads the mailbox.
    Receiving,
    /// ShopCtrl sends as the mailbox.
    Sending,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        })
    }
}

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Microsoft Graph API.
    Graph,
    /// IMAP (receiving).
    Imap,
    /// POP3 (receiving).
    Pop3,
    /// SMTP (sending).
    Smtp,
}

/// Where in ShopCtrl a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ShopCtrlPlace {
    /// The address at which people open ShopCtrl.
    pub ui: BaseUrl,
    /// Where there, on the same host, the connection's topic in the shop's settings is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_link: Option<SettingsLink>,
    /// The base address of its REST API, `v1` included.
    pub api: BaseUrl,
    /// The shop's number.
    pub shop_id: u64,
    /// Name of the secret that holds the API login.
    pub credentials: String,
}

/// How a new secret gets into ShopCtrl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// A person pastes it, guided.
    #[default]
    Attended,
    /// By the contract of infra/shopctrl-connections.openapi.yaml.
    Api,
}

impl Delivery {
    /// Its name in the document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attended => "attended",
            Self::Api => "api",
        }
    }
}

/// How a delivered secret is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// By our own sign-in to the mailbox with the stored grant, and by ShopCtrl's test.
    #[default]
    Probe,
    /// The same, and by a mail that goes out the sending way and is seen on the receiving way.
    #[serde(rename = "round_trip")]
    RoundTrip,
    /// By ShopCtrl's test alone, for a mailbox whose owner gives us no grant.
    ShopCtrl,
}

impl Proof {
    /// Whether the mailbox is opened with its owner's grant.
    #[must_use]
    pub fn uses_the_grant(self) -> bool {
        match self {
            Self::Probe | Self::RoundTrip => true,
            Self::ShopCtrl => false,
        }
    }
}

impl MailboxSecret {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming the field and never its value.
    pub fn read(text: &SecretString) -> Result<Self, Failure> {
        let document = wire::read(text).map_err(|problem| invalid(&problem))?;
        document.check()?;
        Ok(document)
    }

    fn check(&self) -> Result<(), Failure> {
        let allowed = Period::days(1)..=Period::days(2 * 366);
        if !allowed.contains(&self.lifetime()) {
            return Err(invalid("field lifetime: not between P1D and P732D"));
        }
        if self.rotator == (Rotator::Itself {}) && self.credential.stored().is_none() {
            return Err(invalid(
                "field client_secret: empty, and the rotator `self` signs in with it",
            ));
        }
        if self.connections.is_empty() {
            return Err(invalid("field connections: there is none"));
        }
        for (at, connection) in self.connections.iter().enumerate() {
            let earlier = self.connections.iter().take(at);
            if earlier.clone().any(|other| other.id == connection.id) {
                return Err(invalid(&format!("field connections[{at}].id: used twice")));
            }
            let fits = match connection.protocol {
                Protocol::Graph => true,
                Protocol::Imap | Protocol::Pop3 => connection.direction == Direction::Receiving,
                Protocol::Smtp => connection.direction == Direction::Sending,
            };
            if !fits {
                return Err(invalid(&format!(
                    "field connections[{at}].protocol: not a protocol for this direction"
                )));
            }
        }
        self.check_round_trips()?;
        settings_link::check(&self.connections)?;
        sign_in_name::check(&self.connections)
    }

    /// What goes out has to come in somewhere.
    fn check_round_trips(&self) -> Result<(), Failure> {
        for (at, connection) in self.connections.iter().enumerate() {
            let has = |direction| {
                self.connections.iter().any(|other| {
                    other.mailbox == connection.mailbox
                        && other.direction == direction
                        && other.proof.uses_the_grant()
                })
            };
            let both = has(Direction::Receiving) && has(Direction::Sending);
            if connection.proof == Proof::RoundTrip && !both {
                return Err(invalid(&format!(
                    "field connections[{at}].proof: round_trip needs a receiving and a sending connection of this mailbox, proved by probe or round_trip"
                )));
            }
        }
        Ok(())
    }

    /// The document after a rotation: another credential, all else as it was.
    #[must_use]
    pub fn with_credential(&self, credential: StoredCredential) -> Self {
        Self {
            credential: DocumentCredential::Stored(credential),
            ..self.clone()
        }
    }

    /// Whether another document says the same of all but the credential. In full, so that a new field
    /// has to be thought about here.
    #[must_use]
    pub fn differs_only_in_credential(&self, other: &Self) -> bool {
        let Self {
            version,
            tenant_id,
            client_id,
            cloud,
            description,
            lifetime,
            credential: _,
            rotator,
            connections,
            reveal_to,
        } = self;
        *version == other.version
            && *tenant_id == other.tenant_id
            && *client_id == other.client_id
            && *cloud == other.cloud
            && *description == other.description
            && *lifetime == other.lifetime
            && *rotator == other.rotator
            && *connections == other.connections
            && *reveal_to == other.reveal_to
    }

    /// Whether another document names the same app registration.
    #[must_use]
    pub fn has_the_app_of(&self, other: &Self) -> bool {
        self.cloud == other.cloud
            && self.tenant_id == other.tenant_id
            && self.client_id == other.client_id
    }

    /// The document as text, secret included.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`]; cannot happen with a document that was read.
    pub fn write(&self) -> Result<SecretString, Failure> {
        wire::write(self).map_err(|_| invalid("it cannot be written"))
    }

    /// The mailboxes whose grants are used for proofs, each once.
    #[must_use]
    pub fn probed_mailboxes(&self) -> Vec<&MailboxAddress> {
        let mut mailboxes: Vec<&MailboxAddress> = Vec::new();
        for connection in &self.connections {
            if connection.proof.uses_the_grant() && !mailboxes.contains(&&connection.mailbox) {
                mailboxes.push(&connection.mailbox);
            }
        }
        mailboxes
    }

    /// The addresses of the mailboxes, and the names that their accounts sign in with.
    #[must_use]
    pub fn own_addresses(&self) -> Vec<MailboxAddress> {
        let addresses = self.connections.iter().map(|c| &c.mailbox);
        let names = self
            .connections
            .iter()
            .filter_map(|c| c.sign_in_as.as_ref());
        let mut own: Vec<MailboxAddress> = Vec::new();
        for address in addresses.chain(names) {
            if !own.contains(address) {
                own.push(address.clone());
            }
        }
        own
    }

    /// How long a new client secret is valid. Unless the document says it, a person who delivers is asked as
    /// seldom as Entra allows, two years at most (entra-docs, how-to-add-credentials.md); a delivery that costs
    /// nobody anything is as often as a baseline asks.
    #[must_use]
    pub fn lifetime(&self) -> Period {
        let by_delivery = match self.has_attended() {
            true => Period::days(730),
            false => Period::days(180),
        };
        self.lifetime.unwrap_or(by_delivery)
    }

    /// Whether some mailbox is proved by a round trip.
    #[must_use]
    pub fn has_round_trip(&self) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|connection| connection.proof == Proof::RoundTrip)
    }

    /// Whether a person delivers to some connection.
    #[must_use]
    pub fn has_attended(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.delivery == Delivery::Attended)
    }

    /// Whether somebody signs in on our pages: for a grant, or to hand over.
    #[must_use]
    pub fn has_sign_ins(&self) -> bool {
        !self.probed_mailboxes().is_empty() || self.has_attended()
    }
}

fn invalid(problem: &str) -> Failure {
    Failure::new(
        Kind::Misconfigured,
        format!("reading the mailbox document: {problem}"),
    )
    .next_step("Correct the secret's value (docs/configuration.md, The mailbox document).")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "version": 1,
            "tenant_id": "11111111-1111-4111-8111-111111111111",
            "client_id": "22222222-2222-4222-8222-222222222222",
            "cloud": "global", "description": "ShopCtrl mail", "lifetime": "P180D",
            "key_id": "33333333-3333-4333-8333-333333333333",
            "client_secret": "Zx8Q~hunter2", "expires_at": "2027-01-15T00:00:00Z",
            "rotator": {"kind": "federated", "client_id": "44444444-4444-4444-8444-444444444444"},
            "connections": [{
                "id": "orders-in", "direction": "receiving", "protocol": "graph",
                "mailbox": "orders@shop.example",
                "shopctrl": {"ui": "https://shop.example", "api": "https://shop.example/v1",
                             "settings_link": "https://shop.example?tab=Shop|12&control=E-mail",
                             "shop_id": 12, "credentials": "shopmail-shopctrl/shop.example"},
                "delivery": "attended", "proof": "probe"
            }],
            "reveal_to": []
        })
    }

    fn read(document: &Value) -> Result<MailboxSecret, Failure> {
        MailboxSecret::read(&document.to_string().into())
    }

    #[test]
    fn the_documents_example_reads_and_writes_back() {
        let mailbox = read(&document()).unwrap();
        let again = MailboxSecret::read(&mailbox.write().unwrap()).unwrap();
        let stored = again.credential.stored().unwrap();
        assert_eq!(stored.client_secret.expose(), "Zx8Q~hunter2");
        assert_eq!(again.connections, mailbox.connections);
    }

    #[test]
    fn an_error_names_the_field_and_never_the_value() {
        let secret = "hunter2, expected hunter2";
        let cases: [(&str, Value, &str); 12] = [
            (
                "/connections/0/mailbox",
                json!("hunter2\\@shop.example"),
                "connections[0].mailbox",
            ),
            ("/client_secret", json!(null), "client_secret"),
            ("/lifetime", json!(secret), "lifetime"),
            ("/lifetime", json!("P1Y"), "lifetime"),
            ("/version", json!(2), "version"),
            (
                "/connections/0/protocol",
                json!(secret),
                "connections[0].protocol",
            ),
            (
                "/connections/0/direction",
                json!("sending "),
                "connections[0].direction",
            ),
            ("/connections/0/shopctrl/shop_id", json!(secret), "shop_id"),
            (
                "/connections/0/shopctrl/settings_link",
                json!("https://hunter2.example?tab=x"),
                "connections[0].shopctrl.settings_link",
            ),
            (
                "/connections/0/shopctrl/settings_link",
                json!(secret),
                "connections[0].shopctrl.settings_link",
            ),
            ("/rotator/kind", json!(secret), "rotator"),
            ("/expires_at", json!(secret), "expires_at"),
        ];
        for (pointer, value, field) in cases {
            let mut bad = document();
            *bad.pointer_mut(pointer).unwrap() = value;
            let error = read(&bad).unwrap_err().to_string();
            assert!(error.contains(field), "{pointer}: {error}");
            assert!(!error.contains("hunter2"), "{pointer}: {error}");
        }
    }

    #[test]
    fn lacking_and_unknown_fields_are_named() {
        let mut lacking = document();
        lacking.as_object_mut().unwrap().remove("tenant_id");
        let error = read(&lacking).unwrap_err().to_string();
        assert!(error.contains("missing field `tenant_id`"), "{error}");
        let mut unknown = document();
        unknown["conections"] = json!([]);
        let error = read(&unknown).unwrap_err().to_string();
        assert!(error.contains("unknown field `conections`"), "{error}");
        let error = MailboxSecret::read(&"hunter2".to_owned().into()).unwrap_err();
        assert!(error.to_string().contains("not JSON"), "{error}");
    }

    #[test]
    fn a_first_document_may_leave_out_what_nobody_has() {
        let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
            let mut first = document();
            change(first.as_object_mut().unwrap());
            read(&first)
        };
        let key_id = "33333333-3333-4333-8333-333333333333".parse().ok();
        let unknown = |key_id, expires_at| UnknownCredential { key_id, expires_at };
        let held = |read: Result<MailboxSecret, Failure>| {
            let mailbox = read.unwrap();
            let again = MailboxSecret::read(&mailbox.write().unwrap()).unwrap();
            assert!(again.credential.is_the_same_as(&mailbox.credential));
            match mailbox.credential {
                DocumentCredential::Stored(_) => panic!("there is none"),
                DocumentCredential::NotStored(unknown) => unknown,
            }
        };
        let emptied = with(&|first| {
            for field in ["key_id", "client_secret", "expires_at"] {
                first.insert(field.to_owned(), json!(""));
            }
        });
        assert_eq!(held(emptied), unknown(None, None));
        let without = with(&|first| {
            for field in ["key_id", "client_secret", "expires_at"] {
                first.remove(field);
            }
        });
        assert_eq!(held(without), unknown(None, None));
        let named = with(&|first| {
            first.remove("client_secret");
            first.remove("expires_at");
        });
        assert_eq!(held(named), unknown(key_id, None));
    }

    #[test]
    fn a_value_without_its_id_or_its_end_or_a_rotator_without_a_value_is_named() {
        for field in ["key_id", "expires_at"] {
            for empty in [json!(""), Value::Null] {
                let mut half = document();
                match empty.is_null() {
                    true => half.as_object_mut().unwrap().remove(field),
                    false => half
                        .as_object_mut()
                        .unwrap()
                        .insert(field.to_owned(), empty),
                };
                let error = read(&half).unwrap_err().to_string();
                assert!(
                    error.contains(&format!("missing field `{field}`")),
                    "{error}"
                );
            }
        }
        let mut own = document();
        own["rotator"] = json!({"kind": "self"});
        assert!(read(&own).is_ok());
        own["client_secret"] = json!("");
        let error = read(&own).unwrap_err().to_string();
        assert!(error.contains("field client_secret: empty"), "{error}");
        assert!(error.contains("rotator `self`"), "{error}");
    }

    #[test]
    fn the_lifetime_follows_the_delivery_unless_it_is_written() {
        let lifetime = |delivery: &str, written: Option<&str>| {
            let mut document = document();
            document["connections"][0]["delivery"] = json!(delivery);
            match written {
                Some(written) => document["lifetime"] = json!(written),
                None => drop(document.as_object_mut().unwrap().remove("lifetime")),
            }
            read(&document).unwrap().lifetime()
        };
        assert_eq!(lifetime("attended", None), Period::days(730));
        assert_eq!(lifetime("api", None), Period::days(180));
        assert_eq!(lifetime("attended", Some("P90D")), Period::days(90));
    }

    #[test]
    fn a_sending_connection_does_not_speak_imap() {
        let mut bad = document();
        bad["connections"][0]["direction"] = json!("sending");
        bad["connections"][0]["protocol"] = json!("imap");
        assert!(
            read(&bad)
                .unwrap_err()
                .to_string()
                .contains("connections[0].protocol")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let _ = MailboxSecret::read(&text.into());
        }
    }
}
