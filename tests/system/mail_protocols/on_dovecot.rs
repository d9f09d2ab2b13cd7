//! The same on a real server: Dovecot, whose sign-ins the simulated Entra judges.

use simulators::dovecot::Dovecot;
use simulators::microsoft::directory::account::Obstacle;
use simulators::microsoft::exchange::Protocol as Service;
use simulators::shopctrl::Protocol;

use super::by;
use crate::support::Scenario;
use crate::support::forward::Forward;

/// A mailbox whose mail servers are Dovecot's.
struct OnDovecot {
    scenario: Scenario,
    dovecot: Dovecot,
    _forwards: [Forward; 3],
}

async fn on_dovecot(receiving: Protocol, round_trip: bool) -> OnDovecot {
    let forwards = [
        Forward::open().await,
        Forward::open().await,
        Forward::open().await,
    ];
    let [imap, pop3, smtp] = forwards.each_ref().map(Forward::address);
    let settings = [
        ("IMAP_SERVER", imap.as_str()),
        ("POP3_SERVER", &pop3),
        ("SMTP_SERVER", &smtp),
    ];
    let mut plan = by(receiving, Protocol::Smtp);
    if round_trip {
        plan.document = |document| {
            for connection in document["connections"].as_array_mut().unwrap() {
                connection["proof"] = serde_json::json!("round_trip");
            }
        };
    }
    let scenario = Scenario::with_settings(&settings, &plan).await;
    let world = &scenario.world;
    let entra = world.directory.authority();
    let dovecot = Dovecot::start(&entra, &world.authority).await.unwrap();
    for (forward, to) in forwards
        .iter()
        .zip([dovecot.imap(), dovecot.pop3(), dovecot.smtp()])
    {
        forward.to(&to);
    }
    dovecot.deliver(&scenario.mailbox.address, "Subject: hello\r\n\r\nhello\r\n");
    OnDovecot {
        scenario,
        dovecot,
        _forwards: forwards,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_proved_by_imap_pop3_and_smtp() {
    if !Dovecot::installed_or_say() {
        return;
    }
    for receiving in [Protocol::Imap, Protocol::Pop3] {
        let on = on_dovecot(receiving, false).await;
        on.scenario.rotate().await;
        on.scenario.assert_whole();
        assert_eq!(on.dovecot.inbox(&on.scenario.mailbox.address), ["hello"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_trip_goes_out_comes_in_and_leaves_everything_else() {
    if !Dovecot::installed_or_say() {
        return;
    }
    for receiving in [Protocol::Imap, Protocol::Pop3] {
        let on = on_dovecot(receiving, true).await;
        on.scenario.rotate().await;
        on.scenario.assert_whole();
        assert!(on.dovecot.log().contains("submission"), "it was sent by it");
        assert_eq!(on.dovecot.inbox(&on.scenario.mailbox.address), ["hello"]);
    }
}

/// What it can show of what Exchange has: it has one text for all refused sign-ins, after a challenge that Exchange does
/// not send.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_there_is_told_too() {
    if !Dovecot::installed_or_say() {
        return;
    }
    type Wrong = fn(&OnDovecot);
    let cases: [(Protocol, Wrong, [&str; 2]); 6] = [
        (
            Protocol::Imap,
            |on| {
                on.dovecot
                    .switch_off(Service::Imap, &on.scenario.mailbox.address)
            },
            ["NO", "ImapEnabled"],
        ),
        (
            Protocol::Pop3,
            |on| {
                on.dovecot
                    .switch_off(Service::Pop3, &on.scenario.mailbox.address)
            },
            ["-ERR AUTH", "PopEnabled"],
        ),
        (
            Protocol::Imap,
            |on| {
                on.dovecot
                    .switch_off(Service::Smtp, &on.scenario.mailbox.address)
            },
            ["535 5.7.8", "refuses the sign-in by SMTP"],
        ),
        (
            Protocol::Imap,
            |on| {
                let text = "SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled";
                let mailbox = &on.scenario.mailbox.address;
                on.dovecot.switch_off_saying(Service::Smtp, mailbox, text);
            },
            ["535 5.7.8", "switched off for the whole organisation"],
        ),
        (
            Protocol::Imap,
            |on| on.dovecot.take_away(&on.scenario.mailbox.address),
            ["NO", "Test the connection in ShopCtrl"],
        ),
        (
            Protocol::Imap,
            |on| {
                let oid = on.scenario.mailbox.oid;
                let blocked = Some(Obstacle::Disabled);
                let directory = &on.scenario.world.directory;
                directory.change_account(oid, |person| person.obstacle = blocked);
            },
            ["AADSTS50057", "Unblock sign-in"],
        ),
    ];
    for (receiving, wrong, words) in cases {
        let on = on_dovecot(receiving, false).await;
        wrong(&on);
        let ended = on.scenario.test_configuration().await;
        assert_eq!(ended.as_deref(), Some("TestRotationFailed"), "{words:?}");
        let told = on.scenario.failure_told().to_string();
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}
