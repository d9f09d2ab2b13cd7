//! The calendar file of a finished hand-over.

use jiff::Timestamp;
use shared::ticket::Ticket;

use crate::hand_over::calendar::Entry;

pub(crate) fn entries(ticket: &Ticket, ends: Timestamp, renewal: Timestamp) -> Vec<Entry> {
    let mailbox = &ticket.mailbox;
    vec![
        Entry {
            uid: format!("renewal-{}@shopmail", ticket.version),
            day: renewal,
            summary: format!("{mailbox}: the client secret is renewed"),
            description: "A link to the guided page is sent to the contact on this day or soon after. If none comes within a week, tell whoever runs the system.".to_owned(),
        },
        Entry {
            uid: format!("end-{}@shopmail", ticket.version),
            day: ends,
            summary: format!("{mailbox}: the client secret ends"),
            description: "If it was not renewed before, the shop's mail stops on this day.".to_owned(),
        },
    ]
}
