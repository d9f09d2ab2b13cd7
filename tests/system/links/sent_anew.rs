//! Nobody is left with a dead link: it is sent anew, by a button on its page or by the action `ask`, and by the next
//! check where the key that signed it has changed.

use serde_json::{Value, json};
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::{Calls, Fault};
use simulators::world::TICKET_KEY;

use super::{ASKED, signed_in};
use crate::support::Scenario;
use crate::support::hand_over::attended;
use crate::support::scenario::without_grant;
use crate::support::tickets::Forged;

const KEY: &str = "shopmail-ticket-key";
const ANOTHER: &str = "another-key-of-more-than-32-characters";

/// A world in which a link may be asked for again at once.
const AT_ONCE: [(&str, &str); 1] = [("ASK_AGAIN_AFTER", "PT0S")];

impl Scenario {
    fn asked(&self) -> usize {
        self.details(ASKED).len()
    }

    fn state(&self) -> String {
        self.secret().tags["shopmail:state"].clone()
    }

    async fn ask(&self) -> Value {
        let event = json!({"Action": "ask", "SecretId": self.mailbox.secret});
        let answer = self.world.invoke("rotation", &event).await.unwrap();
        assert_eq!(answer.function_error, None, "{}", answer.payload);
        answer.payload
    }

    /// Opens this link that does not work any more, and presses its button: status and heading of what comes.
    async fn press_for_a_new_link(&self, link: &str) -> (u16, String) {
        let mut visitor = self.visitor();
        let page = visitor.open(link).await;
        assert_eq!(page.status, 410, "{}", page.body);
        let sent = visitor.press(&page, "/ticket", &[]).await;
        assert!(!sent.body.contains("ticket="), "it gets none itself");
        (sent.status, sent.heading().to_owned())
    }

    fn changes_the_key(&self, to: &str) {
        let store = &self.world.secrets_manager;
        store.store_value(KEY, to).unwrap();
    }
}

fn sent() -> (u16, String) {
    (202, "A new link was sent".to_owned())
}

fn shortly_before() -> (u16, String) {
    (200, "A link was sent a short while ago".to_owned())
}

/// All that was asked of the services, but for what only looks, and the publishing and noting of a link.
fn beyond_asking(scenario: &Scenario) -> Vec<String> {
    let mut operations = scenario.world.gate.operations();
    operations.retain(|operation| {
        let (service, operation) = operation.split_once(' ').unwrap();
        let asking = [
            "DescribeSecret",
            "GetSecretValue",
            "PutEvents",
            "TagResource",
            "Invoke",
        ];
        service != "api-gateway" && !asking.iter().any(|name| operation.contains(name))
    });
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_link_is_sent_anew_and_only_to_the_contact_and_nothing_is_tried_for_it() {
    let scenario = Scenario::with_settings(&AT_ONCE, &without_grant()).await;
    scenario.start_to_wait().await;
    let old = scenario.link_in(ASKED);
    let ended = Forged::like(&old).ending_in(-60).link(&scenario.world);
    let before = scenario.picture();
    scenario.world.gate.clear();

    scenario.visitor().open(&ended).await;
    assert_eq!(scenario.asked(), 1, "opening it asks for nothing");
    assert_eq!(scenario.press_for_a_new_link(&ended).await, sent());
    scenario.settled().await;
    assert_eq!(beyond_asking(&scenario), Vec::<String>::new());
    assert_eq!(scenario.picture(), before);
    let asks = scenario.details(ASKED);
    assert_eq!(asks.len(), 2);
    assert_ne!(asks[0]["id"], asks[1]["id"], "no consumer may drop it");
    assert_eq!(asks[1]["contact"], "owner@agency.example");
    assert_eq!(asks[1]["reason"], "no_grant");

    // The rotation that waits knows of it.
    scenario.reattempt().await;
    assert_eq!(scenario.asked(), 2);
    let link = scenario.link_in(ASKED);
    let mut visitor = scenario.visitor();
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_for_a_new_link_brings_none_within_a_quarter_of_an_hour() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let ended = Forged::like(&scenario.link_in(ASKED)).ending_in(-60);
    let ended = ended.link(&scenario.world);
    for _ in 0..5 {
        assert_eq!(
            scenario.press_for_a_new_link(&ended).await,
            shortly_before()
        );
    }
    let answer = scenario.ask().await;
    assert!(answer["not_before"].is_string(), "{answer}");
    assert_eq!(scenario.asked(), 1);

    // A quarter of an hour later it is sent, once; the next pause is twice as long.
    let shift = |state: &str, by: i64| {
        let (front, rest) = state.rsplit_once('/').unwrap();
        let (at, rest) = rest.split_once('x').unwrap();
        format!("{front}/{}x{rest}", at.parse::<i64>().unwrap() - by)
    };
    for (minutes, expected) in [
        (14, shortly_before()),
        (2, sent()),
        (16, shortly_before()),
        (15, sent()),
    ] {
        scenario.put_tag("shopmail:state", &shift(&scenario.state(), minutes * 60));
        assert_eq!(
            scenario.press_for_a_new_link(&ended).await,
            expected,
            "{minutes}"
        );
    }
    assert_eq!(scenario.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_has_the_link_of_a_hand_over_sent_anew() {
    let scenario = Scenario::with_settings(&AT_ONCE, &attended()).await;
    assert_eq!(scenario.ask().await, "nobody_waited_for");
    scenario.check().await;
    scenario.assert_waits();
    let first = scenario.hand_over_link();
    let (before, pending) = (scenario.picture(), scenario.pending_secret());
    scenario.world.gate.clear();
    assert_eq!(scenario.ask().await, json!({"sent": 1}));
    assert_eq!(scenario.picture(), before);
    assert_eq!(beyond_asking(&scenario), Vec::<String>::new());
    let (asks, ids) = (scenario.details("Hand-over Required"), |n: usize| {
        scenario.details("Hand-over Required")[n]["connections"].clone()
    });
    assert_eq!(asks.len(), 2);
    assert_ne!(asks[0]["id"], asks[1]["id"]);
    assert_eq!(ids(0), ids(1));
    // The first one works on.
    let page = scenario.visitor().open(&first).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.reattempt().await;
    assert_eq!(scenario.details("Hand-over Required").len(), 2);
    assert_eq!(scenario.pending_secret(), pending);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_dies_half_way_sends_the_same_event_again() {
    let scenario = Scenario::with_settings(&AT_ONCE, &without_grant()).await;
    scenario.start_to_wait().await;
    let kill = Fault::Kill { effect: false };
    scenario
        .world
        .gate
        .fail(Calls::of("secretsmanager", "TagResource"), kill);
    let event = json!({"Action": "ask", "SecretId": scenario.mailbox.arn});
    let died = scenario.world.invoke("rotation", &event).await.unwrap();
    assert!(died.function_error.is_some(), "{}", died.payload);
    // And two at once.
    let _ = tokio::join!(scenario.ask(), scenario.ask());
    let asks = scenario.details(ASKED);
    let mut ids: Vec<&str> = asks.iter().map(|ask| ask["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(
        ids.len() < asks.len(),
        "the second is the one that died: {asks:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_first_link_is_sent_anew_too() {
    let scenario = Scenario::with(&without_grant()).await;
    let ended = Forged::connect(&scenario).ending_in(-60);
    assert_eq!(
        scenario
            .press_for_a_new_link(&ended.link(&scenario.world))
            .await,
        sent()
    );
    assert_eq!(scenario.asked(), 1);
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    let mut visitor = scenario.visitor();
    let page = visitor
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert_eq!(page.heading(), "The mailbox is connected");
    // The owner has come: nobody is waited for, whatever is pressed.
    let nobody = (200, "You are not needed just now".to_owned());
    assert_eq!(
        scenario
            .press_for_a_new_link(&ended.link(&scenario.world))
            .await,
        nobody
    );
    assert_eq!(scenario.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_rotation_that_was_given_up_has_that_of_the_newer_one_sent() {
    let scenario = Scenario::with_settings(&AT_ONCE, &without_grant()).await;
    scenario.start_to_wait().await;
    let older = Forged::like(&scenario.link_in(ASKED)).with(|t| "gone".clone_into(&mut t.version));
    assert_eq!(
        scenario
            .press_for_a_new_link(&older.link(&scenario.world))
            .await,
        sent()
    );
    assert_eq!(scenario.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_long_ago_does_nothing() {
    let scenario = Scenario::with_settings(&AT_ONCE, &without_grant()).await;
    scenario.start_to_wait().await;
    let old = Forged::like(&scenario.link_in(ASKED)).ending_in(-30 * 86_400 - 60);
    scenario.world.gate.clear();
    let mut visitor = scenario.visitor();
    let page = visitor.open(&old.link(&scenario.world)).await;
    assert_eq!((page.status, page.heading()), (410, "This link is too old"));
    assert_eq!(page.forms(), []);
    let url = format!("{}/ticket", scenario.world.callback_url);
    let page = visitor
        .post(&url, &[("ticket".to_owned(), old.text())])
        .await;
    assert_eq!((page.status, page.heading()), (410, "This link is too old"));
    assert_eq!(scenario.asked(), 1);
    let asked = scenario.world.gate.operations();
    let only_pages = asked
        .iter()
        .all(|operation| operation.starts_with("api-gateway"));
    assert!(only_pages, "not even the key is read: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_planned_change_of_the_key_links_go_on_and_are_sent_anew_by_the_next_check() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let ended = Forged::like(&link).ending_in(-60).link(&scenario.world);
    scenario.changes_the_key(ANOTHER);
    // What was asked with another key counts as not asked: no pause holds.
    assert_eq!(scenario.press_for_a_new_link(&ended).await, sent());
    assert_eq!(
        scenario.press_for_a_new_link(&ended).await,
        shortly_before()
    );
    scenario.reattempt().await;
    assert_eq!(scenario.asked(), 2, "the press has asked with the new key");
    // Signed by the key before, and opened, taken back and finished with it.
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &link, &scenario.mailbox.address).await;
    let page = visitor.open(&back).await;
    assert_eq!(page.heading(), "Thank you, that was all", "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_leak_of_the_key_no_link_of_it_opens_and_the_next_check_sends_new_ones() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    // As the runbook has it: a new value, put twice.
    scenario.changes_the_key("a-value-in-between-of-more-than-32-characters");
    scenario.changes_the_key(ANOTHER);
    let ended = Forged::like(&link).ending_in(-60).link(&scenario.world);
    for dead in [&link, &ended] {
        let page = scenario.visitor().open(dead).await;
        let expected = (400, "This link does not work any more");
        assert_eq!((page.status, page.heading()), expected);
        assert!(page.body.contains("newest message"), "{}", page.body);
        assert_eq!(page.forms(), []);
    }
    assert_eq!(scenario.asked(), 1);
    scenario.reattempt().await;
    assert_eq!(scenario.asked(), 2, "another key means not asked yet");
    scenario.reattempt().await;
    assert_eq!(scenario.asked(), 2);
    let mut visitor = scenario.visitor();
    let page = visitor
        .sign_in_as_owner(&scenario.link_in(ASKED), &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    let value = scenario.world.secrets_manager.snapshot(KEY).unwrap();
    assert_ne!(value.labelled(CURRENT).unwrap().text(), Some(TICKET_KEY));
}
