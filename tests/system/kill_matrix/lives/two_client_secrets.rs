//! Personal accounts may sign in to the app, so Entra allows it two client secrets: the one in use and
//! the new one. Whatever is lost in between holds the second place.

use jiff::SignedDuration;
use simulators::microsoft::directory::application::Audience;
use simulators::world::MailboxPlan;

use crate::kill_matrix::life::Life;
use crate::kill_matrix::site::Part;
use crate::kill_matrix::trouble::Trouble;
use crate::support::Scenario;

pub const LIFE: Life = Life {
    name: "two client secrets at most",
    told: "Personal accounts may sign in to the app, so Entra allows it two client secrets: the one in use and the\n\
        new one. A credential whose secret was lost holds the second place until it is seen to be lost, a minute later.\n\
        Secrets Manager's reattempt comes after five. Tried are the calls of createSecret, where alone a place is needed.",
    plan: MailboxPlan::default,
    prepare: |Scenario { world, mailbox }| {
        let app = mailbox.app.app_id;
        world.directory.delete_secret(app, mailbox.foreign_key);
        world.directory.change(app, |app| {
            app.sign_in_audience = Audience::AnyAndPersonal;
        });
        Box::pin(async {})
    },
    person: None,
    person_tells: &[],
    stands: |_| "no person has a part",
    attended: false,
    reattempt_after: SignedDuration::from_mins(5),
    tries: |site, _| site.part == Part::Renewal && site.step == "createSecret",
    troubles: Trouble::some_of,
    twice: false,
    ends_with: |_| {},
};
