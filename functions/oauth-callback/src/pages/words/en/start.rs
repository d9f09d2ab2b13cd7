//! The first screen of a hand-over.

use jiff::Timestamp;
use shared::mailbox_secret::{Connection, Delivery, Direction, RestsOn, SignInName};
use shared::ticket::Purpose;

use super::common::day;

pub(crate) fn title(ended: bool) -> &'static str {
    if ended {
        "The shop's mail stands still"
    } else {
        "The shop's mail needs you"
    }
}

pub(crate) fn why_now(purpose: Purpose, ends: Option<Timestamp>, ended: bool) -> String {
    if purpose == Purpose::Connect {
        return "ShopCtrl shows that it is not authorized for this mailbox, and wants the sign-in of its owner. Until then no mail flows where it does.".to_owned();
    }
    let Some(ends) = ends else {
        return "A new client secret, with which ShopCtrl reaches this mailbox, is ready. Until you have handed it over, mail goes on with the old one. Nobody knows when that one ends, so please do not wait.".to_owned();
    };
    if ended {
        return format!(
            "The client secret with which ShopCtrl reaches this mailbox ended on {}, and mail has stood still since then. A new one is ready.",
            day(ends)
        );
    }
    format!(
        "The client secret with which ShopCtrl reaches this mailbox ends on {}, and then mail would stop. A new one is ready; until you have handed it over, mail goes on with the old one.",
        day(ends)
    )
}

/// Over the list of what is asked.
pub(crate) const WHAT_IS_ASKED: &str = "What you are asked to do";

pub(crate) fn what_is_asked(
    name: &SignInName,
    connections: &[&Connection],
    enters: bool,
) -> Vec<String> {
    let sign_in =
        format!("Sign in at Microsoft as **{name}**, the shop's mailbox, and not as yourself.");
    if !enters {
        return vec![
            sign_in,
            "Let ShopCtrl sign in as this mailbox once more, by a button on the next page."
                .to_owned(),
        ];
    }
    let has = |direction| {
        let mut attended = connections
            .iter()
            .filter(|c| c.delivery == Delivery::Attended);
        attended.any(|c| c.direction == direction)
    };
    let place = match (has(Direction::Receiving), has(Direction::Sending)) {
        (true, false) => "for receiving",
        (false, true) => "for sending",
        _ => "first for receiving, then for sending",
    };
    vec![
        sign_in,
        format!(
            "Enter the new client secret in ShopCtrl, {place}. The next page shows each step and has everything to copy."
        ),
        "Say what ShopCtrl shows. This page then looks whether mail flows, and tells you when it is done."
            .to_owned(),
    ]
}

/// What has to be at hand.
pub(crate) fn what_is_needed(name: &SignInName) -> String {
    format!(
        "You need the password of {name}, and a ShopCtrl user with Shop owner admin permissions. It takes about ten minutes."
    )
}

/// Over the word on private windows.
pub(crate) const PRIVATE_WINDOW: &str = "Open this in a private window";
/// Why, and how.
pub(crate) const WHY_PRIVATE: &str = "Else Microsoft may sign you in with your own account without asking. In Chrome press **Ctrl+Shift+N** (on a Mac **\u{2318}+Shift+N**) and paste this link there:";
/// Over the page's own link.
pub(crate) const THIS_LINK: &str = "This page's link";

/// On the button of the first screen.
pub(crate) fn sign_in_as(name: &SignInName) -> String {
    format!("Sign in as {name}")
}

/// For who reads this page again because Microsoft's did not lead on.
pub(crate) const NEVER_CAME_BACK: &str = "Microsoft shows an error and does not lead back here?";

/// What to do then. Entra shows a wrong redirect URI and most errors of a registration on its own page
/// (reply-url.md; RFC 6749, 4.1.2.1).
pub(crate) fn never_came_back(name: &SignInName) -> String {
    let unknown = match name.rests_on() {
        RestsOn::Addresses => String::new(),
        RestsOn::AddressAlone | RestsOn::SignInAs => format!(
            " If Microsoft does not know {name}, the mailbox's account has another sign-in name: the setting sign_in_as in the mailbox document is for it."
        ),
    };
    format!(
        "Then the app registration has to be set right by an administrator of Microsoft 365. If the page says AADSTS50011, this redirect URI (platform Web) is missing in it; for any other number pass that number on.{unknown} Afterwards open this link again."
    )
}

/// Over the redirect URI.
pub(crate) const REDIRECT_URI: &str = "Redirect URI";
