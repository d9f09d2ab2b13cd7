//! The attended hand-over: one link, three screens. The person's ShopCtrl is played by the simulator's
//! own means; a real browser goes the whole way in `attended`.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::directory::account::{ConsentPolicy, Person};
use simulators::gate::Fault;
use simulators::secrets_manager::{CURRENT, PENDING};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::browser::{Browser, Page, failures, link_in, outcome};
use crate::end_state::{assert_whole, current_key};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::picture::{assert_granted, current_text, grant};
use crate::whole_rotation::days;

/// The event that asks a person to hand over.
pub const ASKED: &str = "Hand-over Required";

/// A mailbox whose connections a person delivers to, with the owner's account allowed to see secrets.
pub fn attended() -> MailboxPlan {
    MailboxPlan {
        delivery: "attended".to_owned(),
        reveal_to_owner: true,
        ..MailboxPlan::default()
    }
}

/// A world in which a rotation waits for its hand-over.
pub async fn waiting(plan: &MailboxPlan) -> (World, Mailbox) {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(plan).unwrap();
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    let failures = failures(&world);
    let last = failures.last().expect("it fails");
    assert!(last.contains("WaitingForPerson"), "{last}");
    (world, mailbox)
}

/// The pending secret's value.
pub fn pending_secret(world: &World, mailbox: &Mailbox) -> String {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let pending = secret.labelled(PENDING).expect("a pending version");
    let document: Value = serde_json::from_str(pending.text().unwrap()).unwrap();
    document["client_secret"].as_str().unwrap().to_owned()
}

/// The value of the field with this id.
pub fn field(page: &Page, id: &str) -> Option<String> {
    let (_, rest) = page.body.split_once(&format!("id=\"{id}\" value=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&amp;", "&"))
}

/// Enters a secret in ShopCtrl and authorizes it as `address`.
pub fn paste(world: &World, mailbox: &Mailbox, id: &str, secret: &str) {
    world.shopctrl.enter_secret(mailbox.shop_id, id, secret);
    world
        .shopctrl
        .authorize_as(mailbox.shop_id, id, &mailbox.sign_in_name)
        .unwrap();
}

/// The newest link that asks for a hand-over as this mailbox.
pub fn link_to(world: &World, mailbox: &Mailbox) -> String {
    let asks = world.event_bridge.details(ASKED);
    let mut asks = asks.iter().rev();
    let ask = asks.find(|ask| ask["mailbox"] == mailbox.address);
    let ask = ask.unwrap_or_else(|| panic!("not asked: {:?}", failures(world)));
    ask["link"].as_str().unwrap().to_owned()
}

/// Opens the link in this browser and signs in as the mailbox: to the page that comes first.
pub async fn come_in(world: &World, mailbox: &Mailbox, browser: &mut Browser) -> Page {
    let start = browser.open(&link_to(world, mailbox)).await;
    assert_eq!(start.status, 200, "{}", start.body);
    let sign_in = start.way_on().expect("the button");
    browser.sign_in_as_owner(&sign_in, mailbox).await
}

/// The fields of the page's form whose action ends like this.
pub fn fields(page: &Page, action: &str) -> Vec<(String, String)> {
    let forms = page.forms().into_iter();
    let mut forms = forms.filter(|form| form.action.ends_with(action));
    let form = forms.next();
    form.unwrap_or_else(|| panic!("no form {action}: {}", page.body))
        .fields
}

/// Says on the page what ShopCtrl shows.
pub async fn say(browser: &mut Browser, page: &Page, said: &str) -> Page {
    browser.press(page, "/attest", &[("said", said)]).await
}

/// Asks for the secret on the page.
pub async fn reveal(browser: &mut Browser, page: &Page) -> Page {
    browser.press(page, "/reveal#secret", &[]).await
}

/// Shown, pasted and attested, for the connection that the page is about.
async fn hand_over_one(
    world: &World,
    mailbox: &Mailbox,
    browser: &mut Browser,
    page: &Page,
    id: &str,
) -> Page {
    let shown = reveal(browser, page).await;
    let secret = field(&shown, "client-secret").expect("it is shown");
    assert_eq!(secret, pending_secret(world, mailbox));
    paste(world, mailbox, id, &secret);
    say(browser, &shown, "authorized").await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_link_leads_through_both_directions_to_the_end() {
    let (world, mailbox) = waiting(&attended()).await;
    let asks = world.event_bridge.details(ASKED);
    assert_eq!(asks.len(), 1, "{asks:?}");
    assert_eq!(asks[0]["mailbox"], mailbox.address);
    assert_eq!(asks[0]["connections"].as_array().unwrap().len(), 2);
    assert!(
        world
            .event_bridge
            .details("Authorization Required")
            .is_empty()
    );

    let mut browser = Browser::new(&world);
    let start = browser.open(asks[0]["link"].as_str().unwrap()).await;
    assert_eq!(
        start.heading(),
        "The shop's mail needs you",
        "{}",
        start.body
    );
    assert!(start.body.contains("12 at"), "{}", start.body);
    assert!(start.body.contains(&mailbox.address));
    let sign_in = start.way_on().unwrap();
    let receiving = browser.sign_in_as_owner(&sign_in, &mailbox).await;
    assert_eq!(
        receiving.heading(),
        "Receiving mail: enter the new client secret",
        "{}",
        receiving.body
    );
    let secret = pending_secret(&world, &mailbox);
    assert!(!receiving.body.contains(&secret), "covered until asked for");
    assert_eq!(
        field(&receiving, "client-id").as_deref(),
        Some(mailbox.app.app_id.to_string().as_str())
    );
    let sending = hand_over_one(&world, &mailbox, &mut browser, &receiving, "orders-in").await;
    assert_eq!(
        sending.heading(),
        "Sending mail: enter the new client secret",
        "{}",
        sending.body
    );
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    let end = hand_over_one(&world, &mailbox, &mut browser, &sending, "orders-out").await;
    assert_eq!(end.heading(), "Thank you: now it is proved", "{}", end.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    let done = browser
        .open(&format!("{}/handover", world.callback_url))
        .await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
    assert_events_keep_their_schemas(&world);
}

/// What was said of a connection in the rotation that is pending.
fn said(world: &World, mailbox: &Mailbox, id: &str) -> Option<Value> {
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let token = secret.labelled(PENDING)?.id.clone();
    let grants = current_text(world, &format!("{}/grants", mailbox.secret));
    let grants: Value = serde_json::from_str(&grants).unwrap();
    grants["handover"][token].get(id).cloned()
}

async fn settled(world: &World, mailbox: &Mailbox) {
    world.secrets_manager.settled(&mailbox.secret).await;
}

async fn look(world: &World, browser: &mut Browser) -> Page {
    let url = format!("{}/handover", world.callback_url);
    browser.open(&url).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pasted_anything_and_mail_that_flows_makes_nothing_green_until_the_end_and_after() {
    let (world, mailbox) = waiting(&attended()).await;
    let mut asks_by_day: Vec<(i64, usize)> = Vec::new();
    for day in (0..23).rev() {
        for _ in 0..3 {
            world.check().await.unwrap();
            settled(&world, &mailbox).await;
            world.shopctrl.receive_mail(
                mailbox.shop_id,
                "customer@elsewhere.example",
                &mailbox.address,
                "Where is my parcel?",
            );
            world.clock.advance(SignedDuration::from_hours(8));
        }
        asks_by_day.push((day - 3, world.event_bridge.details(ASKED).len()));
        assert_eq!(
            current_key(&world, &mailbox),
            mailbox.first_key,
            "day {day}"
        );
        assert_eq!(world.shopctrl.outages().is_empty(), day > 3, "day {day}");
    }
    // Asked at first, and once more when 14, 7, 3 and 1 days are left, and when it is over.
    let news: Vec<i64> = asks_by_day
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1)
        .map(|pair| pair[1].0)
        .collect();
    let asks = world.event_bridge.details(ASKED);
    assert_eq!(asks.len(), 6, "{asks_by_day:?}");
    assert_eq!(asks_by_day[0].1, 1, "{asks_by_day:?}");
    assert_eq!(news, [13, 6, 2, 0, -1], "{asks_by_day:?}");
    for ask in &asks {
        assert_eq!(ask["connections"].as_array().unwrap().len(), 2);
        assert_eq!(ask["contact"], "owner@agency.example");
    }
    let told = told(&world);
    assert_eq!(told.get(ASKED), Some(&6));
    assert_eq!(told.get("Client Secret Rotated"), None);
    assert_eq!(told.get("Connection Delivered"), None);
    assert_events_keep_their_schemas(&world);
    // Late is not too late: the link of the last reminder leads through.
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let page = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    hand_over_one(&world, &mailbox, &mut browser, &page, "orders-out").await;
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_gets_hints_and_the_steps_once_more() {
    let (world, mailbox) = waiting(&attended()).await;
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let shown = reveal(&mut browser, &page).await;
    // The id in place of the value.
    world
        .shopctrl
        .enter_secret(mailbox.shop_id, "orders-in", &mailbox.first_key.to_string());
    let page = say(&mut browser, &shown, "other").await;
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
    assert_eq!(
        said(&world, &mailbox, "orders-in").unwrap()["state"],
        "failed"
    );
    let attested = world.event_bridge.details("Hand-over Attested");
    assert_eq!(attested.len(), 1);
    assert_eq!(attested[0]["state"], "failed");
    assert_eq!(attested[0]["by"], mailbox.oid.to_string());
    settled(&world, &mailbox).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // Once more, and the sending direction too.
    let page = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    assert_eq!(
        said(&world, &mailbox, "orders-in").unwrap()["state"],
        "attested"
    );
    hand_over_one(&world, &mailbox, &mut browser, &page, "orders-out").await;
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    assert_eq!(world.event_bridge.details("Hand-over Attested").len(), 3);
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_taken_back_while_it_is_proved_promotes_nothing() {
    let (world, mailbox) = waiting(&attended()).await;
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    // Switched off: no mail check comes, so the proof waits. The second of the last one is over.
    world
        .shopctrl
        .edit(mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = false;
        });
    world.clock.advance(SignedDuration::from_secs(2));
    let page = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    let watching = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-out").await;
    assert_eq!(watching.heading(), "Thank you: now it is proved");
    let page = say(&mut browser, &watching, "other").await;
    assert_eq!(
        page.heading(),
        "Receiving mail: enter the new client secret"
    );
    assert!(page.body.contains("That did not work yet"), "{}", page.body);
    world
        .shopctrl
        .edit(mailbox.shop_id, "orders-in", |connection| {
            connection.enabled = true;
        });
    for _ in 0..2 {
        settled(&world, &mailbox).await;
        world.clock.advance(SignedDuration::from_hours(6));
        world.check().await.unwrap();
    }
    settled(&world, &mailbox).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    assert_eq!(told(&world).get("Client Secret Rotated"), None);
    hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_closes_the_page_has_attested_nothing() {
    let (world, mailbox) = waiting(&attended()).await;
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let shown = reveal(&mut browser, &page).await;
    // All is done in ShopCtrl, and nothing is said of it.
    let secret = field(&shown, "client-secret").unwrap();
    for id in ["orders-in", "orders-out"] {
        paste(&world, &mailbox, id, &secret);
    }
    drop(browser);
    for _ in 0..4 {
        world.clock.advance(SignedDuration::from_hours(6));
        world.check().await.unwrap();
        settled(&world, &mailbox).await;
    }
    assert_eq!(world.shopctrl.outages(), vec![], "mail flows");
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    assert_eq!(said(&world, &mailbox, "orders-in"), None);
    let told = told(&world);
    assert_eq!(told.get("Hand-over Attested"), None);
    assert_eq!(told.get("Client Secret Rotated"), None);
    assert_eq!(told.get(ASKED), Some(&1), "the link is good yet");
    // The same link again, and two words.
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let page = say(&mut browser, &page, "authorized").await;
    say(&mut browser, &page, "authorized").await;
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_that_was_left_halfway_goes_on_at_sending() {
    let (world, mailbox) = waiting(&attended()).await;
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    for _ in 0..2 {
        world.clock.advance(days(1));
        world.check().await.unwrap();
        settled(&world, &mailbox).await;
    }
    assert_eq!(
        current_key(&world, &mailbox),
        mailbox.first_key,
        "half done is not green"
    );
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    assert_eq!(page.heading(), "Sending mail: enter the new client secret");
    assert!(page.body.contains("Part 2 of 2"), "{}", page.body);
    hand_over_one(&world, &mailbox, &mut browser, &page, "orders-out").await;
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    assert_eq!(world.event_bridge.details("Hand-over Attested").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_shopctrl_checks_no_mail_nothing_is_promoted_and_the_page_says_what_to_look_at() {
    let (world, mailbox) = waiting(&attended()).await;
    let switch = |on: bool| {
        world
            .shopctrl
            .edit(mailbox.shop_id, "orders-in", |connection| {
                connection.enabled = on;
            });
    };
    switch(false);
    world.clock.advance(SignedDuration::from_secs(2));
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let page = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    let early = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-out").await;
    assert!(
        early.body.contains("has not checked the mail since then"),
        "{}",
        early.body
    );
    assert!(
        !early.body.contains("<b>Check mail</b>"),
        "too early to suspect anything"
    );
    settled(&world, &mailbox).await;
    world.clock.advance(SignedDuration::from_mins(10));
    let late = look(&world, &mut browser).await;
    assert_eq!(late.heading(), "Thank you: now it is proved");
    assert!(
        late.body.contains("is <b>Check mail</b> on"),
        "{}",
        late.body
    );
    assert!(late.body.contains("is <b>Enable</b> on"), "{}", late.body);
    world.check().await.unwrap();
    settled(&world, &mailbox).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    switch(true);
    for _ in 0..2 {
        world.clock.advance(SignedDuration::from_hours(6));
        world.check().await.unwrap();
        settled(&world, &mailbox).await;
    }
    assert_whole(&world, &mailbox);
    let done = look(&world, &mut browser).await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_grants_or_refuses_by_the_link_that_is_passed_on() {
    let (world, mailbox) = waiting(&attended()).await;
    let directory = &world.directory;
    directory.withdraw_consent(mailbox.oid, mailbox.app.app_id);
    directory.set_consent_policy(world.tenant(), ConsentPolicy::Admins);
    let mut admin = Person::with_mailbox("admin@shop.example", "Pa55~admin");
    admin.is_admin = true;
    directory.add_account(world.tenant(), admin);
    let mut browser = Browser::new(&world);
    let microsofts = come_in(&world, &mailbox, &mut browser).await;
    assert!(
        microsofts.body.contains("Need admin approval"),
        "{}",
        microsofts.body
    );
    let page = browser.press(&microsofts, "/back", &[]).await;
    assert_eq!(
        (page.status, page.heading()),
        (403, "An administrator has to agree"),
        "{}",
        page.body
    );
    let pass_on = field(&page, "pass-on").expect("a link to pass on");
    assert!(pass_on.contains("/adminconsent?"), "{pass_on}");
    let before = crate::picture::Picture::of(&world, &[&mailbox]);
    // Opened by an administrator in another browser: refused first, granted then.
    for (decision, expected) in [
        ("cancel", (403, "The permission was not granted")),
        ("accept", (200, "Thank you")),
    ] {
        let mut theirs = Browser::new(&world);
        let page = theirs.open(&pass_on).await;
        let fields = [("login", "admin@shop.example"), ("passwd", "Pa55~admin")];
        let page = theirs.press(&page, "/login", &fields).await;
        let back = theirs
            .press(&page, "/consent", &[("decision", decision)])
            .await;
        assert!(
            back.url.query().unwrap().contains("admin_consent=True"),
            "{}",
            back.url
        );
        assert_eq!((back.status, back.heading()), expected, "{}", back.body);
        assert!(
            !back.body.contains(&mailbox.address),
            "an administrator's page names nobody"
        );
    }
    assert_eq!(crate::picture::Picture::of(&world, &[&mailbox]), before);
    // What Microsoft's address says is nobody's proof: anybody can write it.
    let said = format!(
        "{}/callback?admin_consent=True&tenant=x",
        world.callback_url
    );
    assert_eq!(Browser::new(&world).get(&said).await.status, 200);
    let page = come_in(&world, &mailbox, &mut Browser::new(&world)).await;
    assert_eq!(
        page.heading(),
        "Receiving mail: enter the new client secret",
        "{}",
        page.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_died_idle_is_told_by_a_check_and_given_anew_by_its_link() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        ends_in: days(120),
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    world.check().await.unwrap();
    assert_eq!(told(&world).get("Grant Expiring"), None);
    // Not redeemed for a month, and ended by Microsoft meanwhile; ShopCtrl has its own.
    let ours = grant(&world, &mailbox).unwrap();
    world.clock.advance(days(31));
    let body = json!({"error": "invalid_grant", "error_codes": [700_082], "error_description": "AADSTS700082"});
    let dead = ours["refresh_token"].as_str().unwrap().to_owned();
    world.gate.direct(move |call| {
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
        world.check().await.unwrap();
        world.clock.advance(SignedDuration::from_hours(6));
    }
    let asks = world.event_bridge.details("Grant Expiring");
    assert_eq!(asks.len(), 1, "asked once");
    assert_eq!(asks[0]["mailbox"], mailbox.address);
    assert_eq!(asks[0]["reason"], "invalid_grant AADSTS700082");
    assert_eq!(asks[0]["contact"], "owner@agency.example");
    assert_events_keep_their_schemas(&world);
    let mut browser = Browser::new(&world);
    let page = browser
        .sign_in_as_owner(&link_in(&world, "Grant Expiring"), &mailbox)
        .await;
    assert_eq!(outcome(&world, &page).await, "connected", "{}", page.body);
    assert_granted(&world, &mailbox);
    world.check().await.unwrap();
    assert_eq!(
        world.event_bridge.details("Grant Expiring").len(),
        1,
        "healed"
    );
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // The rotation that comes one day needs nobody.
    world.secrets_manager.rotate(&mailbox.secret).unwrap();
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_never_its_own_contact() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&attended()).unwrap();
    world
        .secrets_manager
        .put_tags(
            &mailbox.secret,
            &[("shopmail:contact", "Orders@Shop.example")],
        )
        .unwrap();
    for _ in 0..22 {
        world.check().await.unwrap();
        settled(&world, &mailbox).await;
        world.clock.advance(days(1));
    }
    let told = told(&world);
    for kind in [ASKED, "Client Secret Expiring", "Client Secret Expired"] {
        assert!(told.contains_key(kind), "{kind}: {told:?}");
    }
    for event in world.event_bridge.events() {
        assert_eq!(event["detail"].get("contact"), None, "{event:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_all_that_was_missing_pushes_the_rotation_on() {
    let (world, mailbox) = waiting(&attended()).await;
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let page = hand_over_one(&world, &mailbox, &mut browser, &page, "orders-in").await;
    // Just then the grant dies.
    let body = json!({"error": "invalid_grant", "error_codes": [50173], "error_description": "AADSTS50173"});
    let dead = Fault::Answer {
        effect: false,
        status: 400,
        headers: Vec::new(),
        body: body.to_string(),
    };
    world
        .gate
        .fail("entra", "POST token refresh_token", 0, 1, dead);
    hand_over_one(&world, &mailbox, &mut browser, &page, "orders-out").await;
    settled(&world, &mailbox).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    let mut browser = Browser::new(&world);
    let page = browser
        .sign_in_as_owner(&link_in(&world, "Authorization Required"), &mailbox)
        .await;
    assert_eq!(
        page.heading(),
        "Thank you: now it is proved",
        "{}",
        page.body
    );
    settled(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_by_api_that_needs_a_person_is_authorized_behind_our_sign_in() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    // ShopCtrl's own grant is dead, so it takes no new secret by itself.
    world
        .shopctrl
        .edit(mailbox.shop_id, "orders-out", |connection| {
            connection.refresh_token = Some("dead".to_owned());
        });
    world.check().await.unwrap();
    settled(&world, &mailbox).await;
    let mut browser = Browser::new(&world);
    let start = browser.open(&link_to(&world, &mailbox)).await;
    assert!(
        start.body.contains("Let ShopCtrl sign in as this mailbox"),
        "{}",
        start.body
    );
    assert!(!start.body.contains("Enter the new client secret"));
    let page = browser
        .sign_in_as_owner(&start.way_on().unwrap(), &mailbox)
        .await;
    assert_eq!(
        page.heading(),
        "Sending mail: authorize ShopCtrl",
        "{}",
        page.body
    );
    assert!(
        !page.has_form("/reveal#secret"),
        "nobody has to see the secret"
    );
    let there = page.way_on().unwrap();
    assert!(there.starts_with(&world.directory.authority()), "{there}");
    // Said too early it is no harm: nothing is promoted by a word.
    say(&mut browser, &page, "authorized").await;
    settled(&world, &mailbox).await;
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // Then in earnest, in a new sign-in.
    let mut browser = Browser::new(&world);
    let page = come_in(&world, &mailbox, &mut browser).await;
    let there = page.way_on().unwrap();
    world.shopctrl.follow(&there, &mailbox.address).unwrap();
    let end = say(&mut browser, &page, "authorized").await;
    assert_eq!(end.heading(), "Thank you: now it is proved", "{}", end.body);
    settled(&world, &mailbox).await;
    let done = look(&world, &mut browser).await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let current = secret.labelled(CURRENT).unwrap().text().unwrap();
    let document: Value = serde_json::from_str(current).unwrap();
    let secret = document["client_secret"].as_str().unwrap();
    for answer in &browser.answers {
        assert!(!answer.body.contains(secret));
    }
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_grant_takes_no_delivery_back() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let body = json!({"error": "invalid_grant", "error_codes": [50173], "error_description": "AADSTS50173"});
    let dead = Fault::Answer {
        effect: false,
        status: 400,
        headers: Vec::new(),
        body: body.to_string(),
    };
    world
        .gate
        .fail("entra", "POST token refresh_token", 0, 1, dead);
    let older = crate::links::Forged::connect(&world, &mailbox).link(&world);
    world.check().await.unwrap();
    settled(&world, &mailbox).await;
    // Both connections have the pending secret already; only a sign-in is missing.
    let pending = Some(pending_secret(&world, &mailbox));
    let held = |id| {
        world
            .shopctrl
            .connection(mailbox.shop_id, id)
            .unwrap()
            .secret
    };
    assert_eq!(held("orders-in"), pending);
    world.gate.clear();
    let page = Browser::new(&world)
        .sign_in_as_owner(&older, &mailbox)
        .await;
    assert_eq!(
        outcome(&world, &page).await,
        "rotation-goes-on",
        "{}",
        page.body
    );
    settled(&world, &mailbox).await;
    let operations = world.gate.operations();
    assert!(
        !operations.contains(&"shopctrl PUT connection".to_owned()),
        "{operations:?}"
    );
    assert_whole(&world, &mailbox);
}
