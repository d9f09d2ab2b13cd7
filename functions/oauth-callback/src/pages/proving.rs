//! Between the hand-over and its end, while the rotation proves what was handed over. The script reloads the page
//! when what it says has changed.

use maud::html;

use super::frame::Page;
use super::standing;
use super::words::proving as words;
use crate::hand_over::context::HandOverContext;
use crate::hand_over::observation::Observation;
use crate::hand_over::task::Task;
use crate::route::Route;

pub(crate) fn page(
    context: &HandOverContext,
    tasks: &[Task<'_>],
    observations: &[Option<Observation>],
) -> Page {
    let purpose = context.ticket.purpose;
    let lines = standing::standing(context, tasks, observations);
    let state: Vec<&str> = lines
        .iter()
        .flat_map(|line| &line.sentences)
        .map(String::as_str)
        .collect();
    let content = html! {
        div data-watch=(state.join("|")) {
            p { (words::what_happens(purpose)) }
            (standing::list(&lines, Some(context)))
            @if context.others_wait() { p { (words::OTHERS_WAIT) } }
        }
        p { a.button href=(Route::Attestation.href()) { (words::LOOK_AGAIN) } }
    };
    Page::screen(words::title(purpose), content)
}
