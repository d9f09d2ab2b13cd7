//! `GET /handover`: the screen of a hand-over that comes next. Changes nothing.

use jiff::Timestamp;
use shared::retry::Deadline;
use tracing::info;

use crate::clients::Clients;
use crate::hand_over::reveal;
use crate::hand_over::task::{Screen, Task, screen, tasks};
use crate::pages::task::SecretField;
use crate::pages::{hand_over_done, proving, task};
use crate::request::Request;
use crate::response::{Response, RouteResult};
use crate::session::signed_in::SignedIn;
use crate::{load, shopctrl};

pub(crate) async fn respond(
    clients: &Clients,
    request: &Request,
    deadline: Deadline,
    now: Timestamp,
) -> RouteResult {
    let key = load::ticket_key(clients).await?;
    let session = SignedIn::open(request, &key, now);
    let context = load::owners_hand_over(clients, session, &key, now).await?;
    let tasks = tasks(&context);
    let screen = screen(&tasks, context.promoted());
    let observed = match screen {
        Screen::Task(at) => tasks.get(at).is_some_and(Task::has_failed),
        Screen::Proving | Screen::Done => true,
    };
    let observations = if observed {
        shopctrl::observe(clients, &tasks, deadline, now).await
    } else {
        Vec::new()
    };
    info!(?screen, "a screen of the hand-over is shown");
    Ok(Response::page(match screen {
        Screen::Task(at) => {
            let secret = SecretField::of(reveal::refusal(&context, now));
            task::page(&context, &tasks, at, &observations, &secret)
        }
        Screen::Proving => proving::page(&context, &tasks, &observations),
        Screen::Done => {
            let renewal = context.renewal(&clients.settings.policy)?;
            hand_over_done::page(&context, &tasks, &observations, renewal)
        }
    }))
}
