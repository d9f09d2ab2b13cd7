//! There is no grant: the renewal stands still after the delivery, the owner opens the link and signs
//! in, and it goes on.

use jiff::SignedDuration;

use crate::kill_matrix::life::Life;
use crate::kill_matrix::site::{Part, Site};
use crate::kill_matrix::trouble::Trouble;
use crate::support::Scenario;
use crate::support::scenario::without_grant;

const ASKED: &str = "Authorization Required";

pub const LIFE: Life = Life {
    name: "the owner signs in",
    told: "There is no grant, so the owner is asked, once, opens the link, signs in at Microsoft and comes back to\n\
        our callback; where the page says that it failed, the link is opened again. From then on a good grant is never\n\
        lost. Tried are the pages' own calls and those of the steps that the first life does not make.",
    plan: without_grant,
    prepare: |_| Box::pin(async {}),
    person: Some((ASKED, |scenario| Box::pin(sign_in(scenario)))),
    person_tells: &[],
    stands: |scenario| match scenario.grant() {
        Some(_) => "grant stored, not gone on",
        None => "waiting for the owner",
    },
    attended: false,
    reattempt_after: SignedDuration::ZERO,
    tries,
    troubles: Trouble::some_of,
    twice: false,
    ends_with: |scenario| {
        scenario.assert_granted();
        scenario.assert_foreign_is_untouched();
    },
};

fn tries(site: &Site, first: &[Site]) -> bool {
    let like = |other: &Site| (&other.step, &other.operation) == (&site.step, &site.operation);
    site.part != Part::Retirement && !first.iter().any(like)
}

async fn sign_in(scenario: Scenario) -> bool {
    let link = scenario.link_in(ASKED);
    let mut visitor = scenario.visitor();
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    ["Thank you, that was all", "Nothing left to do"].contains(&page.heading())
}
