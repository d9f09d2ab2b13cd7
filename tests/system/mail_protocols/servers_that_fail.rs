//! Mail servers that are slow, silent, broken or not who they should be: bounded, clear, and nothing leaks.

use simulators::gate::{Calls, Fault};
use simulators::microsoft::exchange::{
    Door,
    Protocol::{self as Mail, Imap, Pop3, Smtp},
};
use simulators::shopctrl::Protocol;
use simulators::tls_authority::{ServerIdentity, TlsAuthority};

use super::by;
use crate::support::Scenario;

const QUICK: [(&str, &str); 2] = [("CONNECT_TIMEOUT", "PT1S"), ("REQUEST_TIMEOUT", "PT1S")];

async fn with(mail: Mail) -> Scenario {
    let plan = match mail {
        Imap => by(Protocol::Imap, Protocol::Graph),
        Pop3 => by(Protocol::Pop3, Protocol::Graph),
        Smtp => by(Protocol::Graph, Protocol::Smtp),
    };
    Scenario::with_settings(&QUICK, &plan).await
}

/// The configuration test fails, and this is what is said.
async fn said(scenario: &Scenario) -> String {
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.failures().join("\n");
    let log = format!("{:?}", scenario.world.lambda.logs());
    // "user=" at the front of what signs in, as it is and in Base64.
    for secret in ["auth=Bearer", "dXNlcj1"] {
        assert!(!log.contains(secret), "{log}");
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_who_it_should_be_is_not_spoken_to() {
    type Identity = fn(&TlsAuthority) -> ServerIdentity;
    let identities: [(Identity, &str); 3] = [
        (
            |own| own.server(&["elsewhere.example"]),
            "another host name",
        ),
        (|own| own.expired_server(&["localhost"]), "has ended"),
        (
            |_| TlsAuthority::new().server(&["localhost"]),
            "not trusted",
        ),
    ];
    for mail in [Imap, Pop3, Smtp] {
        for (identity, words) in identities {
            let scenario = with(mail).await;
            let world = &scenario.world;
            let identity = identity(&world.authority);
            world.exchange.set_door(mail, Door::Tls(&identity));
            let told = said(&scenario).await;
            assert!(told.contains(words), "{mail:?}: {told}");
            let asked = world.exchange.asked(mail).join("\n");
            assert!(!asked.contains("AUTH"), "{asked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_without_tls() {
    for mail in [Imap, Pop3, Smtp] {
        let scenario = with(mail).await;
        scenario.world.exchange.set_door(mail, Door::Plain);
        let told = said(&scenario).await;
        let words = match mail {
            Smtp => "STARTTLS",
            Imap | Pop3 => "opening the mailbox",
        };
        assert!(told.contains(words), "{mail:?}: {told}");
        let asked = scenario.world.exchange.asked(mail).join("\n");
        assert!(!asked.contains("AUTH"), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_tls_is_not_taken_for_the_servers() {
    let scenario = with(Smtp).await;
    let identity = scenario.world.authority.server(&["localhost"]);
    let injected = "250-x\r\n250 AUTH XOAUTH2\r\n235 2.7.0 Authentication successful\r\n";
    let exchange = &scenario.world.exchange;
    exchange.set_door(Smtp, Door::Injecting(&identity, injected));
    let told = said(&scenario).await;
    assert!(told.contains("not of the protocol"), "{told}");
    assert!(
        exchange
            .asked(Smtp)
            .iter()
            .all(|command| !command.contains("AUTH"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_or_too_much_costs_bounded_time_and_is_named() {
    let at_sign_in = |scenario: &Scenario, mail: Mail, fault: Fault| {
        let sign_in = match mail {
            Imap => "AUTHENTICATE",
            Pop3 | Smtp => "AUTH",
        };
        let calls = Calls::of(mail.service(), sign_in).times(99);
        scenario.world.gate.fail(calls, fault);
    };
    let faults = [
        (None, "no answer within the time limit"),
        (
            Some(Fault::Hang { effect: false }),
            "no answer within the time limit",
        ),
        (Some(Fault::Reset { effect: false }), "ended the connection"),
        (
            Some(Fault::says(&"x".repeat(64 * 1024))),
            "opening the mailbox",
        ),
        (
            Some(Fault::says("rubbish\r\nmore rubbish\r\n\r\n\r\n")),
            "not of the protocol",
        ),
        (
            Some(Fault::Endless("* 1 EXISTS\r\n".to_owned())),
            "opening the mailbox",
        ),
    ];
    let all = faults
        .iter()
        .flat_map(|fault| [Imap, Pop3, Smtp].map(|mail| (mail, fault)));
    let all = all.map(async |(mail, (fault, words))| {
        let scenario = with(mail).await;
        match fault {
            Some(fault) => at_sign_in(&scenario, mail, fault.clone()),
            None => scenario.world.exchange.set_door(mail, Door::Silent),
        }
        let told = said(&scenario).await;
        assert!(told.contains(words), "{mail:?}: {told}");
    });
    // Each waits for its time limits, several times.
    futures_util::future::join_all(all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_in_the_middle_is_no_proof() {
    let scenario = with(Imap).await;
    let cut = Fault::Answer {
        effect: true,
        status: 200,
        headers: vec![("Connection".to_owned(), "close".to_owned())],
        body: "* 3 EXISTS\r\n* 0 RECENT\r\n".to_owned(),
    };
    scenario
        .world
        .gate
        .fail(Calls::of("imap", "EXAMINE").times(99), cut);
    let told = said(&scenario).await;
    assert!(told.contains("ended the connection"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_does_not_answer_is_out_of_reach_and_no_drift() {
    let scenario = with(Imap).await;
    scenario.start_at_rest().await;
    scenario.world.exchange.set_door(Imap, Door::Silent);
    scenario.check().await;
    assert_eq!(scenario.broken(), Vec::<serde_json::Value>::new());
    let report = scenario.details("Fleet Report").pop().unwrap();
    assert_eq!(report["secrets"][0]["state"], "unreachable", "{report}");
    let failure = report["secrets"][0]["failure"].as_str().unwrap();
    assert!(failure.contains("mail server localhost"), "{failure}");
}
