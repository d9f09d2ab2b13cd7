//! *Done*: what is proved, and when the next time comes.

use jiff::Timestamp;
use maud::html;

use super::frame::Page;
use super::standing;
use super::words::hand_over_done as words;
use crate::hand_over::context::HandOverContext;
use crate::hand_over::observation::Observation;
use crate::hand_over::task::Task;
use crate::route::Route;

pub(crate) fn page(
    context: &HandOverContext,
    tasks: &[Task<'_>],
    observations: &[Option<Observation>],
    renewal: Timestamp,
) -> Page {
    let lines = standing::standing(context, tasks, observations);
    let content = html! {
        p { (words::what_is_done(&context.ticket.mailbox)) }
        (standing::list(&lines, None))
        dl.dates { @for (term, what) in words::next_dates(context.credential.expires_at, renewal) { dt { (term) } dd { (what) } } }
        p { (words::NOTHING_LEFT) }
        p { a href=(Route::Calendar.href()) { (words::CALENDAR) } }
    };
    Page::screen(words::TITLE, content)
}
