//! What is wrong is told apart: in a rotation and a configuration test as their failure, in a check as drift.

use simulators::microsoft::directory::account::Obstacle;
use simulators::shopctrl::Protocol;

use super::by;
use crate::support::Scenario;
use crate::support::scenario::days;

/// What is done to a mailbox, and what of it is said.
struct Case {
    receiving: Protocol,
    sending: Protocol,
    wrong: fn(&Scenario),
    code: &'static str,
    /// In what whoever mends it is told.
    next_step: &'static str,
    /// The server's own.
    answer: &'static str,
}

const CASES: [Case; 8] = [
    Case {
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        wrong: |scenario| scenario.change_person(|p| p.email_apps.smtp_auth = None),
        code: "smtp_auth_off_for_tenant",
        next_step: "Set-CASMailbox -Identity MAILBOX -SmtpClientAuthenticationDisabled $false",
        answer: "535 5.7.139",
    },
    Case {
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        wrong: |scenario| scenario.change_person(|p| p.email_apps.smtp_auth = Some(false)),
        code: "smtp_auth_off_for_mailbox",
        next_step: "Manage email apps > Authenticated SMTP",
        answer: "535 5.7.139",
    },
    Case {
        receiving: Protocol::Imap,
        sending: Protocol::Graph,
        wrong: |scenario| scenario.change_person(|p| p.email_apps.imap = false),
        code: "imap_not_connected",
        next_step: "Set-CASMailbox -Identity MAILBOX -ImapEnabled $true",
        answer: "BAD",
    },
    Case {
        receiving: Protocol::Pop3,
        sending: Protocol::Graph,
        wrong: |scenario| scenario.change_person(|p| p.email_apps.pop = false),
        code: "pop3_sign_in_refused",
        next_step: "Set-CASMailbox -Identity MAILBOX -PopEnabled $true",
        answer: "-ERR",
    },
    Case {
        receiving: Protocol::Graph,
        sending: Protocol::Graph,
        wrong: |scenario| scenario.change_person(|p| p.has_mailbox = false),
        code: "not_in_exchange_online",
        next_step: "Licenses and apps",
        answer: "MailboxNotEnabledForRESTAPI",
    },
    Case {
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        wrong: |scenario| scenario.change_person(|p| p.has_mailbox = false),
        code: "imap_not_connected",
        next_step: "Licenses and apps",
        answer: "BAD",
    },
    Case {
        receiving: Protocol::Graph,
        sending: Protocol::Graph,
        wrong: |scenario| scenario.change_person(|p| p.obstacle = Some(Obstacle::Disabled)),
        code: "account_blocked",
        next_step: "Unblock sign-in",
        answer: "AADSTS50057",
    },
    Case {
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        wrong: |scenario| scenario.change_person(|p| p.obstacle = Some(Obstacle::Disabled)),
        code: "account_blocked",
        next_step: "Unblock sign-in",
        answer: "AADSTS50057",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_has_its_own_words_in_the_failure_of_a_test() {
    for case in CASES {
        let scenario = Scenario::with(&by(case.receiving, case.sending)).await;
        (case.wrong)(&scenario);
        let ended = scenario.test_configuration().await;
        assert_eq!(
            ended.as_deref(),
            Some("TestRotationFailed"),
            "{}",
            case.code
        );
        let told = scenario.failure_told();
        let said = told.to_string();
        assert!(said.contains(case.next_step), "{}: {said}", case.code);
        assert!(said.contains(case.answer), "{}: {said}", case.code);
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_it_on_the_day_it_breaks_and_says_when_it_is_over() {
    for case in CASES {
        let scenario = Scenario::with(&by(case.receiving, case.sending)).await;
        scenario.start_at_rest().await;
        (case.wrong)(&scenario);
        // What Exchange also says by mistake is said when a second check sees it.
        for _ in 0..2 {
            scenario.world.clock.advance(days(1));
            scenario.check().await;
        }
        let drift = scenario.details("Drift Found");
        let of_this = |d: &&serde_json::Value| d["what"] == case.code;
        let told = drift.iter().find(of_this);
        let told = told.unwrap_or_else(|| panic!("{}: {drift:?}", case.code));
        assert!(told["next_step"].as_str().unwrap().contains(case.next_step));
        assert_eq!(told["mail"], "stands_still");
        assert!(told["connection"].is_string());
        scenario.change_person(|person| {
            let as_it_was = simulators::microsoft::directory::account::EmailApps {
                smtp_auth: Some(true),
                ..Default::default()
            };
            (person.email_apps, person.has_mailbox, person.obstacle) = (as_it_was, true, None);
        });
        scenario.check().await;
        let over = scenario.details("Mailbox Recovered");
        assert!(
            over.iter().any(|over| over["what"] == case.code),
            "{}: {over:?}",
            case.code
        );
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_is_found_by_a_look_and_its_owner_asked_long_before_a_rotation_needs_it() {
    let scenario = Scenario::with(&by(Protocol::Imap, Protocol::Smtp)).await;
    scenario.start_at_rest().await;
    let oid = scenario.mailbox.oid;
    scenario.world.directory.revoke_sessions(oid);
    scenario.check().await;
    let asked = scenario.details("Grant Expiring");
    assert_eq!(asked.len(), 1, "{:?}", scenario.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_not_told_to_be_over_while_nobody_can_look() {
    let scenario = Scenario::with(&by(Protocol::Imap, Protocol::Smtp)).await;
    scenario.start_at_rest().await;
    scenario.change_person(|person| person.email_apps.imap = false);
    for _ in 0..2 {
        scenario.world.clock.advance(days(1));
        scenario.check().await;
    }
    assert_eq!(scenario.broken()[0]["what"], "imap_not_connected");
    // The mailbox is not opened while its owner has to sign in.
    scenario
        .world
        .directory
        .revoke_sessions(scenario.mailbox.oid);
    scenario.check().await;
    let over = scenario.details("Mailbox Recovered");
    assert!(
        over.iter().all(|over| over["what"] != "imap_not_connected"),
        "{over:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exchange_says_by_mistake_for_a_moment_disturbs_nobody() {
    use simulators::gate::{Calls, Fault};
    let scenario = Scenario::with(&by(Protocol::Imap, Protocol::Smtp)).await;
    scenario.start_at_rest().await;
    let mistake = Fault::says("{tag} BAD User is authenticated but not connected.\r\n");
    let gate = &scenario.world.gate;
    gate.fail(Calls::of("imap", "EXAMINE").times(2), mistake);
    for _ in 0..2 {
        scenario.check().await;
        assert_eq!(scenario.broken(), Vec::<serde_json::Value>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_nobody_knows_is_shown_as_its_code_alone() {
    use simulators::gate::{Calls, Fault};
    let scenario = Scenario::with(&by(Protocol::Imap, Protocol::Smtp)).await;
    let unknown = Fault::says("550 9.9.9 <b>Ask orders@shop.example</b>\r\n");
    scenario
        .world
        .gate
        .fail(Calls::of("smtp", "AUTH").times(9), unknown);
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let said = scenario.failure_told();
    assert_eq!(said["code"], "550 9.9.9", "{said}");
    assert!(!said.to_string().contains("<b>"), "{said}");
    assert!(!said.to_string().contains("Ask"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_shopctrl_does_not_check_any_more_is_found_before_it_costs_a_rotation() {
    let plan = simulators::world::MailboxPlan {
        delivery: "attended".to_owned(),
        ..by(Protocol::Imap, Protocol::Smtp)
    };
    let scenario = Scenario::with(&plan).await;
    scenario.start_at_rest().await;
    let world = &scenario.world;
    world
        .shopctrl
        .set_check_mail(scenario.mailbox.shop_id, false);
    for _ in 0..2 {
        world.clock.advance(days(2));
        scenario.check().await;
    }
    let told = scenario.broken();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["what"], "mail_not_checked");
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let said = scenario.failure_told().to_string();
    assert!(said.contains("Check mail"), "{said}");
    world
        .shopctrl
        .set_check_mail(scenario.mailbox.shop_id, true);
    world.clock.advance(days(1));
    scenario.check().await;
    let over = scenario.details("Mailbox Recovered");
    assert!(
        over.iter().any(|over| over["what"] == "mail_not_checked"),
        "{over:?}"
    );
}
