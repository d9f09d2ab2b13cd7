//! What several pages are made of.

use maud::{Markup, html};
use shared::ids::MailboxAddress;
use shared::mailbox_secret::Connection;

use super::words::common::{self, COPIED, COPY};
use crate::hand_over::statement;
use crate::session::signed_in::{FORM, SignedIn};

/// A value to be copied, with its label. The button appears where JavaScript makes it work.
pub(crate) fn copied(id: &str, label: &str, value: &str) -> Markup {
    html! {
        div.value {
            label for=(id) { (label) }
            div.row {
                input id=(id) value=(value) readonly autocomplete="off" spellcheck="false";
                button.small type="button" hidden data-copy=(id) data-done=(COPIED) aria-label={ (COPY) " " (label) } { (COPY) }
            }
        }
    }
}

/// A text in which what stands between pairs of `**` is a label of ShopCtrl's or Microsoft's.
pub(crate) fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split("**").enumerate() {
            @if at % 2 == 1 { b { (part) } } @else { (part) }
        }
    }
}

/// Which shop and which mailbox a page is about.
pub(crate) fn shop_and_mailbox(connections: &[&Connection], mailbox: &MailboxAddress) -> Markup {
    html! {
        dl { @for (term, what) in common::shop_and_mailbox(connections, mailbox) { dt { (term) } dd { (what) } } }
    }
}

/// What ties a form to its session, and to the connection that it is about.
pub(crate) fn form_fields(session: &SignedIn, connection: &Connection) -> Markup {
    html! {
        input type="hidden" name=(FORM) value=(session.form);
        input type="hidden" name=(statement::CONNECTION) value=(connection.id);
    }
}
