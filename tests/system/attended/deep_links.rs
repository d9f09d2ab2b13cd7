//! The hand-over that begins at ShopCtrl's deep links, in a real browser.

use simulators::shopctrl::habits::{BackTo, ScreenHabits};
use simulators::world::{MailboxPlan, SHOPCTRL_ADMIN};

use super::{
    PROVING, SENDING, begin, copy_secret, edit, paste_and_authorize, say_authorized,
    send_test_mail, until_promoted,
};
use crate::support::Scenario;
use crate::support::chromium;
use crate::support::chromium::pages::{assert_good_page, fill_in_login};
use crate::support::hand_over::attended;

#[tokio::test(flavor = "multi_thread")]
async fn deep_links_lead_straight_to_both_topics_whatever_the_screens_leave_open() {
    let Some(first) = chromium::session_or_say().await else {
        return;
    };
    for (back_to, login_keeps_link) in [(BackTo::MailboxDetails, true), (BackTo::List, false)] {
        let plan = MailboxPlan {
            settings_links: true,
            ..attended()
        };
        let scenario = Scenario::waiting_for_hand_over(&plan).await;
        scenario.world.shopctrl.set_screen_habits(ScreenHabits {
            back_to,
            login_keeps_link,
        });
        let window = first.private().await;
        begin(&window, &scenario).await;
        assert!(!window.text().await.contains("Sales Channels"));
        assert_good_page(&window, "hand_over_receiving_linked").await;
        let secret = scenario.pending_secret();
        let host = scenario.world.shopctrl_url.split("://").last().unwrap();
        let open = format!("open Receiving email at {host}");
        window.click(&open).await;
        window.in_tab(1).await;
        fill_in_login(&window, SHOPCTRL_ADMIN).await;
        if !login_keeps_link {
            window.until_heading("ShopCtrl").await;
            window.in_tab(0).await;
            window.click(&open).await;
            window.in_tab(2).await;
        }
        window.until_heading("Receiving email").await;
        let shop = if login_keeps_link { 1 } else { 2 };
        edit(&window).await;
        copy_secret(&window, &secret).await;
        window.in_tab(shop).await;
        paste_and_authorize(&window, &scenario, &secret).await;
        say_authorized(&window, SENDING).await;
        assert_good_page(&window, "hand_over_sending_linked").await;
        window.click(&format!("open Sending email at {host}")).await;
        window.in_tab(shop + 1).await;
        window.until_heading("Sending email").await;
        edit(&window).await;
        paste_and_authorize(&window, &scenario, &secret).await;
        send_test_mail(&window, &scenario).await;
        say_authorized(&window, PROVING).await;
        until_promoted(&window, &scenario).await;
        scenario.assert_whole();
    }
}
