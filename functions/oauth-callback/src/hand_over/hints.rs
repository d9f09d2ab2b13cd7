//! Hints at what may be behind a hand-over that does not end well (facts of ShopCtrl's help pages), each only
//! where something points to it.

use shared::mailbox_secret::{Direction, Protocol};

use super::observation::Observation;
use super::task::Task;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// An acceptance server rewrites every recipient: a test mail never arrives.
    MailOverride,
    /// The connection's switch Enable is off.
    Enable,
    /// The checkbox Check mail is off.
    CheckMail,
    /// The shop is not active: ShopCtrl checks no mail of it.
    ShopInactive,
    /// Test MailBox tells what is wrong with the connection.
    TestMailBox,
    /// The Out mail box holds what could not be sent, with its error.
    OutMailBox,
    /// Auto Reply answers the test mail.
    AutoReply,
    /// Another SMTP connection, of lower priority, sends in place of this one.
    AnotherSmtp,
    /// The secret's id was entered, or a part of the value.
    WholeValue,
    /// Microsoft signed in another account.
    OtherAccount,
}

/// From what the person said and what ShopCtrl shows.
pub(crate) fn hints(task: &Task<'_>, observation: Option<&Observation>) -> Vec<Hint> {
    let connection = task.connection;
    let failed = task.has_failed();
    let since = observation.and_then(|observation| observation.since);
    let receiving = connection.direction == Direction::Receiving;
    let silent = task.is_done() && since.is_some_and(|since| since.long_ago && !since.mail_check);
    let no_test_mail = task.is_done()
        && !receiving
        && since.is_some_and(|since| since.long_ago && since.arrived.is_some() && !since.test_mail);
    let mut hints = Vec::new();
    let mut add = |hint, when: bool| {
        if when {
            hints.push(hint);
        }
    };
    add(
        Hint::ShopInactive,
        observation.is_some_and(|observation| !observation.status.active),
    );
    add(Hint::WholeValue, failed);
    add(Hint::OtherAccount, failed);
    add(Hint::Enable, failed || receiving && silent);
    add(Hint::CheckMail, receiving && (failed || silent));
    add(Hint::TestMailBox, receiving && (failed || silent));
    add(Hint::OutMailBox, !receiving && (failed || no_test_mail));
    add(
        Hint::MailOverride,
        !receiving
            && (failed || no_test_mail || looks_like_acceptance(connection.shopctrl.ui.as_str())),
    );
    add(
        Hint::AnotherSmtp,
        !receiving && connection.protocol == Protocol::Smtp && (failed || no_test_mail),
    );
    add(
        Hint::AutoReply,
        receiving && since.is_some_and(|since| since.test_mail),
    );
    hints
}

/// Whether a host's name has a part that acceptance servers are called by.
fn looks_like_acceptance(ui: &str) -> bool {
    let host = ui.split("://").last().unwrap_or_default();
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let parts = host.split(['.', '-']);
    let known = [
        "acc",
        "accept",
        "acceptance",
        "acceptatie",
        "demo",
        "staging",
        "test",
        "uat",
    ];
    parts.into_iter().any(|part| known.contains(&part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::grants::attestations::HandOverState;
    use shared::mailbox_secret::Connection;
    use shared::shopctrl::status::{LastMailCheck, ShopStatus};

    use super::*;
    use crate::hand_over::observation::SinceStatement;
    use crate::hand_over::task::{Statement, TaskKind};

    fn connection(direction: &str, protocol: &str, ui: &str) -> Connection {
        serde_json::from_value(json!({
            "id": "c", "direction": direction, "protocol": protocol, "mailbox": "orders@shop.example",
            "shopctrl": {"ui": ui, "api": "https://shop.example/v1", "shop_id": 12, "credentials": "x"}
        }))
        .unwrap()
    }

    fn task(connection: &Connection, state: Option<HandOverState>) -> Task<'_> {
        let statement = state.map(|state| Statement {
            state,
            at: "2026-11-23T09:00:00Z".parse().unwrap(),
        });
        Task {
            connection,
            kind: TaskKind::EnterSecret { statement },
        }
    }

    fn observed(mail_check: bool, arrived: Option<usize>, test_mail: bool) -> Observation {
        Observation {
            status: ShopStatus {
                active: true,
                last_mail_check: LastMailCheck::NotSaid,
                now: None,
            },
            since: Some(SinceStatement {
                mail_check,
                arrived,
                test_mail,
                long_ago: true,
            }),
        }
    }

    const UI: &str = "https://shop.example";
    const ATTESTED: Option<HandOverState> = Some(HandOverState::Attested);

    #[test]
    fn nothing_is_suspected_while_all_goes_well() {
        let (receiving, sending) = (
            connection("receiving", "graph", UI),
            connection("sending", "graph", UI),
        );
        assert_eq!(hints(&task(&receiving, None), None), vec![]);
        let flowing = observed(true, Some(3), false);
        assert_eq!(hints(&task(&receiving, ATTESTED), Some(&flowing)), vec![]);
        assert_eq!(hints(&task(&sending, None), None), vec![]);
    }

    #[test]
    fn a_mail_check_that_does_not_come_points_to_the_two_switches_and_to_the_test() {
        let receiving = connection("receiving", "imap", UI);
        let silent = observed(false, Some(0), false);
        let expected = vec![Hint::Enable, Hint::CheckMail, Hint::TestMailBox];
        assert_eq!(hints(&task(&receiving, ATTESTED), Some(&silent)), expected);
    }

    #[test]
    fn nothing_is_suspected_before_a_mail_check_could_have_come() {
        let receiving = connection("receiving", "imap", UI);
        let mut early = observed(false, Some(0), false);
        early.since = early.since.map(|since| SinceStatement {
            long_ago: false,
            ..since
        });
        assert_eq!(hints(&task(&receiving, ATTESTED), Some(&early)), vec![]);
    }

    #[test]
    fn a_test_mail_that_does_not_come_points_to_where_it_may_be_and_to_another_smtp_connection() {
        let sending = connection("sending", "smtp", UI);
        let lost = observed(true, Some(2), false);
        let expected = vec![Hint::OutMailBox, Hint::MailOverride, Hint::AnotherSmtp];
        assert_eq!(hints(&task(&sending, ATTESTED), Some(&lost)), expected);
        // A ShopCtrl that shows no mails says nothing of it.
        let unknown = observed(true, None, false);
        assert_eq!(hints(&task(&sending, ATTESTED), Some(&unknown)), vec![]);
    }

    #[test]
    fn a_test_mail_that_came_may_be_answered_by_auto_reply() {
        let receiving = connection("receiving", "graph", UI);
        let came = observed(true, Some(1), true);
        assert_eq!(
            hints(&task(&receiving, ATTESTED), Some(&came)),
            vec![Hint::AutoReply]
        );
        let sending = connection("sending", "graph", UI);
        assert_eq!(hints(&task(&sending, ATTESTED), Some(&came)), vec![]);
    }

    #[test]
    fn the_override_of_an_acceptance_server_is_suspected_from_its_name() {
        for (ui, suspected) in [
            ("https://acceptance.shop.example", true),
            ("https://shop-acc.shopctrl.example:52222/x", true),
            ("https://accounts.example", false),
            ("https://latest.example/test", false),
        ] {
            let sending = connection("sending", "graph", ui);
            let found = hints(&task(&sending, None), None).contains(&Hint::MailOverride);
            assert_eq!(found, suspected, "{ui}");
        }
    }

    #[test]
    fn what_the_person_says_failed_gets_every_hint_of_its_direction() {
        let receiving = connection("receiving", "graph", UI);
        let expected = vec![
            Hint::WholeValue,
            Hint::OtherAccount,
            Hint::Enable,
            Hint::CheckMail,
            Hint::TestMailBox,
        ];
        let failed = task(&receiving, Some(HandOverState::Failed));
        assert_eq!(hints(&failed, None), expected);
    }
}
