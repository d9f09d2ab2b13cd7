//! The screen between the hand-over and its end.

use shared::ticket::Purpose;

/// Where other accounts' connections wait too.
pub(crate) const OTHERS_WAIT: &str = "Another mailbox of this shop has its own link, which was sent too: it has to be handed over as well before all is done.";
/// On the button that loads the page again.
pub(crate) const LOOK_AGAIN: &str = "Look again";

pub(crate) fn title(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Rotate => "Thank you: now it is proved",
        Purpose::Connect => "Thank you, that was all",
    }
}

pub(crate) fn what_happens(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Rotate => {
            "You have done your part. The new client secret is being tested, and ShopCtrl's next check of the mail is waited for. That takes some minutes; you may leave this page open or close it."
        }
        Purpose::Connect => {
            "ShopCtrl gets its client secret by itself at the next check, within some hours. You can close this page."
        }
    }
}
