//! A mailbox whose account signs in with another name than its address (osTicket/osTicket-plugins#248).

use serde_json::{Value, json};
use simulators::browser::Page;
use simulators::microsoft::directory::account::Person;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::hand_over::{attended, say};
use crate::support::scenario::{ANOTHER_NAME, another_name, without_grant};

const ASKED: &str = "Authorization Required";

/// The same, and the document says so.
pub fn said_so() -> MailboxPlan {
    MailboxPlan {
        document: |document| sign_in_as(document, ANOTHER_NAME),
        ..another_name()
    }
}

fn sign_in_as(document: &mut Value, name: &str) {
    for connection in document["connections"].as_array_mut().unwrap() {
        connection["sign_in_as"] = json!(name);
    }
}

/// Signs in as somebody else of the tenant, who may use the app as the owner does.
async fn sign_in_as_colleague(scenario: &Scenario, colleague: Person) -> Page {
    let (name, password) = (colleague.upn.clone(), colleague.password.clone());
    let oid = scenario
        .world
        .directory
        .add_account(scenario.world.tenant(), colleague);
    let scopes = "openid profile offline_access User.Read Mail.Read Mail.Send \
        https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send";
    scenario
        .world
        .directory
        .consent(oid, scenario.mailbox.app.app_id, scopes);
    let link = scenario.link_in(ASKED);
    scenario.visitor().sign_in(&link, &name, &password).await
}

/// A page that says which name was expected and what can be set, of a sign-in that changed nothing.
async fn assert_refused(scenario: &Scenario, page: &Page, expected: &str, given: &str) {
    assert_eq!(
        scenario.outcome(page).await,
        "wrong-account",
        "{}",
        page.body
    );
    assert_eq!(
        (page.status, page.heading()),
        (403, "Another account was expected")
    );
    for words in [expected, "sign_in_as"] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert!(!page.body.contains(given), "no foreign name: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whose_sign_in_name_is_no_address_is_taken_where_the_document_says_it() {
    let scenario = Scenario::waiting_for_owner(&said_so()).await;
    let mut visitor = scenario.visitor();
    let link = scenario.link_in(ASKED);
    let microsoft = visitor.begin(&link).await;
    assert!(
        microsoft.contains("login_hint=u123456%40corp.example"),
        "{microsoft}"
    );
    let page = visitor.sign_in_as_owner(&link, &scenario.mailbox).await;
    assert_eq!(page.heading(), "Thank you, that was all", "{}", page.body);
    scenario.settled().await;
    scenario.assert_whole();
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whose_sign_in_name_nobody_said_reads_which_was_expected_and_what_can_be_set() {
    let scenario = Scenario::waiting_for_owner(&another_name()).await;
    let before = scenario.picture();
    let link = scenario.link_in(ASKED);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_refused(&scenario, &page, &scenario.mailbox.address, ANOTHER_NAME).await;
    assert_eq!(page.way_on(), Some(format!("{link}&anew=1")));
    assert_eq!(scenario.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_said_sign_in_name_takes_the_place_of_the_address_and_lets_nobody_else_in() {
    let scenario = Scenario::waiting_for_owner(&said_so()).await;
    let before = scenario.picture();
    let password = "Pa55~colleague";
    // One is called as the mailbox is, one has the expected name as an address only.
    let named_so = Person::with_mailbox(&scenario.mailbox.address, password);
    let addressed_so = Person {
        upn: "colleague@shop.example".to_owned(),
        ..Person::with_mailbox(ANOTHER_NAME, password)
    };
    for colleague in [named_so, addressed_so] {
        let given = colleague.upn.clone();
        let page = sign_in_as_colleague(&scenario, colleague).await;
        assert_refused(&scenario, &page, ANOTHER_NAME, &given).await;
        assert_eq!(scenario.grant(), None);
    }
    assert_eq!(scenario.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_graph_connection_a_said_sign_in_name_is_the_only_one_that_counts() {
    // Receiving by Graph, sending by SMTP: Graph would tell the addresses of whoever signs in.
    let scenario = Scenario::waiting_for_owner(&MailboxPlan {
        sign_in_name: Some(ANOTHER_NAME.to_owned()),
        document: |document| {
            document["connections"][1]["protocol"] = json!("smtp");
            document["connections"][1]["sign_in_as"] = json!(ANOTHER_NAME);
        },
        ..without_grant()
    })
    .await;
    let shop = "orders@shop.example";
    let colleague = Person {
        upn: "colleague@shop.example".to_owned(),
        mail: Some(ANOTHER_NAME.to_owned()),
        ..Person::with_mailbox(shop, "Pa55~colleague")
    };
    let page = sign_in_as_colleague(&scenario, colleague).await;
    assert_refused(&scenario, &page, ANOTHER_NAME, "colleague@").await;
    let smtp = "https://outlook.office.com/SMTP.Send";
    let (oid, app) = (scenario.mailbox.oid, scenario.mailbox.app.app_id);
    scenario.world.directory.consent(oid, app, smtp);
    let link = scenario.link_in(ASKED);
    let page = scenario
        .visitor()
        .sign_in_as_owner(&link, &scenario.mailbox)
        .await;
    assert_eq!(page.status, 200, "{}", page.body);
    scenario.assert_granted();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_names_the_sign_in_name_wherever_microsoft_asks_for_it() {
    let scenario = Scenario::waiting_for_hand_over(&MailboxPlan {
        delivery: attended().delivery,
        reveal_to_owner: true,
        ..said_so()
    })
    .await;
    let mut visitor = scenario.visitor();
    let start = visitor.open(&scenario.hand_over_link()).await;
    for words in [
        format!("Sign in as {ANOTHER_NAME}"),
        format!("the password of {ANOTHER_NAME}"),
        format!("If Microsoft does not know {ANOTHER_NAME}"),
        scenario.mailbox.address.clone(),
    ] {
        assert!(start.body.contains(&words), "{words}: {}", start.body);
    }
    let page = scenario.come_in(&mut visitor).await;
    for words in [
        format!("Microsoft signs in <b>{ANOTHER_NAME}</b>"),
        format!("granted for <b>{ANOTHER_NAME}</b>"),
        format!("<dd>{}</dd>", scenario.mailbox.address),
    ] {
        assert!(page.body.contains(&words), "{words}: {}", page.body);
    }
    let secret = scenario.pending_secret();
    scenario.paste("orders-in", &secret);
    let page = say(&mut visitor, &page, "authorized").await;
    scenario.paste("orders-out", &secret);
    say(&mut visitor, &page, "authorized").await;
    scenario.settled().await;
    scenario.assert_whole();
}
