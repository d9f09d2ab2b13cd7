//! The hand-over, tested as an attacker would: the secret is shown once for each press of the right
//! person in the right session, nothing but a statement of that person counts, and no page, header,
//! link or form carries a word of somebody else's. The sign-in before it is attacked in `links`;
//! docs/security.md has the table of all of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD;
use http::Method;
use jiff::SignedDuration;
use oauth_callback::Route;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};
use shared::ticket::TicketKey;
use simulators::directory::account::Person;
use simulators::gate::Fault;
use simulators::secrets_manager::{CURRENT, PENDING};
use simulators::world::{Mailbox, MailboxPlan, TICKET_KEY, World, short_waits};

use crate::browser::{Browser, Page, SESSION, SIGNED_IN, outcome, ticket_of};
use crate::end_state::{assert_whole, current_key};
use crate::events::assert_events_keep_their_schemas;
use crate::hand_over::{
    attended, come_in, field, fields, link_to, paste, pending_secret, reveal, say, waiting,
};
use crate::links::Forged;
use crate::picture::Picture;

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const RECEIVING: &str = "Receiving mail: enter the new client secret";
const SENDING: &str = "Sending mail: enter the new client secret";

/// What a plan changes in its document.
type Change = fn(&mut Value);

/// Signed in by the link of a hand-over that waits.
struct Visit {
    world: World,
    mailbox: Mailbox,
    browser: Browser,
    /// The page that came first.
    page: Page,
    /// The pending secret.
    secret: String,
}

impl Visit {
    async fn begin(plan: &MailboxPlan) -> Self {
        let (world, mailbox) = waiting(plan).await;
        Self::of(world, mailbox).await
    }

    async fn of(world: World, mailbox: Mailbox) -> Self {
        let mut browser = Browser::new(&world);
        let page = come_in(&world, &mailbox, &mut browser).await;
        assert_eq!(page.heading(), RECEIVING, "{}", page.body);
        let secret = pending_secret(&world, &mailbox);
        Self {
            world,
            mailbox,
            browser,
            page,
            secret,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.world.callback_url)
    }

    /// What nobody may have changed, and how much was told.
    fn standing(&self) -> (Picture, usize) {
        let picture = Picture::of(&self.world, &[&self.mailbox]);
        (picture, self.world.event_bridge.events().len())
    }

    /// A browser with this in place of the session.
    fn with_cookie(&self, value: &str) -> Browser {
        let mut browser = Browser::new(&self.world);
        browser.set_cookie(SIGNED_IN, value);
        browser
    }

    /// The session, changed by somebody who has the key.
    fn crafted(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut session = unsealed(SIGNED_IN, &self.browser.cookie(SIGNED_IN).unwrap());
        change(&mut session);
        sealed(TICKET_KEY, SIGNED_IN, &session)
    }

    /// The session as it would be if the sign-in had been so long ago.
    fn aged(&self, by: SignedDuration) -> String {
        self.crafted(|session| {
            let at = session["at"].as_i64().unwrap() - by.as_secs();
            session["at"] = json!(at);
        })
    }

    /// The fields that say that the page's connection is authorized.
    fn statement(&self) -> Vec<(String, String)> {
        let mut fields = fields(&self.page, "/attest");
        fields.push(("said".to_owned(), "authorized".to_owned()));
        fields
    }

    fn refusals(&self) -> Vec<Value> {
        let told = self.world.event_bridge.details("Reveal Refused");
        told.into_iter()
            .map(|told| told["reason"].clone())
            .collect()
    }

    fn revealed(&self) -> usize {
        self.world
            .event_bridge
            .details("Client Secret Revealed")
            .len()
    }

    /// How often Secrets Manager was asked to go on.
    fn pushes(&self) -> usize {
        asked_for(&self.world, "RotateSecret")
    }
}

fn asked_for(world: &World, operation: &str) -> usize {
    let calls = world.gate.calls().into_iter();
    calls.filter(|call| call.operation == operation).count()
}

fn aead(key: &str) -> LessSafeKey {
    let key = TicketKey::new(key.to_owned().into()).unwrap();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key.derive("session")).unwrap())
}

fn sealed(key: &str, name: &str, content: &Value) -> String {
    let nonce = [7; NONCE_LEN];
    let mut text = content.to_string().into_bytes();
    aead(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(name.as_bytes()),
            &mut text,
        )
        .unwrap();
    BASE64URL_NOPAD.encode(&[nonce.as_slice(), &text].concat())
}

fn unsealed(name: &str, value: &str) -> Value {
    let bytes = BASE64URL_NOPAD.decode(value.as_bytes()).unwrap();
    let (nonce, text) = bytes.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let mut text = text.to_vec();
    let text = aead(TICKET_KEY)
        .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
        .unwrap();
    serde_json::from_slice(text).unwrap()
}

fn encoded(fields: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn with(fields: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields.to_vec();
    fields.retain(|(known, _)| known != name);
    fields.push((name.to_owned(), value.to_owned()));
    fields
}

fn without(fields: &[(String, String)], name: &str) -> Vec<(String, String)> {
    let mut fields: Vec<_> = fields.to_vec();
    fields.retain(|(known, _)| known != name);
    fields
}

fn down(status: u16) -> Fault {
    Fault::Answer {
        effect: false,
        status,
        headers: Vec::new(),
        body: "{}".to_owned(),
    }
}

fn methods() -> [Method; 6] {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ]
}

/// The paths of a hand-over: all but those of a sign-in.
fn paths() -> BTreeSet<&'static str> {
    let of_a_sign_in = [Route::Authorize, Route::Callback];
    let routes = Route::ALL.into_iter();
    let of_a_hand_over = routes.filter(|route| !of_a_sign_in.contains(route));
    of_a_hand_over.map(Route::path).collect()
}

/// Nothing outside was asked to do anything.
fn assert_only_looked(world: &World) {
    for call in world.gate.calls() {
        let looks = match call.service {
            "api-gateway" => true,
            "secretsmanager" => ["DescribeSecret", "GetSecretValue"].contains(&&*call.operation),
            "shopctrl" => call.method == Method::GET,
            _ => false,
        };
        assert!(looks, "{} {}", call.service, call.operation);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_session_of_its_sign_in_no_request_shows_or_changes_anything() {
    let visit = Visit::begin(&attended()).await;
    let good = visit.browser.cookie(SIGNED_IN).unwrap();
    let content = unsealed(SIGNED_IN, &good);
    let mut altered = good.clone().into_bytes();
    altered[60] = if altered[60] == b'A' { b'B' } else { b'A' };
    let ticket = ticket_of(&link_to(&visit.world, &visit.mailbox));
    let another_key = "another-key-of-more-than-32-characters";
    let cookies: [(&str, Option<String>); 9] = [
        ("no cookie", None),
        ("an empty one", Some(String::new())),
        ("an altered one", Some(String::from_utf8(altered).unwrap())),
        ("half of one", Some(good[..good.len() / 2].to_owned())),
        (
            "of another key",
            Some(sealed(another_key, SIGNED_IN, &content)),
        ),
        (
            "sealed for another name",
            Some(sealed(TICKET_KEY, SESSION, &content)),
        ),
        (
            "of an hour ago",
            Some(visit.aged(SignedDuration::from_mins(61))),
        ),
        ("the ticket", Some(ticket.clone())),
        (
            "with a ticket that is none",
            Some(visit.crafted(|s| s["ticket"] = json!("x"))),
        ),
    ];
    let body = encoded(&visit.statement());
    let before = visit.standing();
    visit.world.gate.clear();
    for (what, cookie) in &cookies {
        for path in paths() {
            for method in methods() {
                let mut stranger = Browser::new(&visit.world);
                if let Some(cookie) = cookie {
                    stranger.set_cookie(SIGNED_IN, cookie);
                }
                let url = visit.url(&format!("{path}?ticket={ticket}&{body}"));
                let answer = stranger.send(method.clone(), &url, &body, &FORM).await;
                let get = method == Method::GET;
                // A form's address that is opened leads to the hand-over, which is among these.
                let expected = match path {
                    "/start" if get => 200..300,
                    "/reveal" | "/attest" if get => 300..400,
                    _ => 400..500,
                };
                assert!(
                    expected.contains(&answer.status),
                    "{what}: {method} {path}: {}",
                    answer.status
                );
                assert!(
                    !answer.body.contains(&visit.secret),
                    "{what}: {method} {path}"
                );
                assert_eq!(
                    answer.headers.get("set-cookie"),
                    None,
                    "{what}: {method} {path}"
                );
                let on = (300..400)
                    .contains(&answer.status)
                    .then(|| visit.url("/handover"));
                assert_eq!(answer.location(), on, "{what}: {method} {path}");
            }
        }
    }
    assert_eq!(visit.standing(), before);
    assert_only_looked(&visit.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_right_session_only_a_post_with_its_own_form_counts() {
    let mut visit = Visit::begin(&attended()).await;
    let statement = visit.statement();
    let mut other = Browser::new(&visit.world);
    let others_page = come_in(&visit.world, &visit.mailbox, &mut other).await;
    let others_form = fields(&others_page, "/attest")[0].1.clone();
    assert_ne!(others_form, statement[0].1);
    let before = visit.standing();
    visit.world.gate.clear();
    let query = encoded(&statement);
    for path in ["/handover", "/reveal", "/attest", "/calendar", "/start"] {
        for method in methods()
            .into_iter()
            .filter(|method| method != Method::POST)
        {
            let url = visit.url(&format!("{path}?{query}"));
            let answer = visit
                .browser
                .send(method.clone(), &url, &query, &FORM)
                .await;
            assert!(!answer.body.contains(&visit.secret), "{method} {path}");
            let shown = path == "/handover" && method == Method::GET;
            assert_eq!(answer.status == 200, shown, "{method} {path}");
        }
    }
    assert_only_looked(&visit.world);
    let twice = |name: &str| {
        let mut fields = statement.clone();
        let (_, value) = fields
            .iter()
            .find(|(known, _)| known == name)
            .unwrap()
            .clone();
        fields.push((name.to_owned(), value));
        fields
    };
    let cases = [
        ("no form", without(&statement, "form"), 403),
        ("an empty form", with(&statement, "form", ""), 403),
        (
            "another session's form",
            with(&statement, "form", &others_form),
            403,
        ),
        ("the form twice", twice("form"), 403),
        ("no connection", without(&statement, "connection"), 400),
        ("the connection twice", twice("connection"), 400),
        (
            "no such connection",
            with(&statement, "connection", "orders"),
            400,
        ),
        (
            "markup",
            with(&statement, "connection", "<script>alert(1)</script>"),
            400,
        ),
        (
            "a line end",
            with(&statement, "connection", "orders-in\r\nSet-Cookie: a=b"),
            400,
        ),
        (
            "much",
            with(&statement, "connection", &"a".repeat(20_000)),
            403,
        ),
    ];
    for (what, fields, status) in cases {
        for path in ["/reveal", "/attest"] {
            let url = visit.url(path);
            let answer = visit.browser.post(&url, &fields).await;
            assert_eq!(answer.status, status, "{what} at {path}: {}", answer.body);
            assert!(!answer.body.contains(&visit.secret), "{what} at {path}");
            assert!(!answer.body.contains("alert("), "{what} at {path}");
        }
    }
    for (what, fields) in [
        ("nothing said", without(&statement, "said")),
        ("another word", with(&statement, "said", "attested")),
        ("said twice", twice("said")),
    ] {
        let url = visit.url("/attest");
        let answer = visit.browser.post(&url, &fields).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
    }
    assert_eq!(visit.standing(), before);
    assert_eq!(visit.pushes(), 0);
    // After all that the page's own form is as good as before.
    let page = visit.page.clone();
    let shown = reveal(&mut visit.browser, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_of_one_kind_does_not_pass_for_the_other() {
    let mut visit = Visit::begin(&attended()).await;
    let link = link_to(&visit.world, &visit.mailbox).replace("/start", "/authorize");
    visit.browser.begin(&link).await;
    let (under_way, signed_in) = (
        visit.browser.cookie(SESSION).unwrap(),
        visit.browser.cookie(SIGNED_IN).unwrap(),
    );
    let before = visit.standing();
    let page = visit
        .with_cookie(&under_way)
        .get(&visit.url("/handover"))
        .await;
    assert_eq!(outcome(&visit.world, &page).await, "no-session");
    let mut swapped = Browser::new(&visit.world);
    swapped.set_session(&signed_in);
    let form = unsealed(SIGNED_IN, &signed_in)["form"]
        .as_str()
        .unwrap()
        .to_owned();
    let back = visit.url(&format!("/callback?code=1.AQx&state={form}"));
    let page = swapped.get(&back).await;
    assert_eq!(outcome(&visit.world, &page).await, "no-session");
    assert_eq!(visit.standing(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_shown_for_ten_minutes_after_a_sign_in_and_the_rest_for_an_hour() {
    let visit = Visit::begin(&attended()).await;
    let mut later = visit.with_cookie(&visit.aged(SignedDuration::from_mins(11)));
    let page = later.get(&visit.url("/handover")).await;
    assert_eq!(page.heading(), RECEIVING);
    assert!(!page.has_form("/reveal#secret"), "{}", page.body);
    assert!(page.body.contains("within ten minutes"), "{}", page.body);
    let forced = later.post(&visit.url("/reveal"), &visit.statement()).await;
    assert_eq!(
        (forced.status, forced.heading()),
        (403, "Please sign in once more")
    );
    assert!(!forced.body.contains(&visit.secret));
    assert!(forced.way_on().unwrap().contains("/authorize?ticket="));
    assert_eq!(visit.refusals(), [json!("old_sign_in")]);
    // What the person has done in ShopCtrl meanwhile can be said yet.
    let next = say(&mut later, &page, "authorized").await;
    assert_eq!(next.heading(), SENDING, "{}", next.body);
    assert_eq!(visit.revealed(), 0);
    assert_events_keep_their_schemas(&visit.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_the_mailbox_gets_another_owner() {
    let mut visit = Visit::begin(&attended()).await;
    let name = format!("{}/grants", visit.mailbox.secret);
    let mut grants: Value =
        serde_json::from_str(&crate::picture::current_text(&visit.world, &name)).unwrap();
    grants["grants"][&visit.mailbox.address]["oid"] = json!("99999999-9999-4999-8999-999999999999");
    let store = &visit.world.secrets_manager;
    store
        .place_version(
            &name,
            "another-owner-of-this-mailbox-000000",
            Some(&grants.to_string()),
            &[CURRENT],
        )
        .unwrap();
    let (before, told) = visit.standing();
    for (method, path) in [
        (Method::GET, "/handover"),
        (Method::GET, "/calendar"),
        (Method::POST, "/reveal"),
        (Method::POST, "/attest"),
    ] {
        let (url, body) = (visit.url(path), encoded(&visit.statement()));
        let page = visit.browser.send(method, &url, &body, &FORM).await;
        assert_eq!(
            (page.status, page.heading()),
            (403, "That was another account"),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret), "{path}");
    }
    let (after, told_after) = visit.standing();
    assert_eq!(after, before);
    // The attempt to reveal, and nothing else.
    assert_eq!(visit.refusals(), [json!("another_account")]);
    assert_eq!(told_after, told + 1);
    assert_events_keep_their_schemas(&visit.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_named_in_reveal_to_gets_the_command_and_never_the_secret() {
    let plan = MailboxPlan {
        delivery: "attended".to_owned(),
        ..MailboxPlan::default()
    };
    let visit = &mut Visit::begin(&plan).await;
    assert!(!visit.page.has_form("/reveal#secret"));
    let secret = visit
        .world
        .secrets_manager
        .snapshot(&visit.mailbox.secret)
        .unwrap();
    let command = format!(
        "aws secretsmanager get-secret-value --secret-id {} --version-id {} --query SecretString --output text",
        visit.mailbox.arn,
        secret.labelled(PENDING).unwrap().id,
    );
    assert_eq!(field(&visit.page, "command"), Some(command));
    assert!(
        visit.page.body.contains(&visit.mailbox.oid.to_string()),
        "whom to name"
    );
    let (url, statement) = (visit.url("/reveal"), visit.statement());
    let forced = visit.browser.post(&url, &statement).await;
    assert_eq!(forced.status, 403, "{}", forced.body);
    assert!(!forced.body.contains(&visit.secret));
    assert_eq!(visit.refusals(), [json!("not_in_reveal_to")]);
    // A session that says that it was shown already changes nothing about it.
    let mut bold = visit.with_cookie(&visit.crafted(|session| session["revealed"] = json!(true)));
    let forced = bold.post(&url, &statement).await;
    assert_eq!(forced.status, 403);
    assert_eq!(visit.revealed(), 0);
    // Who got it from AWS goes on.
    let next = say(&mut visit.browser, &visit.page, "authorized").await;
    assert_eq!(next.heading(), SENDING);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_an_app_that_may_do_more_than_its_mailbox_is_shown_to_nobody() {
    let mut visit = Visit::begin(&attended()).await;
    let app = visit.mailbox.app.app_id;
    let directory = Arc::clone(&visit.world.directory);
    let unreadable = || {
        let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"});
        Fault::Answer {
            effect: false,
            status: 200,
            headers: Vec::new(),
            body: body.to_string(),
        }
    };
    let page = visit.page.clone();
    directory.change(app, |app| {
        app.app_roles.insert("Mail.Read".to_owned());
    });
    let refused = reveal(&mut visit.browser, &page).await;
    assert_eq!(
        (refused.status, refused.heading()),
        (403, "The secret cannot be shown here")
    );
    assert!(
        refused.body.contains("application permissions"),
        "{}",
        refused.body
    );
    directory.change(app, |app| {
        app.app_roles.clear();
        app.exchange_roles.insert("IMAP.AccessAsApp".to_owned());
    });
    let refused = reveal(&mut visit.browser, &page).await;
    assert!(
        refused.body.contains("application permissions"),
        "{}",
        refused.body
    );
    directory.change(app, |app| app.exchange_roles.clear());
    // What cannot be looked at is not taken for harmless.
    let tokens = "POST token client_credentials";
    visit.world.gate.fail("entra", tokens, 0, 2, unreadable());
    let refused = reveal(&mut visit.browser, &page).await;
    assert_eq!(
        (refused.status, refused.heading()),
        (403, "The secret cannot be shown here")
    );
    visit.world.gate.heal();
    visit.world.gate.fail("entra", tokens, 0, 2, down(503));
    let refused = reveal(&mut visit.browser, &page).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    visit.world.gate.heal();
    for page in &visit.browser.answers {
        assert!(!page.body.contains(&visit.secret));
    }
    let expected = [
        "application_permissions",
        "application_permissions",
        "not_checked",
        "not_checked",
    ];
    assert_eq!(visit.refusals(), expected.map(|reason| json!(reason)));
    assert_eq!(visit.revealed(), 0);
    assert_events_keep_their_schemas(&visit.world);
    // Nothing of it stays: the app is what it was.
    let shown = reveal(&mut visit.browser, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_an_app_that_issues_its_own_is_shown_to_nobody() {
    let plan = MailboxPlan {
        document: |document| document["rotator"] = json!({"kind": "self"}),
        ..attended()
    };
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&plan).unwrap();
    world.directory.change(mailbox.app.app_id, |app| {
        app.app_roles
            .insert("Application.ReadWrite.OwnedBy".to_owned());
        app.owners.insert(mailbox.app.service_principal_id);
    });
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    let mut visit = Visit::of(world, mailbox).await;
    assert!(
        !visit.page.has_form("/reveal#secret"),
        "{}",
        visit.page.body
    );
    assert!(
        visit
            .page
            .body
            .contains("aws secretsmanager get-secret-value")
    );
    let (url, statement) = (visit.url("/reveal"), visit.statement());
    let forced = visit.browser.post(&url, &statement).await;
    assert_eq!(
        (forced.status, forced.heading()),
        (403, "The secret cannot be shown here")
    );
    assert!(!forced.body.contains(&visit.secret));
    assert_eq!(visit.refusals(), [json!("rotator_is_the_app")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_current_is_shown_and_attested_no_more() {
    let mut visit = Visit::begin(&attended()).await;
    let statement = visit.statement();
    for id in ["orders-in", "orders-out"] {
        paste(&visit.world, &visit.mailbox, id, &visit.secret);
        let fields = with(&statement, "connection", id);
        let url = visit.url("/attest");
        visit.browser.post(&url, &fields).await;
    }
    visit
        .world
        .secrets_manager
        .settled(&visit.mailbox.secret)
        .await;
    assert_whole(&visit.world, &visit.mailbox);
    let (before, _) = visit.standing();
    let url = visit.url("/reveal");
    let late = visit.browser.post(&url, &statement).await;
    assert_eq!(late.heading(), "Nothing left to do", "{}", late.body);
    assert!(!late.body.contains(&visit.secret));
    assert_eq!(visit.refusals(), [json!("not_pending")]);
    let told = visit.world.event_bridge.events().len();
    for said in ["authorized", "other"] {
        let url = visit.url("/attest");
        let page = visit
            .browser
            .post(&url, &with(&statement, "said", said))
            .await;
        assert_eq!(page.heading(), "Done: mail goes on with the new secret");
    }
    let (after, told_after) = visit.standing();
    assert_eq!((after, told_after), (before, told));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_given_up_is_neither_shown_nor_attested() {
    let mut visit = Visit::begin(&attended()).await;
    let store = &visit.world.secrets_manager;
    store
        .place_version(
            &visit.mailbox.secret,
            "a-newer-one-of-this-secret-0000000000",
            None,
            &[PENDING],
        )
        .unwrap();
    let before = visit.standing();
    visit.world.gate.clear();
    for (method, path) in [
        (Method::GET, "/handover"),
        (Method::GET, "/calendar"),
        (Method::POST, "/reveal"),
        (Method::POST, "/attest"),
    ] {
        let (url, body) = (visit.url(path), encoded(&visit.statement()));
        let page = visit.browser.send(method, &url, &body, &FORM).await;
        assert_eq!(
            (page.status, page.heading()),
            (410, "This link is out of date"),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret), "{path}");
    }
    assert_eq!(visit.standing(), before);
    assert_eq!(visit.pushes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_a_grant_opens_no_hand_over() {
    let mut visit = Visit::begin(&attended()).await;
    let connect = Forged::connect(&visit.world, &visit.mailbox).link(&visit.world);
    let mut browser = Browser::new(&visit.world);
    let page = browser.sign_in_as_owner(&connect, &visit.mailbox).await;
    assert_eq!(outcome(&visit.world, &page).await, "hand-over-remains");
    assert_eq!(browser.cookie(SIGNED_IN), None);
    visit
        .world
        .secrets_manager
        .settled(&visit.mailbox.secret)
        .await;
    // And a session that somebody made of it shows nothing of the current version either.
    let current = crate::picture::current_text(&visit.world, &visit.mailbox.secret);
    let document: Value = serde_json::from_str(&current).unwrap();
    let made = visit.crafted(|session| session["ticket"] = json!(ticket_of(&connect)));
    visit.browser.set_cookie(SIGNED_IN, &made);
    let before = visit.standing().0;
    for path in ["/reveal", "/attest"] {
        let (url, statement) = (visit.url(path), visit.statement());
        let page = visit.browser.post(&url, &statement).await;
        assert!(
            !page
                .body
                .contains(document["client_secret"].as_str().unwrap()),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret), "{path}");
    }
    assert_eq!(visit.refusals(), [json!("not_pending")]);
    assert_eq!(visit.standing().0, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hand_overs_in_one_browser_do_not_mix() {
    let world = World::start(short_waits()).await.unwrap();
    let orders = world.add_mailbox(&attended()).unwrap();
    let plan = MailboxPlan {
        name: "sales".to_owned(),
        address: "sales@shop.example".to_owned(),
        shop_id: 13,
        ..attended()
    };
    let sales = world.add_mailbox(&plan).unwrap();
    world.check().await.unwrap();
    for mailbox in [&orders, &sales] {
        world.secrets_manager.settled(&mailbox.secret).await;
    }
    let mut browser = Browser::new(&world);
    let first = come_in(&world, &orders, &mut browser).await;
    let second = come_in(&world, &sales, &mut browser).await;
    assert!(second.body.contains(&sales.address), "{}", second.body);
    let before = Picture::of(&world, &[&orders, &sales]);
    let told = world.event_bridge.events().len();
    // The first tab's buttons, pressed in the session of the second.
    for (action, filled) in [
        ("/reveal#secret", vec![]),
        ("/attest", vec![("said", "authorized")]),
    ] {
        let page = browser.press(&first, action, &filled).await;
        assert_eq!(
            (page.status, page.heading()),
            (403, "Please sign in once more"),
            "{action}"
        );
    }
    // Even with the second's form no connection of the first is meant.
    let mine = fields(&second, "/attest");
    let crossed = with(
        &with(&mine, "connection", "orders-in"),
        "said",
        "authorized",
    );
    let attest = format!("{}/attest", world.callback_url);
    let page = browser.post(&attest, &crossed).await;
    assert_eq!(page.status, 400, "{}", page.body);
    assert_eq!(Picture::of(&world, &[&orders, &sales]), before);
    assert_eq!(world.event_bridge.events().len(), told);
    let shown = reveal(&mut browser, &second).await;
    assert_eq!(
        field(&shown, "client-secret"),
        Some(pending_secret(&world, &sales))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_with_one_link_end_in_one_hand_over_and_a_stranger_in_none() {
    let mut visit = Visit::begin(&attended()).await;
    let (world, mailbox) = (&visit.world, &visit.mailbox);
    // A colleague to whom the mail was passed on.
    let colleague = Person::with_mailbox("colleague@shop.example", "Pa55~colleague");
    world.directory.add_account(world.tenant(), colleague);
    let link = link_to(world, mailbox).replace("/start", "/authorize");
    let mut stranger = Browser::new(world);
    let page = stranger
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(outcome(world, &page).await, "wrong-account");
    assert_eq!(stranger.cookie(SIGNED_IN), None);
    let page = stranger.get(&visit.url("/handover")).await;
    assert_eq!(page.status, 403);
    // Somebody else who has the mailbox's password too.
    let mut second = Browser::new(world);
    let seconds = come_in(world, mailbox, &mut second).await;
    paste(world, mailbox, "orders-in", &visit.secret);
    let attested = || world.event_bridge.details("Hand-over Attested").len();
    let one = say(&mut visit.browser, &visit.page, "authorized").await;
    let two = say(&mut second, &seconds, "authorized").await;
    assert_eq!((one.heading(), two.heading()), (SENDING, SENDING));
    assert_eq!(attested(), 1, "the same said again is no news");
    // They contradict each other: the last word counts, and both are told.
    let two = say(&mut second, &seconds, "other").await;
    assert!(two.body.contains("That did not work yet"), "{}", two.body);
    paste(world, mailbox, "orders-out", &visit.secret);
    let one = say(&mut visit.browser, &one, "authorized").await;
    assert_eq!(
        one.heading(),
        RECEIVING,
        "the other's word is seen: {}",
        one.body
    );
    assert_eq!(attested(), 3);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_eq!(
        current_key(world, mailbox),
        mailbox.first_key,
        "not promoted"
    );
    say(&mut visit.browser, &one, "authorized").await;
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(world, mailbox);
    assert_events_keep_their_schemas(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_a_connection_that_is_not_theirs_to_hand_over() {
    // One direction is another mailbox's, or delivered without hands.
    let documents: [(&str, Change); 2] = [
        ("another mailbox's", |document| {
            document["connections"][1]["mailbox"] = json!("sales@shop.example");
        }),
        ("delivered by api", |document| {
            document["connections"][1]["delivery"] = json!("api");
        }),
    ];
    for (what, document) in documents {
        let plan = MailboxPlan {
            document,
            ..attended()
        };
        let mut visit = Visit::begin(&plan).await;
        let before = visit.standing();
        for path in ["/attest", "/reveal"] {
            let fields = with(&visit.statement(), "connection", "orders-out");
            let url = visit.url(path);
            let page = visit.browser.post(&url, &fields).await;
            assert_eq!(page.status, 400, "{what} at {path}: {}", page.body);
            assert!(!page.body.contains(&visit.secret));
        }
        assert_eq!(visit.standing(), before, "{what}");
    }
}

// === What ShopCtrl names, and where it leads ===

/// A mailbox whose sending connection ShopCtrl cannot take over without a person, delivered by `api`.
async fn interaction_required() -> (World, Mailbox) {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .shopctrl
        .edit(mailbox.shop_id, "orders-out", |connection| {
            connection.refresh_token = Some("dead".to_owned());
        });
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    (world, mailbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_to_authorize_at_leads_to_microsofts_sign_in_of_this_app_or_to_shopctrl_only() {
    let (world, mailbox) = interaction_required().await;
    let named = Arc::new(Mutex::new(String::new()));
    let answer = Arc::clone(&named);
    world.gate.direct(move |call| {
        let put = call.service == "shopctrl" && call.operation == "PUT connection";
        let url = answer.lock().unwrap().clone();
        let body = json!({"error": "interaction_required", "authorize_url": url});
        put.then(|| Fault::Answer {
            effect: false,
            status: 409,
            headers: Vec::new(),
            body: body.to_string(),
        })
    });
    let microsoft = world.directory.authority();
    let (_, host) = microsoft.split_once("://").unwrap();
    let shop = world.shopctrl_url.clone();
    let app = mailbox.app.app_id;
    let at_microsoft = |query: &str| format!("{microsoft}/common/oauth2/v2.0/authorize?{query}");
    let evil = [
        "javascript:alert('evil')".to_owned(),
        "JavaScript://evil.example/%0aalert(1)".to_owned(),
        "data:text/html,evil".to_owned(),
        "//evil.example/".to_owned(),
        "/evil".to_owned(),
        "evil".to_owned(),
        "https://evil.example/".to_owned(),
        format!("http://{host}.evil.example/?client_id={app}"),
        format!("http://{host}@evil.example/?client_id={app}"),
        format!("http://evil.example@{host}/?client_id={app}"),
        format!("http://:evil@{host}/?client_id={app}"),
        format!("http://evil.example\\@{host}/?client_id={app}"),
        format!("https://{host}/evil?client_id={app}"),
        format!("ftp://{host}/evil?client_id={app}"),
        "http://127.0.0.1:1/evil".to_owned(),
        format!("{shop}/{}", "evil".repeat(400)),
        // Microsoft's own sign-in, but to another app: a consent for somebody else.
        at_microsoft("client_id=evil"),
        at_microsoft(&format!("client_id=evil&client_id={app}")),
        at_microsoft(&format!("client_id={app}&client_id=evil")),
        at_microsoft("evil"),
    ];
    let link = link_to(&world, &mailbox).replace("/start", "/authorize");
    for url in evil {
        named.lock().unwrap().clone_from(&url);
        let mut browser = Browser::new(&world);
        let page = browser.sign_in_as_owner(&link, &mailbox).await;
        assert_eq!(outcome(&world, &page).await, "authorize-remains", "{url}");
        for answer in &browser.answers {
            assert!(!answer.body.contains("evil"), "{url}: {}", answer.body);
            let location = answer.location().unwrap_or_default();
            assert!(!location.contains("evil"), "{url}: {location}");
        }
        assert_eq!(browser.cookie(SIGNED_IN), None, "{url}");
        world.secrets_manager.settled(&mailbox.secret).await;
    }
    assert_eq!(current_key(&world, &mailbox), mailbox.first_key);
    // ShopCtrl's own, with markup in it: it is an address and nothing else.
    for url in [
        format!("{shop}/authorize?next=\"><script>alert(1)</script>&'x"),
        at_microsoft(&format!(
            "client_id={app}&state=\"><img src=x onerror=alert(1)>"
        )),
    ] {
        named.lock().unwrap().clone_from(&url);
        let mut browser = Browser::new(&world);
        let page = browser.sign_in_as_owner(&link, &mailbox).await;
        assert_eq!(page.heading(), "Sending mail: authorize ShopCtrl", "{url}");
        assert!(
            !page.body.contains("alert(1)</script>") && !page.body.contains("<img"),
            "{}",
            page.body
        );
        let shown = url.replace('&', "&amp;").replace('"', "&quot;");
        let shown = shown.replace('<', "&lt;").replace('>', "&gt;");
        assert!(
            page.body.contains(&format!(
                "href=\"{shown}\" target=\"_blank\" rel=\"noopener noreferrer\""
            )),
            "{}",
            page.body
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_odd_letters_are_text_on_every_page_and_in_the_calendar() {
    let plan = MailboxPlan {
        address: "o'brien&co;b**x**+%0d%0a{}$`@shop.example".to_owned(),
        document: |document| {
            for connection in document["connections"].as_array_mut().unwrap() {
                let ui = connection["shopctrl"]["ui"].as_str().unwrap().to_owned();
                connection["shopctrl"]["ui"] = json!(format!("{ui}/a'b&c\"<b>**x**</b>"));
            }
            document["description"] = json!("<script>alert(1)</script>");
        },
        ..attended()
    };
    let mut visit = Visit::begin(&plan).await;
    visit
        .world
        .secrets_manager
        .put_tags(
            &visit.mailbox.secret,
            &[("shopmail:shop", "<script>alert(1)</script>")],
        )
        .unwrap();
    let page = visit.page.clone();
    assert!(
        page.body
            .contains("o'brien&amp;co;b**x**+%0d%0a{}$`@shop.example"),
        "{}",
        page.body
    );
    let shown = reveal(&mut visit.browser, &page).await;
    paste(&visit.world, &visit.mailbox, "orders-in", &visit.secret);
    let next = say(&mut visit.browser, &shown, "other").await;
    let next = say(&mut visit.browser, &next, "authorized").await;
    paste(&visit.world, &visit.mailbox, "orders-out", &visit.secret);
    say(&mut visit.browser, &next, "authorized").await;
    visit
        .world
        .secrets_manager
        .settled(&visit.mailbox.secret)
        .await;
    let done = visit.browser.get(&visit.url("/handover")).await;
    assert_eq!(
        done.heading(),
        "Done: mail goes on with the new secret",
        "{}",
        done.body
    );
    let calendar = visit.browser.get(&visit.url("/calendar")).await;
    assert_eq!(
        calendar.headers["content-type"],
        "text/calendar; charset=utf-8"
    );
    assert_eq!(
        calendar.headers["content-disposition"],
        "attachment; filename=\"shopmail.ics\""
    );
    let unfolded = calendar.body.replace("\r\n ", "");
    assert_eq!(unfolded.matches("\r\nBEGIN:").count(), 2, "{unfolded}");
    assert!(unfolded.contains("o'brien&co\\;b**x**"), "{unfolded}");
    for answer in &visit.browser.answers {
        for foreign in [
            "o'brien&co",
            "<script>alert",
            "<b>**",
            "<b>x</b>**",
            "\"<b>",
        ] {
            let page = answer.body.starts_with("<!DOCTYPE");
            assert!(
                !page || !answer.body.contains(foreign),
                "{foreign}: {}",
                answer.body
            );
        }
        for (name, value) in &answer.headers {
            let value = value.to_str().unwrap();
            assert!(
                !value.contains("o'brien") && !value.contains("alert"),
                "{name}: {value}"
            );
        }
    }
    assert_whole(&visit.world, &visit.mailbox);
    assert_events_keep_their_schemas(&visit.world);
}

// === Frames, caches, floods, failures ===

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_the_hand_over_may_be_framed_cached_or_spied_on() {
    // The browser holds every answer of ours to it; here it gets them all, the refusals too.
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    let shown = reveal(&mut visit.browser, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
    for id in ["orders-in", "orders-out"] {
        paste(&visit.world, &visit.mailbox, id, &visit.secret);
        let fields = with(&visit.statement(), "connection", id);
        let url = visit.url("/attest");
        visit.browser.post(&url, &fields).await;
    }
    visit
        .world
        .secrets_manager
        .settled(&visit.mailbox.secret)
        .await;
    for path in ["/handover", "/calendar", "/start", "/reveal", "/nothing"] {
        let url = visit.url(path);
        visit.browser.get(&url).await;
        Browser::new(&visit.world).get(&url).await;
    }
    let answers = &visit.browser.answers;
    let of_type = |name: &str| {
        let found = answers.iter().filter(|answer| {
            answer
                .headers
                .get("content-type")
                .is_some_and(|value| value.to_str().unwrap().starts_with(name))
        });
        found.count()
    };
    assert!(of_type("text/html") >= 7 && of_type("text/calendar") == 1);
    for answer in answers {
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{}", answer.url);
        assert_eq!(
            answer.headers["cache-control"], "no-store",
            "{}",
            answer.url
        );
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-"), "{cookie}");
            for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(cookie.contains(attribute), "{attribute}: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_pressed_fifty_times_is_pressed_once() {
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    visit.world.gate.clear();
    paste(&visit.world, &visit.mailbox, "orders-in", &visit.secret);
    paste(&visit.world, &visit.mailbox, "orders-out", &visit.secret);
    let fields = with(&visit.statement(), "connection", "orders-out");
    let url = visit.url("/attest");
    visit.browser.post(&url, &fields).await;
    // The last statement pushes the rotation on: once, and not into the one that is running.
    for _ in 0..50 {
        say(&mut visit.browser, &page, "authorized").await;
    }
    visit
        .world
        .secrets_manager
        .settled(&visit.mailbox.secret)
        .await;
    assert_eq!(
        visit.world.event_bridge.details("Hand-over Attested").len(),
        2
    );
    assert_eq!(visit.pushes(), 1);
    assert_whole(&visit.world, &visit.mailbox);
    assert_events_keep_their_schemas(&visit.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reveal_is_told_and_a_flood_of_them_writes_nothing() {
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    let (before, _) = visit.standing();
    visit.world.gate.clear();
    for _ in 0..10 {
        let shown = reveal(&mut visit.browser, &page).await;
        assert_eq!(
            field(&shown, "client-secret").as_deref(),
            Some(&*visit.secret)
        );
        // Leaving the page covers it again.
        let again = visit.browser.get(&visit.url("/handover")).await;
        assert!(!again.body.contains(&visit.secret));
    }
    assert_eq!(visit.standing().0, before);
    assert_eq!(visit.pushes(), 0);
    let told = visit.world.event_bridge.details("Client Secret Revealed");
    let ids: std::collections::BTreeSet<&str> = told
        .iter()
        .map(|told| told["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        (told.len(), ids.len()),
        (10, 10),
        "each is an event of its own"
    );
    for told in &told {
        assert_eq!(told["by"], visit.mailbox.oid.to_string());
        assert_eq!(told["connection"], "orders-in");
    }
    assert_events_keep_their_schemas(&visit.world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_callbacks_reaches_neither_microsoft_nor_the_store() {
    let mut visit = Visit::begin(&attended()).await;
    let link = link_to(&visit.world, &visit.mailbox).replace("/start", "/authorize");
    visit.browser.begin(&link).await;
    let before = visit.standing();
    visit.world.gate.clear();
    for n in 0..40 {
        let back = visit.url(&format!("/callback?code=1.AQ{n}&state={n}"));
        let page = visit.browser.get(&back).await;
        assert_eq!((page.status, page.heading()), (400, "Please start again"));
    }
    assert_eq!(visit.standing(), before);
    assert_only_looked(&visit.world);
    // Neither the sign-in under way nor the hand-over was ended by it.
    assert!(visit.browser.session().is_some());
    let page = visit.browser.get(&visit.url("/handover")).await;
    assert_eq!(page.heading(), RECEIVING);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_not_shown_and_not_recorded() {
    let mut visit = Visit::begin(&attended()).await;
    let page = visit.page.clone();
    let before = visit.standing();
    for fault in [down(503), Fault::Reset { effect: false }, Fault::NotJson] {
        for attempt in ["/reveal", "/attest"] {
            visit
                .world
                .gate
                .fail("events", "PutEvents", 0, 20, fault.clone());
            let (url, statement) = (visit.url(attempt), visit.statement());
            let answer = visit.browser.post(&url, &statement).await;
            visit.world.gate.heal();
            assert_eq!(
                (answer.status, answer.heading()),
                (503, "That did not work just now"),
                "{attempt}"
            );
            assert!(!answer.body.contains(&visit.secret));
        }
    }
    assert_eq!(
        visit.standing().0,
        before.0,
        "and \"nothing was changed\" is true"
    );
    let shown = reveal(&mut visit.browser, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
    let next = say(&mut visit.browser, &shown, "authorized").await;
    assert_eq!(next.heading(), SENDING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_shows_nothing_and_a_shopctrl_that_does_not_keeps_nobody() {
    let mut visit = Visit::begin(&attended()).await;
    let before = visit.standing();
    for (method, path) in [
        (Method::GET, "/handover"),
        (Method::POST, "/reveal"),
        (Method::POST, "/attest"),
    ] {
        visit
            .world
            .gate
            .fail("secretsmanager", "*", 0, 100, down(500));
        let (url, body) = (visit.url(path), encoded(&visit.statement()));
        let page = visit.browser.send(method, &url, &body, &FORM).await;
        visit.world.gate.heal();
        assert_eq!(
            (page.status, page.heading()),
            (503, "That did not work just now"),
            "{path}"
        );
        assert!(!page.body.contains(&visit.secret));
    }
    assert_eq!(visit.standing(), before);
    // ShopCtrl's interface is down; its screens are not.
    visit
        .world
        .gate
        .fail("shopctrl", "*", 0, 10_000, Fault::Reset { effect: false });
    let page = visit.browser.get(&visit.url("/handover")).await;
    assert_eq!(page.heading(), RECEIVING);
    let next = say(&mut visit.browser, &page, "other").await;
    assert!(next.body.contains("That did not work yet"), "{}", next.body);
    let next = say(&mut visit.browser, &next, "authorized").await;
    assert_eq!(next.heading(), SENDING);
    let end = say(&mut visit.browser, &next, "authorized").await;
    assert!(
        end.body.contains("ShopCtrl cannot be asked just now"),
        "{}",
        end.body
    );
}
