//! A part of a document, which somebody reads and does.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use jiff::SignedDuration;
use simulators::world::MailboxPlan;

use crate::commands::Command;
use crate::system::{Own, System};

/// A part, with the mailbox of who reads it.
pub struct Part {
    pub document: &'static str,
    pub headings: &'static [&'static str],
    pub plan: fn() -> MailboxPlan,
    pub read: fn(Rc<System>, Own) -> LocalBoxFuture<'static, ()>,
}

macro_rules! parts {
    ($document:expr, $($read:ident($plan:ident): $headings:expr,)*) => {
        &[$(Part {
            document: $document,
            headings: &$headings,
            plan: $plan,
            read: |system, own| Box::pin(async move { $read(&system, &own).await }),
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
