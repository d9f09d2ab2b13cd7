//! Our pages and ShopCtrl's in a real browser, as a person meets them.

use simulators::microsoft::directory::account::Person;
use simulators::microsoft::directory::application::NewSecret;
use simulators::shopctrl::Status;
use simulators::world::{SHOPCTRL_ADMIN, SHOPCTRL_USER, World};

use crate::support::Scenario;
use crate::support::chromium::pages::{assert_good_page, log_in, sign_in, sign_in_as_owner};
use crate::support::chromium::{self, Key, Window};
use crate::support::scenario::{another_name, without_grant};
use crate::support::tickets::Forged;

const ASKED: &str = "Authorization Required";
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_signs_in_and_the_rotation_ends_whole() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    // The cookie is Secure, and this address is http: browsers take localhost for secure.
    assert!(scenario.world.callback_url.starts_with("http://localhost:"));
    window.open(&scenario.link_in(ASKED)).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    assert_eq!(window.heading().await, "Thank you, that was all");
    assert_good_page(&window, "signed_in").await;
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();

    window.open(&scenario.link_in(ASKED)).await;
    assert_eq!(window.heading().await, "Nothing left to do");
    assert_good_page(&window, "nothing_left").await;
    window
        .open(&format!("{}/elsewhere", scenario.world.callback_url))
        .await;
    assert_eq!(window.heading().await, "There is nothing here");
    assert_good_page(&window, "no_such_page").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_is_told_and_a_private_window_meets_the_right_one() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let colleague = ("colleague@shop.example", "Pa55~colleague");
    let person = Person::with_mailbox(colleague.0, colleague.1);
    scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), person);
    let link = scenario.link_in(ASKED);
    window.open(&link).await;
    sign_in(&window, colleague.0, colleague.1).await;
    window.until_heading("Permissions requested").await;
    window.click("Accept").await;
    assert_eq!(window.heading().await, "That was another account");
    assert_good_page(&window, "another_account").await;

    let private = window.private().await;
    private.open(&link).await;
    sign_in_as_owner(&private, &scenario.mailbox).await;
    assert_eq!(private.heading().await, "Thank you, that was all");
    scenario.settled().await;
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_another_sign_in_name_is_told_which_was_expected() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_owner(&another_name()).await;
    window.open(&scenario.link_in(ASKED)).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    assert_eq!(window.heading().await, "Another account was expected");
    assert_good_page(&window, "another_name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_link_has_a_new_one_sent_without_scripts_and_by_keyboard() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let at_once = [("ASK_AGAIN_AFTER", "PT0S")];
    let scenario = Scenario::with_settings(&at_once, &without_grant()).await;
    scenario.start_to_wait().await;
    let ended = Forged::like(&scenario.link_in(ASKED)).ending_in(-60);
    window.open(&ended.link(&scenario.world)).await;
    assert_eq!(window.heading().await, "This link has ended");
    assert_good_page(&window, "ended_link").await;
    window.without_scripts(true).await;
    window.press(Key::Tab).await;
    assert_eq!(window.focused().await, "Send a new link");
    window.press(Key::Enter).await;
    window.until_heading("A new link was sent").await;

    window.open(&scenario.link_in(ASKED)).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    assert_eq!(window.heading().await, "Thank you, that was all");
    scenario.settled().await;
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_an_end_is_that_end_and_dead_links_say_what_to_do() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let forged = Forged::like(&link);
    let reload = async |heading: &str| {
        window
            .evaluate("document.querySelector('h1').remove()")
            .await;
        window.evaluate("location.reload()").await;
        window.until_heading(heading).await;
        assert!(!window.url().await.contains('?'), "{}", window.url().await);
    };
    let ended = forged.clone().ending_in(-60).link(&scenario.world);
    window.open(&ended).await;
    window.click("Send a new link").await;
    let shortly_before = "A link was sent a short while ago";
    window.until_heading(shortly_before).await;
    assert_good_page(&window, "asked_shortly_before").await;
    reload(shortly_before).await;

    let others = forged
        .clone()
        .signed_with("another-key-of-more-than-32-characters");
    let old = forged.ending_in(-31 * 86_400);
    for (dead, heading, name) in [
        (
            others,
            "This link does not work any more",
            "link_of_another_key",
        ),
        (old, "This link is too old", "link_of_long_ago"),
    ] {
        window.open(&dead.link(&scenario.world)).await;
        assert_eq!(window.heading().await, heading);
        assert_good_page(&window, name).await;
    }

    window.open(&link).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    assert_eq!(window.heading().await, "Thank you, that was all");
    reload("Thank you, that was all").await;
    scenario.settled().await;
    scenario.assert_granted();
    assert_eq!(scenario.details("Client Secret Rotated").len(), 1);
}

/// Opens a list of mailboxes on the way that ShopCtrl's help pages describe.
async fn open_list(window: &Window, world: &World, topic: &str) {
    window.open(&world.shopctrl_url).await;
    window.click("Shop orders").await;
    window.click("Settings").await;
    window.click(topic).await;
    assert_eq!(window.heading().await, topic);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pastes_the_secret_in_shopctrls_screens() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::begin().await;
    let new = NewSecret::default();
    let (_, secret) = scenario
        .world
        .directory
        .add_secret(scenario.mailbox.app.app_id, new)
        .unwrap();

    log_in(&window, &scenario.world, SHOPCTRL_USER).await;
    window.click("Shop orders").await;
    assert!(!window.has("Settings").await, "not for everybody");
    let window = window.private().await;
    window.without_scripts(true).await;
    log_in(&window, &scenario.world, SHOPCTRL_ADMIN).await;

    let row = "1 (Microsoft Graph API)";
    let directions = [
        ("Receiving email", "orders-in"),
        ("Sending email", "orders-out"),
    ];
    for (topic, id) in directions {
        open_list(&window, &scenario.world, topic).await;
        window.click(row).await;
        window.click("Edit").await;
        assert_eq!(window.heading().await, "Mailbox details");
        assert!(window.is_ticked("Enable").await);
        assert_eq!(window.value_of("Protocol").await, "graph");
        assert!(!window.has("Client Secret").await, "the pane is closed");
        window.click("Auth Parameters").await;
        assert_eq!(window.value_of("Status").await, "Authorized");
        // Typed into a field that shows it, copied, and pasted: as from another page.
        let client_id = window.value_of("Client ID").await;
        window.fill("Client ID", &secret).await;
        window.copy_from("Client ID").await;
        window.fill("Client ID", &client_id).await;
        window.paste_into("Client Secret").await;
        assert_eq!(window.value_of("Client Secret").await, secret);
        window.click("Save and Authorize").await;
        assert!(window.text().await.contains("other tabs will be lost"));
        window.click("Yes").await;
        // Signed in once, the person is not asked for the second direction.
        if topic == "Receiving email" {
            sign_in_as_owner(&window, &scenario.mailbox).await;
        }
        window.until_heading("Success").await;
        assert!(window.text().await.contains(&scenario.mailbox.address));
        window.click("Back to Shop Settings").await;
        assert_eq!(window.heading().await, "Mailbox details");
        assert_eq!(window.value_of("Status").await, "Authorized");
        window.click("Ok").await;
        assert_eq!(window.heading().await, topic);
        let held = scenario
            .world
            .shopctrl
            .connection(scenario.mailbox.shop_id, id)
            .unwrap();
        assert_eq!(held.secret.as_ref(), Some(&secret));
        assert_eq!(held.status, Status::Authorized);
    }

    window.click("Send test mail").await;
    window.fill("E-mail address", "me@agency.example").await;
    window.click("Send").await;
    assert!(window.text().await.contains("The test mail was sent."));
    let sent = scenario.world.shopctrl.sent_mail();
    assert_eq!(sent.last().unwrap().went_to, "me@agency.example");
    open_list(&window, &scenario.world, "Receiving email").await;
    window.click("Test MailBox").await;
    assert_eq!(window.heading().await, "Select a mailbox");
    window.click("OK").await;
    window.click(row).await;
    window.click("Test MailBox").await;
    assert!(window.text().await.contains("The connection works."));
}
