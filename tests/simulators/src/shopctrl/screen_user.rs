//! Somebody at ShopCtrl's screens and at Microsoft's, with one browser.

use std::sync::Arc;

use url::Url;

use super::employees::Role;
use super::{Connection, Direction, Protocol};
use crate::browser::{Browser, Page};
use crate::fixture::{Fixture, MAILBOX, PASSWORD};
use crate::network::Network;

const SHOP: &str = "shop.example";
pub(super) const RECEIVING: &str = "/Shops/12/Settings/E-mail/Receiving";
pub(super) const SENDING: &str = "/Shops/12/Settings/E-mail/Sending";

pub(super) struct ScreenUser<'a> {
    fixture: &'a Fixture,
    browser: Browser,
}

/// What a hidden field of the page holds.
pub(super) fn hidden(page: &Page, name: &str) -> String {
    let fields = page.forms().into_iter().flat_map(|form| form.fields);
    let mut named = fields.filter(|(known, _)| known == name);
    named.next().expect("the field").1
}

/// A shop with a receiving and a sending connection that work, an admin and a user.
pub(super) fn shop() -> Fixture {
    let fixture = Fixture::new();
    let shopctrl = &fixture.shopctrl;
    shopctrl.add_login("api", "a password", &[12]);
    shopctrl.add_employee("admin", "admins password", Role::ShopOwnerAdmin, &[12]);
    shopctrl.add_employee("user", "users password", Role::User, &[12]);
    shopctrl.add_shop(12, "Shop");
    let (_, secret) = fixture.secret();
    for (id, direction) in [("in", Direction::Receiving), ("out", Direction::Sending)] {
        let kind = (direction, Protocol::Graph);
        shopctrl.add_connection(Connection::new(
            12,
            id,
            kind,
            MAILBOX,
            fixture.auth_parameters(),
        ));
        shopctrl.enter_secret(12, id, &secret);
        shopctrl.authorize_as(12, id, MAILBOX).unwrap();
    }
    fixture
}

impl<'a> ScreenUser<'a> {
    pub(super) fn new(fixture: &'a Fixture) -> Self {
        let mut network = Network::default();
        network.add(SHOP, fixture.shop.clone());
        network.add("login.microsoftonline.com", fixture.entra.clone());
        Self {
            fixture,
            browser: Browser::within(Arc::new(network)),
        }
    }

    /// Somebody with Shop owner admin permissions, logged in.
    pub(super) async fn admin(fixture: &'a Fixture) -> Self {
        let mut user = Self::new(fixture);
        user.log_in("admin", "admins password").await;
        user
    }

    pub(super) async fn log_in(&mut self, login: &str, password: &str) -> Page {
        let fields = [("login", login), ("password", password), ("ReturnUrl", "/")];
        self.post("/Login", &fields).await
    }

    pub(super) async fn open(&mut self, to: &str) -> Page {
        let page = self.browser.get(&address(to)).await.unwrap();
        self.browser.follow(page).await.unwrap()
    }

    pub(super) async fn post(&mut self, to: &str, fields: &[(&str, &str)]) -> Page {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let fields: Vec<(String, String)> = fields.iter().map(owned).collect();
        let page = self.browser.post(&address(to), &fields).await.unwrap();
        self.browser.follow(page).await.unwrap()
    }

    /// Enters this secret in Mailbox details, presses Save and Authorize and confirms.
    pub(super) async fn save_and_authorize(&mut self, list: &str, id: &str, secret: &str) -> Page {
        let asked = self.press_in_details(list, id, "authorize", secret).await;
        let fields = [("unconfirmed", &*hidden(&asked, "unconfirmed"))];
        self.post(&format!("{list}/SaveAndAuthorize"), &fields)
            .await
    }

    /// Enters this secret in Mailbox details, and presses this button.
    pub(super) async fn press_in_details(
        &mut self,
        list: &str,
        id: &str,
        button: &str,
        secret: &str,
    ) -> Page {
        let (tenant, app) = (
            self.fixture.tenant.to_string(),
            self.fixture.app.app_id.to_string(),
        );
        let fields = [
            ("button", button),
            ("enabled", "on"),
            ("protocol", "graph"),
            ("tenant_id", &tenant),
            ("client_id", &app),
            ("client_secret", secret),
        ];
        self.post(&format!("{list}/Mailboxes/{id}"), &fields).await
    }

    /// Fills in Microsoft's sign-in page.
    pub(super) async fn sign_in(&mut self, page: &Page, address: &str) -> Page {
        let fields = [("login", address), ("passwd", PASSWORD)];
        let page = self.browser.submit(page, "/login", &fields).await.unwrap();
        self.browser.follow(page).await.unwrap()
    }
}

/// A path of the shop's, or a whole address.
fn address(to: &str) -> String {
    let shop = Url::parse(&format!("https://{SHOP}")).unwrap();
    shop.join(to).unwrap().into()
}
