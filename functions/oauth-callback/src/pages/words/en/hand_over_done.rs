//! The last screen of a hand-over.

use jiff::Timestamp;
use shared::ids::MailboxAddress;

use super::common::day;

pub(crate) const TITLE: &str = "Done: mail goes on with the new secret";
pub(crate) const NOTHING_LEFT: &str =
    "There is nothing left to do, and nothing to remember. You can close this window.";
/// On the link to the calendar file.
pub(crate) const CALENDAR: &str = "Put these dates into my calendar (a file)";

pub(crate) fn what_is_done(mailbox: &MailboxAddress) -> String {
    format!("The new client secret of {mailbox} is in use, and it was seen to work.")
}

/// The dates that follow.
pub(crate) fn next_dates(ends: Timestamp, renewal: Timestamp) -> Vec<(&'static str, String)> {
    vec![
        ("The new client secret ends on", day(ends)),
        (
            "The next renewal begins on or soon after",
            format!("{}; you will get a link like this one", day(renewal)),
        ),
    ]
}
