//! A round trip: a mail goes out the sending way and comes in the receiving way.

use jiff::SignedDuration;
use serde_json::json;
use simulators::gate::Fault;
use simulators::microsoft::exchange::Protocol::Imap;
use simulators::microsoft::exchange::store::{Folder, Mail, Via};
use simulators::shopctrl::Protocol;
use simulators::world::MailboxPlan;

use super::by;
use crate::support::Scenario;
use crate::support::faults::{throttled, unavailable};

const PREFIX: &str = "[shopmail round trip]";

fn round_trip_by(receiving: Protocol, sending: Protocol) -> MailboxPlan {
    MailboxPlan {
        document: |document| {
            for connection in document["connections"].as_array_mut().unwrap() {
                connection["proof"] = json!("round_trip");
            }
        },
        ..by(receiving, sending)
    }
}

impl Scenario {
    fn test_mails_sent(&self) -> Vec<Via> {
        let submitted = self.world.directory.submitted_mail().into_iter();
        let ours = submitted.filter(|mail| String::from_utf8_lossy(&mail.message).contains(PREFIX));
        ours.map(|mail| mail.via).collect()
    }

    fn test_mails_in(&self, folder: Folder) -> Vec<Mail> {
        let mut mails = self.world.directory.mails(&self.mailbox.address);
        mails.retain(|mail| mail.folder == folder && mail.subject().starts_with(PREFIX));
        mails
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_out_and_comes_in_by_every_protocol_and_nobody_answers_it() {
    for (receiving, sending, via) in [
        (Protocol::Graph, Protocol::Graph, Via::Graph),
        (Protocol::Imap, Protocol::Smtp, Via::Smtp),
        (Protocol::Pop3, Protocol::Smtp, Via::Smtp),
        (Protocol::Imap, Protocol::Graph, Via::Graph),
        (Protocol::Graph, Protocol::Smtp, Via::Smtp),
    ] {
        let scenario = Scenario::with(&round_trip_by(receiving, sending)).await;
        scenario.rotate().await;
        scenario.assert_whole();
        assert_eq!(scenario.test_mails_sent(), [via]);
        let sent = scenario.world.directory.submitted_mail();
        let ours = |m: &str| m.contains(PREFIX);
        let message = sent
            .iter()
            .map(|mail| String::from_utf8_lossy(&mail.message).into_owned())
            .find(|message| ours(message))
            .unwrap();
        assert!(
            message.contains("X-Auto-Response-Suppress: All"),
            "{message}"
        );
        // Of IMAP and POP3 it is removed, that one alone; Graph's permission to read lets it be.
        let left = scenario.test_mails_in(Folder::Inbox).len();
        let removes = receiving != Protocol::Graph;
        assert_eq!(left, usize::from(!removes), "{receiving:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_is_marked_for_deletion_is_not_removed_with_it() {
    let scenario = Scenario::with(&round_trip_by(Protocol::Imap, Protocol::Smtp)).await;
    let directory = &scenario.world.directory;
    directory.receive_mail("a@b.example", &scenario.mailbox.address, "keep me");
    scenario.rotate().await;
    scenario.assert_whole();
    let asked = scenario.world.exchange.asked(Imap).join("\n");
    assert!(asked.contains("UID EXPUNGE"), "{asked}");
    assert!(
        !asked.lines().any(|line| line.trim().ends_with(" EXPUNGE")),
        "{asked}"
    );
    let kept = directory.mails(&scenario.mailbox.address);
    assert!(kept.iter().any(|mail| mail.subject() == "keep me"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_attempt_takes_up_the_mail_of_an_earlier_one() {
    let scenario = Scenario::with(&round_trip_by(Protocol::Imap, Protocol::Smtp)).await;
    // Sent, and its end is never known.
    let gone = Fault::Reset { effect: true };
    scenario.world.gate.fail_next("smtp", "QUIT", gone);
    scenario.rotate().await;
    scenario.assert_whole();
    assert_eq!(scenario.test_mails_sent().len(), 1);
    // The same of the answer to the message itself.
    let scenario = Scenario::with(&round_trip_by(Protocol::Graph, Protocol::Graph)).await;
    let gone = Fault::Reset { effect: true };
    scenario
        .world
        .gate
        .fail_next("graph", "POST me/sendMail", gone);
    scenario.rotate().await;
    scenario.assert_whole();
    assert_eq!(scenario.test_mails_sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_surely_was_not_sent_is_sent_again_at_once() {
    let busy = |effect| unavailable("smtp", 503, effect);
    for (sending, operation, fault) in [
        (Protocol::Smtp, "MAIL", busy(false)),
        (Protocol::Smtp, "DATA", Fault::Reset { effect: false }),
        (Protocol::Smtp, "DATA continued", busy(false)),
        // It says so, and has taken it all the same.
        (Protocol::Smtp, "DATA continued", busy(true)),
        (Protocol::Graph, "POST me/sendMail", throttled("graph")),
    ] {
        let scenario = Scenario::with(&round_trip_by(Protocol::Imap, sending)).await;
        scenario.world.gate.fail_next("*", operation, fault);
        scenario.rotate().await;
        scenario.assert_whole();
        assert_eq!(scenario.failures(), Vec::<String>::new(), "{operation}");
        assert_eq!(scenario.test_mails_sent().len(), 1, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_mail_that_may_not_have_gone_out_nobody_says_that_it_did() {
    let settings = [("ROUND_TRIP_WAIT", "PT1S")];
    let plan = round_trip_by(Protocol::Imap, Protocol::Smtp);
    let scenario = Scenario::with_settings(&settings, &plan).await;
    let gone = Fault::Reset { effect: false };
    scenario
        .world
        .gate
        .fail_next("smtp", "DATA continued", gone);
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.failures().join("\n");
    assert!(told.contains("ended the connection"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_does_not_come_is_told_with_where_it_lies() {
    let settings = [("ROUND_TRIP_WAIT", "PT1S")];
    let plan = round_trip_by(Protocol::Graph, Protocol::Graph);
    let scenario = Scenario::with_settings(&settings, &plan).await;
    let directory = &scenario.world.directory;
    directory.set_exchange_habits(|habits| habits.takes_for_junk = true);
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.failures().join("\n");
    assert!(told.contains("Junk Email"), "{told}");
    let scenario = Scenario::with_settings(&settings, &plan).await;
    let directory = &scenario.world.directory;
    directory.set_exchange_habits(|habits| {
        habits.delivery_takes = SignedDuration::from_hours(2);
    });
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.failures().join("\n");
    assert!(told.contains("Message trace"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_sends_nothing() {
    let scenario = Scenario::with(&round_trip_by(Protocol::Imap, Protocol::Smtp)).await;
    scenario.start_at_rest().await;
    let before = scenario.test_mails_sent().len();
    scenario.world.gate.clear();
    scenario.check().await;
    assert_eq!(scenario.test_mails_sent().len(), before);
    let operations = scenario.world.gate.operations();
    assert!(
        operations.contains(&"imap EXAMINE".to_owned()),
        "{operations:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_connection_that_says_probe_sends_nothing() {
    let plan = MailboxPlan {
        document: |document| {
            let connections = document["connections"].as_array_mut().unwrap();
            let mut by_graph = connections[1].clone();
            by_graph["id"] = json!("out-graph");
            by_graph["protocol"] = json!("graph");
            by_graph["delivery"] = json!("attended");
            connections[1]["proof"] = json!("round_trip");
            connections.push(by_graph);
        },
        ..by(Protocol::Imap, Protocol::Smtp)
    };
    let scenario = Scenario::with(&plan).await;
    scenario.consent_to_all();
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
    assert_eq!(scenario.test_mails_sent(), [Via::Smtp]);
}
