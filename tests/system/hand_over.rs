//! The attended hand-over: one link, three screens. The person's ShopCtrl is played by the simulator's
//! own means; a real browser goes the whole way in `attended`.

mod grants;

use jiff::SignedDuration;

use crate::support::Scenario;
use crate::support::hand_over::{ASKED, attended, field, reveal, say};
use crate::support::scenario::days;

#[tokio::test(flavor = "multi_thread")]
async fn one_link_leads_through_both_directions_to_the_end() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let asks = scenario.details(ASKED);
    assert_eq!(asks.len(), 1, "{asks:?}");
    assert_eq!(asks[0]["mailbox"], scenario.mailbox.address);
    assert_eq!(asks[0]["connections"].as_array().unwrap().len(), 2);
    assert!(scenario.details("Authorization Required").is_empty());

    let mut visitor = scenario.visitor();
    let start = visitor.open(asks[0]["link"].as_str().unwrap()).await;
    assert_eq!(
        start.heading(),
        "The shop's mail needs you",
        "{}",
        start.body
    );
    assert!(start.body.contains("12 at"), "{}", start.body);
    assert!(start.body.contains(&scenario.mailbox.address));
    let sign_in = start.way_on().unwrap();
    let receiving = visitor.sign_in_as_owner(&sign_in, &scenario.mailbox).await;
    assert_eq!(
        receiving.heading(),
        "Receiving mail: enter the new client secret",
        "{}",
        receiving.body
    );
    let secret = scenario.pending_secret();
    assert!(!receiving.body.contains(&secret), "covered until asked for");
    assert_eq!(
        field(&receiving, "client-id").as_deref(),
        Some(scenario.mailbox.app.app_id.to_string().as_str())
    );
    let sending = scenario
        .hand_over_one(&mut visitor, &receiving, "orders-in")
        .await;
    assert_eq!(
        sending.heading(),
        "Sending mail: enter the new client secret",
        "{}",
        sending.body
    );
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    let end = scenario
        .hand_over_one(&mut visitor, &sending, "orders-out")
        .await;
    assert_eq!(end.heading(), "Thank you: now it is proved", "{}", end.body);
    scenario.settled().await;
    let done = visitor
        .open(&format!("{}/handover", scenario.world.callback_url))
        .await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
    scenario.assert_whole();
    scenario.assert_granted();
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pasted_anything_and_mail_that_flows_makes_nothing_green_until_the_end_and_after() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut asks_by_day: Vec<(i64, usize)> = Vec::new();
    for day in (0..23).rev() {
        for _ in 0..3 {
            scenario.check().await;
            scenario.world.directory.receive_mail(
                "customer@elsewhere.example",
                &scenario.mailbox.address,
                "Where is my parcel?",
            );
            scenario.world.clock.advance(SignedDuration::from_hours(8));
        }
        asks_by_day.push((day - 3, scenario.details(ASKED).len()));
        assert_eq!(
            scenario.current_key(),
            scenario.mailbox.first_key,
            "day {day}"
        );
        assert_eq!(
            scenario.world.shopctrl.outages().is_empty(),
            day > 3,
            "day {day}"
        );
    }
    // Asked at first, and once more when 14, 7, 3 and 1 days are left, and when it is over.
    let news: Vec<i64> = asks_by_day
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1)
        .map(|pair| pair[1].0)
        .collect();
    let asks = scenario.details(ASKED);
    assert_eq!(asks.len(), 6, "{asks_by_day:?}");
    assert_eq!(asks_by_day[0].1, 1, "{asks_by_day:?}");
    assert_eq!(news, [13, 6, 2, 0, -1], "{asks_by_day:?}");
    for ask in &asks {
        assert_eq!(ask["connections"].as_array().unwrap().len(), 2);
        assert_eq!(ask["contact"], "owner@agency.example");
    }
    let told = scenario.told();
    assert_eq!(told.get(ASKED), Some(&6));
    assert_eq!(told.get("Client Secret Rotated"), None);
    assert_eq!(told.get("Connection Delivered"), None);
    scenario.assert_events_keep_their_schemas();
    // Late is not too late: the link of the last reminder leads through.
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_gets_hints_and_the_steps_once_more() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let shown = reveal(&mut visitor, &page).await;
    // The id in place of the value.
    scenario.world.shopctrl.enter_secret(
        scenario.mailbox.shop_id,
        "orders-in",
        &scenario.mailbox.first_key.to_string(),
    );
    let page = say(&mut visitor, &shown, "other").await;
    assert_eq!(
        page.heading(),
        "Receiving mail: enter the new client secret"
    );
    for words in [
        "That did not work yet",
        "value that is needed, not its ID",
        "in a private window",
        "<b>Enable</b>",
        "<b>Check mail</b>",
        "Save and Authorize",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert_eq!(scenario.said("orders-in").unwrap()["state"], "failed");
    let attested = scenario.details("Hand-over Attested");
    assert_eq!(attested.len(), 1);
    assert_eq!(attested[0]["state"], "failed");
    assert_eq!(attested[0]["by"], scenario.mailbox.oid.to_string());
    scenario.settled().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // Once more, and the sending direction too.
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    assert_eq!(scenario.said("orders-in").unwrap()["state"], "attested");
    scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    scenario.settled().await;
    scenario.assert_whole();
    assert_eq!(scenario.details("Hand-over Attested").len(), 3);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_taken_back_while_it_is_proved_promotes_nothing() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    // Switched off: no mail check comes, so the proof waits. The second of the last one is over.
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = false;
        });
    scenario.world.clock.advance(SignedDuration::from_secs(2));
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    let watching = scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    assert_eq!(watching.heading(), "Thank you: now it is proved");
    let page = say(&mut visitor, &watching, "other").await;
    assert_eq!(
        page.heading(),
        "Receiving mail: enter the new client secret"
    );
    assert!(page.body.contains("That did not work yet"), "{}", page.body);
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = true;
        });
    for _ in 0..2 {
        scenario.settled().await;
        scenario.world.clock.advance(SignedDuration::from_hours(6));
        scenario.world.check().await.unwrap();
    }
    scenario.settled().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    assert_eq!(scenario.told().get("Client Secret Rotated"), None);
    scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_closes_the_page_has_attested_nothing() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let shown = reveal(&mut visitor, &page).await;
    // All is done in ShopCtrl, and nothing is said of it.
    let secret = field(&shown, "client-secret").unwrap();
    for id in ["orders-in", "orders-out"] {
        scenario.paste(id, &secret);
    }
    drop(visitor);
    for _ in 0..4 {
        scenario.world.clock.advance(SignedDuration::from_hours(6));
        scenario.check().await;
    }
    assert_eq!(scenario.world.shopctrl.outages(), vec![], "mail flows");
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    assert_eq!(scenario.said("orders-in"), None);
    let told = scenario.told();
    assert_eq!(told.get("Hand-over Attested"), None);
    assert_eq!(told.get("Client Secret Rotated"), None);
    assert_eq!(told.get(ASKED), Some(&1), "the link is good yet");
    // The same link again, and two words.
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let page = say(&mut visitor, &page, "authorized").await;
    say(&mut visitor, &page, "authorized").await;
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_that_was_left_halfway_goes_on_at_sending() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    for _ in 0..2 {
        scenario.world.clock.advance(days(1));
        scenario.check().await;
    }
    assert_eq!(
        scenario.current_key(),
        scenario.mailbox.first_key,
        "half done is not green"
    );
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    assert_eq!(page.heading(), "Sending mail: enter the new client secret");
    assert!(page.body.contains("Part 2 of 2"), "{}", page.body);
    scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    scenario.settled().await;
    scenario.assert_whole();
    assert_eq!(scenario.details("Hand-over Attested").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_shopctrl_checks_no_mail_nothing_is_promoted_and_the_page_says_what_to_look_at() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let switch = |on: bool| {
        scenario
            .world
            .shopctrl
            .edit(scenario.mailbox.shop_id, "orders-in", |connection| {
                connection.enabled = on;
            });
    };
    switch(false);
    scenario.world.clock.advance(SignedDuration::from_secs(2));
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    let early = scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    assert!(
        early.body.contains("has not checked the mail since then"),
        "{}",
        early.body
    );
    assert!(
        !early.body.contains("<b>Check mail</b>"),
        "too early to suspect anything"
    );
    scenario.settled().await;
    scenario.world.clock.advance(SignedDuration::from_mins(10));
    let late = scenario.look(&mut visitor).await;
    assert_eq!(late.heading(), "Thank you: now it is proved");
    assert!(
        late.body.contains("is <b>Check mail</b> on"),
        "{}",
        late.body
    );
    assert!(late.body.contains("is <b>Enable</b> on"), "{}", late.body);
    scenario.check().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    switch(true);
    for _ in 0..2 {
        scenario.world.clock.advance(SignedDuration::from_hours(6));
        scenario.check().await;
    }
    scenario.assert_whole();
    let done = scenario.look(&mut visitor).await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_never_its_own_contact() {
    let scenario = Scenario::with(&attended()).await;
    scenario.put_tag("shopmail:contact", "Orders@Shop.example");
    for _ in 0..22 {
        scenario.check().await;
        scenario.world.clock.advance(days(1));
    }
    let told = scenario.told();
    for kind in [ASKED, "Client Secret Expiring", "Client Secret Expired"] {
        assert!(told.contains_key(kind), "{kind}: {told:?}");
    }
    for event in scenario.world.event_bridge.events() {
        assert_eq!(event["detail"].get("contact"), None, "{event:#}");
    }
}
