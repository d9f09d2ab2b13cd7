//! Who signs in: the mailbox's owner, with every permission, or nobody.

use simulators::microsoft::directory::account::{ConsentPolicy, Person};
use simulators::microsoft::directory::scope::ScopeEcho;

use super::{ASKED, second_mailbox, signed_in};
use crate::support::Scenario;
use crate::support::attempts::{attempts, clear_the_way, invite, quotes_microsoft, taken_back};
use crate::support::picture::Picture;
use crate::support::scenario::without_grant;
use crate::support::tickets::Forged;

#[tokio::test(flavor = "multi_thread")]
async fn every_sign_in_that_is_not_the_owners_ends_on_a_page_that_says_so_and_changes_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let other = scenario.beside(&second_mailbox());
    invite(&scenario.world);
    let link = scenario.link_in(ASKED);
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    for redirects in [false, true] {
        scenario.world.directory.set_refusals_redirect(redirects);
        for attempt in attempts() {
            let what = attempt.what;
            (attempt.prepare)(&scenario);
            let mut visitor = scenario.visitor();
            let authorize = visitor.begin(&link).await;
            let directory = &scenario.world.directory;
            let step = directory.sign_in_as(&authorize, attempt.address, attempt.decision);
            let back = taken_back(&scenario.world, step);
            let page = visitor.open(&back).await;
            let (status, name) = attempt.expected;
            assert_eq!(scenario.outcome(&page).await, name, "{what}: {}", page.body);
            assert_eq!(page.status, status, "{what}");
            assert!(!quotes_microsoft(&page.body), "{what}: {}", page.body);
            assert_eq!(visitor.session(), None, "{what}");
            // A way on: the same link again, and not into the same account.
            let other = ["wrong-account", "personal-account", "foreign-account"].contains(&name);
            let again = if other {
                format!("{link}&anew=1")
            } else {
                link.clone()
            };
            assert_eq!(page.way_on(), Some(again), "{what}: {}", page.body);
            clear_the_way(&scenario);
            let consents = "openid profile offline_access User.Read Mail.Read Mail.Send";
            directory.consent(scenario.mailbox.oid, scenario.mailbox.app.app_id, consents);
        }
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    let asked = scenario.world.gate.operations();
    assert!(!asked.contains(&"secretsmanager RotateSecret".to_owned()));

    // And the owner.
    let mut visitor = scenario.visitor();
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_without_every_permission_that_shopctrl_uses_is_not_stored() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let link = scenario.link_in(ASKED);
    let before = scenario.picture();
    for missing in ["Mail.Read", "Mail.Send"] {
        scenario
            .world
            .directory
            .set_scope_echo(ScopeEcho::Without(missing));
        let mut visitor = scenario.visitor();
        let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
        assert_eq!(scenario.outcome(&page).await, "consent-incomplete");
        assert_eq!(
            (page.status, page.heading()),
            (403, "A permission is missing")
        );
        assert_eq!(page.way_on(), Some(link.clone()));
    }
    // The consent that was there at the sign-in is taken back before the code is redeemed.
    scenario
        .world
        .directory
        .set_scope_echo(ScopeEcho::Qualified);
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &link, &scenario.mailbox.address).await;
    scenario
        .world
        .directory
        .withdraw_consent(scenario.mailbox.oid, scenario.mailbox.app.app_id);
    let page = visitor.open(&back).await;
    assert_eq!(scenario.outcome(&page).await, "declined", "{}", page.body);
    assert_eq!(scenario.picture(), before);
    // However the scopes are spelt, all of them are enough.
    scenario
        .world
        .directory
        .set_scope_echo(ScopeEcho::LowerCase);
    scenario
        .world
        .directory
        .set_consent_policy(scenario.world.tenant(), ConsentPolicy::Users);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_owner_is_known_by_id_and_not_by_address() {
    // The grant names the account; afterwards another account gets the address.
    let scenario = Scenario::begin().await;
    let before = scenario.picture();
    scenario
        .world
        .directory
        .change_account(scenario.mailbox.oid, |person| {
            *person = Person::with_mailbox("renamed@shop.example", &scenario.mailbox.password);
        });
    let impostor = Person::with_mailbox(&scenario.mailbox.address, "Pa55~impostor");
    scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), impostor);
    let link = Forged::connect(&scenario).link(&scenario.world);
    let page = scenario
        .visitor()
        .sign_in(&link, &scenario.mailbox.address, "Pa55~impostor")
        .await;
    assert_eq!(
        scenario.outcome(&page).await,
        "wrong-account",
        "{}",
        page.body
    );
    assert_eq!(scenario.picture(), before);
    let page = scenario
        .visitor()
        .sign_in(&link, "renamed@shop.example", &scenario.mailbox.password)
        .await;
    assert_eq!(scenario.outcome(&page).await, "connected", "{}", page.body);
    scenario.assert_granted();
}
