//! Every mail, from the very events that the functions publish. Read them in `snapshots/` as somebody who knows nothing
//! of this system.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::drift::{Drift, DriftKind};
use shared::events::{
    AskedBefore, Event, EventKind, FleetEntry, FleetState, HandOverConnection, Looked, MailFlow,
    MailboxSubject, OpenTrouble, Renewal, RetiredReason, StoppedConnection, StoppedWhy, Stops,
    Subject, Totals, Trouble, WeeklyReport,
};
use shared::half_done::HalfDone;
use shared::ids::{ConnectionId, DirectoryId, KeyId, MailboxAddress};
use shared::mailbox::Unusable;
use shared::mailbox_secret::{Delivery, Direction};
use shared::out_of_reach::OutOfReach;
use shared::ticket::Purpose;

use crate::compose::{Outgoing, Recipient, compose};
use crate::invocation::Invocation;
use crate::settings::Addresses;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn of<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_value(text.into()).unwrap()
}

fn mailbox(text: &str) -> MailboxAddress {
    MailboxAddress::read(text).unwrap()
}

const ID: &str = "0b5a7c1e-6c0e-4f0a-9b1d-3a1f0f1c2d3e";
const LINK: &str = "https://mail-access.example.com/start?ticket=eyJhbGciOiJIUzI1NiJ9.eyJwdXJwb3NlIjoicm90YXRlIn0.c2lnbmVk";
const DUE: &str = "2027-01-31T00:00:00Z";

fn event(n: u32, kind: EventKind) -> Value {
    let subject = MailboxSubject {
        name: format!("shopmail/orders{n}"),
        arn: format!("arn:aws:secretsmanager:eu-central-1:1:secret:shopmail/orders{n}-AbC123"),
        shop: Some((12 + n).to_string()),
        mailboxes: vec![mailbox(&format!("orders{n}@shop.example"))],
        contact: Some("owner@agency.example".to_owned()),
    };
    let event = Event {
        subject: Subject::Secret(subject),
        token: None,
        kind,
    };
    json!({
        "version": "0", "source": "shopmail", "detail-type": event.kind.detail_type(),
        "time": "2027-01-05T06:00:00Z", "detail": event.detail(),
    })
}

fn connection(direction: Direction, delivery: Delivery) -> HandOverConnection {
    HandOverConnection {
        id: of("orders-in"),
        direction,
        delivery,
        mailbox: mailbox("orders@shop.example"),
        shopctrl_ui: "https://shop.example".parse().unwrap(),
    }
}

fn hand_over(n: u32, delivery: Delivery, purpose: Purpose, mail: MailFlow) -> Value {
    let both = [Direction::Receiving, Direction::Sending];
    event(
        n,
        EventKind::HandOverRequired {
            mailbox: mailbox(&format!("orders{n}@shop.example")),
            connections: both.map(|direction| connection(direction, delivery)).into(),
            link: format!("{LINK}{n}"),
            link_expires_at: at("2027-01-12T06:00:00Z"),
            asked: AskedBefore::default(),
            purpose,
            mail,
            half_done: None,
            due_by: Some(at(DUE)),
        },
    )
}

fn sign_in(purpose: Purpose, reason: &str, mail: MailFlow) -> Value {
    event(
        0,
        EventKind::AuthorizationRequired {
            mailbox: mailbox("orders0@shop.example"),
            link: LINK.replace("start", "authorize"),
            link_expires_at: at("2027-01-12T06:00:00Z"),
            asked: AskedBefore::default(),
            reason: reason.to_owned(),
            purpose,
            mail,
            half_done: None,
            due_by: Some(at(DUE)),
        },
    )
}

fn failed(n: u32, step: &str, what: &str, code: Option<&str>, next_step: &str) -> Value {
    event(
        n,
        EventKind::RotationFailed {
            step: step.to_owned(),
            error_type: "Misconfigured".to_owned(),
            what: what.to_owned(),
            code: code.map(str::to_owned),
            half_done: None,
            next_step: next_step.to_owned(),
            mail: MailFlow::Flows,
            expires_at: Some(at(DUE)),
        },
    )
}

fn stalled(n: u32, what: &str) -> Value {
    event(
        n,
        // Its check is none of the mail's business, and sets the ids apart.
        serde_json::from_value::<Stalled>(json!({"what": what}))
            .unwrap()
            .kind(),
    )
}

#[derive(serde::Deserialize)]
struct Stalled {
    what: String,
    out_of_reach: Option<OutOfReach>,
}

/// The same after receiving took the new client secret, and sending did not yet.
fn between_the_directions(mut event: Value) -> Value {
    event["detail"]["half_done"] = json!(HalfDone::SendingNotYet);
    event
}

fn authorize_sending() -> Value {
    let mut event = hand_over(0, Delivery::Api, Purpose::Rotate, MailFlow::Flows);
    event["detail"]["connections"] = json!([connection(Direction::Sending, Delivery::Api)]);
    between_the_directions(event)
}

fn unreachable(n: u32, out_of_reach: &OutOfReach) -> Value {
    let what = format!("asking, time {n}: no answer within the time limit");
    let mut stalled = stalled(n, &what);
    stalled["detail"]["out_of_reach"] = serde_json::to_value(out_of_reach).unwrap();
    stalled["detail"]["next_step"] = out_of_reach.next_step().into();
    stalled
}

/// Of 30 mailboxes, of which some are not well.
fn weekly() -> Value {
    let mut totals = Totals::default();
    for n in 0..30 {
        let (state, failure) = match n {
            0..4 => (
                FleetState::Failed,
                Some("connection orders-in: Enable is off in ShopCtrl. Switch it on."),
            ),
            4 => (
                FleetState::Failed,
                Some(
                    "reading the mailbox document: lifetime is not a duration such as P730D. Correct it.",
                ),
            ),
            5..12 => (
                FleetState::Unreachable,
                Some("asking ShopCtrl at shop.example: answered 503"),
            ),
            12 => (FleetState::Due, None),
            13..16 => (FleetState::WaitingForPerson, None),
            16 => (FleetState::Replica, None),
            _ => (FleetState::Healthy, None),
        };
        let since = (n < 13).then(|| at("2027-01-04T06:00:00Z"));
        let looked = Looked {
            entry: FleetEntry {
                secret: format!("shopmail/orders{n}"),
                state,
                expires_at: Some(at(DUE) + jiff::SignedDuration::from_hours(24 * 9 * n)),
                since,
                failure: failure.map(str::to_owned),
                half_done: None,
            },
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
        };
        totals.add(looked, at("2027-01-11T06:02:00Z"));
    }
    // Named in no event: it was full.
    totals.counts.checked += 17;
    totals.counts.waiting_for_person += 17;
    totals.left_out = 17;
    fleet(WeeklyReport::new(
        at("2027-01-11T06:00:00Z"),
        at("2027-01-11T06:02:00Z"),
        &totals,
    ))
}

/// Where there is nothing to tell.
fn weekly_and_well() -> Value {
    let mut totals = Totals::default();
    totals.counts.checked = 1;
    totals.counts.healthy = 1;
    let week = at("2027-01-11T06:00:00Z");
    fleet(WeeklyReport::new(week, week, &totals))
}

fn fleet(report: WeeklyReport) -> Value {
    let event = Event {
        subject: Subject::Fleet(report.time),
        token: None,
        kind: EventKind::WeeklyReport(Box::new(report)),
    };
    json!({
        "version": "0", "source": "shopmail", "detail-type": event.kind.detail_type(),
        "time": "2027-01-11T06:03:00Z", "detail": event.detail(),
    })
}

impl Stalled {
    fn kind(self) -> EventKind {
        EventKind::RotationStalled {
            out_of_reach: self.out_of_reach,
            since: at("2027-01-04T06:00:00Z"),
            step: "inspect".to_owned(),
            what: self.what,
            code: Some("503".to_owned()),
            half_done: None,
            next_step:
                "See whether ShopCtrl at shop.example can be reached (runbook, ShopCtrl is down)."
                    .to_owned(),
            mail: MailFlow::NotKnown,
            expires_at: Some(at(DUE)),
            check: 1,
        }
    }
}

fn drift(what: DriftKind, connection: Option<&str>) -> Value {
    drift_of(0, what, connection)
}

fn drift_of(n: u32, what: DriftKind, connection: Option<&str>) -> Value {
    let connection = connection.map(of::<ConnectionId>);
    let drift = Drift { what, connection };
    let found = EventKind::drift(drift, at("2027-01-05T06:00:00Z"), String::new());
    event(n, found.before_the_renewal(Some(at(DUE))))
}

fn mended() -> Value {
    let mut mended = drift(DriftKind::ConnectionHoldsAnotherSecret, Some("orders-in"));
    mended["detail"]["mended"] = true.into();
    mended
}

fn open(trouble: Trouble, since: Option<&str>) -> OpenTrouble {
    OpenTrouble {
        trouble,
        since: since.map(at),
    }
}

fn rotated(closes: Vec<OpenTrouble>) -> Value {
    event(
        0,
        EventKind::ClientSecretRotated {
            key_id: KeyId(ID.parse().unwrap()),
            previous_key_id: None,
            expires_at: at("2029-01-03T00:00:00Z"),
            closes,
        },
    )
}

fn recovered(trouble: Trouble, seen: &str) -> Value {
    event(
        0,
        EventKind::MailboxRecovered {
            closes: open(trouble, Some("2027-01-05T08:02:00Z")),
            at: at("2027-01-05T14:02:00Z"),
            seen: seen.to_owned(),
        },
    )
}

fn superseded(threshold_days: Option<i64>) -> Value {
    event(
        0,
        EventKind::SupersededSecretEnding {
            key_id: KeyId(ID.parse().unwrap()),
            ends_at: at(DUE),
            threshold_days,
            connections: vec![connection(Direction::Receiving, Delivery::Attended)],
        },
    )
}

fn expiring(n: u32, days: i64, renewal: Renewal) -> Value {
    event(
        n,
        EventKind::ClientSecretExpiring {
            expires_at: at(DUE),
            days_left: days,
            threshold_days: days,
            renewal,
        },
    )
}

/// What comes at once, by name.
fn cases() -> Vec<(&'static str, Vec<Value>)> {
    use MailFlow::{Flows, NotKnown, StandsStill};
    let attended = Delivery::Attended;
    let refused =
        "the client secret with this key_id begins with other characters than client_secret";
    let not_connected = Unusable::ImapNotConnected;
    let by_id = DriftKind::ALL.map(|what| match what {
        DriftKind::ConnectionNotAuthorized
        | DriftKind::ConnectionDisabled
        | DriftKind::ConnectionHoldsAnotherSecret
        | DriftKind::MailNotChecked
        | DriftKind::ShopNotVisible
        | DriftKind::Unusable(_) => drift(what, Some("orders-in")),
        _ => drift(what, None),
    });
    vec![
        ("first_sign_in", vec![sign_in(Purpose::Connect, "no_grant", Flows)]),
        ("sign_in_for_a_renewal", vec![sign_in(Purpose::Rotate, "AADSTS50173", Flows)]),
        ("sign_in_when_mail_stands_still", vec![sign_in(Purpose::Rotate, "AADSTS50173", StandsStill)]),
        ("hand_over", vec![hand_over(0, attended, Purpose::Rotate, Flows)]),
        ("hand_over_when_mail_stands_still", vec![hand_over(0, attended, Purpose::Rotate, StandsStill)]),
        ("hand_over_of_three", vec![hand_over(0, attended, Purpose::Rotate, Flows), hand_over(1, attended, Purpose::Rotate, Flows), hand_over(2, attended, Purpose::Rotate, Flows)]),
        ("authorize_in_shopctrl", vec![hand_over(0, Delivery::Api, Purpose::Rotate, Flows)]),
        ("authorize_sending_in_shopctrl", vec![authorize_sending()]),
        ("authorize_in_shopctrl_again", vec![hand_over(0, Delivery::Api, Purpose::Connect, NotKnown)]),
        ("permission_ending", vec![event(0, EventKind::GrantExpiring {
            mailbox: mailbox("orders0@shop.example"), link: LINK.replace("start", "authorize"), link_expires_at: at("2027-01-12T06:00:00Z"),
            asked: AskedBefore::default(), reason: "AADSTS50173".to_owned(), redeemed_at: None, mail: Flows, due_by: Some(at(DUE)),
        })]),
        ("expiring_in_14_days", vec![expiring(0, 14, Renewal::WaitsForPerson)]),
        (
            "expiring_and_under_way",
            vec![expiring(0, 20, Renewal::UnderWay)],
        ),
        (
            "expiring_in_a_freeze",
            vec![expiring(0, 20, Renewal::Frozen)],
        ),
        (
            "expiring_and_switched_off",
            vec![expiring(0, 14, Renewal::SwitchedOff)],
        ),
        ("expiring_in_1_day", vec![expiring(0, 1, Renewal::WaitsForPerson)]),
        ("expired", vec![event(0, EventKind::ClientSecretExpired { expires_at: at(DUE) })]),
        ("superseded_ending", vec![superseded(Some(7))]),
        ("superseded_made_by_a_person", vec![superseded(None)]),
        ("revealed", vec![event(0, EventKind::ClientSecretRevealed {
            key_id: KeyId(ID.parse().unwrap()), connection: of("orders-in"), by: DirectoryId::read(ID).unwrap(), at: at("2027-01-05T09:10:00Z"),
        })]),
        ("failed_configuration_test", vec![failed(0, "testSecret", &format!("reading the app registration in Entra: {refused}"), None, "Put key_id and client_secret of one and the same client secret into the document: the portal shows Secret ID and the beginning of the Value side by side.")]),
        ("failed_no_right_in_entra", vec![failed(0, "createSecret", "adding a client secret in Entra: answered 403", Some("Authorization_RequestDenied"), "Make the rotator's service principal an owner of the mailbox's app registration (docs/configuration.md, What is needed in Microsoft Entra).")]),
        ("failed_at_a_connection", vec![failed(0, "setSecret", "delivering to connection orders-in: answered 401", None, "Correct the ShopCtrl login in shopmail-shopctrl/shop.example.")]),
        ("failed_at_a_mailbox", vec![failed(0, "testSecret", &format!("proving connection orders-in: opening the mailbox by IMAP: {}", not_connected.meaning()), Some("BAD"), not_connected.next_step())]),
        ("failed_round_trip", vec![failed(0, "testSecret", "proving connection orders-out: the test mail came, and is in another folder than the inbox (connection orders-in)", None, "In the mailbox, look into Junk Email and at the rules: what is not in the inbox, ShopCtrl does not read.")]),
        ("failed_between_the_directions", vec![between_the_directions(failed(0, "setSecret", "testing connection orders-out in ShopCtrl: it took the new secret, and its test failed; it was put back to the current one", None, "It is tried again; if it goes on, test the connection in ShopCtrl."))]),
        ("stalled_between_the_directions", vec![between_the_directions(stalled(0, "asking ShopCtrl for the connection orders-out: answered 503"))]),
        ("stalled", vec![stalled(0, "asking ShopCtrl for the connection orders-in: answered 503")]),
        ("stalled_at_once_for_an_agency", (0..60).map(|n| stalled(n, "asking ShopCtrl at shop.example: answered 503")).collect()),
        ("unreachable_tenant_of_an_agency", (0..6).map(|n| unreachable(n, &OutOfReach::Tenant(DirectoryId::read(ID).unwrap()))).collect()),
        ("unreachable_shopctrl_of_an_agency", (0..6).map(|n| unreachable(n, &OutOfReach::ShopCtrl("shop.example".to_owned()))).collect()),
        ("unreachable_mail_server_of_an_agency", (0..6).map(|n| unreachable(n, &OutOfReach::MailServer("outlook.office365.com".to_owned()))).collect()),
        ("unreachable_alone", vec![unreachable(0, &OutOfReach::Tenant(DirectoryId::read(ID).unwrap()))]),
        ("weekly_report", vec![weekly()]),
        ("weekly_report_and_all_is_well", vec![weekly_and_well()]),
        ("drift_put_right", vec![mended()]),
        ("mailboxes_not_connected_of_an_agency", (0..3).map(|n| drift_of(n, DriftKind::Unusable(not_connected), Some("orders-in"))).collect()),
        ("leak_that_stops_mail", vec![event(0, EventKind::CredentialRetired {
            key_id: KeyId(ID.parse().unwrap()), reason: RetiredReason::Emergency,
            stops: Some(Stops { connections: vec![StoppedConnection { id: of("orders-in"), direction: Direction::Receiving, why: StoppedWhy::OnlyAttested }], summary: "Connections that may stop working: orders-in (receiving), of which only a person said that it has the new client secret".to_owned() }),
        })]),
        ("renewed_after_all", vec![rotated(vec![open(Trouble::WaitingForPerson, Some("2027-01-05T12:00:00Z")), open(Trouble::Expired, Some("2027-01-31T06:00:00Z"))])]),
        ("renewed_after_a_reminder", vec![rotated(vec![open(Trouble::Expiring, None)])]),
        ("over_permission", vec![recovered(Trouble::PermissionEnding, "The mailbox's owner has signed in, and the permission works.")]),
        ("over_stalled", vec![recovered(Trouble::Stalled, "All could be looked at, and nothing stands still.")]),
        ("over_drift", vec![recovered(Trouble::of(Drift { what: DriftKind::ConnectionNotAuthorized, connection: Some(of("orders-in")) }), DriftKind::ConnectionNotAuthorized.seen_over())]),
        ("over_mailbox", vec![recovered(Trouble::of(Drift { what: DriftKind::Unusable(not_connected), connection: Some(of("orders-in")) }), not_connected.seen_over())]),
        ("several_things_at_once", vec![hand_over(0, attended, Purpose::Rotate, Flows), expiring(1, 7, Renewal::WaitsForPerson), event(2, EventKind::ClientSecretExpired { expires_at: at("2027-01-04T00:00:00Z") }), stalled(3, "asking ShopCtrl at shop.example: answered 503")]),
    ]
    .into_iter()
    .chain(DriftKind::ALL.iter().zip(by_id).map(|(what, event)| (what.code(), vec![event])))
    .collect()
}

fn addresses() -> Addresses {
    Addresses {
        sender: Some("Shop mail <shopmail@agency.example>".to_owned()),
        administrator: Some("it@agency.example".to_owned()),
        pages: Some("https://mail-access.example.com".parse().unwrap()),
    }
}

fn mails(events: &[Value], addresses: &Addresses) -> Vec<Outgoing> {
    let records = events.iter().enumerate();
    let records =
        records.map(|(n, event)| json!({"messageId": n.to_string(), "body": event.to_string()}));
    let batch = json!({"Records": records.collect::<Vec<_>>()});
    compose(&Invocation::read(&batch), addresses)
}

#[test]
fn every_mail_is_read_as_its_readers_get_it() {
    for (name, events) in cases() {
        let mails = mails(&events, &addresses());
        assert!(!mails.is_empty(), "{name}");
        let written = mails.iter().map(|outgoing| {
            let to = match &outgoing.to {
                Recipient::Administrator => "the topic",
                Recipient::Contact(contact) => contact,
            };
            if let Some(folder) = std::env::var_os("MAILS") {
                // To be looked at: as a browser, or a mail program, shows it.
                let page = std::path::Path::new(&folder).join(format!("{name}.html"));
                std::fs::write(page, outgoing.mail.html()).unwrap();
            }
            format!(
                "To: {to}\nSubject: {}\n\n{}",
                outgoing.mail.subject,
                outgoing.mail.text()
            )
        });
        insta::assert_snapshot!(name, written.collect::<Vec<_>>().join("\n\n"));
    }
}

#[test]
fn a_subject_has_less_than_100_characters_of_one_line_and_says_which_mailbox() {
    for (name, events) in cases() {
        for outgoing in mails(&events, &addresses()) {
            let subject = &outgoing.mail.subject;
            assert!(subject.chars().count() < 100, "{name}: {subject}");
            assert!(!subject.contains(char::is_control), "{name}: {subject}");
            assert!(
                subject.contains("Shop ") || subject.contains("mailbox"),
                "{name}: {subject}"
            );
        }
    }
}

#[test]
fn nothing_stands_behind_a_link_on_its_line() {
    for (name, events) in cases() {
        for outgoing in mails(&events, &addresses()) {
            let text = outgoing.mail.text();
            for line in text.lines().filter(|line| line.contains("ticket=")) {
                let sent = events.iter().any(|event| event["detail"]["link"] == line);
                assert!(sent, "{name}: {line}");
            }
        }
    }
}

#[test]
fn what_comes_at_once_for_one_contact_is_one_mail_with_each_link() {
    let events: Vec<Value> = (0..40)
        .map(|n| hand_over(n, Delivery::Attended, Purpose::Rotate, MailFlow::Flows))
        .collect();
    let mails = mails(&events, &addresses());
    assert_eq!(mails.len(), 1);
    for event in &events {
        let link = event["detail"]["link"].as_str().unwrap();
        assert!(mails[0].mail.text().contains(link));
        assert!(mails[0].mail.html().contains(link));
    }
}

#[test]
fn what_does_not_fit_into_one_mail_is_lost_from_none() {
    let events: Vec<Value> = (0..450)
        .map(|n| hand_over(n, Delivery::Attended, Purpose::Rotate, MailFlow::Flows))
        .collect();
    let mails = mails(&events, &addresses());
    assert_eq!(mails.len(), 5);
    let of: BTreeSet<usize> = mails.iter().flat_map(|mail| mail.of.clone()).collect();
    assert_eq!(of.len(), 450);
    assert!(mails.iter().all(|mail| mail.mail.text().len() < 256 * 1024));
}

#[test]
fn a_thousand_causes_at_once_are_more_than_one_mail_and_each_mailbox_is_named() {
    let what = |n| {
        format!(
            "asking for app registration {n}: {}",
            "answered 503, ".repeat(30)
        )
    };
    let events: Vec<Value> = (0..1_000).map(|n| stalled(n, &what(n))).collect();
    let mails = mails(&events, &addresses());
    let to_topic = mails
        .iter()
        .filter(|mail| mail.to == Recipient::Administrator);
    let to_topic: Vec<&Outgoing> = to_topic.collect();
    assert!(to_topic.len() > 1);
    let of: BTreeSet<usize> = to_topic.iter().flat_map(|mail| mail.of.clone()).collect();
    assert_eq!(of.len(), 1_000);
    assert!(mails.iter().all(|mail| mail.mail.text().len() < 256 * 1024));
}

#[test]
fn the_weekly_report_of_ten_thousand_that_are_unwell_fits_into_one_mail_to_the_administrator() {
    let mut totals = Totals::default();
    for n in 0..10_000 {
        let entry = FleetEntry {
            secret: format!("shopmail/orders-{n}"),
            state: FleetState::Failed,
            expires_at: Some(at(DUE)),
            since: Some(at(DUE)),
            failure: Some(format!("asking {}: answered 503", n % 150)),
            half_done: None,
        };
        let looked = Looked {
            entry,
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
        };
        totals.add(looked, at(DUE));
    }
    let event = fleet(WeeklyReport::new(at(DUE), at(DUE), &totals));
    let mails = mails(&[event.clone(), event], &addresses());
    assert_eq!(mails.len(), 1, "a repeat is no other mail");
    assert_eq!(mails[0].to, Recipient::Administrator);
    assert!(mails[0].mail.subject.contains("10000 not well"));
    let text = mails[0].mail.text();
    assert!(text.len() < 256 * 1024, "{}", text.len());
    assert!(text.contains("shopmail/orders-0") && text.contains("are not named below"));
}

#[test]
fn what_is_behind_one_tenant_is_one_cause_whatever_each_call_ended_in() {
    let tenant = OutOfReach::Tenant(DirectoryId::read(ID).unwrap());
    let host = OutOfReach::ShopCtrl("shop.example".to_owned());
    let events = (0..100).map(|n| unreachable(n, if n < 99 { &tenant } else { &host }));
    let events: Vec<Value> = events.collect();
    let mails = mails(&events, &addresses());
    let to_topic = mails
        .iter()
        .find(|mail| mail.to == Recipient::Administrator);
    let mail = &to_topic.unwrap().mail;
    assert_eq!(mail.sections.len(), 2, "one for each cause");
    let text = mail.text();
    assert!(text.contains("99 mailboxes could not be checked"));
    for n in 0..100 {
        assert!(text.contains(&format!("orders{n}@shop.example")), "{n}");
    }
}

#[test]
fn nobody_is_mailed_twice_and_never_the_mailbox_itself() {
    let event = || stalled(0, "asking ShopCtrl: 503");
    let to = |event: Value, addresses: &Addresses| -> Vec<Recipient> {
        let mails = mails(&[event.clone(), event], addresses);
        mails.into_iter().map(|mail| mail.to).collect()
    };
    let contact = Recipient::Contact("owner@agency.example".to_owned());
    assert_eq!(
        to(event(), &addresses()),
        [Recipient::Administrator, contact]
    );
    let same = Addresses {
        administrator: Some("Owner@agency.example".to_owned()),
        ..addresses()
    };
    assert_eq!(to(event(), &same), [Recipient::Administrator]);
    let no_sender = Addresses {
        sender: None,
        ..addresses()
    };
    assert_eq!(to(event(), &no_sender), [Recipient::Administrator]);
    for own in ["Orders0@shop.example", "call Ann"] {
        let mut event = event();
        event["detail"]["contact"] = own.into();
        assert_eq!(to(event, &addresses()), [Recipient::Administrator], "{own}");
    }
}

#[test]
fn what_is_for_a_contact_without_mail_goes_to_the_topic_with_its_name() {
    let addresses = Addresses {
        sender: None,
        ..addresses()
    };
    let event = hand_over(0, Delivery::Attended, Purpose::Rotate, MailFlow::Flows);
    let mails = mails(&[event], &addresses);
    assert!(
        mails[0]
            .mail
            .text()
            .contains("This is for owner@agency.example.")
    );
}

#[test]
fn a_page_escapes_what_an_event_says() {
    let event = failed(
        0,
        "setSecret",
        "answered <b>no</b>",
        None,
        "Ask <i>them</i>.",
    );
    let html = mails(&[event], &addresses())[0].mail.html();
    assert!(!html.contains("<b>") && !html.contains("<i>"));
    assert!(html.contains("&lt;b&gt;"));
}

#[test]
fn every_event_is_mailed_or_named_here_as_not_mailed() {
    let not_mailed = [
        "Rotation Due",
        "Rotation Started",
        "Reveal Refused",
        "Hand-over Attested",
        "Connection Delivered",
        "Fleet Report",
        "Check Requested",
        "Check Continues",
    ];
    let mailed: BTreeSet<String> = cases()
        .into_iter()
        .flat_map(|(_, events)| events)
        .map(|event| event["detail-type"].as_str().unwrap().to_owned())
        .collect();
    let schemas = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/event-schemas");
    for schema in std::fs::read_dir(schemas).unwrap() {
        let text = std::fs::read_to_string(schema.unwrap().path()).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let title = schema["title"].as_str().unwrap();
        assert_ne!(
            mailed.contains(title),
            not_mailed.contains(&title),
            "{title}"
        );
    }
}

#[test]
fn an_event_that_is_wrong_is_said_with_its_field_and_the_others_of_its_batch_are_mailed() {
    let mut wrong = expiring(0, 7, Renewal::WaitsForPerson);
    wrong["detail"]["expires_at"] = "soon".into();
    let batch = json!({"Records": [
        {"messageId": "a", "body": wrong.to_string()},
        {"messageId": "b", "body": expiring(1, 7, Renewal::WaitsForPerson).to_string()},
        {"messageId": "c", "body": "no json"},
    ]});
    let invocation = Invocation::read(&batch);
    assert_eq!(invocation.notices().len(), 1);
    let said = format!("{:?}", invocation.received);
    assert!(
        said.contains("expires_at") || said.contains("timestamp"),
        "{said}"
    );
}
