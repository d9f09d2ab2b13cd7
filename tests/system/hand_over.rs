//! The attended hand-over: one link, three screens. The person's ShopCtrl is played by the simulator's
//! own means; a real browser goes the whole way in `attended`.

use serde_json::Value;
use simulators::secrets_manager::PENDING;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::browser::{Browser, Page, failures};
use crate::end_state::{assert_whole, current_key};
use crate::events::assert_events_keep_their_schemas;
use crate::picture::assert_granted;

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
        .authorize_as(mailbox.shop_id, id, &mailbox.address)
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
