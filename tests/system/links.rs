//! The person's link, tested as an attacker would: nothing but the right sign-in changes a stored
//! grant, and no page or header says a word that somebody else chose.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared::clock;
use shared::ids::MailboxAddress;
use shared::ticket::{Purpose, Refused, Ticket, TicketKey, expiry};
use simulators::directory::account::{
    AccountKind, ConsentPolicy, Obstacle, PERSONAL_TENANT, Person,
};
use simulators::directory::replication::{Lag, Replica};
use simulators::directory::scope::ScopeEcho;
use simulators::directory::sign_in::{Decision, Page as MicrosoftPage, Step};
use simulators::secrets_manager::{CURRENT, PENDING};
use simulators::world::{Mailbox, MailboxPlan, TICKET_KEY, World, short_waits};
use url::Url;

use crate::browser::{Browser, Page, SESSION, link_in, log_of, outcome, ticket_of};
use crate::end_state::assert_whole;
use crate::picture::{Picture, assert_granted};
use crate::sign_in::{start_to_wait, waiting, without_grant};

const ASKED: &str = "Authorization Required";

/// A ticket made by whoever has the key.
#[derive(Debug, Clone)]
pub struct Forged {
    ticket: Ticket,
    key: String,
}

impl Forged {
    /// What a link of ours says.
    pub fn like(link: &str) -> Self {
        let ticket = match key(TICKET_KEY).verify(&ticket_of(link), clock::machine()) {
            Ok(ticket) | Err(Refused::Expired(ticket)) => ticket,
            Err(Refused::Invalid) => panic!("no ticket of ours: {link}"),
        };
        Self {
            ticket,
            key: TICKET_KEY.to_owned(),
        }
    }

    /// For the first grant of a mailbox.
    pub fn connect(world: &World, mailbox: &Mailbox) -> Self {
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        let ticket = Ticket {
            purpose: Purpose::Connect,
            secret: mailbox.arn.clone(),
            version: secret.labelled(CURRENT).unwrap().id.clone(),
            mailbox: MailboxAddress::read(&mailbox.address).unwrap(),
            expires_at: expiry(clock::machine(), SignedDuration::from_hours(1)),
        };
        Self {
            ticket,
            key: TICKET_KEY.to_owned(),
        }
    }

    /// Ends so many seconds from now.
    pub fn ending_in(mut self, seconds: i64) -> Self {
        self.ticket.expires_at = expiry(clock::machine(), SignedDuration::from_secs(seconds));
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Ticket)) -> Self {
        change(&mut self.ticket);
        self
    }

    fn signed_with(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    fn text(&self) -> String {
        key(&self.key).sign(&self.ticket).unwrap()
    }

    /// The link with it.
    pub fn link(&self, world: &World) -> String {
        link(world, &self.text())
    }
}

fn key(text: &str) -> TicketKey {
    TicketKey::new(text.to_owned().into()).unwrap()
}

fn link(world: &World, ticket: &str) -> String {
    let mut url = Url::parse(&format!("{}/authorize", world.callback_url)).unwrap();
    url.query_pairs_mut().append_pair("ticket", ticket);
    url.into()
}

/// A JSON Web Token with another payload and the same signature.
fn with_payload(ticket: &str, change: impl FnOnce(&mut Value)) -> String {
    let parts: Vec<&str> = ticket.split('.').collect();
    let payload = BASE64URL_NOPAD.decode(parts[1].as_bytes()).unwrap();
    let mut payload: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut payload);
    let payload = BASE64URL_NOPAD.encode(payload.to_string().as_bytes());
    format!("{}.{payload}.{}", parts[0], parts[2])
}

fn second_mailbox() -> MailboxPlan {
    MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        ..without_grant()
    }
}

/// Microsoft's redirect back to us.
fn way_back(step: Step) -> String {
    match step {
        Step::Redirect(location) => location,
        Step::Page(page) => panic!("Microsoft shows a page: {page:?}"),
    }
}

/// The address that Microsoft sends the owner's browser back to.
async fn signed_in(world: &World, browser: &mut Browser, link: &str, address: &str) -> String {
    let authorize = browser.begin(link).await;
    let step = world
        .directory
        .sign_in_as(&authorize, address, Decision::Accept);
    way_back(step)
}

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap().1.into_owned()
}

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(key, _)| key != name)
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(others)
        .append_pair(name, value);
    url.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_not_ours_to_the_letter_opens_nothing() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let good_link = link_in(&world, ASKED);
    let good = ticket_of(&good_link);
    let other = world.add_mailbox(&second_mailbox()).unwrap();
    let mut browser = Browser::new(&world);
    browser.begin(&good_link).await;
    let cookie = browser.session().unwrap();

    let mut bad: Vec<(String, String)> = Vec::new();
    for at in [0, 5, good.len() / 2, good.len() - 20, good.len() - 1] {
        let mut altered = good.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        bad.push((
            format!("altered at {at}"),
            String::from_utf8(altered).unwrap(),
        ));
    }
    let payloads: [(&str, &str, Value); 6] = [
        ("purpose", "/purpose", json!("connect")),
        ("secret", "/secret", json!(other.arn)),
        ("version", "/version", json!("another")),
        ("mailbox", "/mailbox", json!("mallory@shop.example")),
        ("audience", "/aud", json!("shopmail-session")),
        ("end", "/exp", json!(9_999_999_999_i64)),
    ];
    for (name, pointer, value) in payloads {
        let altered = with_payload(&good, |p| *p.pointer_mut(pointer).unwrap() = value);
        bad.push((format!("another {name}"), altered));
    }
    let payload = good.split('.').nth(1).unwrap();
    let signature = good.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", "HS512", "RS256"] {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        let header = BASE64URL_NOPAD.encode(header.as_bytes());
        bad.push((format!("alg {alg}"), format!("{header}.{payload}.")));
        bad.push((
            format!("alg {alg}, signed"),
            format!("{header}.{payload}.{signature}"),
        ));
    }
    let forged = Forged::like(&good_link);
    bad.push((
        "another key".to_owned(),
        forged
            .clone()
            .signed_with("another-key-of-more-than-32-characters")
            .text(),
    ));
    bad.push(("a session as a ticket".to_owned(), cookie));
    bad.push(("nothing".to_owned(), String::new()));
    bad.push(("a word".to_owned(), "ticket".to_owned()));
    bad.push(("much".to_owned(), "A.".repeat(3000)));
    bad.push((
        "a line end".to_owned(),
        format!("{good}\r\nSet-Cookie: a=b"),
    ));

    world.gate.clear();
    let before = Picture::of(&world, &[&mailbox, &other]);
    for (what, ticket) in &bad {
        let page = Browser::new(&world).get(&link(&world, ticket)).await;
        assert_eq!(
            (page.status, page.heading()),
            (400, "This link does not work"),
            "{what}"
        );
        let mut poster = Browser::new(&world);
        let fields = [("ticket".to_owned(), ticket.clone())];
        let page = poster
            .post(&format!("{}/ticket", world.callback_url), &fields)
            .await;
        assert_eq!(page.status, 400, "{what}, posted");
    }
    for query in [
        String::new(),
        format!("?ticket={good}&ticket={good}"),
        format!("?Ticket={good}"),
        format!("?ticket={good}&ticket="),
    ] {
        let url = format!("{}/authorize{query}", world.callback_url);
        let page = Browser::new(&world).get(&url).await;
        assert_eq!(page.status, 400, "{query}");
    }
    assert_eq!(Picture::of(&world, &[&mailbox, &other]), before);
    let asked = world.gate.operations();
    assert!(
        !asked
            .iter()
            .any(|op| op.contains("entra ") || op.contains("RotateSecret")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_for_its_own_secret_version_and_purpose_only() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let rotate = Forged::like(&link_in(&world, ASKED));
    let other = world.add_mailbox(&second_mailbox()).unwrap();
    let connect = Forged::connect(&world, &mailbox);
    let current = connect.ticket.version.clone();
    let pending = rotate.ticket.version.clone();
    let before = Picture::of(&world, &[&mailbox, &other]);
    let cases = [
        (
            "a rotation that is done",
            rotate.clone().with(|t| t.version.clone_from(&current)),
            (200, "Nothing left to do"),
        ),
        (
            "a rotation that was given up",
            rotate.clone().with(|t| "gone".clone_into(&mut t.version)),
            (410, "This link is out of date"),
        ),
        (
            "a pending version as if it were current",
            connect.clone().with(|t| t.version.clone_from(&pending)),
            (410, "This link is out of date"),
        ),
        (
            "another secret's version",
            rotate.clone().with(|t| t.secret.clone_from(&other.arn)),
            (410, "This link is out of date"),
        ),
        (
            "a secret that is not there",
            rotate.clone().with(|t| t.secret.push_str("-gone")),
            (500, "This has to be set right first"),
        ),
        (
            "an ended one",
            rotate.clone().ending_in(-1),
            (410, "This link has ended"),
        ),
    ];
    for (what, forged, expected) in cases {
        let mut browser = Browser::new(&world);
        let page = browser.get(&forged.link(&world)).await;
        assert_eq!((page.status, page.heading()), expected, "{what}");
        assert_eq!(browser.session(), None, "{what}");
        let ended = what == "an ended one";
        assert_eq!(page.has_form("/ticket"), ended, "{what}");
        assert_eq!(page.forms().len(), usize::from(ended), "{what}");
    }
    // A superseded one: the pending version is given up while the person signs in.
    let mut browser = Browser::new(&world);
    let back = signed_in(&world, &mut browser, &rotate.link(&world), &mailbox.address).await;
    let store = &world.secrets_manager;
    store
        .place_version(&mailbox.secret, "newer", None, &[PENDING])
        .unwrap();
    let page = browser.get(&back).await;
    assert_eq!(
        (page.status, page.heading()),
        (410, "This link is out of date")
    );
    let code = parameter(&back, "code");
    let redeemed =
        world.gate.calls().into_iter().any(|call| {
            call.service == "entra" && String::from_utf8_lossy(&call.body).contains(&code)
        });
    assert!(!redeemed, "its code is not even redeemed");
    let after = Picture::of(&world, &[&mailbox, &other]);
    before.assert_kept_in(&after);
    assert_eq!(crate::picture::grant(&world, &mailbox), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_its_own_session_state_and_code_changes_nothing() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let other = world.add_mailbox(&second_mailbox()).unwrap();
    start_to_wait(&world, &other).await;
    let links = world.event_bridge.details(ASKED);
    let [first, second] = [&links[0]["link"], &links[1]["link"]].map(|l| l.as_str().unwrap());
    let before = Picture::of(&world, &[&mailbox, &other]);

    // The owner's own sign-in, under way in the owner's browser.
    let mut owner = Browser::new(&world);
    let back = signed_in(&world, &mut owner, first, &mailbox.address).await;
    let cookie = owner.session().unwrap();
    // Somebody else's sign-in with the other link, in another browser.
    let mut attacker = Browser::new(&world);
    let attackers_back = signed_in(&world, &mut attacker, second, &other.address).await;
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
    let bare = format!("{}/callback", world.callback_url);
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
        let mut browser = Browser::new(&world);
        if let Some(cookie) = cookie {
            browser.set_session(cookie);
        }
        let page = browser.get(url).await;
        assert_eq!(
            (page.status, page.heading()),
            (400, "Please start again"),
            "{what}"
        );
        assert_eq!(outcome(&world, &page).await, "no-session", "{what}");
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
        let mut browser = Browser::new(&world);
        browser.set_session(&cookie);
        let page = browser.get(&url).await;
        assert_eq!(page.status, 400, "{what}: {}", page.body);
        assert_eq!(outcome(&world, &page).await, expected, "{what}");
    }
    assert_eq!(Picture::of(&world, &[&mailbox, &other]), before);
    assert_eq!(world.event_bridge.details(ASKED).len(), 2);

    // After all that the owner's own way back is as good as before.
    let page = owner.get(&back).await;
    assert_eq!(page.status, 200, "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&without_grant()).unwrap();
    let link = Forged::connect(&world, &mailbox).link(&world);
    // A whole sign-in, and then all of it again from the browser's history, cookie included.
    let mut browser = Browser::new(&world);
    let back = signed_in(&world, &mut browser, &link, &mailbox.address).await;
    let cookie = browser.session().unwrap();
    let page = browser.get(&back).await;
    assert_eq!(page.heading(), "The mailbox is connected");
    assert_granted(&world, &mailbox);
    let before = Picture::of(&world, &[&mailbox]);
    let page = browser.get(&back).await;
    assert_eq!(outcome(&world, &page).await, "no-session");
    browser.set_session(&cookie);
    let page = browser.get(&back).await;
    assert_eq!(page.heading(), "Please start again");
    assert_eq!(outcome(&world, &page).await, "start-again");
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_links_in_one_browser_do_not_mix_and_nothing_foreign_ends_a_sign_in() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&without_grant()).unwrap();
    let other = world.add_mailbox(&second_mailbox()).unwrap();
    let first = Forged::connect(&world, &mailbox).link(&world);
    let second = Forged::connect(&world, &other).link(&world);
    let before = Picture::of(&world, &[&mailbox, &other]);
    // The second link takes the browser over: what comes back of the first is not taken for it.
    let mut browser = Browser::new(&world);
    let back = signed_in(&world, &mut browser, &first, &mailbox.address).await;
    let seconds_back = signed_in(&world, &mut browser, &second, &other.address).await;
    let base = &world.callback_url;
    for stray in [
        back,
        format!("{base}/callback?error=access_denied&state=x"),
        format!("{base}/authorize?ticket=x"),
        format!("{base}/favicon.ico"),
    ] {
        let page = browser.get(&stray).await;
        assert!(page.status >= 400, "{}", page.body);
    }
    assert_eq!(Picture::of(&world, &[&mailbox, &other]), before);
    let page = browser.get(&seconds_back).await;
    assert_eq!(page.heading(), "The mailbox is connected", "{}", page.body);
    assert_granted(&world, &other);
    assert_eq!(crate::picture::grant(&world, &mailbox), None);
    assert_eq!(browser.session(), None, "its own way back ends it");
}

/// A sign-in that does not succeed: what was prepared, who signs in, what our page says.
pub struct Attempt {
    pub what: &'static str,
    pub prepare: fn(&World, &Mailbox),
    pub address: &'static str,
    pub decision: Decision,
    pub expected: (u16, &'static str),
}

fn nothing(_: &World, _: &Mailbox) {}

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
            prepare: |world, mailbox| {
                world
                    .directory
                    .withdraw_consent(mailbox.oid, mailbox.app.app_id);
            },
            ..attempt("consent declined", OWNER, (403, "declined"))
        },
        Attempt {
            prepare: |world, mailbox| {
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
            prepare: |world, mailbox| {
                let app = mailbox.app.app_id;
                world
                    .directory
                    .change(app, |app| app.assigned = Some([].into()));
            },
            ..attempt("not assigned", OWNER, (403, "not-assigned"))
        },
        Attempt {
            prepare: |world, mailbox| stand(world, mailbox, Obstacle::ConditionalAccess),
            ..attempt("Conditional Access", OWNER, (403, "blocked-by-policy"))
        },
        Attempt {
            prepare: |world, mailbox| stand(world, mailbox, Obstacle::Device),
            ..attempt("a device", OWNER, (403, "blocked-by-policy"))
        },
        Attempt {
            prepare: |world, mailbox| stand(world, mailbox, Obstacle::Disabled),
            ..attempt("disabled", OWNER, (403, "account-trouble"))
        },
        Attempt {
            prepare: |world, mailbox| stand(world, mailbox, Obstacle::Locked),
            ..attempt("locked", OWNER, (403, "account-trouble"))
        },
        Attempt {
            prepare: |world, _| {
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

fn stand(world: &World, mailbox: &Mailbox, obstacle: Obstacle) {
    world
        .directory
        .change_account(mailbox.oid, |person| person.obstacle = Some(obstacle));
}

pub fn clear_the_way(world: &World, mailbox: &Mailbox) {
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
fn taken_back(world: &World, step: Step) -> String {
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

#[tokio::test(flavor = "multi_thread")]
async fn every_sign_in_that_is_not_the_owners_ends_on_a_page_that_says_so_and_changes_nothing() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let other = world.add_mailbox(&second_mailbox()).unwrap();
    invite(&world);
    let link = link_in(&world, ASKED);
    let before = Picture::of(&world, &[&mailbox, &other]);
    for redirects in [false, true] {
        world.directory.set_refusals_redirect(redirects);
        for attempt in attempts() {
            let what = attempt.what;
            (attempt.prepare)(&world, &mailbox);
            let mut browser = Browser::new(&world);
            let authorize = browser.begin(&link).await;
            let directory = &world.directory;
            let step = directory.sign_in_as(&authorize, attempt.address, attempt.decision);
            let back = taken_back(&world, step);
            let page = browser.get(&back).await;
            let (status, name) = attempt.expected;
            assert_eq!(outcome(&world, &page).await, name, "{what}: {}", page.body);
            assert_eq!(page.status, status, "{what}");
            assert!(!quotes_microsoft(&page.body), "{what}: {}", page.body);
            assert_eq!(browser.session(), None, "{what}");
            // A way on: the same link again, and not into the same account.
            let other = ["wrong-account", "personal-account", "foreign-account"].contains(&name);
            let again = if other {
                format!("{link}&anew=1")
            } else {
                link.clone()
            };
            assert_eq!(page.way_on(), Some(again), "{what}: {}", page.body);
            clear_the_way(&world, &mailbox);
            let consents = "openid profile offline_access User.Read Mail.Read Mail.Send";
            directory.consent(mailbox.oid, mailbox.app.app_id, consents);
        }
    }
    assert_eq!(Picture::of(&world, &[&mailbox, &other]), before);
    let asked = world.gate.operations();
    assert!(!asked.contains(&"secretsmanager RotateSecret".to_owned()));

    // And the owner.
    let mut browser = Browser::new(&world);
    let page = browser.sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_without_every_permission_that_shopctrl_uses_is_not_stored() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let link = link_in(&world, ASKED);
    let before = Picture::of(&world, &[&mailbox]);
    for missing in ["Mail.Read", "Mail.Send"] {
        world.directory.set_scope_echo(ScopeEcho::Without(missing));
        let mut browser = Browser::new(&world);
        let page = browser.sign_in_as_owner(&link, &mailbox).await;
        assert_eq!(outcome(&world, &page).await, "consent-incomplete");
        assert_eq!(
            (page.status, page.heading()),
            (403, "A permission is missing")
        );
        assert_eq!(page.way_on(), Some(link.clone()));
    }
    // The consent that was there at the sign-in is taken back before the code is redeemed.
    world.directory.set_scope_echo(ScopeEcho::Qualified);
    let mut browser = Browser::new(&world);
    let back = signed_in(&world, &mut browser, &link, &mailbox.address).await;
    world
        .directory
        .withdraw_consent(mailbox.oid, mailbox.app.app_id);
    let page = browser.get(&back).await;
    assert_eq!(outcome(&world, &page).await, "declined", "{}", page.body);
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
    // However the scopes are spelt, all of them are enough.
    world.directory.set_scope_echo(ScopeEcho::LowerCase);
    world
        .directory
        .set_consent_policy(world.tenant(), ConsentPolicy::Users);
    let page = Browser::new(&world).sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_owner_is_known_by_id_and_not_by_address() {
    // The grant names the account; afterwards another account gets the address.
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let before = Picture::of(&world, &[&mailbox]);
    world.directory.change_account(mailbox.oid, |person| {
        *person = Person::with_mailbox("renamed@shop.example", &mailbox.password);
    });
    let impostor = Person::with_mailbox(&mailbox.address, "Pa55~impostor");
    world.directory.add_account(world.tenant(), impostor);
    let link = Forged::connect(&world, &mailbox).link(&world);
    let page = Browser::new(&world)
        .sign_in(&link, &mailbox.address, "Pa55~impostor")
        .await;
    assert_eq!(
        outcome(&world, &page).await,
        "wrong-account",
        "{}",
        page.body
    );
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
    let page = Browser::new(&world)
        .sign_in(&link, "renamed@shop.example", &mailbox.password)
        .await;
    assert_eq!(outcome(&world, &page).await, "connected", "{}", page.body);
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_fetch_every_address_change_nothing() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let link = link_in(&world, ASKED);
    let ended = Forged::like(&link).ending_in(-60);
    let connect = Forged::connect(&world, &mailbox).link(&world);
    let base = &world.callback_url;
    let before = Picture::of(&world, &[&mailbox]);
    let told = world.event_bridge.events().len();
    world.gate.clear();
    for url in [
        link.clone(),
        connect,
        ended.link(&world),
        format!("{base}/callback?code=1.AQ&state=a"),
        format!("{base}/callback?error=access_denied&state=a"),
        format!("{base}/ticket?ticket={}", ended.text()),
        format!("{base}/"),
        format!("{base}/favicon.ico"),
        format!("{base}/robots.txt"),
    ] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            // Without cookies, and with those of the request before.
            let mut previewer = Browser::new(&world);
            for _ in 0..2 {
                previewer.send(method.clone(), &url, "", &[]).await;
            }
        }
    }
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
    assert_eq!(world.event_bridge.events().len(), told);
    let reads = ["DescribeSecret", "GetSecretValue"];
    for call in world.gate.calls() {
        let read = reads.contains(&call.operation.as_str()) || call.service == "api-gateway";
        assert!(read, "{} {}", call.service, call.operation);
    }
    // The link works as if nobody had looked.
    let page = Browser::new(&world).sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_somebody_elses_gets_onto_a_page_into_a_header_or_into_the_log() {
    let strange = MailboxPlan {
        address: "o'brien&<b>@shop.example".replace("<b>", "co+%0a"),
        ..without_grant()
    };
    let (world, mailbox) = waiting(&strange).await;
    let link = link_in(&world, ASKED);
    let before = Picture::of(&world, &[&mailbox]);
    let words = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "AADSTS65004: <b>press here</b> https://evil.example/",
        "AADSTS99999999999999999999999999: what",
        "x\r\nSet-Cookie: __Host-shopmail=evil\r\n\r\n<html>",
        "\u{202e}}\n{\"level\":\"ERROR\",\"outcome\":\"forged\"}",
        "{{7*7}}${7*7*31337}",
        "evilword",
    ];
    for word in words {
        for field in [
            "error",
            "error_description",
            "error_uri",
            "error_subcode",
            "claims",
        ] {
            let mut browser = Browser::new(&world);
            let authorize = browser.begin(&link).await;
            let mut url = Url::parse(&format!("{}/callback", world.callback_url)).unwrap();
            url.query_pairs_mut()
                .append_pair("state", &parameter(&authorize, "state"))
                .append_pair(
                    "error",
                    if field == "error" {
                        word
                    } else {
                        "server_error"
                    },
                )
                .append_pair(field, word);
            let mut url: String = url.into();
            if field == "error" {
                url = with_parameter(&url, "error", word);
            }
            assert_silent(&world, &browser.get(&url).await, word).await;
        }
        let base = &world.callback_url;
        let encoded: String = url::form_urlencoded::byte_serialize(word.as_bytes()).collect();
        for url in [
            format!("{base}/authorize?ticket={encoded}"),
            format!("{base}/{encoded}"),
            format!("{base}/callback?code={encoded}&state={encoded}"),
            format!("{base}/authorize?{encoded}={encoded}"),
        ] {
            assert_silent(&world, &Browser::new(&world).get(&url).await, word).await;
        }
    }
    assert_eq!(Picture::of(&world, &[&mailbox]), before);

    // The mailbox's own name is on a page, as text.
    world.directory.add_account(
        world.tenant(),
        Person::with_mailbox("colleague@shop.example", "Pa55~colleague"),
    );
    let page = Browser::new(&world)
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(outcome(&world, &page).await, "wrong-account");
    assert!(
        page.body.contains("o'brien&amp;co+%0a@shop.example"),
        "{}",
        page.body
    );
    let page = Browser::new(&world).sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}

async fn assert_silent(world: &World, page: &Page, word: &str) {
    // The ticket of the way on is ours, and may hold any letters.
    let tickets = page.forms().into_iter().flat_map(|form| form.fields);
    let body = tickets.fold(page.body.clone(), |body, (_, value)| {
        body.replace(&value, "")
    });
    for part in [
        "alert",
        "evil",
        "press here",
        "7*7",
        "1535513",
        "forged",
        "99999999",
    ] {
        assert!(
            !body.contains(part),
            "{part} of {word} on {}: {body}",
            page.url
        );
        for (name, value) in &page.headers {
            assert!(!value.to_str().unwrap().contains(part), "{part} in {name}");
        }
    }
    assert_eq!(page.location(), None, "{word}");
    let lines = log_of(world, page).await;
    for line in &lines {
        let text = line.to_string();
        assert!(
            !text.contains('<') && !text.contains("press here"),
            "{text}"
        );
    }
    assert!(lines.iter().all(|line| line["outcome"] != "forged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_microsoft_is_ours_whatever_the_request_says() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let link = link_in(&world, ASKED);
    let evil = [
        "redirect_uri",
        "redirect",
        "next",
        "return_to",
        "url",
        "client_id",
        "scope",
        "state",
        "response_mode",
        "login_hint",
        "prompt",
        "tenant",
    ];
    let more: String = evil
        .map(|name| format!("&{name}=https://evil.example/"))
        .concat();
    let mut browser = Browser::new(&world);
    let headers = [
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
    ];
    let page = browser
        .send(Method::GET, &format!("{link}{more}"), "", &headers)
        .await;
    assert_eq!(page.status, 303);
    let location = page.location().unwrap();
    assert!(!location.contains("evil"), "{location}");
    assert!(
        location.starts_with(&world.directory.authority()),
        "{location}"
    );
    let redirect = format!("{}/callback", world.callback_url);
    assert_eq!(parameter(&location, "redirect_uri"), redirect);
    assert_eq!(
        parameter(&location, "client_id"),
        mailbox.app.app_id.to_string()
    );
    assert_eq!(parameter(&location, "response_mode"), "query");
    assert_eq!(parameter(&location, "code_challenge_method"), "S256");
    assert_eq!(parameter(&location, "login_hint"), mailbox.address);
    let cookies: Vec<&str> = page
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    let [cookie] = cookies[..] else {
        panic!("one cookie: {cookies:?}");
    };
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with(&format!("{SESSION}=")));
    let mut attributes: Vec<&str> = attributes.split(';').map(str::trim).collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            "HttpOnly",
            "Max-Age=600",
            "Path=/",
            "SameSite=Lax",
            "Secure"
        ]
    );
    // It is sealed, and each sign-in has secrets of its own.
    let sealed = browser.session().unwrap();
    let opened = BASE64URL_NOPAD.decode(sealed.as_bytes()).unwrap();
    let opened = String::from_utf8_lossy(&opened).into_owned();
    for secret in ["state", "nonce"].map(|name| parameter(&location, name)) {
        assert!(!opened.contains(&secret));
        assert!(secret.len() >= 43, "256 random bits: {secret}");
    }
    let again = Browser::new(&world).begin(&link).await;
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(&location, name), parameter(&again, name));
    }
    assert_ne!(BASE64.encode(opened.as_bytes()), sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_or_method_that_is_not_ours_has_a_page_that_says_so() {
    let (world, mailbox) = waiting(&without_grant()).await;
    let before = Picture::of(&world, &[&mailbox]);
    let ticket = ticket_of(&link_in(&world, ASKED));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/authorize/"),
        (Method::GET, "/Authorize"),
        (Method::GET, "/authorize/../callback/x"),
        (Method::GET, "//evil.example/authorize"),
        (Method::GET, "/ticket"),
        (Method::POST, "/authorize"),
        (Method::POST, "/callback"),
        (Method::PUT, "/ticket"),
        (Method::DELETE, "/ticket"),
        (Method::GET, "/.well-known/security.txt"),
    ] {
        let url = format!("{}{path}?ticket={ticket}", world.callback_url);
        let body = format!("ticket={ticket}");
        let page = Browser::new(&world)
            .send(method.clone(), &url, &body, &form)
            .await;
        assert_eq!(
            (page.status, page.heading()),
            (404, "There is nothing here"),
            "{method} {path}"
        );
        assert_eq!(outcome(&world, &page).await, "no-such-page");
        assert!(!page.body.contains(&ticket));
    }
    // A good ticket asks for no new one; a form that is none says so.
    let post = format!("{}/ticket", world.callback_url);
    for (body, status) in [
        (format!("ticket={ticket}"), 400),
        (format!("ticket={ticket}&ticket={ticket}"), 400),
        (String::new(), 400),
        ("\u{fffd}=%ff%fe&ticket=%00".to_owned(), 400),
        (format!("a={}", "b".repeat(100_000)), 400),
    ] {
        let page = Browser::new(&world)
            .send(Method::POST, &post, &body, &form)
            .await;
        assert_eq!(page.status, status, "{}", page.body);
    }
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
    assert_eq!(world.event_bridge.details(ASKED).len(), 1);
}
