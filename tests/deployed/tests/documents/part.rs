//! A part of a document, which somebody reads and does.

use futures_util::future::LocalBoxFuture;
use jiff::SignedDuration;
use simulators::world::MailboxPlan;

use crate::commands::Command;
use crate::reader::Reader;
use crate::system::{Own, System};

/// A part, with the mailbox of who reads it.
pub struct Part {
    pub document: &'static str,
    pub headings: &'static [&'static str],
    pub plan: fn() -> MailboxPlan,
    /// The reader is at the first heading.
    pub read: for<'a> fn(&'a System, &'a Own, &'a mut Reader) -> LocalBoxFuture<'a, ()>,
}

macro_rules! parts {
    ($($document:ident: $read:ident($plan:ident): $headings:expr,)*) => {
        &[$(Part {
            document: $document,
            headings: &$headings,
            plan: $plan,
            read: |system, own, reader| Box::pin($read(system, own, reader)),
        },)*]
    };
}

pub(crate) use parts;

/// One that is well, and not due.
pub fn well() -> MailboxPlan {
    MailboxPlan {
        ends_in: SignedDuration::from_hours(160 * 24),
        ..MailboxPlan::default()
    }
}

impl Part {
    /// Whether it is one of this part's.
    pub fn has(&self, command: &Command) -> bool {
        let headings = &self.headings;
        command.document == self.document && headings.contains(&command.heading.as_str())
    }
}
