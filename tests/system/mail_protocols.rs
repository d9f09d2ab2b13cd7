//! A mailbox that ShopCtrl uses by IMAP, POP3 and SMTP: proved as each connection uses it, and what is wrong with it
//! told apart.

mod diagnosis;
mod on_dovecot;
mod round_trip;
mod servers_that_fail;

use serde_json::{Value, json};
use simulators::gate::{Calls, Fault, Hold};
use simulators::microsoft::directory::account::Person;
use simulators::microsoft::exchange::Protocol::{Imap, Pop3, Smtp};
use simulators::shopctrl::Protocol;
use simulators::world::{Mailbox, MailboxPlan};

use crate::support::Scenario;
use crate::support::scenario::ending_in;

/// A mailbox whose connections use these.
fn by(receiving: Protocol, sending: Protocol) -> MailboxPlan {
    MailboxPlan {
        receiving,
        sending,
        ..ending_in(300)
    }
}

impl Scenario {
    /// What an administrator was told once about a rotation or a test that failed.
    fn failure_told(&self) -> Value {
        self.details("Rotation Failed").remove(0)
    }

    /// All is well, and the checks know it.
    async fn start_at_rest(&self) {
        self.check().await;
        assert_eq!(self.broken(), Vec::<Value>::new());
    }

    /// What was published of connections.
    fn broken(&self) -> Vec<Value> {
        let mut drift = self.details("Drift Found");
        drift.retain(|drift| drift["connection"].is_string());
        drift
    }

    fn change_person(&self, change: impl FnOnce(&mut Person)) {
        self.world
            .directory
            .change_account(self.mailbox.oid, change);
    }

    /// The owner has consented to what every protocol asks for.
    fn consent_to_all(&self) {
        const OUTLOOK: &str = "https://outlook.office.com";
        let mail = ["IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send"];
        let mail = mail.map(|name| format!("{OUTLOOK}/{name}")).join(" ");
        let scopes = format!("openid profile User.Read Mail.Read Mail.Send {mail}");
        let Mailbox { oid, app, .. } = &self.mailbox;
        self.world.directory.consent(*oid, app.app_id, &scopes);
    }

    /// There is a shared mailbox with this address, which the owner may open and send as.
    fn share_with_the_owner(&self, shared: &str) {
        let tenant = self.world.tenant();
        let account = Person::with_mailbox(shared, "nobody signs in");
        self.world.directory.add_account(tenant, account);
        self.change_person(|owner| {
            owner.full_access.push(shared.to_owned());
            owner.send_as.push(shared.to_owned());
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_opens_the_mailbox_the_way_that_each_connection_does_and_changes_nothing_in_it()
{
    for (receiving, protocol) in [(Protocol::Imap, Imap), (Protocol::Pop3, Pop3)] {
        let scenario = Scenario::with(&by(receiving, Protocol::Smtp)).await;
        let exchange = &scenario.world.exchange;
        let directory = &scenario.world.directory;
        directory.receive_mail("a@b.example", &scenario.mailbox.address, "hello");
        let before = directory.mails(&scenario.mailbox.address);
        scenario.rotate().await;
        scenario.assert_whole();
        let asked = |protocol| exchange.asked(protocol).join("\n");
        match protocol {
            Imap => assert!(asked(Imap).contains("EXAMINE INBOX"), "{}", asked(Imap)),
            Pop3 | Smtp => assert!(asked(Pop3).contains("STAT"), "{}", asked(Pop3)),
        }
        assert!(asked(Smtp).contains("AUTH XOAUTH2"), "{}", asked(Smtp));
        for changing in ["SELECT", "STORE", "DELE", "MAIL FROM", "EXPUNGE"] {
            let all = [asked(Imap), asked(Pop3), asked(Smtp)].join("\n");
            assert!(!all.contains(changing), "{changing}: {all}");
        }
        // ShopCtrl has sent its own test mail meanwhile.
        let after = directory.mails(&scenario.mailbox.address);
        assert_eq!(after[..1], before[..]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waits_for_four_connections_of_one_mailbox_overlap() {
    let plan = MailboxPlan {
        document: |document| {
            // Beside the two by protocols, one that receives by POP3 and one by Graph.
            let first = document["connections"][0].clone();
            for (id, protocol) in [("in-pop3", "pop3"), ("in-graph", "graph")] {
                let mut another = first.clone();
                another["id"] = json!(id);
                another["protocol"] = json!(protocol);
                another["delivery"] = json!("attended");
                document["connections"]
                    .as_array_mut()
                    .unwrap()
                    .push(another);
            }
        },
        ..by(Protocol::Imap, Protocol::Smtp)
    };
    let scenario = Scenario::with(&plan).await;
    scenario.consent_to_all();
    let hold = Hold::default();
    let gate = &scenario.world.gate;
    for calls in [
        Calls::of("imap", "AUTHENTICATE"),
        Calls::of("pop3", "AUTH"),
        Calls::of("smtp", "AUTH"),
        Calls::of("graph", "GET me/mailFolders/inbox"),
    ] {
        gate.fail(calls, Fault::Hold(hold.clone()));
    }
    let together = async {
        // None is let go before all four have come.
        hold.reached(4).await;
        hold.let_go();
    };
    tokio::select! {
        // Where they do not, it ends by the clients' time limit.
        ended = scenario.test_configuration() => panic!("{ended:?} with {} of them", hold.calls()),
        () = together => {}
    }
}

/// Entra's own way to say that one refresh token serves both resources, and the order of calls that shows it.
#[tokio::test(flavor = "multi_thread")]
async fn one_grant_serves_both_resources_and_each_has_a_token_of_its_own() {
    let scenario = Scenario::with(&by(Protocol::Graph, Protocol::Smtp)).await;
    scenario.rotate().await;
    scenario.assert_whole();
    let asked = scenario.world.exchange.asked(Smtp).join("\n");
    assert!(asked.contains("AUTH XOAUTH2"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_mailbox_is_opened_by_its_address_and_sent_from_by_the_persons() {
    const SHARED: &str = "shared@shop.example";
    let plan = MailboxPlan {
        granted: false,
        document: |document| {
            for connection in document["connections"].as_array_mut().unwrap() {
                connection["sign_in_as"] = connection["mailbox"].clone();
                connection["mailbox"] = json!(SHARED);
                connection["delivery"] = json!("attended");
            }
        },
        ..by(Protocol::Imap, Protocol::Smtp)
    };
    let scenario = Scenario::with(&plan).await;
    scenario.share_with_the_owner(SHARED);
    scenario.test_configuration().await;
    let link = scenario.link_in("Authorization Required");
    let mut visitor = scenario.visitor();
    visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
    let exchange = &scenario.world.exchange;
    let asked = exchange.asked(Imap).join("\n");
    assert!(asked.contains("EXAMINE INBOX"), "{asked}");
    assert!(
        exchange
            .asked(Smtp)
            .iter()
            .any(|command| command.starts_with("AUTH"))
    );
    // Without Full Access Exchange opens nothing.
    scenario.change_person(|owner| owner.full_access.clear());
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.failure_told().to_string();
    assert!(told.contains("FullAccess"), "{told}");
}
