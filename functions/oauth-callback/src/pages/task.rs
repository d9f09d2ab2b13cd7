//! *Hand over*: the steps for one connection.

use maud::{Markup, html};
use shared::credential::ClientSecret;
use shared::grants::attestations::HandOverState;
use shared::mailbox_secret::Connection;

use super::frame::Page;
use super::parts::{copied, form_fields, marked, shop_and_mailbox};
use super::words::common::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use super::words::task as words;
use super::{proving, standing};
use crate::hand_over::context::HandOverContext;
use crate::hand_over::observation::Observation;
use crate::hand_over::reveal::NotRevealed;
use crate::hand_over::statement;
use crate::hand_over::task::{Task, TaskKind};
use crate::hand_over::way::{Way, way};
use crate::route::Route;

/// What stands in the place of the client secret.
#[derive(Debug)]
pub(crate) enum SecretField<'a> {
    Shown(&'a ClientSecret),
    /// Covered until it is asked for.
    Covered,
    Withheld(NotRevealed),
}

impl SecretField<'_> {
    /// Where it was not asked for.
    pub fn of(refusal: Option<NotRevealed>) -> Self {
        refusal.map_or(Self::Covered, Self::Withheld)
    }
}

/// The page of the task at this place.
pub(crate) fn page(
    context: &HandOverContext,
    tasks: &[Task<'_>],
    at: usize,
    observations: &[Option<Observation>],
    secret: &SecretField<'_>,
) -> Page {
    let Some(task) = tasks.get(at) else {
        return proving::page(context, tasks, observations);
    };
    let connection = task.connection;
    let observation = observations.get(at).and_then(Option::as_ref);
    let content = html! {
        p.progress { (words::progress(at, tasks.len())) }
        @if let Some(half_done) = context.half_done() { p { (words::half_done(half_done)) } }
        (shop_and_mailbox(&[connection], &connection.mailbox))
        @if task.has_failed() {
            section.notice role="status" {
                h2 { (words::IT_FAILED) }
                p { (words::LOOK_AT_THESE) }
                (standing::hint_list(context, task, observation))
            }
        }
        @match &task.kind {
            TaskKind::EnterSecret { .. } => { (enter(context, tasks, at, connection, secret)) }
            TaskKind::Authorize { url, .. } => { (authorize(context, connection, url)) }
        }
    };
    Page::screen(words::title(task), content)
}

fn enter(
    context: &HandOverContext,
    tasks: &[Task<'_>],
    at: usize,
    connection: &Connection,
    secret: &SecretField<'_>,
) -> Markup {
    let document = &context.document;
    let way = way(tasks, at);
    let shopctrl = match way {
        Way::Link(link) => link.as_str(),
        Way::Settings | Way::FirstScreen => connection.shopctrl.ui.as_str(),
    };
    let steps = words::steps(connection, &context.sign_in_name(), way);
    let entered = context.session.revealed && tasks.iter().take(at).any(Task::enters_secret);
    html! {
        ol.steps {
            li {
                (marked(&steps.open.before)) " "
                a href=(shopctrl) target="_blank" rel="noopener noreferrer" { (steps.open.link) }
                (marked(&steps.open.behind))
            }
            @for step in &steps.find { li { (marked(step)) } }
            li {
                (marked(words::ENTER))
                (copied("tenant-id", TENANT_ID, document.tenant_id.as_str()))
                (copied("client-id", CLIENT_ID, document.client_id.as_str()))
                @if entered { p { (marked(words::SAME_SECRET)) } }
                (secret_field(context, connection, secret))
            }
            @for step in &steps.authorize { li { (marked(step)) } }
        }
        @if matches!(secret, SecretField::Covered) && !context.session.revealed {
            p.warning { (words::NOT_SHOWN_YET) }
        }
        (attest(context, connection, words::SAYS_AUTHORIZED, Some(words::SAYS_OTHER)))
    }
}

fn secret_field(
    context: &HandOverContext,
    connection: &Connection,
    secret: &SecretField<'_>,
) -> Markup {
    let label = html! { span.label { (CLIENT_SECRET) } };
    let command = || {
        let command = words::command(&context.secret.arn, &context.ticket.version);
        copied("command", words::COMMAND, &command)
    };
    match secret {
        SecretField::Shown(secret) => html! {
            div #secret { (copied("client-secret", CLIENT_SECRET, secret.expose())) }
            p.note { (words::SECRET_SHOWN) }
        },
        SecretField::Covered => html! {
            form method="post" action={ (Route::Reveal.href()) "#secret" } {
                (label)
                (form_fields(&context.session, connection))
                div.row { span.covered aria-hidden="true" { "••••••••••••" } button.small { (words::SHOW_SECRET) } }
            }
        },
        SecretField::Withheld(NotRevealed::OldSignIn) => html! {
            (label)
            p { (words::SIGN_IN_TO_SEE) " " a href=(Route::Authorize.href_with_ticket(&context.session.ticket)) { (words::SIGN_IN_AGAIN) } }
        },
        SecretField::Withheld(NotRevealed::NotInRevealTo) => html! {
            (label)
            p { (words::withheld(NotRevealed::NotInRevealTo, &context.sign_in_name())) }
            (command())
            p.note { (words::FOR_REVEAL_TO) " " code { (context.session.oid.as_str()) } }
        },
        SecretField::Withheld(reason) => html! {
            (label)
            p { (words::withheld(*reason, &context.sign_in_name())) }
            (command())
        },
    }
}

fn authorize(context: &HandOverContext, connection: &Connection, url: &str) -> Markup {
    let name = context.sign_in_name();
    html! {
        ol.steps {
            li {
                (marked(&words::authorize_there(&name))) " "
                a.button href=(url) target="_blank" rel="noopener noreferrer" { (words::AUTHORIZE_AT_SHOPCTRL) }
            }
            @for step in words::after_authorizing(&name) { li { (marked(&step)) } }
        }
        (attest(context, connection, words::HAS_AUTHORIZED, None))
    }
}

fn attest(
    context: &HandOverContext,
    connection: &Connection,
    yes: &str,
    no: Option<&str>,
) -> Markup {
    html! {
        form.attest method="post" action=(Route::Attest.href()) {
            h2 { (words::WHAT_DOES_IT_SHOW) }
            (form_fields(&context.session, connection))
            button name=(statement::STATE) value=(statement::value(HandOverState::Attested)) { (yes) }
            @if let Some(no) = no { " " button.plain name=(statement::STATE) value=(statement::value(HandOverState::Failed)) { (no) } }
        }
    }
}
