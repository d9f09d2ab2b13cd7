//! Where a sign-in or a permission is what is missing.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::secrets_manager::CURRENT;
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::account::{ConsentPolicy, Person};

use crate::support::Scenario;
use crate::support::hand_over::{attended, field, say};
use crate::support::scenario::{days, ending_in};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_grants_or_refuses_by_the_link_that_is_passed_on() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let directory = &scenario.world.directory;
    directory.withdraw_consent(scenario.mailbox.oid, scenario.mailbox.app.app_id);
    directory.set_consent_policy(scenario.world.tenant(), ConsentPolicy::Admins);
    let mut admin = Person::with_mailbox("admin@shop.example", "Pa55~admin");
    admin.is_admin = true;
    directory.add_account(scenario.world.tenant(), admin);
    let mut visitor = scenario.visitor();
    let microsofts = scenario.come_in(&mut visitor).await;
    assert!(
        microsofts.body.contains("Need admin approval"),
        "{}",
        microsofts.body
    );
    let page = visitor.press(&microsofts, "/back", &[]).await;
    assert_eq!(
        (page.status, page.heading()),
        (403, "An administrator has to agree"),
        "{}",
        page.body
    );
    let pass_on = field(&page, "pass-on").expect("a link to pass on");
    assert!(pass_on.contains("/adminconsent?"), "{pass_on}");
    let before = scenario.picture();
    // Opened by an administrator in another browser: refused first, granted then.
    for (decision, expected) in [
        ("cancel", (403, "The permission was not granted")),
        ("accept", (200, "Thank you")),
    ] {
        let mut theirs = scenario.visitor();
        let page = theirs.open(&pass_on).await;
        let fields = [("login", "admin@shop.example"), ("passwd", "Pa55~admin")];
        let page = theirs.press(&page, "/login", &fields).await;
        let back = theirs
            .press(&page, "/consent", &[("decision", decision)])
            .await;
        assert_eq!(back.url.query(), None, "it can be loaded again");
        assert_eq!((back.status, back.heading()), expected, "{}", back.body);
        assert!(
            !back.body.contains(&scenario.mailbox.address),
            "an administrator's page names nobody"
        );
    }
    assert_eq!(scenario.picture(), before);
    // What Microsoft's address says is nobody's proof: anybody can write it.
    let said = format!(
        "{}/callback?admin_consent=True&tenant=x",
        scenario.world.callback_url
    );
    assert_eq!(scenario.visitor().open(&said).await.status, 200);
    let page = scenario.come_in(&mut scenario.visitor()).await;
    assert_eq!(
        page.heading(),
        "Receiving mail: enter the new client secret",
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_died_idle_is_told_by_a_check_and_given_anew_by_its_link() {
    let scenario = Scenario::with(&ending_in(120)).await;
    scenario.world.check().await.unwrap();
    assert_eq!(scenario.told().get("Grant Expiring"), None);
    // Not redeemed for a month, and ended by Microsoft meanwhile; ShopCtrl has its own.
    let ours = scenario.grant().unwrap();
    scenario.world.clock.advance(days(31));
    let body = json!({"error": "invalid_grant", "error_codes": [700_082], "error_description": "AADSTS700082"});
    let dead = ours["refresh_token"].as_str().unwrap().to_owned();
    scenario.world.gate.direct(move |call| {
        let redeems =
            call.service == "entra" && String::from_utf8_lossy(&call.body).contains(&dead);
        redeems.then(|| Fault::Answer {
            effect: false,
            status: 400,
            headers: Vec::new(),
            body: body.to_string(),
        })
    });
    for _ in 0..2 {
        scenario.world.check().await.unwrap();
        scenario.world.clock.advance(SignedDuration::from_hours(6));
    }
    let asks = scenario.details("Grant Expiring");
    assert_eq!(asks.len(), 1, "asked once");
    assert_eq!(asks[0]["mailbox"], scenario.mailbox.address);
    assert_eq!(asks[0]["reason"], "invalid_grant AADSTS700082");
    assert_eq!(asks[0]["contact"], "owner@agency.example");
    scenario.assert_events_keep_their_schemas();
    let mut visitor = scenario.visitor();
    let page = visitor
        .sign_in_as_owner(&scenario.link_in("Grant Expiring"), &scenario.mailbox)
        .await;
    assert_eq!(scenario.outcome(&page).await, "connected", "{}", page.body);
    scenario.assert_granted();
    scenario.world.check().await.unwrap();
    assert_eq!(scenario.details("Grant Expiring").len(), 1, "healed");
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // The rotation that comes one day needs nobody.
    scenario
        .world
        .secrets_manager
        .rotate(&scenario.mailbox.secret)
        .unwrap();
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_all_that_was_missing_pushes_the_rotation_on() {
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let page = scenario
        .hand_over_one(&mut visitor, &page, "orders-in")
        .await;
    // Just then the grant dies.
    let body = json!({"error": "invalid_grant", "error_codes": [50173], "error_description": "AADSTS50173"});
    let dead = Fault::Answer {
        effect: false,
        status: 400,
        headers: Vec::new(),
        body: body.to_string(),
    };
    scenario
        .world
        .gate
        .fail_next("entra", "POST token refresh_token", dead);
    scenario
        .hand_over_one(&mut visitor, &page, "orders-out")
        .await;
    scenario.settled().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    let mut visitor = scenario.visitor();
    let page = visitor
        .sign_in_as_owner(
            &scenario.link_in("Authorization Required"),
            &scenario.mailbox,
        )
        .await;
    assert_eq!(
        page.heading(),
        "Thank you: now it is proved",
        "{}",
        page.body
    );
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_by_api_that_needs_a_person_is_authorized_behind_our_sign_in() {
    let scenario = Scenario::begin().await;
    // ShopCtrl's own grant is dead, so it takes no new secret by itself.
    scenario
        .world
        .shopctrl
        .edit(scenario.mailbox.shop_id, "orders-out", |connection| {
            connection.refresh_token = Some("dead".to_owned());
        });
    scenario.check().await;
    let mut visitor = scenario.visitor();
    let start = visitor.open(&scenario.hand_over_link()).await;
    assert!(
        start.body.contains("Let ShopCtrl sign in as this mailbox"),
        "{}",
        start.body
    );
    assert!(!start.body.contains("Enter the new client secret"));
    let page = visitor
        .sign_in_as_owner(&start.way_on().unwrap(), &scenario.mailbox)
        .await;
    assert_eq!(
        page.heading(),
        "Sending mail: authorize ShopCtrl",
        "{}",
        page.body
    );
    assert!(
        page.body
            .contains("Receiving has the new secret, sending not yet."),
        "{}",
        page.body
    );
    let asked = scenario.details("Hand-over Required").remove(0);
    assert_eq!(asked["half_done"], "sending_not_yet");
    assert!(
        !page.has_form("/reveal#secret"),
        "nobody has to see the secret"
    );
    let there = page.way_on().unwrap();
    assert!(
        there.starts_with(&scenario.world.directory.authority()),
        "{there}"
    );
    // Said too early it is no harm: nothing is promoted by a word.
    say(&mut visitor, &page, "authorized").await;
    scenario.settled().await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    // Then in earnest, in a new sign-in.
    let mut visitor = scenario.visitor();
    let page = scenario.come_in(&mut visitor).await;
    let there = page.way_on().unwrap();
    scenario
        .world
        .shopctrl
        .follow(&there, &scenario.mailbox.address)
        .unwrap();
    let end = say(&mut visitor, &page, "authorized").await;
    assert_eq!(end.heading(), "Thank you: now it is proved", "{}", end.body);
    scenario.settled().await;
    let done = scenario.look(&mut visitor).await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
    scenario.assert_whole();
    scenario.assert_granted();
    let secret = scenario.secret();
    let current = secret.labelled(CURRENT).unwrap().text().unwrap();
    let document: Value = serde_json::from_str(current).unwrap();
    let secret = document["client_secret"].as_str().unwrap();
    for answer in &visitor.answers {
        assert!(!answer.body.contains(secret));
    }
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_grant_takes_no_delivery_back() {
    let scenario = Scenario::begin().await;
    let body = json!({"error": "invalid_grant", "error_codes": [50173], "error_description": "AADSTS50173"});
    let dead = Fault::Answer {
        effect: false,
        status: 400,
        headers: Vec::new(),
        body: body.to_string(),
    };
    // After setSecret redeemed it.
    let redeems = Calls::of("entra", "POST token refresh_token").after(1);
    scenario.world.gate.fail(redeems.times(1), dead);
    let older = crate::support::tickets::Forged::connect(&scenario).link(&scenario.world);
    scenario.rotate().await;
    // Both connections have the pending secret already; only a sign-in is missing.
    let pending = Some(scenario.pending_secret());
    let held = |id| {
        scenario
            .world
            .shopctrl
            .connection(scenario.mailbox.shop_id, id)
            .unwrap()
            .secret
    };
    assert_eq!(held("orders-in"), pending);
    scenario.world.gate.clear();
    let page = scenario
        .visitor()
        .sign_in_as_owner(&older, &scenario.mailbox)
        .await;
    assert_eq!(
        scenario.outcome(&page).await,
        "rotation-goes-on",
        "{}",
        page.body
    );
    scenario.settled().await;
    let operations = scenario.world.gate.operations();
    assert!(
        !operations.contains(&"shopctrl PUT connection".to_owned()),
        "{operations:?}"
    );
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_of_a_redeemed_grant_is_stored_only_where_the_grant_is_old() {
    for (age, stored_anew) in [(29, false), (31, true)] {
        let scenario = Scenario::with(&ending_in(100)).await;
        let before = scenario.grant().unwrap();
        scenario.world.clock.advance(days(age));
        scenario.rotate().await;
        scenario.assert_whole();
        scenario.assert_granted();
        let after = scenario.grant().unwrap();
        assert_eq!(after != before, stored_anew, "after {age} days");
    }
}
