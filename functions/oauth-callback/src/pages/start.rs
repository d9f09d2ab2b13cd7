//! *Start*: which shop, which mailbox, why now, what will be asked.

use jiff::Timestamp;
use maud::html;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::ticket::{Purpose, Ticket};

use super::frame::Page;
use super::parts::{copied, marked, shop_and_mailbox};
use super::words::common::CLIENT_ID;
use super::words::start as words;
use crate::route::Route;

pub(crate) struct Start<'a> {
    pub ticket: &'a Ticket,
    /// The ticket as text.
    pub text: &'a str,
    pub document: &'a MailboxSecret,
    /// When the current secret ends, where that is known.
    pub ends: Option<Timestamp>,
    pub ended: bool,
    pub callback_url: &'a str,
}

pub(crate) fn page(start: &Start<'_>) -> Page {
    let (document, purpose) = (start.document, start.ticket.purpose);
    let mailbox = &start.ticket.mailbox;
    let name = document.sign_in_name(mailbox);
    let of_mailbox = |c: &&Connection| c.mailbox == *mailbox;
    let connections: Vec<&Connection> = document.connections.iter().filter(of_mailbox).collect();
    let enters =
        purpose == Purpose::Rotate && connections.iter().any(|c| c.delivery == Delivery::Attended);
    let base = start.callback_url;
    let this_link = format!("{base}/{}", Route::Start.href_with_ticket(start.text));
    let redirect_uri = format!("{base}{}", Route::Callback.path());
    let content = html! {
        (shop_and_mailbox(&connections, mailbox))
        p { (words::why_now(purpose, start.ends, start.ended)) }
        h2 { (words::WHAT_IS_ASKED) }
        ol { @for step in words::what_is_asked(&name, &connections, enters) { li { (marked(&step)) } } }
        p { (words::what_is_needed(&name)) }
        h2 { (words::PRIVATE_WINDOW) }
        p { (marked(words::WHY_PRIVATE)) }
        (copied("link", words::THIS_LINK, &this_link))
        p { a.button href=(Route::Authorize.href_with_ticket(start.text)) { (words::sign_in_as(&name)) } }
        details {
            summary { (words::NEVER_CAME_BACK) }
            p { (words::never_came_back(&name)) }
            (copied("redirect-uri", words::REDIRECT_URI, &redirect_uri))
            (copied("client-id", CLIENT_ID, document.client_id.as_str()))
        }
    };
    Page::screen(words::title(start.ended), content)
}
