//! Who may see a secret and speak for a connection, and for how long.

use std::sync::Arc;

use http::Method;
use serde_json::json;
use simulators::aws::secrets_manager::PENDING;
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::account::Person;
use simulators::world::MailboxPlan;

use super::visit::{Change, FORM, RECEIVING, SENDING, Visit, down, encoded, with};
use crate::support::Scenario;
use crate::support::hand_over::{attended, field, reveal, say};
use crate::support::visitor::SIGNED_IN;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_named_in_reveal_to_gets_the_command_and_never_the_secret() {
    let plan = MailboxPlan {
        delivery: "attended".to_owned(),
        ..MailboxPlan::default()
    };
    let visit = &mut Visit::begin(&plan).await;
    assert!(!visit.page.has_form("/reveal#secret"));
    let secret = visit.scenario.secret();
    let command = format!(
        "aws secretsmanager get-secret-value --secret-id {} --version-id {} --query SecretString --output text",
        visit.scenario.mailbox.arn,
        secret.labelled(PENDING).unwrap().id,
    );
    assert_eq!(field(&visit.page, "command"), Some(command));
    assert!(
        visit
            .page
            .body
            .contains(&visit.scenario.mailbox.oid.to_string()),
        "whom to name"
    );
    let (url, statement) = (visit.url("/reveal"), visit.statement());
    let forced = visit.visitor.post(&url, &statement).await;
    assert_eq!(forced.status, 403, "{}", forced.body);
    assert!(!forced.body.contains(&visit.secret));
    assert_eq!(visit.refusals(), [json!("not_in_reveal_to")]);
    // A session that says that it was shown already changes nothing about it.
    let mut bold = visit.with_cookie(&visit.crafted(|session| session["revealed"] = json!(true)));
    let forced = bold.post(&url, &statement).await;
    assert_eq!(forced.status, 403);
    assert_eq!(visit.revealed(), 0);
    // Who got it from AWS goes on.
    let next = say(&mut visit.visitor, &visit.page, "authorized").await;
    assert_eq!(next.heading(), SENDING);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_an_app_that_may_do_more_than_its_mailbox_is_shown_to_nobody() {
    let mut visit = Visit::begin(&attended()).await;
    let app = visit.scenario.mailbox.app.app_id;
    let directory = Arc::clone(&visit.scenario.world.directory);
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
    let refused = reveal(&mut visit.visitor, &page).await;
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
    let refused = reveal(&mut visit.visitor, &page).await;
    assert!(
        refused.body.contains("application permissions"),
        "{}",
        refused.body
    );
    directory.change(app, |app| app.exchange_roles.clear());
    // What cannot be looked at is not taken for harmless.
    let tokens = "POST token client_credentials";
    visit
        .scenario
        .world
        .gate
        .fail(Calls::of("entra", tokens).times(2), unreadable());
    let refused = reveal(&mut visit.visitor, &page).await;
    assert_eq!(
        (refused.status, refused.heading()),
        (403, "The secret cannot be shown here")
    );
    visit.scenario.world.gate.heal();
    visit
        .scenario
        .world
        .gate
        .fail(Calls::of("entra", tokens).times(2), down(503));
    let refused = reveal(&mut visit.visitor, &page).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    visit.scenario.world.gate.heal();
    for page in &visit.visitor.answers {
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
    visit.scenario.assert_events_keep_their_schemas();
    // Nothing of it stays: the app is what it was.
    let shown = reveal(&mut visit.visitor, &page).await;
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
    let scenario = Scenario::with(&plan).await;
    scenario.change_app(|app| {
        app.app_roles
            .insert("Application.ReadWrite.OwnedBy".to_owned());
        app.owners.insert(scenario.mailbox.app.service_principal_id);
    });
    scenario.check().await;
    let mut visit = Visit::of(scenario).await;
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
    let forced = visit.visitor.post(&url, &statement).await;
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
        visit.scenario.paste(id, &visit.secret);
        let fields = with(&statement, "connection", id);
        let url = visit.url("/attest");
        visit.visitor.post(&url, &fields).await;
    }
    visit.scenario.settled().await;
    visit.scenario.assert_whole();
    let (before, _) = visit.standing();
    let url = visit.url("/reveal");
    let late = visit.visitor.post(&url, &statement).await;
    assert_eq!(late.heading(), "Nothing left to do", "{}", late.body);
    assert!(!late.body.contains(&visit.secret));
    assert_eq!(visit.refusals(), [json!("not_pending")]);
    let told = visit.scenario.world.event_bridge.events().len();
    for said in ["authorized", "other"] {
        let url = visit.url("/attest");
        let page = visit
            .visitor
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
    let store = &visit.scenario.world.secrets_manager;
    store
        .place_version(
            &visit.scenario.mailbox.secret,
            "a-newer-one-of-this-secret-0000000000",
            None,
            &[PENDING],
        )
        .unwrap();
    let before = visit.standing();
    visit.scenario.world.gate.clear();
    for (method, path) in [
        (Method::GET, "/handover"),
        (Method::GET, "/calendar"),
        (Method::POST, "/reveal"),
        (Method::POST, "/attest"),
    ] {
        let (url, body) = (visit.url(path), encoded(&visit.statement()));
        let page = visit.visitor.send(method, &url, &body, &FORM).await;
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
async fn two_people_with_one_link_end_in_one_hand_over_and_a_stranger_in_none() {
    let mut visit = Visit::begin(&attended()).await;
    let scenario = &visit.scenario;
    // A colleague to whom the mail was passed on.
    let colleague = Person::with_mailbox("colleague@shop.example", "Pa55~colleague");
    scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), colleague);
    let link = scenario.hand_over_link().replace("/start", "/authorize");
    let mut stranger = scenario.visitor();
    let page = stranger
        .sign_in(&link, "colleague@shop.example", "Pa55~colleague")
        .await;
    assert_eq!(scenario.outcome(&page).await, "wrong-account");
    assert_eq!(stranger.cookie(SIGNED_IN), None);
    let page = stranger.get(&visit.url("/handover")).await;
    assert_eq!(page.status, 403);
    // Somebody else who has the mailbox's password too.
    let mut second = scenario.visitor();
    let seconds = scenario.come_in(&mut second).await;
    scenario.paste("orders-in", &visit.secret);
    let attested = || scenario.details("Hand-over Attested").len();
    let one = say(&mut visit.visitor, &visit.page, "authorized").await;
    let two = say(&mut second, &seconds, "authorized").await;
    assert_eq!((one.heading(), two.heading()), (SENDING, SENDING));
    assert_eq!(attested(), 1, "the same said again is no news");
    // They contradict each other: the last word counts, and both are told.
    let two = say(&mut second, &seconds, "other").await;
    assert!(two.body.contains("That did not work yet"), "{}", two.body);
    scenario.paste("orders-out", &visit.secret);
    let one = say(&mut visit.visitor, &one, "authorized").await;
    assert_eq!(
        one.heading(),
        RECEIVING,
        "the other's word is seen: {}",
        one.body
    );
    assert_eq!(attested(), 3);
    scenario.settled().await;
    assert_eq!(
        scenario.current_key(),
        scenario.mailbox.first_key,
        "not promoted"
    );
    say(&mut visit.visitor, &one, "authorized").await;
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_events_keep_their_schemas();
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
            let page = visit.visitor.post(&url, &fields).await;
            assert_eq!(page.status, 400, "{what} at {path}: {}", page.body);
            assert!(!page.body.contains(&visit.secret));
        }
        assert_eq!(visit.standing(), before, "{what}");
    }
}
