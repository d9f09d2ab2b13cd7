//! A session of Microsoft's in a browser that somebody left is no sign-in of theirs.

use jiff::SignedDuration;
use serde_json::json;
use simulators::browser::Page;
use simulators::world::MailboxPlan;

use super::visit::{RECEIVING, Visit};
use crate::support::hand_over::{attended, field, fields, reveal};

impl Visit {
    /// Hours later the same browser, whose session at Microsoft is open yet, opens the link again: as far as the
    /// address of Microsoft's sign-in.
    async fn hours_later(&mut self) -> String {
        let five = SignedDuration::from_hours(5);
        self.scenario.world.clock.advance(five);
        let link = self.scenario.hand_over_link();
        let start = self.visitor.open(&link).await;
        self.visitor.begin(&start.way_on().unwrap()).await
    }

    /// Goes there, with the session at Microsoft alone.
    async fn without_a_password(&mut self, authorize: &str) -> Page {
        self.visitor.open(authorize).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_hours_ago_is_not_enough_where_a_reveal_can_follow() {
    let mut visit = Visit::begin(&attended()).await;
    let authorize = visit.hours_later().await;
    let page = visit.without_a_password(&authorize).await;
    assert!(
        page.has_form("/login"),
        "the password is asked for: {}",
        page.url
    );
    let mailbox = visit.scenario.mailbox.clone();
    let given = [
        ("login", &*mailbox.sign_in_name),
        ("passwd", &*mailbox.password),
    ];
    let page = visit.visitor.press(&page, "/login", &given).await;
    assert_eq!(page.heading(), RECEIVING, "{}", page.body);
    let shown = reveal(&mut visit.visitor, &page).await;
    assert_eq!(
        field(&shown, "client-secret").as_deref(),
        Some(&*visit.secret)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_reveal_can_follow_nobody_enters_a_password_once_more() {
    let plan = MailboxPlan {
        reveal_to_owner: false,
        ..attended()
    };
    let mut visit = Visit::begin(&plan).await;
    let authorize = visit.hours_later().await;
    let page = visit.without_a_password(&authorize).await;
    assert_eq!(page.heading(), RECEIVING, "{}", page.body);
    assert!(!page.has_form("/reveal#secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_microsoft_says_when_the_password_was_given_that_counts_whatever_was_asked() {
    for sends_auth_time in [true, false] {
        let mut visit = Visit::begin(&attended()).await;
        visit
            .scenario
            .change_app(|app| app.sends_auth_time = sends_auth_time);
        let authorize = visit.hours_later().await;
        // Who has the browser has its address bar.
        let bent = authorize.replace("&prompt=login", "");
        assert_ne!(bent, authorize);
        let page = visit.without_a_password(&bent).await;
        assert_eq!(page.heading(), RECEIVING, "{}", page.body);
        // Without the claim nothing shows that the address was bent: docs/security.md says so.
        assert_eq!(page.has_form("/reveal#secret"), !sends_auth_time);
        if sends_auth_time {
            let url = visit.url("/reveal");
            let forced = visit.visitor.post(&url, &fields(&page, "/attest")).await;
            assert_eq!(
                (forced.status, forced.heading()),
                (403, "Please sign in once more")
            );
            assert!(!forced.body.contains(&visit.secret));
            assert_eq!(visit.refusals(), [json!("old_sign_in")]);
        }
    }
}
