//! Microsoft's way back to us counts once, and in its own session.

use super::{ASKED, parameter, second_mailbox, signed_in, with_parameter};
use crate::support::Scenario;
use crate::support::picture::Picture;
use crate::support::scenario::without_grant;
use crate::support::tickets::Forged;
use crate::support::visitor::ticket_of;

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_its_own_session_state_and_code_changes_nothing() {
    let scenario = Scenario::waiting_for_owner(&without_grant()).await;
    let other = scenario.beside(&second_mailbox());
    other.start_to_wait().await;
    let links = scenario.details(ASKED);
    let [first, second] = [&links[0]["link"], &links[1]["link"]].map(|l| l.as_str().unwrap());
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);

    // The owner's own sign-in, under way in the owner's browser.
    let mut owner = scenario.visitor();
    let back = signed_in(&scenario, &mut owner, first, &scenario.mailbox.address).await;
    let cookie = owner.session().unwrap();
    // Somebody else's sign-in with the other link, in another browser.
    let mut attacker = scenario.visitor();
    let attackers_back = signed_in(&scenario, &mut attacker, second, &other.mailbox.address).await;
    let attackers_cookie = attacker.session().unwrap();

    let state = parameter(&back, "state");
    let mut altered_cookie = cookie.clone().into_bytes();
    altered_cookie[40] = if altered_cookie[40] == b'A' {
        b'B'
    } else {
        b'A'
    };
    let altered_cookie = String::from_utf8(altered_cookie).unwrap();
    let ticket = ticket_of(first);
    let bare = format!("{}/callback", scenario.world.callback_url);
    let cases: Vec<(&str, Option<&str>, String)> = vec![
        ("nothing at all", None, bare.clone()),
        ("no cookie", None, back.clone()),
        (
            "login CSRF: another's callback",
            Some(&cookie),
            attackers_back.clone(),
        ),
        ("another's cookie", Some(&attackers_cookie), back.clone()),
        ("an altered cookie", Some(&altered_cookie), back.clone()),
        ("half a cookie", Some(&cookie[..60]), back.clone()),
        ("an empty cookie", Some(""), back.clone()),
        ("the ticket as a cookie", Some(&ticket), back.clone()),
        ("no state", Some(&cookie), back.replace("state=", "stat=")),
        (
            "an empty state",
            Some(&cookie),
            with_parameter(&back, "state", ""),
        ),
        (
            "an altered state",
            Some(&cookie),
            with_parameter(&back, "state", &format!("{}A", &state[1..])),
        ),
        (
            "the state twice",
            Some(&cookie),
            format!("{back}&state={state}"),
        ),
        (
            "an error without state",
            Some(&cookie),
            format!("{bare}?error=access_denied"),
        ),
        (
            "an error with another state",
            Some(&cookie),
            format!("{bare}?error=access_denied&state=x"),
        ),
    ];
    for (what, cookie, url) in &cases {
        let mut visitor = scenario.visitor();
        if let Some(cookie) = cookie {
            visitor.set_session(cookie);
        }
        let page = visitor.open(url).await;
        assert_eq!(
            (page.status, page.heading()),
            (400, "Please start again"),
            "{what}"
        );
        assert_eq!(scenario.outcome(&page).await, "no-session", "{what}");
        assert_eq!(page.forms(), [], "{what}");
        assert!(
            !page.body.contains(&ticket),
            "no ticket without its session: {what}"
        );
    }
    // With the session and its state: the code is missing, or not this sign-in's.
    let without_code = back.replace("code=", "cod=");
    let twice = format!("{back}&code={}", parameter(&back, "code"));
    let injected = with_parameter(&back, "code", &parameter(&attackers_back, "code"));
    let invented = with_parameter(&back, "code", "1.AQinvented");
    for (what, url, expected) in [
        ("no code", without_code, "no-code"),
        ("the code twice", twice, "no-code"),
        ("another sign-in's code", injected, "start-again"),
        ("an invented code", invented, "start-again"),
    ] {
        let mut visitor = scenario.visitor();
        visitor.set_session(&cookie);
        let page = visitor.open(&url).await;
        assert_eq!(page.status, 400, "{what}: {}", page.body);
        assert_eq!(scenario.outcome(&page).await, expected, "{what}");
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    assert_eq!(scenario.details(ASKED).len(), 2);

    // After all that the owner's own way back is as good as before.
    let page = owner.open(&back).await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once() {
    let scenario = Scenario::with(&without_grant()).await;
    let link = Forged::connect(&scenario).link(&scenario.world);
    // A whole sign-in, and then all of it again from the browser's history, cookie included.
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &link, &scenario.mailbox.address).await;
    let cookie = visitor.session().unwrap();
    let page = visitor.open(&back).await;
    assert_eq!(page.heading(), "The mailbox is connected");
    scenario.assert_granted();
    let before = scenario.picture();
    // Once more, it ended as it did; so does the page's own address, which has no query.
    for again in [&back, page.url.as_str()] {
        let page = visitor.open(again).await;
        assert_eq!(page.heading(), "The mailbox is connected");
        assert_eq!(scenario.outcome(&page).await, "connected");
        assert_eq!(page.url.query(), None);
    }
    visitor.set_session(&cookie);
    let page = visitor.open(&back).await;
    assert_eq!(page.heading(), "Please start again");
    assert_eq!(scenario.outcome(&page).await, "start-again");
    assert_eq!(scenario.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_links_in_one_browser_do_not_mix_and_nothing_foreign_ends_a_sign_in() {
    let scenario = Scenario::with(&without_grant()).await;
    let other = scenario.beside(&second_mailbox());
    let first = Forged::connect(&scenario).link(&scenario.world);
    let second = Forged::connect(&other).link(&scenario.world);
    let before = Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]);
    // The second link takes the browser over: what comes back of the first is not taken for it.
    let mut visitor = scenario.visitor();
    let back = signed_in(&scenario, &mut visitor, &first, &scenario.mailbox.address).await;
    let seconds_back = signed_in(&scenario, &mut visitor, &second, &other.mailbox.address).await;
    let base = &scenario.world.callback_url;
    for stray in [
        back,
        format!("{base}/callback?error=access_denied&state=x"),
        format!("{base}/authorize?ticket=x"),
        format!("{base}/favicon.ico"),
    ] {
        let page = visitor.open(&stray).await;
        assert!(page.status >= 400, "{}", page.body);
    }
    assert_eq!(
        Picture::of(&scenario.world, &[&scenario.mailbox, &other.mailbox]),
        before
    );
    let page = visitor.open(&seconds_back).await;
    assert_eq!(page.heading(), "The mailbox is connected", "{}", page.body);
    other.assert_granted();
    assert_eq!(scenario.grant(), None);
    assert_eq!(visitor.session(), None, "its own way back ends it");
}
