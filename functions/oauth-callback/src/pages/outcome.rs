//! The page of a message: a sentence on what happened, one on what to do, and a button.

use maud::{Markup, html};

use super::frame::Page;
use super::parts::copied;
use super::words::outcome as words;
use crate::message::{Button, Message};
use crate::route::Route;

pub(crate) fn page(message: &Message) -> Page {
    let outcome = &message.outcome;
    let text = words::of(outcome);
    let pass_on = message.pass_on.as_deref();
    let content = html! {
        p { (text.happened) }
        @for line in text.next.lines() { p { (line) } }
        @if let Some(address) = pass_on { (copied("pass-on", words::FOR_AN_ADMINISTRATOR, address)) }
        @if let Some(button) = &message.button { (markup(button)) }
    };
    Page {
        status: outcome.status(),
        good: outcome.is_success(),
        title: text.title,
        content,
        script: pass_on.is_some(),
    }
}

/// Where it leads on to Microsoft it is a link and no form: form-action holds for redirects too.
fn markup(button: &Button) -> Markup {
    let label = words::button(button);
    match button {
        Button::SignIn {
            ticket,
            enter_credentials,
        } => {
            let href = Route::Authorize.href_with_ticket(ticket);
            html! {
                p { a.button href={ (href) @if *enter_credentials { "&anew=1" } } { (label) } }
            }
        }
        Button::NewLink { ticket } => html! {
            form method="post" action=(Route::Ticket.href()) {
                input type="hidden" name="ticket" value=(ticket);
                button { (label) }
            }
        },
        Button::BackToHandOver => html! {
            p { a.button href=(Route::Attestation.href()) { (label) } }
        },
    }
}
