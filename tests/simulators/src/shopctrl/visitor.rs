//! Somebody at ShopCtrl's screens and at Microsoft's, as one browser: one step at a time, with cookies.

use std::collections::BTreeMap;

use url::Url;

use super::employees::Role;
use super::{Connection, Direction, Protocol};
use crate::fixture::{Fixture, MAILBOX, PASSWORD, ask, form};
use crate::gate::Service;

pub(super) const RECEIVING: &str = "/Shops/12/Settings/E-mail/Receiving";
pub(super) const SENDING: &str = "/Shops/12/Settings/E-mail/Sending";

pub(super) struct Visitor<'a> {
    fixture: &'a Fixture,
    /// By site, and then as they are sent.
    cookies: BTreeMap<bool, String>,
}

/// What came at the end of a step.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) text: String,
}

impl Seen {
    pub(super) fn heading(&self) -> &str {
        let (_, rest) = self.text.split_once("<h1>").unwrap_or_default();
        rest.split("</h1>").next().unwrap_or_default()
    }

    /// What a hidden field holds.
    pub(super) fn hidden(&self, name: &str) -> &str {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&field).expect("the field");
        rest.split('"').next().unwrap_or_default()
    }
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
        let (kind, app) = ((direction, Protocol::Graph), fixture.app.app_id);
        shopctrl.add_connection(Connection::new(12, id, kind, MAILBOX, fixture.tenant, app));
        shopctrl.enter_secret(12, id, &secret);
        shopctrl.authorize_as(12, id, MAILBOX).unwrap();
    }
    fixture
}

impl<'a> Visitor<'a> {
    pub(super) fn new(fixture: &'a Fixture) -> Self {
        Self {
            fixture,
            cookies: BTreeMap::new(),
        }
    }

    /// Somebody with Shop owner admin permissions, logged in.
    pub(super) async fn admin(fixture: &'a Fixture) -> Self {
        let mut visitor = Self::new(fixture);
        visitor.log_in("admin", "admins password").await;
        visitor
    }

    pub(super) async fn log_in(&mut self, login: &str, password: &str) -> Seen {
        let fields = [("login", login), ("password", password), ("ReturnUrl", "/")];
        self.post("/Login", &fields).await
    }

    pub(super) async fn open(&mut self, to: &str) -> Seen {
        self.go("GET", to, String::new()).await
    }

    pub(super) async fn post(&mut self, to: &str, fields: &[(&str, &str)]) -> Seen {
        self.go("POST", to, form(fields)).await
    }

    /// Enters this secret in Mailbox details, presses Save and Authorize and confirms.
    pub(super) async fn save_and_authorize(&mut self, list: &str, id: &str, secret: &str) -> Seen {
        let asked = self.press_in_details(list, id, "authorize", secret).await;
        let fields = [("unconfirmed", asked.hidden("unconfirmed"))];
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
    ) -> Seen {
        let (tenant, app) = (
            self.fixture.tenant.to_string(),
            self.fixture.app.app_id.to_string(),
        );
        let fields = [
            ("button", button),
            ("enabled", "on"),
            ("mailbox", MAILBOX),
            ("protocol", "graph"),
            ("tenant_id", &tenant),
            ("client_id", &app),
            ("client_secret", secret),
        ];
        self.post(&format!("{list}/Mailboxes/{id}"), &fields).await
    }

    /// Fills in Microsoft's sign-in page.
    pub(super) async fn sign_in(&mut self, page: &Seen, address: &str) -> Seen {
        let path = page.url.path().split('/').nth(1).unwrap();
        let login = page.url.join(&format!("/{path}/login")).unwrap();
        let flow = page.hidden("flow").to_owned();
        let fields = [
            ("flow", flow.as_str()),
            ("login", address),
            ("passwd", PASSWORD),
        ];
        self.post(login.as_str(), &fields).await
    }

    async fn go(&mut self, method: &str, to: &str, body: String) -> Seen {
        let shop = Url::parse("https://shop.example").unwrap();
        let mut url = shop.join(to).unwrap();
        let (mut method, mut body) = (method, body);
        for _ in 0..5 {
            let at_shop = url.host_str() == shop.host_str();
            let cookie = self.cookies.get(&at_shop).cloned().unwrap_or_default();
            let headers = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("cookie", cookie.as_str()),
            ];
            let service: &Service = match at_shop {
                true => &self.fixture.shop,
                false => &self.fixture.entra,
            };
            let path = &url[url::Position::BeforePath..];
            let answer = ask(service, method, path, &headers, body).await;
            if let Some(cookie) = answer.headers.get("set-cookie") {
                let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
                self.cookies.insert(at_shop, cookie.to_owned());
            }
            let Some(location) = answer.headers.get("location") else {
                let (status, text) = (answer.status.as_u16(), answer.text());
                return Seen { url, status, text };
            };
            url = url.join(location.to_str().unwrap()).unwrap();
            (method, body) = ("GET", String::new());
        }
        panic!("redirected without end at {url}");
    }
}
