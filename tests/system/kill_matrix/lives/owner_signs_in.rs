//! There is no grant: the renewal stands still after the delivery, the owner opens the link and signs
//! in, and it goes on.

use std::sync::Arc;

use jiff::SignedDuration;
use simulators::world::{Mailbox, MailboxPlan, World};

use crate::end_state::assert_foreign_is_untouched;
use crate::kill_matrix::life::Life;
use crate::kill_matrix::site::{Part, Site};
use crate::picture::{assert_granted, grant};
use crate::support::visitor::{Visitor, link_in};

const ASKED: &str = "Authorization Required";

pub const LIFE: Life = Life {
    name: "the owner signs in",
    told: "There is no grant, so the owner is asked, once, opens the link, signs in at Microsoft and comes back to\n\
        our callback; where the page says that it failed, the link is opened again. From then on a good grant is never\n\
        lost. Tried are the pages' own calls and those of the steps that the first life does not make.",
    plan: || MailboxPlan {
        granted: false,
        ..MailboxPlan::default()
    },
    prepare: |_, _| {},
    person: Some((ASKED, |world, mailbox| Box::pin(sign_in(world, mailbox)))),
    person_tells: &[],
    stands: |world, mailbox| match grant(world, mailbox) {
        Some(_) => "grant stored, not gone on",
        None => "waiting for the owner",
    },
    attended: false,
    reattempt_after: SignedDuration::ZERO,
    tries,
    twice: false,
    ends_with: |world, mailbox| {
        assert_granted(world, mailbox);
        assert_foreign_is_untouched(world, mailbox);
    },
};

fn tries(site: &Site, first: &[Site]) -> bool {
    let like = |other: &Site| (&other.step, &other.operation) == (&site.step, &site.operation);
    site.part != Part::Retirement && !first.iter().any(like)
}

async fn sign_in(world: Arc<World>, mailbox: Mailbox) -> bool {
    let link = link_in(&world, ASKED);
    let page = Visitor::new(&world).sign_in_as_owner(&link, &mailbox).await;
    ["Thank you, that was all", "Nothing left to do"].contains(&page.heading())
}
