//! What the mails say, for somebody who knows nothing of this system.

mod common;
mod ends;
mod over;
mod requests;
mod weekly;
mod wrong;

pub(crate) use common::{
    BOTH_HAVE_IT, commands, for_somebody_else, genuine, not_mailed, place, reference,
};
pub(crate) use weekly::weekly;

use std::borrow::Cow;

use crate::event::{Notice, What};
use crate::mail::Link;

/// What there is to say of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) urgency: Urgency,
    /// Behind the place, in the subject.
    pub(crate) headline: String,
    /// Behind "3 mailboxes", where several have the same to say.
    pub(crate) of_many: Cow<'static, str>,
    /// What is so for all that have the same cause.
    pub(crate) general: Vec<String>,
    /// What is so for this mailbox.
    pub(crate) particular: Vec<String>,
    pub(crate) to_do: String,
    /// What whoever runs the system does, where that is something else.
    pub(crate) for_administrator: Option<String>,
    pub(crate) link: Option<Link>,
}

/// The most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Mail stands still.
    StandsStill,
    /// A person has to do something, or mail will stand still.
    NeedsSomebody,
    /// Something is wrong.
    Wrong,
    /// Something is over.
    Over,
}

pub(crate) fn message(notice: &Notice) -> Message {
    match &notice.what {
        What::SignInNeeded(needed) => requests::sign_in(needed),
        What::HandOverNeeded(needed) => requests::hand_over(needed),
        What::PermissionEnding(ending) => requests::permission(ending),
        What::Expiring(expiring) => ends::expiring(expiring),
        What::Expired(expired) => ends::expired(expired),
        What::SupersededEnding(ending) => ends::superseded(ending),
        What::Revealed(revealed) => wrong::revealed(revealed),
        What::Failed(failed) => wrong::failed(failed),
        What::Stalled(stalled) => wrong::stalled(stalled),
        What::Drift(drift) => wrong::drift(drift),
        What::Stopped(stops) => wrong::stopped(stops),
        What::Rotated(rotated) => over::rotated(rotated),
        What::Recovered(recovered) => over::recovered(recovered),
    }
}
