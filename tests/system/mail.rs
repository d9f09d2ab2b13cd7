//! What people are mailed: each request with its link to the contact, what an administrator mends to the topic, one
//! mail for all that comes at once, and one when it is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use simulators::aws::queue::Queue;
use simulators::aws::ses::Sent;
use simulators::gate::Calls;
use simulators::template::mailed_events;

use crate::support::Scenario;
use crate::support::faults::answer;
use crate::support::hand_over::attended;
use crate::support::scenario::{days, ending_in, without_grant};
use simulators::world::MailboxPlan;

const FROM: &str = "Shop mail <shopmail@agency.example>";
const CONTACT: &str = "owner@agency.example";

struct Mailed {
    scenario: Scenario,
    queue: Arc<Queue>,
}

impl Mailed {
    async fn with(settings: &[(&str, &str)], plan: &MailboxPlan) -> Self {
        let scenario = Scenario::with_settings(settings, plan).await;
        let queue = scenario.world.deliver_mail(mailed_events()).unwrap();
        Self { scenario, queue }
    }

    /// Mails of contacts go out by SES.
    async fn by_ses(plan: &MailboxPlan) -> Self {
        let settings = [("MAIL_FROM", FROM), ("NOTIFY_EMAIL", "it@agency.example")];
        let mailed = Self::with(&settings, plan).await;
        mailed.scenario.world.ses.verify("agency.example");
        mailed
    }

    async fn sent(&self) -> Vec<Sent> {
        self.queue.settled().await;
        self.scenario.world.ses.sent()
    }

    async fn subjects_on_the_topic(&self) -> Vec<String> {
        self.queue.settled().await;
        let published = self.scenario.world.sns.published().into_iter();
        published.map(|mail| mail.subject).collect()
    }
}

/// The one line that is an address of ours.
fn link(text: &str) -> String {
    let links: Vec<&str> = text.lines().filter(|l| l.contains("ticket=")).collect();
    assert_eq!(links.len(), 1, "{text}");
    links[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_a_contacts_mail_leads_through_the_hand_over_and_one_mail_says_that_all_is_well()
 {
    let mailed = Mailed::by_ses(&attended()).await;
    let scenario = &mailed.scenario;
    scenario.check().await;
    let sent = mailed.sent().await;
    let asks: Vec<&Sent> = sent
        .iter()
        .filter(|mail| mail.text.contains("ticket="))
        .collect();
    let [ask] = asks.as_slice() else {
        panic!("{sent:#?}");
    };
    assert_eq!(
        (ask.from.as_str(), ask.to.as_slice()),
        (FROM, &[CONTACT.to_owned()][..])
    );
    assert_eq!(ask.reply_to, ["it@agency.example"]);
    assert_eq!(ask.headers, ["Auto-Submitted: auto-generated"]);
    assert!(
        ask.subject.starts_with("Shop 12, orders@shop.example: "),
        "{}",
        ask.subject
    );
    assert!(ask.html.contains("<a href=\"http://localhost"));
    let mut visitor = scenario.visitor();
    let start = visitor.open(&link(&ask.text)).await;
    let page = visitor
        .sign_in_as_owner(&start.way_on().unwrap(), &scenario.mailbox)
        .await;
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    scenario.settled().await;
    scenario.assert_whole();
    scenario.check_daily(3).await;
    let sent = mailed.sent().await;
    let clear = sent.iter().filter(|mail| mail.text.contains("all is well"));
    assert_eq!(clear.count(), 1, "{sent:#?}");
    let over = scenario.details("Mailbox Recovered");
    assert_eq!(over, Vec::<Value>::new(), "it was said already");
    assert_eq!(mailed.subjects_on_the_topic().await, Vec::<String>::new());
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_without_anybody_mails_nobody() {
    let mailed = Mailed::by_ses(&ending_in(20)).await;
    let scenario = &mailed.scenario;
    // The first client secret was made by a person, who hears that it goes.
    scenario.check().await;
    scenario.check_daily(9).await;
    let before = mailed.sent().await.len();
    for _ in 0..5 {
        scenario.world.clock.advance(days(29));
        scenario.check().await;
    }
    scenario.check_daily(9).await;
    assert_eq!(scenario.details("Client Secret Rotated").len(), 2);
    assert_eq!(mailed.sent().await.len(), before);
    assert_eq!(mailed.subjects_on_the_topic().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ses_does_not_take_goes_to_the_topic_with_the_contacts_name() {
    let mailed = Mailed::by_ses(&attended()).await;
    mailed.scenario.world.ses.set_sandbox(true);
    mailed.scenario.world.ses.verify("shopmail@agency.example");
    mailed.scenario.rotate().await;
    mailed.queue.settled().await;
    assert_eq!(
        mailed.scenario.world.ses.sent().len(),
        1,
        "the domain is verified"
    );
    let unverified = Mailed::by_ses(&attended()).await;
    let scenario = &unverified.scenario;
    scenario.put_tag("shopmail:contact", "ann@elsewhere.example");
    scenario.world.ses.set_sandbox(true);
    scenario.rotate().await;
    unverified.queue.settled().await;
    let published = scenario.world.sns.published();
    assert_eq!(published.len(), 1, "{published:#?}");
    let text = published[0].message.replace('\n', " ");
    assert!(text.contains("This is for ann@elsewhere.example"), "{text}");
    assert!(text.contains("MessageRejected"), "{text}");
    scenario.visitor().open(&link(&published[0].message)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sender_all_goes_to_the_topic_once() {
    let mailed = Mailed::with(&[], &without_grant()).await;
    mailed.scenario.rotate().await;
    mailed.queue.settled().await;
    let published = mailed.scenario.world.sns.published();
    assert_eq!(published.len(), 1, "{published:#?}");
    let text = published[0].message.replace('\n', " ");
    assert!(text.contains(&format!("This is for {CONTACT}.")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_nobody_takes_comes_again_and_is_kept_in_the_end() {
    let mailed = Mailed::with(&[], &without_grant()).await;
    let scenario = &mailed.scenario;
    let gate = &scenario.world.gate;
    gate.fail(Calls::of("sns", "*").times(12), answer(500, false, "{}"));
    scenario.rotate().await;
    mailed.queue.settled().await;
    assert_eq!(scenario.world.sns.published().len(), 1, "sent in the end");
    gate.fail(
        Calls::of("sns", "*").times(10_000),
        answer(500, false, "{}"),
    );
    scenario.world.clock.advance(days(15));
    scenario.check().await;
    mailed.queue.settled().await;
    let dead = mailed.queue.dead();
    let kinds: BTreeSet<String> = dead
        .iter()
        .map(|event| {
            let event: Value = serde_json::from_str(event).unwrap();
            event["detail-type"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(kinds.contains("Authorization Required"), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_many_mailboxes_is_one_mail_and_so_is_its_end() {
    let mailed = Mailed::with(&[], &ending_in(150)).await;
    let scenario = &mailed.scenario;
    for shop_id in 20..27 {
        scenario.beside(&MailboxPlan {
            name: format!("shop{shop_id}"),
            address: format!("orders@shop{shop_id}.example"),
            shop_id,
            ..ending_in(150)
        });
    }
    scenario.check().await;
    let gate = &scenario.world.gate;
    gate.fail(
        Calls::of("graph", "*").times(100_000),
        answer(503, false, "{}"),
    );
    scenario.check_daily(2).await;
    let subjects = mailed.subjects_on_the_topic().await;
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(
        subjects[0].starts_with("8 mailboxes could not be checked"),
        "{subjects:?}"
    );
    gate.heal();
    scenario.check().await;
    let subjects = mailed.subjects_on_the_topic().await;
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert_eq!(subjects[1], "8 mailboxes are in order again");
    scenario.check_daily(2).await;
    assert_eq!(mailed.subjects_on_the_topic().await.len(), 2);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drift_and_a_missing_sign_in_are_closed_when_a_check_sees_them_over() {
    let plan = MailboxPlan {
        ends_in: days(150),
        ..without_grant()
    };
    let mailed = Mailed::by_ses(&plan).await;
    let scenario = &mailed.scenario;
    scenario.test_configuration().await;
    let enable = |on: bool| {
        let shopctrl = &scenario.world.shopctrl;
        shopctrl.edit(12, "orders-in", |connection| connection.enabled = on);
    };
    enable(false);
    scenario.check().await;
    let closed = scenario.details("Mailbox Recovered");
    assert_eq!(closed, Vec::<Value>::new());
    enable(true);
    let mut visitor = scenario.visitor();
    let link = scenario.link_in("Authorization Required");
    visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    scenario.check_daily(2).await;
    let closed: Vec<Value> = scenario
        .details("Mailbox Recovered")
        .into_iter()
        .map(|detail| detail["trouble"].clone())
        .collect();
    assert_eq!(closed, [json!("drift"), json!("permission_ending")]);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_for_one_mailbox_is_asked_for_what_is_due_within_sixty_days_too() {
    let named = |name: &str, shop_id: i64, ends_in: i64| MailboxPlan {
        name: name.to_owned(),
        address: format!("{name}@shop.example"),
        shop_id,
        ends_in: days(ends_in),
        ..attended()
    };
    let mailed = Mailed::by_ses(&named("orders", 12, 730)).await;
    let scenario = &mailed.scenario;
    scenario.beside(&named("soon", 13, 770));
    scenario.beside(&named("later", 14, 900));
    // Who delivers is known from the first check on.
    scenario.check().await;
    scenario.world.clock.advance(days(705));
    scenario.check().await;
    let asked: BTreeSet<String> = scenario
        .details("Hand-over Required")
        .iter()
        .map(|asked| asked["mailbox"].as_str().unwrap().to_owned())
        .collect();
    let both = ["orders@shop.example", "soon@shop.example"].map(str::to_owned);
    assert_eq!(asked, BTreeSet::from(both));
    let sent = mailed.sent().await;
    for asked in scenario.details("Hand-over Required") {
        let link = asked["link"].as_str().unwrap();
        assert!(
            sent.iter().any(|mail| mail.text.contains(link)),
            "{sent:#?}"
        );
    }
    scenario.assert_events_keep_their_schemas();
}
