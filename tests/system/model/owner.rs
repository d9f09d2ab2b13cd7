//! The mailbox's owner: opens the newest link, signs in, and goes as far as they go, on our pages and
//! at ShopCtrl's screens.

use simulators::world::Mailbox;
use uuid::Uuid;

use super::ModelWorld;
use super::deeds::hand_over;
use super::schedule::Owner;
use crate::support::hand_over::field;
use crate::support::visitor::Visitor;
use simulators::browser::{Browser, Page};

/// The events that ask a person for something.
pub const ASKS: [&str; 3] = [
    "Hand-over Required",
    "Authorization Required",
    "Grant Expiring",
];

/// Opens the newest link. `says` is told each statement before it is made: that this connection, by
/// ShopCtrl's screen, is Authorized with this credential's secret.
pub async fn visit(
    world: &ModelWorld,
    mailbox: &Mailbox,
    browser: Browser,
    how: Owner,
    mut says: impl FnMut(&str, Uuid),
) {
    let Some(link) = newest_link(world, mailbox) else {
        return;
    };
    let mut visitor = Visitor::at(browser, &world.callback_url);
    let Some(mut page) = sign_in(&mut visitor, &link, mailbox).await else {
        return;
    };
    let ids = [("Receiving", "orders-in"), ("Sending", "orders-out")];
    for (heading, id) in ids {
        if !page.heading().starts_with(heading) {
            continue;
        }
        if !page.has_form("/reveal#secret") {
            page = authorize(world, mailbox, &mut visitor, page).await;
            continue;
        }
        let shown = visitor.press(&page, "/reveal#secret", &[]).await;
        let secret = field(&shown, "client-secret");
        let Some(secret) = secret.filter(|_| how != Owner::Looks) else {
            return;
        };
        let authorized = hand_over(world, mailbox, id, &secret);
        if !authorized || how == Owner::SaysItFails {
            visitor.press(&shown, "/attest", &[("said", "other")]).await;
            return;
        }
        if let Some(credential) = world.directory.credential_with_value(&secret) {
            says(id, credential.key_id);
        }
        let said = [("said", "authorized")];
        page = visitor.press(&shown, "/attest", &said).await;
        if how == Owner::StopsHalfWay {
            return;
        }
    }
}

fn newest_link(world: &ModelWorld, mailbox: &Mailbox) -> Option<String> {
    let events = world.event_bridge.events();
    let mut asks = events.iter().rev().filter(|event| {
        let kind = event["detail-type"].as_str().unwrap_or_default();
        ASKS.contains(&kind) && event["detail"]["secret"] == mailbox.secret.as_str()
    });
    Some(asks.next()?["detail"]["link"].as_str()?.to_owned())
}

/// A hand-over's link leads to our first page, any other one straight to Microsoft.
async fn sign_in(visitor: &mut Visitor, link: &str, mailbox: &Mailbox) -> Option<Page> {
    let mut link = link.to_owned();
    if link.contains("/start?") {
        link = visitor.open(&link).await.way_on()?;
    }
    Some(visitor.sign_in_as_owner(&link, mailbox).await)
}

/// ShopCtrl has the secret, and wants its own sign-in.
async fn authorize(
    world: &ModelWorld,
    mailbox: &Mailbox,
    visitor: &mut Visitor,
    page: Page,
) -> Page {
    let (Some(url), true) = (page.way_on(), page.has_form("/attest")) else {
        return page;
    };
    match world.shopctrl.follow(&url, &mailbox.address) {
        Ok(()) => {
            let said = [("said", "authorized")];
            visitor.press(&page, "/attest", &said).await
        }
        Err(_) => page,
    }
}
