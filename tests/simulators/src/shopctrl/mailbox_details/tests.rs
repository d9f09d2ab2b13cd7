use crate::fixture::{Fixture, MAILBOX, PASSWORD};
use crate::microsoft::directory::account::Person;
use crate::shopctrl::habits::{BackTo, ScreenHabits};
use crate::shopctrl::screen_user::{RECEIVING, SENDING, ScreenUser, hidden, shop};
use crate::shopctrl::{Direction, Protocol, ShopCtrl, Status};

fn status(fixture: &Fixture, id: &str) -> Status {
    fixture.shopctrl.connection(12, id).unwrap().status
}

#[tokio::test]
async fn a_person_pastes_the_secret_and_comes_back_authorized() {
    let fixture = shop();
    let (_, secret) = fixture.secret();
    let mut admin = ScreenUser::admin(&fixture).await;
    let edit = [("button", "edit"), ("mailbox", "in")];
    let details = admin.post(RECEIVING, &edit).await;
    assert_eq!(details.heading(), "Mailbox details");
    assert!(
        details.body.contains("<details><summary>Auth Parameters"),
        "collapsed"
    );

    let asked = admin
        .press_in_details(RECEIVING, "in", "authorize", &secret)
        .await;
    assert!(
        asked
            .body
            .contains("Unsaved changes on other tabs will be lost")
    );
    assert_eq!(
        status(&fixture, "in"),
        Status::Authorized,
        "nothing is stored before Yes"
    );
    let yes = [("unconfirmed", &*hidden(&asked, "unconfirmed"))];
    let page = admin
        .post(&format!("{RECEIVING}/SaveAndAuthorize"), &yes)
        .await;
    assert_eq!(page.heading(), "Sign in");
    assert_eq!(
        status(&fixture, "in"),
        Status::NotAuthorized,
        "stored before the sign-in"
    );
    let success = admin.sign_in(&page, MAILBOX).await;
    assert_eq!(success.heading(), "Success");
    assert!(success.body.contains(MAILBOX) && success.body.contains("Back to Shop Settings"));
    let details = admin.open(&success.way_on().unwrap()).await;
    assert_eq!(details.heading(), "Mailbox details");
    assert!(
        details
            .body
            .contains("<details open><summary>Auth Parameters"),
        "{}",
        details.body
    );
    let again = admin.post(RECEIVING, &edit).await;
    for page in [details, again] {
        assert!(page.body.contains(r#"value="Authorized""#), "{}", page.body);
        assert!(!page.body.contains(&secret) && !page.body.contains(MAILBOX));
    }
    let held = fixture.shopctrl.connection(12, "in").unwrap();
    assert_eq!(held.secret.as_ref(), Some(&secret));
    // Twice the same Yes does nothing.
    let gone = admin
        .post(&format!("{RECEIVING}/SaveAndAuthorize"), &yes)
        .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn back_to_shop_settings_may_lead_to_the_list_too() {
    let fixture = shop();
    fixture.shopctrl.set_screen_habits(ScreenHabits {
        back_to: BackTo::List,
        ..ScreenHabits::default()
    });
    let (_, secret) = fixture.secret();
    let mut admin = ScreenUser::admin(&fixture).await;
    let page = admin.save_and_authorize(SENDING, "out", &secret).await;
    let success = admin.sign_in(&page, MAILBOX).await;
    let back = admin.open(&success.way_on().unwrap()).await;
    assert_eq!(back.heading(), "Sending email");
}

#[tokio::test]
async fn a_wrong_secret_is_told_and_the_same_steps_correct_it() {
    let fixture = shop();
    let (key_id, secret) = fixture.secret();
    let mut admin = ScreenUser::admin(&fixture).await;
    // The Secret ID instead of the Value is the usual mistake.
    let page = admin
        .save_and_authorize(SENDING, "out", &key_id.to_string())
        .await;
    let other = admin.sign_in(&page, MAILBOX).await;
    assert_eq!(
        (other.status, other.heading()),
        (400, "Access was not granted")
    );
    assert!(other.body.contains("AADSTS7000215"), "{}", other.body);
    assert!(other.body.contains("proceed with the same steps") && other.body.contains(SENDING));
    assert_eq!(status(&fixture, "out"), Status::NotAuthorized);
    // Signed in at Microsoft by now, nobody is asked again.
    let success = admin.save_and_authorize(SENDING, "out", &secret).await;
    assert_eq!(success.heading(), "Success", "{}", success.body);
    assert_eq!(status(&fixture, "out"), Status::Authorized);
}

#[tokio::test]
async fn single_sign_on_meets_whoever_is_signed_in_at_microsoft() {
    let fixture = shop();
    let mut me = Person::with_mailbox("me@shop.example", PASSWORD);
    me.is_admin = true;
    fixture.directory.add_account(fixture.tenant, me);
    let (_, secret) = fixture.secret();
    let mut admin = ScreenUser::admin(&fixture).await;
    let page = admin.save_and_authorize(RECEIVING, "in", &secret).await;
    let page = admin.sign_in(&page, "me@shop.example").await;
    assert_eq!(page.heading(), "Permissions requested", "{}", page.body);
    let (flow, tenant) = (hidden(&page, "flow"), fixture.tenant);
    let accept = [("flow", flow.as_str()), ("decision", "accept")];
    let consent = page.url.join(&format!("/{tenant}/consent")).unwrap();
    let success = admin.post(consent.as_str(), &accept).await;
    assert!(
        success.body.contains("granted for me@shop.example"),
        "{}",
        success.body
    );
    // The other direction, without a question: ShopCtrl sends no hint of who it should be.
    let success = admin.save_and_authorize(RECEIVING, "in", &secret).await;
    assert!(
        success.body.contains("granted for me@shop.example"),
        "{}",
        success.body
    );
    let test = [("button", "test"), ("mailbox", "in")];
    let test = admin.post(RECEIVING, &test).await;
    assert!(test.body.contains("cannot be reached"), "{}", test.body);
}

#[tokio::test]
async fn ok_stores_the_switches_and_the_server_and_checks_what_was_entered() {
    let fixture = shop();
    let mut admin = ScreenUser::admin(&fixture).await;
    let (tenant, app) = (fixture.tenant.to_string(), fixture.app.app_id.to_string());
    let mut fields = vec![
        ("button", "ok"),
        ("protocol", "smtp"),
        ("tenant_id", &tenant),
        ("client_id", &app),
        ("client_secret", ""),
    ];
    let out = format!("{SENDING}/Mailboxes/out");
    assert_eq!(admin.post(&out, &fields).await.heading(), "Sending email");
    let held = fixture.shopctrl.connection(12, "out").unwrap();
    assert!(!held.enabled, "the box was left empty");
    assert_eq!(held.protocol, Protocol::Smtp);
    assert_eq!(
        held.status,
        Status::Authorized,
        "no auth parameter was entered"
    );
    let details = admin.open(&out).await;
    for label in ["Server", "Port", "Use SSL", "Priority", "Disable Chunking"] {
        assert!(details.body.contains(label), "{label}");
    }
    assert!(!details.body.contains("Auto Reply mail"));
    fields.extend([
        ("server", "smtp.office365.com"),
        ("port", "587"),
        ("ssl", "on"),
    ]);
    fields.extend([("priority", "10"), ("enabled", "on")]);
    admin.post(&out, &fields).await;
    let held = fixture.shopctrl.connection(12, "out").unwrap();
    assert_eq!((held.server.port.as_str(), held.server.ssl), ("587", true));
    assert_eq!((held.priority, held.enabled), (10, true));

    fields.retain(|(name, _)| *name != "tenant_id");
    fields.push(("tenant_id", "not one"));
    let wrong = admin.post(&out, &fields).await;
    assert!(
        wrong.body.contains("Tenant ID is not valid"),
        "{}",
        wrong.body
    );
    let details = admin.open(&format!("{RECEIVING}/Mailboxes/in")).await;
    for label in [
        "Enable",
        "Protocol",
        "Auto Reply mail",
        "Exclude Subject Expressions",
        "Random Hours",
        "Delete mail from server",
    ] {
        assert!(details.body.contains(label), "{label}");
    }
    assert!(!details.body.contains("Use SSL"), "for protocols only");
    assert_eq!(
        admin
            .open(&format!("{RECEIVING}/Mailboxes/out"))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_new_mailbox_is_not_enabled_and_not_authorized_until_somebody_does_it() {
    let fixture = shop();
    let mut admin = ScreenUser::admin(&fixture).await;
    let new = admin.post(RECEIVING, &[("button", "add")]).await;
    assert!(
        new.body.contains(r#"value="Not authorized""#),
        "{}",
        new.body
    );
    assert!(!new.body.contains("checked"));
    let (_, secret) = fixture.secret();
    let page = admin.save_and_authorize(RECEIVING, "new", &secret).await;
    let success = admin.sign_in(&page, MAILBOX).await;
    assert_eq!(success.heading(), "Success", "{}", success.body);
    let receiving = |shopctrl: &ShopCtrl| {
        let mut all = shopctrl.connections();
        all.retain(|one| one.direction == Direction::Receiving);
        all
    };
    assert_eq!(receiving(&fixture.shopctrl).len(), 2);
    let made = &receiving(&fixture.shopctrl)[1];
    assert_eq!(
        (made.status, made.mailbox.as_str()),
        (Status::Authorized, MAILBOX)
    );
}
