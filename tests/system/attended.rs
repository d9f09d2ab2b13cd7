//! The attended hand-over in a real browser: a person between our pages, Microsoft's and ShopCtrl's.

mod deep_links;

use std::collections::BTreeSet;

use simulators::microsoft::directory::account::ConsentPolicy;
use simulators::microsoft::directory::sign_in::Decision;
use simulators::world::{Mailbox, MailboxPlan, SHOPCTRL_ADMIN};

use crate::support::Scenario;
use crate::support::attempts::{Attempt, attempts, clear_the_way, invite, quotes_microsoft};
use crate::support::chromium::pages::{assert_good_page, log_in, sign_in, sign_in_as_owner};
use crate::support::chromium::{self, Key, Window};
use crate::support::hand_over::{ASKED, attended};

const RECEIVING: &str = "Receiving mail: enter the new client secret";
const SENDING: &str = "Sending mail: enter the new client secret";
const PROVING: &str = "Thank you: now it is proved";
const DONE: &str = "Done: mail goes on with the new secret";

fn link(scenario: &Scenario) -> String {
    let asks = scenario.details(ASKED);
    asks.last().unwrap()["link"].as_str().unwrap().to_owned()
}

/// From the link to Microsoft's sign-in.
async fn go_to_sign_in(window: &Window, scenario: &Scenario) {
    window.open(&link(scenario)).await;
    window
        .click(&format!("Sign in as {}", scenario.mailbox.address))
        .await;
}

/// From the link to the first connection's steps.
async fn begin(window: &Window, scenario: &Scenario) {
    go_to_sign_in(window, scenario).await;
    sign_in_as_owner(window, &scenario.mailbox).await;
    window.until_heading(RECEIVING).await;
}

/// In ShopCtrl, logged in: to the connection's Auth Parameters.
async fn find_connection(window: &Window, scenario: &Scenario, topic: &str) {
    window.open(&scenario.world.shopctrl_url).await;
    window.click("Shop orders").await;
    window.click("Settings").await;
    window.click(topic).await;
    edit(window).await;
}

/// From the list to the one connection's Auth Parameters.
async fn edit(window: &Window) {
    window.click("1 (Microsoft Graph API)").await;
    window.click("Edit").await;
    window.click("Auth Parameters").await;
}

/// Save and Authorize, confirmed; Microsoft meets the account that has just signed in.
async fn save_and_authorize(window: &Window, mailbox: &Mailbox) {
    window.click("Save and Authorize").await;
    window.click("Yes").await;
    window.until_heading("Success").await;
    assert!(window.text().await.contains(&mailbox.address));
    window.click("Back to Shop Settings").await;
}

/// What ShopCtrl's Status shows, wherever *Back to Shop Settings* led to.
async fn status(window: &Window) -> String {
    if window.heading().await != "Mailbox details" {
        edit(window).await;
    }
    window.value_of("Status").await
}

/// On our page: shows the secret and copies it.
async fn copy_secret(window: &Window, secret: &str) {
    window.in_tab(0).await;
    window.click("Show").await;
    assert_eq!(window.value_of("Client Secret").await, secret);
    window.click("Copy Client Secret").await;
}

/// In ShopCtrl, at the connection's Auth Parameters.
async fn paste_and_authorize(window: &Window, scenario: &Scenario, secret: &str) {
    window.paste_into("Client Secret").await;
    assert_eq!(window.value_of("Client Secret").await, secret, "copied");
    save_and_authorize(window, &scenario.mailbox).await;
    assert_eq!(status(window).await, "Authorized");
}

/// From Mailbox details.
async fn send_test_mail(window: &Window, scenario: &Scenario) {
    window.click("Ok").await;
    window.click("Send test mail").await;
    window
        .fill("E-mail address", &scenario.mailbox.address)
        .await;
    window.click("Send").await;
}

/// On our page: what ShopCtrl shows, until the next page is there.
async fn say_authorized(window: &Window, next: &str) {
    window.in_tab(0).await;
    window.click("Status shows Authorized").await;
    window.until_heading(next).await;
}

async fn until_promoted(window: &Window, scenario: &Scenario) {
    scenario.settled().await;
    window.click("Look again").await;
    window.until_heading(DONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_the_whole_way_with_one_link() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    window.open(&link(&scenario)).await;
    assert_eq!(window.heading().await, "The shop's mail needs you");
    assert_eq!(window.value_of("This page's link").await, link(&scenario));
    window
        .click("Microsoft shows an error and does not lead back here?")
        .await;
    let redirect_uri = format!("{}/callback", scenario.world.callback_url);
    assert_eq!(window.value_of("Redirect URI").await, redirect_uri);
    assert_good_page(&window, "hand_over_start").await;
    begin(&window, &scenario).await;
    assert_good_page(&window, "hand_over_receiving").await;
    let secret = scenario.pending_secret();
    assert!(!window.text().await.contains(&secret), "covered");

    // The link opens ShopCtrl beside our page.
    let host = scenario.world.shopctrl_url.split("://").last().unwrap();
    window.click(&format!("open ShopCtrl at {host}")).await;
    window.in_tab(1).await;
    log_in(&window, &scenario.world, SHOPCTRL_ADMIN).await;
    find_connection(&window, &scenario, "Receiving email").await;
    copy_secret(&window, &secret).await;
    assert_good_page(&window, "hand_over_shown").await;
    window.in_tab(1).await;
    paste_and_authorize(&window, &scenario, &secret).await;
    say_authorized(&window, SENDING).await;
    assert_good_page(&window, "hand_over_sending").await;

    // The secret is in the clipboard yet.
    window.in_tab(1).await;
    find_connection(&window, &scenario, "Sending email").await;
    paste_and_authorize(&window, &scenario, &secret).await;
    send_test_mail(&window, &scenario).await;
    say_authorized(&window, PROVING).await;
    assert_good_page(&window, "hand_over_proving").await;
    until_promoted(&window, &scenario).await;
    assert_good_page(&window, "hand_over_done").await;
    let text = window.text().await;
    assert!(text.contains("The test mail has arrived."), "{text}");
    assert!(
        window
            .has("Put these dates into my calendar (a file)")
            .await
    );
    scenario.assert_whole();
    scenario.assert_granted();
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_on_a_phone_without_scripts_goes_the_same_way_by_keyboard() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    window.as_phone(360).await;
    window.without_scripts(true).await;
    begin(&window, &scenario).await;
    assert!(
        !window.has("Copy Tenant ID").await,
        "a button that would do nothing"
    );
    let secret = scenario.pending_secret();
    for (id, steps, next) in [
        ("orders-in", RECEIVING, SENDING),
        ("orders-out", SENDING, PROVING),
    ] {
        tab_to(&window, "Show").await;
        window.press(Key::Enter).await;
        window.until_heading(steps).await;
        window
            .until("the secret is shown", || async {
                window.has("Client Secret").await
            })
            .await;
        let shown = window.value_of("Client Secret").await;
        assert_eq!(shown, secret);
        assert_eq!(window.overhang().await, 0);
        scenario.paste(id, &shown);
        tab_to(&window, "Status shows Authorized").await;
        window.press(Key::Enter).await;
        window.until_heading(next).await;
    }
    until_promoted(&window, &scenario).await;
    scenario.assert_whole();
}

/// Presses Tab until the focus is there; every control is reached, and in order.
async fn tab_to(window: &Window, name: &str) {
    for _ in 0..30 {
        if window.focused().await == name {
            return;
        }
        window.press(Key::Tab).await;
    }
    panic!("{name} is not reached with Tab");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_is_seen_said_and_mended() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    begin(&window, &scenario).await;
    window.new_tab().await;
    log_in(&window, &scenario.world, SHOPCTRL_ADMIN).await;
    find_connection(&window, &scenario, "Receiving email").await;
    window.fill("Client Secret", "the wrong value").await;
    window.click("Save and Authorize").await;
    window.click("Yes").await;
    window.until_heading("Access was not granted").await;
    window.in_tab(0).await;
    window.click("It shows something else").await;
    window.until_heading(RECEIVING).await;
    let text = window.text().await;
    for hint in [
        "That did not work yet",
        "the whole value",
        "Enable",
        "Check mail",
    ] {
        assert!(text.contains(hint), "{hint} in {text}");
    }
    assert_good_page(&window, "hand_over_failed").await;
    assert_eq!(scenario.current_key(), scenario.mailbox.first_key);
    let said = scenario.details("Hand-over Attested");
    assert_eq!(said[0]["state"], "failed");

    window.click("Show").await;
    let secret = window.value_of("Client Secret").await;
    scenario.paste("orders-in", &secret);
    window.click("Status shows Authorized").await;
    window.until_heading(SENDING).await;
    assert!(!window.text().await.contains("That did not work yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_pastes_nothing_and_closes_the_page_has_not_handed_over() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    begin(&window, &scenario).await;
    window.click("Show").await;
    drop(window);
    scenario.check().await;
    assert_eq!(scenario.world.shopctrl.outages(), vec![], "mail flows");
    assert_eq!(
        scenario.current_key(),
        scenario.mailbox.first_key,
        "and yet"
    );
    assert!(scenario.details("Client Secret Rotated").is_empty());
    assert!(scenario.details("Hand-over Attested").is_empty());
    assert_eq!(scenario.details(ASKED).len(), 1, "asked once");

    // Back another day, with the same link.
    let window = chromium::session_or_say().await.unwrap();
    begin(&window, &scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_see_the_secret_is_told_how_it_is_read() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let plan = MailboxPlan {
        reveal_to_owner: false,
        ..attended()
    };
    let scenario = Scenario::waiting_for_hand_over(&plan).await;
    begin(&window, &scenario).await;
    assert!(!window.has("Show").await);
    let command = window
        .value_of("Command for a person with access to AWS")
        .await;
    assert!(command.contains(&scenario.mailbox.arn), "{command}");
    let text = window.text().await;
    assert!(text.contains(&scenario.mailbox.oid.to_string()), "{text}");
    assert_good_page(&window, "hand_over_not_revealed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_needs_an_administrators_approval_gets_the_link_to_pass_on() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let (directory, app) = (&scenario.world.directory, scenario.mailbox.app.app_id);
    directory.withdraw_consent(scenario.mailbox.oid, app);
    directory.set_consent_policy(scenario.world.tenant(), ConsentPolicy::Admins);
    go_to_sign_in(&window, &scenario).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    // Where the person goes on from is Microsoft's own page.
    window.until_heading("Need admin approval").await;
    window
        .click("Return to the application without granting consent")
        .await;
    window.until_heading("An administrator has to agree").await;
    let consent = window
        .value_of("Link for an administrator of Microsoft 365")
        .await;
    assert!(
        consent.contains("/v2.0/adminconsent?client_id="),
        "{consent}"
    );
    assert!(consent.contains(&scenario.world.tenant().to_string()));
    assert_good_page(&window, "admin_approval").await;
    for (query, heading) in [
        (
            "admin_consent=True&tenant=x&state=admin-consent",
            "Thank you",
        ),
        (
            "admin_consent=True&error=consent_required&error_description=AADSTS65004",
            "The permission was not granted",
        ),
    ] {
        window
            .open(&format!("{}/callback?{query}", scenario.world.callback_url))
            .await;
        assert_eq!(window.heading().await, heading);
        assert!(!quotes_microsoft(&window.text().await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_sign_in_leads_back_to_microsofts_form() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    let admin = ("admin@shop.example", "Pa55~admin");
    let person = simulators::microsoft::directory::account::Person::with_mailbox(admin.0, admin.1);
    scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), person);
    go_to_sign_in(&window, &scenario).await;
    sign_in(&window, admin.0, admin.1).await;
    if window.has("Accept").await {
        window.click("Accept").await;
    }
    window.until_heading("That was another account").await;
    window.click("Sign in again").await;
    // Asked anew, though somebody is signed in.
    sign_in_as_owner(&window, &scenario.mailbox).await;
    window.until_heading(RECEIVING).await;
}

/// Goes on at Microsoft as somebody who does not get any further, until a page of ours comes.
async fn give_in(window: &Window, scenario: &Scenario, decision: Decision) {
    for _ in 0..4 {
        if window.url().await.starts_with(&scenario.world.callback_url) {
            return;
        }
        let ways = match decision {
            Decision::Accept => ["Accept", "Return to the application"],
            Decision::Cancel => ["Cancel", "Return to the application"],
        };
        let ways = ways
            .into_iter()
            .chain(["Return to the application without granting consent", "Back"]);
        for way in ways {
            if window.has(way).await {
                window.click(way).await;
                break;
            }
        }
    }
    panic!("it ends at Microsoft: {}", window.text().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sign_in_that_fails_ends_on_a_page_that_everybody_can_use_with_a_way_on() {
    let Some(first) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    invite(&scenario.world);
    scenario.world.directory.set_refusals_redirect(true);
    let mut seen = BTreeSet::new();
    // There is one mailbox in this world.
    let here = |attempt: &Attempt| attempt.address != "sales@shop.example";
    for attempt in attempts().into_iter().filter(here) {
        (attempt.prepare)(&scenario);
        let window = first.private().await;
        go_to_sign_in(&window, &scenario).await;
        let owner = attempt.address == scenario.mailbox.address;
        let password = if owner {
            scenario.mailbox.password.as_str()
        } else {
            "Pa55~somebody"
        };
        sign_in(&window, attempt.address, password).await;
        give_in(&window, &scenario, attempt.decision).await;
        let reference = window
            .evaluate("return document.querySelector('.reference code').textContent")
            .await;
        let lines = scenario.log_of_reference(reference.as_str().unwrap()).await;
        let outcome = lines.iter().find_map(|line| line["outcome"].as_str());
        let (_, expected) = attempt.expected;
        assert_eq!(outcome, Some(expected), "{}", attempt.what);
        assert!(window.has("Sign in again").await, "{}", attempt.what);
        assert!(!quotes_microsoft(&window.text().await));
        if seen.insert(expected) {
            assert_good_page(&window, &format!("sign_in_{expected}")).await;
        }
        clear_the_way(&scenario);
        let consents = "openid profile offline_access User.Read Mail.Read Mail.Send";
        scenario.world.directory.consent(
            scenario.mailbox.oid,
            scenario.mailbox.app.app_id,
            consents,
        );
    }
    assert!(seen.len() >= 9, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_that_is_not_completed_is_told_and_one_that_is_leads_on() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    scenario
        .world
        .directory
        .change_account(scenario.mailbox.oid, |person| {
            person.second_factor = Some("123456".to_owned());
        });
    go_to_sign_in(&window, &scenario).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    window.until_heading("Enter code").await;
    window.click("Cancel").await;
    assert!(window.url().await.starts_with(&scenario.world.callback_url));
    assert_good_page(&window, "second_factor_not_completed").await;
    assert!(window.has("Sign in again").await);

    let window = window.private().await;
    go_to_sign_in(&window, &scenario).await;
    sign_in_as_owner(&window, &scenario.mailbox).await;
    window.until_heading("Enter code").await;
    window
        .fill("Code from your authenticator app", "123456")
        .await;
    window.click("Verify").await;
    window.until_heading(RECEIVING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_left_at_microsoft_by_a_missing_redirect_uri_finds_it_on_the_first_page() {
    let Some(window) = chromium::session_or_say().await else {
        return;
    };
    let scenario = Scenario::waiting_for_hand_over(&attended()).await;
    scenario.change_app(|app| {
        app.redirect_uris.clear();
    });
    go_to_sign_in(&window, &scenario).await;
    assert!(!window.url().await.starts_with(&scenario.world.callback_url));
    assert!(window.text().await.contains("AADSTS50011"));
    assert!(!window.has("Return to the application").await);
    window.open(&link(&scenario)).await;
    window
        .click("Microsoft shows an error and does not lead back here?")
        .await;
    assert!(window.text().await.contains("AADSTS50011"));
    let missing = window.value_of("Redirect URI").await;
    assert_eq!(missing, format!("{}/callback", scenario.world.callback_url));
    let app = window.value_of("Client ID").await;
    assert_eq!(app, scenario.mailbox.app.app_id.to_string());
}
