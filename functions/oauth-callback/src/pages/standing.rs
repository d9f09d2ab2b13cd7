//! How each connection of a hand-over stands, and what may be behind it where it does not go well.

use maud::{Markup, html};
use shared::grants::attestations::HandOverState;

use super::parts::{form_fields, marked};
use super::words::standing as words;
use crate::hand_over::context::HandOverContext;
use crate::hand_over::hints::hints;
use crate::hand_over::observation::Observation;
use crate::hand_over::statement;
use crate::hand_over::task::{Task, TaskKind};
use crate::route::Route;

/// How one connection stands.
pub(crate) struct Standing<'a> {
    task: &'a Task<'a>,
    pub sentences: Vec<String>,
    hints: Markup,
}

pub(crate) fn standing<'a>(
    context: &HandOverContext,
    tasks: &'a [Task<'a>],
    observations: &[Option<Observation>],
) -> Vec<Standing<'a>> {
    let tasks = tasks.iter().enumerate();
    tasks
        .map(|(at, task)| {
            let observation = observations.get(at).and_then(Option::as_ref);
            Standing {
                task,
                sentences: words::sentences(task, observation),
                hints: hint_list(context, task, observation),
            }
        })
        .collect()
}

/// The connections; while they are `proved`, what was said of them can be taken back.
pub(crate) fn list(lines: &[Standing<'_>], proved: Option<&HandOverContext>) -> Markup {
    html! {
        ul.standing {
            @for line in lines {
                li {
                    strong { (words::direction(line.task.connection.direction)) }
                    @for sentence in &line.sentences { " " span { (sentence) } }
                    (line.hints)
                    @if let (Some(context), TaskKind::EnterSecret { .. }) = (proved, &line.task.kind) {
                        form method="post" action=(Route::Attest.href()) {
                            (form_fields(&context.session, line.task.connection))
                            button.plain.small name=(statement::STATE) value=(statement::value(HandOverState::Failed)) { (words::NOT_AUTHORIZED_AFTER_ALL) }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn hint_list(
    context: &HandOverContext,
    task: &Task<'_>,
    observation: Option<&Observation>,
) -> Markup {
    let hints = hints(task, observation);
    let name = context.sign_in_name();
    html! {
        @if !hints.is_empty() {
            ul.hints { @for hint in hints { li { (marked(&words::hint(hint, task.connection, &name))) } } }
        }
    }
}
