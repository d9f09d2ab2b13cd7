//! The three screens of a hand-over: Start, one for each connection, and Done; with the one between,
//! while the rotation proves it. Words are in `texts`, what comes next is decided in `hand_over`.

use jiff::Timestamp;
use maud::{Markup, html};
use shared::credential::ClientSecret;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::ticket::{Purpose, Ticket};

use crate::hand_over::{HandingOver, How, Task};
use crate::hints::hints;
use crate::page::{Page, copied};
use crate::reveal::{NotShown, refusal};
use crate::signed_in::FORM;
use crate::texts::{self, marked};
use crate::watch::Seen;

/// What the first screen speaks of.
pub(crate) struct Start<'a> {
    pub ticket: &'a Ticket,
    /// The ticket as text.
    pub text: &'a str,
    pub document: &'a MailboxSecret,
    /// When the current secret ends.
    pub ends: Timestamp,
    pub ended: bool,
    pub callback_url: &'a str,
}

fn page(title: String, content: Markup) -> Page {
    Page {
        status: 200,
        good: true,
        title,
        content,
        script: true,
        cookies: Vec::new(),
    }
}

/// *Start*: which shop, which mailbox, why now, what will be asked.
pub(crate) fn start(of: &Start<'_>) -> Page {
    let mailbox = &of.ticket.mailbox;
    let name = of.document.sign_in_name(mailbox);
    let mine: Vec<&Connection> = of
        .document
        .connections
        .iter()
        .filter(|c| c.mailbox == *mailbox)
        .collect();
    let enters = of.ticket.purpose == Purpose::Rotate
        && mine.iter().any(|c| c.delivery == Delivery::Attended);
    let content = html! {
        dl {
            @for (term, what) in texts::what_it_is_about(&mine, mailbox) { dt { (term) } dd { (what) } }
        }
        p { (texts::why_now(of.ticket.purpose, of.ends, of.ended)) }
        h2 { (texts::WHAT_IS_ASKED) }
        ol { @for step in texts::what_is_asked(&name, &mine, enters) { li { (marked(&step)) } } }
        p { (texts::what_is_needed(&name)) }
        h2 { (texts::PRIVATE_WINDOW) }
        p { (marked(texts::WHY_PRIVATE)) }
        (copied("link", texts::THIS_LINK, &format!("{}/start?ticket={}", of.callback_url, of.text)))
        p { a.button href={ "authorize?ticket=" (of.text) } { (texts::sign_in_as(&name)) } }
        details {
            summary { (texts::NEVER_CAME_BACK) }
            p { (texts::never_came_back(&name)) }
            (copied("redirect-uri", texts::REDIRECT_URI, &format!("{}/callback", of.callback_url)))
            (copied("client-id", texts::CLIENT_ID, of.document.client_id.as_str()))
        }
    };
    page(texts::start_title(of.ended), content)
}

/// *Hand over*: the steps for one connection.
pub(crate) fn task(
    it: &HandingOver,
    tasks: &[Task<'_>],
    at: usize,
    seen: &[Option<Seen>],
    secret: Option<&ClientSecret>,
) -> Page {
    let Some(task) = tasks.get(at) else {
        return watching(it, tasks, seen);
    };
    let seen = seen.get(at).and_then(Option::as_ref);
    let content = html! {
        p.progress { (texts::progress(at, tasks.len())) }
        (place(task.connection))
        @if task.has_failed() {
            section.notice role="status" {
                h2 { (texts::IT_FAILED) }
                p { (texts::it_failed()) }
                (traps(it, task, seen))
            }
        }
        @match &task.how {
            How::Enter { .. } => { (enter(it, task.connection, secret)) }
            How::Authorize { url, .. } => { (authorize(it, task.connection, url)) }
        }
    };
    page(texts::task_title(task), content)
}

fn place(connection: &Connection) -> Markup {
    html! {
        dl { @for (term, what) in texts::what_it_is_about(&[connection], &connection.mailbox) { dt { (term) } dd { (what) } } }
    }
}

fn enter(it: &HandingOver, connection: &Connection, secret: Option<&ClientSecret>) -> Markup {
    let document = &it.document;
    let steps = texts::steps(connection, &it.sign_in_name());
    html! {
        ol.steps {
            li {
                (marked(&steps.open)) " "
                a href=(connection.shopctrl.ui.as_str()) target="_blank" rel="noopener noreferrer" { (texts::open_shopctrl(connection)) }
            }
            @for step in &steps.find { li { (marked(step)) } }
            li {
                (marked(texts::ENTER))
                (copied("tenant-id", texts::TENANT_ID, document.tenant_id.as_str()))
                (copied("client-id", texts::CLIENT_ID, document.client_id.as_str()))
                (client_secret(it, connection, secret))
            }
            @for step in &steps.authorize { li { (marked(step)) } }
        }
        @if secret.is_none() && !it.session.revealed && refusal(it).is_none() {
            p.warning { (texts::NOT_SHOWN_YET) }
        }
        (attest(it, connection, texts::SAYS_AUTHORIZED, Some(texts::SAYS_OTHER)))
    }
}

/// The secret, covered until it is asked for, and shown only to whom the document allows it.
fn client_secret(
    it: &HandingOver,
    connection: &Connection,
    secret: Option<&ClientSecret>,
) -> Markup {
    if let Some(secret) = secret {
        return html! {
            div #secret { (copied("client-secret", texts::CLIENT_SECRET, secret.expose())) }
            p.note { (texts::SECRET_SHOWN) }
        };
    }
    let label = html! { span.label { (texts::CLIENT_SECRET) } };
    match refusal(it) {
        None => html! {
            form method="post" action="reveal#secret" {
                (label)
                (hidden(it, connection))
                div.row { span.covered aria-hidden="true" { "••••••••••••" } button.small { (texts::SHOW_SECRET) } }
            }
        },
        Some(NotShown::OldSignIn) => html! {
            (label)
            p { (texts::SIGN_IN_TO_SEE) " " a href={ "authorize?ticket=" (it.session.ticket) } { (texts::SIGN_IN_AGAIN) } }
        },
        Some(NotShown::NotInRevealTo) => html! {
            (label)
            p { (texts::not_in_reveal_to()) }
            (copied("command", texts::COMMAND, &texts::command(&it.secret.arn, &it.ticket.version)))
            p.note { (texts::for_reveal_to()) " " code { (it.session.oid.as_str()) } }
        },
        Some(refused) => html! {
            (label)
            p { (texts::not_shown(refused, &it.sign_in_name()).happened) }
            (copied("command", texts::COMMAND, &texts::command(&it.secret.arn, &it.ticket.version)))
        },
    }
}

fn authorize(it: &HandingOver, connection: &Connection, url: &str) -> Markup {
    html! {
        ol.steps {
            li {
                (marked(&texts::authorize_there(&it.sign_in_name()))) " "
                a.button href=(url) target="_blank" rel="noopener noreferrer" { (texts::AUTHORIZE_AT_SHOPCTRL) }
            }
            @for step in texts::after_authorizing(&it.sign_in_name()) { li { (marked(&step)) } }
        }
        (attest(it, connection, texts::HAS_AUTHORIZED, None))
    }
}

fn hidden(it: &HandingOver, connection: &Connection) -> Markup {
    html! {
        input type="hidden" name=(FORM) value=(it.session.form);
        input type="hidden" name="connection" value=(connection.id);
    }
}

fn attest(it: &HandingOver, connection: &Connection, yes: &str, no: Option<&str>) -> Markup {
    html! {
        form.attest method="post" action="attest" {
            h2 { (texts::WHAT_DOES_IT_SHOW) }
            (hidden(it, connection))
            button name="said" value="authorized" { (yes) }
            @if let Some(no) = no { " " button.plain name="said" value="other" { (no) } }
        }
    }
}

/// While the rotation proves what was handed over.
pub(crate) fn watching(it: &HandingOver, tasks: &[Task<'_>], seen: &[Option<Seen>]) -> Page {
    let lines = standing(it, tasks, seen);
    let state: Vec<String> = lines.iter().flat_map(|line| line.says.clone()).collect();
    let content = html! {
        div data-watch=(state.join("|")) {
            p { (texts::watching(it.ticket.purpose)) }
            (standing_list(&lines, Some(it)))
            @if it.others_wait() { p { (texts::OTHERS_WAIT) } }
        }
        p { a.button href="handover" { (texts::LOOK_AGAIN) } }
    };
    page(texts::watching_title(it.ticket.purpose), content)
}

/// *Done*: what is proved, and when the next time comes.
pub(crate) fn done(
    it: &HandingOver,
    tasks: &[Task<'_>],
    seen: &[Option<Seen>],
    renewal: Timestamp,
) -> Page {
    let content = html! {
        p { (texts::done(&it.ticket.mailbox)) }
        (standing_list(&standing(it, tasks, seen), None))
        dl.dates { @for (term, what) in texts::next_dates(it.document.expires_at, renewal) { dt { (term) } dd { (what) } } }
        p { (texts::NOTHING_LEFT) }
        p { a href="calendar" { (texts::CALENDAR) } }
    };
    page(texts::DONE.to_owned(), content)
}

/// How one connection stands.
struct Standing<'a> {
    task: &'a Task<'a>,
    says: Vec<String>,
    traps: Markup,
}

fn standing<'a>(
    it: &HandingOver,
    tasks: &'a [Task<'a>],
    seen: &[Option<Seen>],
) -> Vec<Standing<'a>> {
    let tasks = tasks.iter().enumerate();
    tasks
        .map(|(at, task)| {
            let seen = seen.get(at).and_then(Option::as_ref);
            Standing {
                task,
                says: texts::standing(task, seen),
                traps: traps(it, task, seen),
            }
        })
        .collect()
}

/// The connections; while they are proved, what was said of them can be taken back.
fn standing_list(lines: &[Standing<'_>], proving: Option<&HandingOver>) -> Markup {
    html! {
        ul.standing {
            @for line in lines {
                li {
                    strong { (texts::direction(line.task.connection.direction)) }
                    @for says in &line.says { " " span { (says) } }
                    (line.traps)
                    @if let (Some(it), How::Enter { .. }) = (proving, &line.task.how) {
                        form method="post" action="attest" {
                            (hidden(it, line.task.connection))
                            button.plain.small name="said" value="other" { (texts::NOT_AUTHORIZED_AFTER_ALL) }
                        }
                    }
                }
            }
        }
    }
}

fn traps(it: &HandingOver, task: &Task<'_>, seen: Option<&Seen>) -> Markup {
    let hints = hints(task, seen);
    let name = it.sign_in_name();
    html! {
        @if !hints.is_empty() {
            ul.hints { @for hint in hints { li { (marked(&texts::hint(hint, task.connection, &name))) } } }
        }
    }
}
