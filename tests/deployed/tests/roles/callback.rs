//! What `oauth-callback` may do.

use shared::ticket::Purpose;
use simulators::browser::{Browser, Page, between, unescaped};

use crate::account::Account;
use crate::mailbox::Deployed;

const SECRETS: &str = "secret:shopmail/*";
const GRANTS: &str = "secret:shopmail/*/grants-*";
const TICKET_KEY: &str = "secret:shopmail-ticket-key-??????";
const READ: &str = "secretsmanager:GetSecretValue";

/// The heading of the page where the table says *Page*.
const SET_RIGHT: &str = "This has to be set right first";

fn may<'a>(sid: &'a str, action: &'a str, on: &'a str) -> [&'a str; 4] {
    ["OauthCallbackRole", sid, action, on]
}

/// The owner of a mailbox at a browser, whose rotation waits for them.
struct Owner<'a> {
    account: &'a Account,
    mailbox: &'a Deployed<'a>,
    browser: Browser,
    page: Page,
}

impl<'a> Owner<'a> {
    /// Opens the link, and follows it to Microsoft or to a page of ours that goes no further.
    async fn with_link(account: &'a Account, mailbox: &'a Deployed<'a>, ticket: &str) -> Self {
        let url = &account.world().callback_url;
        let mut browser = Browser::default();
        let page = browser
            .get(&format!("{url}/authorize?ticket={ticket}"))
            .await;
        let page = browser.follow(page.unwrap()).await.unwrap();
        Self {
            account,
            mailbox,
            browser,
            page,
        }
    }

    /// Signs in and accepts what is asked, up to a page of ours.
    async fn signs_in(&mut self) {
        let owner = &self.mailbox.mailbox;
        let signing_in =
            self.browser
                .sign_in(self.page.clone(), &owner.sign_in_name, &owner.password);
        self.page = signing_in.await.unwrap();
    }

    async fn presses(&mut self, form: &str, fields: &[(&str, &str)]) {
        let page = self.browser.submit(&self.page, form, fields).await.unwrap();
        self.page = self.browser.follow(page).await.unwrap();
    }

    /// Sees the page that says that something is set up wrong.
    fn sees_that_it_is_wrong(&self) -> String {
        let page = &self.page;
        assert!(page.body.contains(SET_RIGHT), "{}", page.body);
        page.body.clone()
    }

    /// Enters in ShopCtrl what the page shows, and authorizes.
    fn enters_the_secret(&self, connection: &str) {
        let body = &self.page.body;
        let value = between(body, "id=\"client-secret\" value=\"", "\"");
        let value = unescaped(value.expect("the secret is shown"));
        let shopctrl = &self.account.world().shopctrl;
        let mailbox = &self.mailbox.mailbox;
        let shop = mailbox.shop_id;
        shopctrl.enter_secret(shop, connection, &value);
        let entered = shopctrl.authorize_as(shop, connection, &mailbox.sign_in_name);
        entered.unwrap();
    }

    async fn says_authorized(&mut self) {
        self.presses("/attest", &[("said", "authorized")]).await;
        assert_eq!(self.page.status, 200, "{}", self.page.body);
    }
}

/// What a person does whom a rotation waits for.
pub async fn hands_over(account: &Account, attended: &Deployed<'_>, token: &str) {
    let ticket = attended.ticket(Purpose::Rotate, token, 1).await;
    let opens = async || {
        let owner = Owner::with_link(account, attended, &ticket).await;
        owner.sees_that_it_is_wrong()
    };
    let ours = "ReadsMailboxSecretsAndGrants";
    let describe = "secretsmanager:DescribeSecret";
    let key = may("ReadsTicketKeyAndLogins", READ, TICKET_KEY);
    for permission in [key, may(ours, describe, SECRETS), may(ours, READ, SECRETS)] {
        account.without(permission, opens).await;
    }

    let signs_in = async || {
        let mut owner = Owner::with_link(account, attended, &ticket).await;
        owner.signs_in().await;
        owner
    };
    let (put, label) = (
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    );
    for (sid, action) in [("WritesGrantsOnly", put), ("MovesTheLabelsOfGrants", label)] {
        let stores = async || signs_in().await.sees_that_it_is_wrong();
        account.without(may(sid, action, GRANTS), stores).await;
    }
    is_shown_the_secret_and_says_what_shopctrl_shows(signs_in().await).await;
    // Nothing is lost: the next check goes on, here the steps.
    for step in ["setSecret", "testSecret", "finishSecret"] {
        attended.take_step(step, token).await;
    }
    assert_eq!(attended.version("AWSCURRENT").await.as_deref(), Some(token));
}

async fn is_shown_the_secret_and_says_what_shopctrl_shows(mut owner: Owner<'_>) {
    let account = owner.account;
    let events = may("SendsEvents", "events:PutEvents", "event-bus/${EventBus}");
    let reveal = async || {
        let (browser, page) = (&mut owner.browser, &owner.page);
        let page = browser.submit(page, "/reveal#secret", &[]).await.unwrap();
        assert!(page.body.contains(SET_RIGHT) && !page.body.contains("client-secret"));
        page.body
    };
    account.without(events, reveal).await;

    owner.presses("/reveal#secret", &[]).await;
    owner.enters_the_secret("attended-in");
    owner.says_authorized().await;
    owner.presses("/reveal#secret", &[]).await;
    owner.enters_the_secret("attended-out");
    let go_on = may("AsksForRotations", "secretsmanager:RotateSecret", SECRETS);
    let says = async || {
        owner.says_authorized().await;
        String::new()
    };
    account.without(go_on, says).await;

    let logins = may(
        "ReadsTicketKeyAndLogins",
        READ,
        "secret:shopmail-shopctrl/*",
    );
    let waits = async || {
        let url = format!("{}/handover", account.world().callback_url);
        let page = owner.browser.get(&url).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        String::new()
    };
    account.without(logins, waits).await;
}

/// Somebody whose link has ended, while a rotation waits for them.
pub async fn sends_a_new_link(account: &Account, attended: &Deployed<'_>, token: &str) {
    let ticket = attended.ticket(Purpose::Rotate, token, -1).await;
    let asks = async || {
        let url = format!("{}/ticket", account.world().callback_url);
        let form = [("ticket".to_owned(), ticket.clone())];
        let mut browser = Browser::default();
        let page = browser.post(&url, &form).await.unwrap();
        browser.follow(page).await.unwrap().body
    };
    let invoke = may("InvokesRotation", "lambda:InvokeFunction", "Rotation.Arn");
    account.without(invoke, asks).await;
    let page = asks().await;
    assert!(!page.contains(SET_RIGHT), "{page}");
}
