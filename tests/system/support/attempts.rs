//! Sign-ins that do not succeed.

use simulators::microsoft::directory::account::{
    AccountKind, ConsentPolicy, Obstacle, PERSONAL_TENANT, Person,
};
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::microsoft::directory::sign_in::{Decision, Page as MicrosoftPage, Step};
use simulators::world::World;

use super::Scenario;

/// A sign-in that does not succeed: what was prepared, who signs in, what our page says.
pub struct Attempt {
    pub what: &'static str,
    pub prepare: fn(&Scenario),
    pub address: &'static str,
    pub decision: Decision,
    pub expected: (u16, &'static str),
}

fn nothing(_: &Scenario) {}

pub fn attempts() -> Vec<Attempt> {
    let wrong = (403, "wrong-account");
    let attempt = |what, address, expected| Attempt {
        what,
        prepare: nothing,
        address,
        decision: Decision::Accept,
        expected,
    };
    const OWNER: &str = "orders@shop.example";
    vec![
        attempt("a colleague", "colleague@shop.example", wrong),
        attempt("the other mailbox", "sales@shop.example", wrong),
        attempt("a guest", "guest@elsewhere.example", wrong),
        attempt(
            "an account of another tenant",
            "orders@other.example",
            (403, "foreign-account"),
        ),
        attempt(
            "a personal account",
            "somebody@outlook.example",
            (403, "personal-account"),
        ),
        Attempt {
            decision: Decision::Cancel,
            prepare: |Scenario { world, mailbox }| {
                world
                    .directory
                    .withdraw_consent(mailbox.oid, mailbox.app.app_id);
            },
            ..attempt("consent declined", OWNER, (403, "declined"))
        },
        Attempt {
            prepare: |Scenario { world, mailbox }| {
                world
                    .directory
                    .withdraw_consent(mailbox.oid, mailbox.app.app_id);
                world
                    .directory
                    .set_consent_policy(world.tenant(), ConsentPolicy::Admins);
            },
            ..attempt("need admin approval", OWNER, (403, "admin-approval"))
        },
        Attempt {
            prepare: |Scenario { world, mailbox }| {
                let app = mailbox.app.app_id;
                world
                    .directory
                    .change(app, |app| app.assigned = Some([].into()));
            },
            ..attempt("not assigned", OWNER, (403, "not-assigned"))
        },
        Attempt {
            prepare: |scenario| stand(scenario, Obstacle::ConditionalAccess),
            ..attempt("Conditional Access", OWNER, (403, "blocked-by-policy"))
        },
        Attempt {
            prepare: |scenario| stand(scenario, Obstacle::Device),
            ..attempt("a device", OWNER, (403, "blocked-by-policy"))
        },
        Attempt {
            prepare: |scenario| stand(scenario, Obstacle::Disabled),
            ..attempt("disabled", OWNER, (403, "account-trouble"))
        },
        Attempt {
            prepare: |scenario| stand(scenario, Obstacle::Locked),
            ..attempt("locked", OWNER, (403, "account-trouble"))
        },
        Attempt {
            prepare: |Scenario { world, .. }| {
                let never = Replica {
                    learns: Lag::Requests(1_000_000),
                    ..Replica::default()
                };
                world.directory.set_token_replicas(vec![never]);
            },
            ..attempt(
                "a secret that has not spread",
                OWNER,
                (503, "client-refused"),
            )
        },
    ]
}

fn stand(Scenario { world, mailbox }: &Scenario, obstacle: Obstacle) {
    world
        .directory
        .change_account(mailbox.oid, |person| person.obstacle = Some(obstacle));
}

pub fn clear_the_way(Scenario { world, mailbox }: &Scenario) {
    let directory = &world.directory;
    directory.change_account(mailbox.oid, |person| person.obstacle = None);
    directory.change(mailbox.app.app_id, |app| app.assigned = None);
    directory.set_consent_policy(world.tenant(), ConsentPolicy::MicrosoftManaged);
    directory.set_token_replicas(vec![Replica::default()]);
}

pub fn invite(world: &World) {
    let directory = &world.directory;
    let tenant = world.tenant();
    let person = |address: &str| Person::with_mailbox(address, "Pa55~somebody");
    directory.add_account(tenant, person("colleague@shop.example"));
    directory.add_account(
        tenant,
        Person {
            kind: AccountKind::Guest {
                idp: "https://sts.windows.net/elsewhere/".to_owned(),
            },
            has_mailbox: false,
            ..person("guest@elsewhere.example")
        },
    );
    let elsewhere = directory.add_tenant("other.example");
    directory.add_account(elsewhere, person("orders@other.example"));
    directory.add_account(
        PERSONAL_TENANT,
        Person {
            kind: AccountKind::Personal,
            ..person("somebody@outlook.example")
        },
    );
}

/// What Microsoft's pages lead to when the person takes the way back.
pub fn taken_back(world: &World, step: Step) -> String {
    match step {
        Step::Page(
            MicrosoftPage::NeedAdmin { flow, .. }
            | MicrosoftPage::Refused {
                flow: Some(flow), ..
            },
        ) => way_back(world.directory.go_back(&flow)),
        step => way_back(step),
    }
}

/// Whether a page has more of Microsoft's words than the number: `AADSTS53003: Access has been blocked …`.
pub fn quotes_microsoft(page: &str) -> bool {
    page.split("AADSTS").skip(1).any(|rest| {
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        behind.len() == rest.len() || !behind.starts_with(')')
    })
}

/// Microsoft's redirect back to us.
pub fn way_back(step: Step) -> String {
    match step {
        Step::Redirect(location) => location,
        Step::Page(page) => panic!("Microsoft shows a page: {page:?}"),
    }
}
