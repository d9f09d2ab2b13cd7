//! Our pages and ShopCtrl's in a real browser, as a person meets them.

use simulators::microsoft::directory::account::Person;
use simulators::microsoft::directory::application::NewSecret;
use simulators::shopctrl::Status;
use simulators::world::{Mailbox, MailboxPlan, SHOPCTRL_ADMIN, SHOPCTRL_USER, World, short_waits};

use crate::chromium::{self, Colours, Key, Window};
use crate::end_state::assert_whole;
use crate::links::Forged;
use crate::picture::assert_granted;
use crate::sign_in::{waiting, without_grant};
use crate::sign_in_name::another_name;
use crate::support::visitor::link_in;

const ASKED: &str = "Authorization Required";
/// A page of ours with all that it needs, in bytes.
const LARGEST: u64 = 30 * 1024;
/// The width of the narrowest text, in pixels.
const NARROWEST: &str = "return Math.min(...[...document.querySelectorAll('p, li, dd, h1, h2')]\
    .filter(text => text.clientWidth > 0).map(text => text.clientWidth))";
/// A small phone, in pixels.
const PHONE: u32 = 360;

/// What every page of ours is held to: everybody can use it, on a phone, light or dark, and it is small.
pub async fn assert_good_page(window: &Window, name: &str) {
    for colours in [Colours::Light, Colours::Dark] {
        window.prefer(colours).await;
        assert_eq!(window.barriers().await, Vec::<String>::new(), "{colours:?}");
    }
    window.prefer(Colours::Light).await;
    assert_eq!(window.stopped_by_policy().await, Vec::<String>::new());
    let size = window.size().await;
    assert!((500..LARGEST).contains(&size), "{size} bytes");
    window.as_phone(PHONE).await;
    assert_eq!(window.overhang().await, 0, "on a phone");
    let narrowest = window.evaluate(NARROWEST).await.as_i64().unwrap();
    assert!(
        narrowest >= 100,
        "a text is squeezed into {narrowest} pixels"
    );
    window.picture(name).await;
    window.as_desktop().await;
}

pub async fn sign_in(window: &Window, address: &str, password: &str) {
    window.until_heading("Sign in").await;
    window.fill("Email", address).await;
    window.fill("Password", password).await;
    window.click("Sign in").await;
}

pub async fn sign_in_as_owner(window: &Window, mailbox: &Mailbox) {
    sign_in(window, &mailbox.sign_in_name, &mailbox.password).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_signs_in_and_the_rotation_ends_whole() {
    let test = "the_owner_signs_in_and_the_rotation_ends_whole";
    let Some(window) = chromium::session_or_say(test).await else {
        return;
    };
    let (world, mailbox) = waiting(&without_grant()).await;
    // The cookie is Secure, and this address is http: browsers take localhost for secure.
    assert!(world.callback_url.starts_with("http://localhost:"));
    window.open(&link_in(&world, ASKED)).await;
    sign_in_as_owner(&window, &mailbox).await;
    assert_eq!(window.heading().await, "Thank you, that was all");
    assert_good_page(&window, "signed_in").await;
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);

    window.open(&link_in(&world, ASKED)).await;
    assert_eq!(window.heading().await, "Nothing left to do");
    assert_good_page(&window, "nothing_left").await;
    window
        .open(&format!("{}/elsewhere", world.callback_url))
        .await;
    assert_eq!(window.heading().await, "There is nothing here");
    assert_good_page(&window, "no_such_page").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_told_and_a_private_window_meets_the_right_one() {
    let test = "another_account_is_told_and_a_private_window_meets_the_right_one";
    let Some(window) = chromium::session_or_say(test).await else {
        return;
    };
    let (world, mailbox) = waiting(&without_grant()).await;
    let colleague = ("colleague@shop.example", "Pa55~colleague");
    let person = Person::with_mailbox(colleague.0, colleague.1);
    world.directory.add_account(world.tenant(), person);
    let link = link_in(&world, ASKED);
    window.open(&link).await;
    sign_in(&window, colleague.0, colleague.1).await;
    window.until_heading("Permissions requested").await;
    window.click("Accept").await;
    assert_eq!(window.heading().await, "That was another account");
    assert_good_page(&window, "another_account").await;

    let private = window.private().await;
    private.open(&link).await;
    sign_in_as_owner(&private, &mailbox).await;
    assert_eq!(private.heading().await, "Thank you, that was all");
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_another_sign_in_name_is_told_which_was_expected() {
    let test = "an_owner_with_another_sign_in_name_is_told_which_was_expected";
    let Some(window) = chromium::session_or_say(test).await else {
        return;
    };
    let (world, mailbox) = waiting(&another_name()).await;
    window.open(&link_in(&world, ASKED)).await;
    sign_in_as_owner(&window, &mailbox).await;
    assert_eq!(window.heading().await, "Another account was expected");
    assert_good_page(&window, "another_name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_link_has_a_new_one_sent_without_scripts_and_by_keyboard() {
    let test = "an_ended_link_has_a_new_one_sent_without_scripts_and_by_keyboard";
    let Some(window) = chromium::session_or_say(test).await else {
        return;
    };
    let (world, mailbox) = waiting(&without_grant()).await;
    let ended = Forged::like(&link_in(&world, ASKED)).ending_in(-60);
    window.open(&ended.link(&world)).await;
    assert_eq!(window.heading().await, "This link has ended");
    assert_good_page(&window, "ended_link").await;
    window.without_scripts(true).await;
    window.press(Key::Tab).await;
    assert_eq!(window.focused().await, "Send a new link");
    window.press(Key::Enter).await;
    window.until_heading("A new link was asked for").await;

    window.open(&link_in(&world, ASKED)).await;
    sign_in_as_owner(&window, &mailbox).await;
    assert_eq!(window.heading().await, "Thank you, that was all");
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_granted(&world, &mailbox);
}

/// Opens a list of mailboxes on the way that ShopCtrl's help pages describe.
async fn open_list(window: &Window, world: &World, topic: &str) {
    window.open(&world.shopctrl_url).await;
    window.click("Shop orders").await;
    window.click("Settings").await;
    window.click(topic).await;
    assert_eq!(window.heading().await, topic);
}

pub async fn log_in(window: &Window, world: &World, (login, password): (&str, &str)) {
    window.open(&world.shopctrl_url).await;
    window.until_heading("Log in").await;
    window.fill("Login", login).await;
    window.fill("Password", password).await;
    window.click("Log in").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pastes_the_secret_in_shopctrls_screens() {
    let test = "a_person_pastes_the_secret_in_shopctrls_screens";
    let Some(window) = chromium::session_or_say(test).await else {
        return;
    };
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let new = NewSecret::default();
    let (_, secret) = world.directory.add_secret(mailbox.app.app_id, new).unwrap();

    log_in(&window, &world, SHOPCTRL_USER).await;
    window.click("Shop orders").await;
    assert!(!window.has("Settings").await, "not for everybody");
    let window = window.private().await;
    window.without_scripts(true).await;
    log_in(&window, &world, SHOPCTRL_ADMIN).await;

    let row = "orders@shop.example (Microsoft Graph API)";
    let directions = [
        ("Receiving email", "orders-in"),
        ("Sending email", "orders-out"),
    ];
    for (topic, id) in directions {
        open_list(&window, &world, topic).await;
        window.click(row).await;
        window.click("Edit").await;
        assert_eq!(window.heading().await, "Mailbox details");
        assert!(window.is_ticked("Enable").await);
        assert_eq!(window.value_of("Protocol").await, "graph");
        assert!(!window.has("Client Secret").await, "the pane is closed");
        window.click("Auth Parameters").await;
        assert_eq!(window.value_of("Status").await, "Authorized");
        // Typed into a field that shows it, copied, and pasted: as from another page.
        let address = window.value_of("E-mail address").await;
        window.fill("E-mail address", &secret).await;
        window.copy_from("E-mail address").await;
        window.fill("E-mail address", &address).await;
        window.paste_into("Client Secret").await;
        assert_eq!(window.value_of("Client Secret").await, secret);
        window.click("Save and Authorize").await;
        assert!(window.text().await.contains("other tabs will be lost"));
        window.click("Yes").await;
        // Signed in once, the person is not asked for the second direction.
        if topic == "Receiving email" {
            sign_in_as_owner(&window, &mailbox).await;
        }
        window.until_heading("Success").await;
        assert!(window.text().await.contains(&mailbox.address));
        window.click("Back to Shop Settings").await;
        assert_eq!(window.heading().await, topic);
        let held = world.shopctrl.connection(mailbox.shop_id, id).unwrap();
        assert_eq!(held.secret.as_ref(), Some(&secret));
        assert_eq!(held.status, Status::Authorized);
    }

    window.click("Send test mail").await;
    window.fill("E-mail address", "me@agency.example").await;
    window.click("Send").await;
    assert!(window.text().await.contains("The test mail was sent."));
    let sent = world.shopctrl.sent_mail();
    assert_eq!(sent.last().unwrap().went_to, "me@agency.example");
    open_list(&window, &world, "Receiving email").await;
    window.click("Test MailBox").await;
    assert_eq!(window.heading().await, "Select a mailbox");
    window.click("OK").await;
    window.click(row).await;
    window.click("Test MailBox").await;
    assert!(window.text().await.contains("The connection works."));
}
