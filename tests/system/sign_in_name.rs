//! A mailbox whose account signs in with another name than its address (osTicket/osTicket-plugins#248).

use serde_json::{Value, json};
use simulators::microsoft::directory::account::Person;
use simulators::world::{Mailbox, MailboxPlan, World};

use crate::end_state::assert_whole;
use crate::hand_over::{attended, come_in, paste, pending_secret, say};
use crate::picture::{Picture, assert_granted, grant};
use crate::sign_in::{waiting, without_grant};
use crate::support::callback_log::outcome;
use crate::support::visitor::{Visitor, link_in};
use simulators::browser::Page;

const ASKED: &str = "Authorization Required";
const NAME: &str = "u123456@corp.example";

/// ShopCtrl reads orders@ by IMAP and sends by SMTP, and the account signs in as u123456@.
pub fn another_name() -> MailboxPlan {
    MailboxPlan {
        sign_in_name: Some(NAME.to_owned()),
        mail_protocols: true,
        ..without_grant()
    }
}

/// The same, and the document says so.
pub fn said_so() -> MailboxPlan {
    MailboxPlan {
        document: |document| sign_in_as(document, NAME),
        ..another_name()
    }
}

fn sign_in_as(document: &mut Value, name: &str) {
    for connection in document["connections"].as_array_mut().unwrap() {
        connection["sign_in_as"] = json!(name);
    }
}

/// Signs in as somebody else of the tenant, who may use the app as the owner does.
async fn sign_in_as_colleague(world: &World, mailbox: &Mailbox, colleague: Person) -> Page {
    let (name, password) = (colleague.upn.clone(), colleague.password.clone());
    let oid = world.directory.add_account(world.tenant(), colleague);
    let scopes = "openid profile offline_access User.Read Mail.Read Mail.Send \
        https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send";
    world.directory.consent(oid, mailbox.app.app_id, scopes);
    let link = link_in(world, ASKED);
    Visitor::new(world).sign_in(&link, &name, &password).await
}

/// A page that says which name was expected and what can be set, of a sign-in that changed nothing.
async fn assert_refused(world: &World, page: &Page, expected: &str, given: &str) {
    assert_eq!(outcome(world, page).await, "wrong-account", "{}", page.body);
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
    let (world, mailbox) = waiting(&said_so()).await;
    let mut visitor = Visitor::new(&world);
    let link = link_in(&world, ASKED);
    let microsoft = visitor.begin(&link).await;
    assert!(
        microsoft.contains("login_hint=u123456%40corp.example"),
        "{microsoft}"
    );
    let page = visitor.sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.heading(), "Thank you, that was all", "{}", page.body);
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whose_sign_in_name_nobody_said_reads_which_was_expected_and_what_can_be_set() {
    let (world, mailbox) = waiting(&another_name()).await;
    let before = Picture::of(&world, &[&mailbox]);
    let link = link_in(&world, ASKED);
    let page = Visitor::new(&world).sign_in_as_owner(&link, &mailbox).await;
    assert_refused(&world, &page, &mailbox.address, NAME).await;
    assert_eq!(page.way_on(), Some(format!("{link}&anew=1")));
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_said_sign_in_name_takes_the_place_of_the_address_and_lets_nobody_else_in() {
    let (world, mailbox) = waiting(&said_so()).await;
    let before = Picture::of(&world, &[&mailbox]);
    let password = "Pa55~colleague";
    // One is called as the mailbox is, one has the expected name as an address only.
    let named_so = Person::with_mailbox(&mailbox.address, password);
    let addressed_so = Person {
        upn: "colleague@shop.example".to_owned(),
        ..Person::with_mailbox(NAME, password)
    };
    for colleague in [named_so, addressed_so] {
        let given = colleague.upn.clone();
        let page = sign_in_as_colleague(&world, &mailbox, colleague).await;
        assert_refused(&world, &page, NAME, &given).await;
        assert_eq!(grant(&world, &mailbox), None);
    }
    assert_eq!(Picture::of(&world, &[&mailbox]), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_graph_connection_a_said_sign_in_name_is_the_only_one_that_counts() {
    // Receiving by Graph, sending by SMTP: Graph would tell the addresses of whoever signs in.
    let (world, mailbox) = waiting(&MailboxPlan {
        sign_in_name: Some(NAME.to_owned()),
        document: |document| {
            document["connections"][1]["protocol"] = json!("smtp");
            document["connections"][1]["sign_in_as"] = json!(NAME);
        },
        ..without_grant()
    })
    .await;
    let shop = "orders@shop.example";
    let colleague = Person {
        upn: "colleague@shop.example".to_owned(),
        mail: Some(NAME.to_owned()),
        ..Person::with_mailbox(shop, "Pa55~colleague")
    };
    let page = sign_in_as_colleague(&world, &mailbox, colleague).await;
    assert_refused(&world, &page, NAME, "colleague@").await;
    let smtp = "https://outlook.office.com/SMTP.Send";
    let (oid, app) = (mailbox.oid, mailbox.app.app_id);
    world.directory.consent(oid, app, smtp);
    let link = link_in(&world, ASKED);
    let page = Visitor::new(&world).sign_in_as_owner(&link, &mailbox).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_granted(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_over_names_the_sign_in_name_wherever_microsoft_asks_for_it() {
    let (world, mailbox) = crate::hand_over::waiting(&MailboxPlan {
        delivery: attended().delivery,
        reveal_to_owner: true,
        ..said_so()
    })
    .await;
    let mut visitor = Visitor::new(&world);
    let start = visitor
        .open(&crate::hand_over::link_to(&world, &mailbox))
        .await;
    for words in [
        format!("Sign in as {NAME}"),
        format!("the password of {NAME}"),
        format!("If Microsoft does not know {NAME}"),
        mailbox.address.clone(),
    ] {
        assert!(start.body.contains(&words), "{words}: {}", start.body);
    }
    let page = come_in(&world, &mailbox, &mut visitor).await;
    for words in [
        format!("Microsoft signs in <b>{NAME}</b>"),
        format!("granted for <b>{NAME}</b>"),
        format!("connection of <b>{}</b>", mailbox.address),
    ] {
        assert!(page.body.contains(&words), "{words}: {}", page.body);
    }
    let secret = pending_secret(&world, &mailbox);
    paste(&world, &mailbox, "orders-in", &secret);
    let page = say(&mut visitor, &page, "authorized").await;
    paste(&world, &mailbox, "orders-out", &secret);
    say(&mut visitor, &page, "authorized").await;
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
}
