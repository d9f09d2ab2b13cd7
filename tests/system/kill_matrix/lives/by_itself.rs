//! Nobody is needed: the connections are `api`, and the owner has given a grant.

use jiff::SignedDuration;
use simulators::world::MailboxPlan;

use crate::kill_matrix::life::Life;
use crate::kill_matrix::site::Part;
use crate::kill_matrix::trouble::Trouble;

pub const LIFE: Life = Life {
    name: "by itself",
    told: "The connections are `api`, and the owner signed in long ago. Every call is tried; after the removal those of `retire`,\n\
        for the others are like those before.",
    plan: MailboxPlan::default,
    prepare: |_| Box::pin(async {}),
    person: None,
    person_tells: &[],
    stands: |_| "no person has a part",
    attended: false,
    reattempt_after: SignedDuration::ZERO,
    tries: |site, _| site.part != Part::LettingGo || site.step == "retire",
    troubles: Trouble::some_of,
    twice: true,
    ends_with: |scenario| {
        scenario.assert_granted();
        scenario.assert_foreign_is_untouched();
    },
};
