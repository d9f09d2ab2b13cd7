//! ShopCtrl: its documented interface (`rest`), the contract that this project asks of it
//! (`connections`), what a person does in its screens ([`screens`]), and the screens themselves for a
//! browser: login ([`employees`]), Sales Channels, the lists of mailboxes, Mailbox details.
//! Held to docs/beliefs.md, ShopCtrl, and infra/shopctrl-connections.openapi.yaml.

mod by_shop;
mod connection;
mod connections;
#[cfg(test)]
mod contract;
mod deep_link;
pub mod employees;
pub mod habits;
mod login;
mod mail_check;
mod mailbox_details;
mod mailbox_list;
mod out_mail_box;
mod outage;
mod rest;
mod sales_channels;
#[cfg(test)]
mod screen_user;
pub mod screens;
mod test_mail;
mod window;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use http::Request;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::microsoft::directory::Directory;
use by_shop::ByShop;
use connection::Trouble;
pub use connection::{
    AuthParameters, AutoReply, Connection, Direction, MailServer, Protocol, Status,
};
use employees::Employee;
use habits::ScreenHabits;
use login::Logins;
use mailbox_details::Unconfirmed;
use out_mail_box::Unsent;
pub use outage::{Outage, OutageCause};
use screens::PendingSignIn;
pub use test_mail::SentMail;

/// A mail in ShopCtrl. `MailboxId` is a folder: 1 unhandled, 3 sent (docs/beliefs.md, ShopCtrl).
#[derive(Debug, Clone)]
struct Email {
    id: i64,
    mailbox_id: i64,
    from: String,
    to: String,
    subject: String,
    date: Timestamp,
}

#[derive(Debug)]
struct Shop {
    id: i64,
    name: String,
    active: bool,
    /// The Check mail box of Receiving email.
    check_mail: bool,
    /// The Mail address of Sending email: the "Sent From".
    mail_address: String,
    /// The mail checks' grid starts here.
    started: Timestamp,
    last_mail_check: Timestamp,
    /// Until when mail checks have been reckoned.
    reckoned: Timestamp,
    emails: Vec<Email>,
    /// The Out mail box.
    unsent: Vec<Unsent>,
}

struct State {
    base: String,
    logins: Logins,
    shops: ByShop<Shop>,
    connections: ByShop<Connection>,
    sign_ins: HashMap<String, PendingSignIn>,
    employees: Vec<Employee>,
    /// By session cookie: the employee's login.
    sessions: HashMap<String, String>,
    unconfirmed: HashMap<String, Unconfirmed>,
    habits: ScreenHabits,
    mail_override: Option<String>,
    sent: Vec<SentMail>,
    next_email: i64,
    check_interval: SignedDuration,
    offset: Offset,
    down_until: Option<Timestamp>,
}

/// ShopCtrl's state, shared by its service and by tests.
pub struct ShopCtrl {
    directory: Arc<Directory>,
    clock: Arc<Clock>,
    state: Mutex<State>,
}

impl std::fmt::Debug for ShopCtrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShopCtrl").finish_non_exhaustive()
    }
}

impl ShopCtrl {
    /// A ShopCtrl without shops, that checks mail every five minutes.
    #[must_use]
    pub fn new(directory: Arc<Directory>, clock: Arc<Clock>) -> Arc<Self> {
        let shopctrl = Arc::new(Self {
            clock,
            state: Mutex::new(State {
                base: "https://shop.example".to_owned(),
                logins: Logins::default(),
                shops: ByShop::default(),
                connections: ByShop::default(),
                sign_ins: HashMap::new(),
                employees: Vec::new(),
                sessions: HashMap::new(),
                unconfirmed: HashMap::new(),
                habits: ScreenHabits::default(),
                mail_override: None,
                sent: Vec::new(),
                next_email: 1,
                check_interval: SignedDuration::from_mins(5),
                offset: Offset::constant(1),
                down_until: None,
            }),
            directory: Arc::clone(&directory),
        });
        // Mail checks use the secret: Entra's report of that use has to include them.
        let weak: Weak<Self> = Arc::downgrade(&shopctrl);
        directory.before_reports(move || {
            if let Some(shopctrl) = weak.upgrade() {
                shopctrl.check_mail();
            }
        });
        shopctrl
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells where ShopCtrl is served, without `/v1`: its redirect URI lies there.
    pub fn set_base(&self, base: &str) {
        base.trim_end_matches('/')
            .clone_into(&mut self.state().base);
    }

    /// The redirect URI that the app registration must have (docs/beliefs.md, ShopCtrl).
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/Mail/Microsoft365/Auth.aspx", self.state().base)
    }

    /// Adds a shop.
    pub fn add_shop(&self, id: i64, name: &str) {
        let now = self.clock.now();
        let shop = Shop {
            id,
            name: name.to_owned(),
            active: true,
            check_mail: true,
            mail_address: String::new(),
            started: now,
            last_mail_check: now,
            reckoned: now,
            emails: Vec::new(),
            unsent: Vec::new(),
        };
        self.state().shops.push(id, shop);
    }

    /// Adds a connection.
    pub fn add_connection(&self, connection: Connection) {
        let shop_id = connection.shop_id;
        self.state().connections.push(shop_id, connection);
    }

    /// Sets how often mail is checked.
    pub fn set_check_interval(&self, interval: SignedDuration) {
        self.check_mail();
        self.state().check_interval = interval.max(SignedDuration::from_secs(1));
    }

    /// Turns the Check mail box of the shop's Receiving email on or off. While it is off no mailbox of
    /// the shop is checked, and `LastMailCheck` stands still.
    pub fn set_check_mail(&self, shop_id: i64, on: bool) {
        self.check_mail();
        if let Some(shop) = self.state().shop_mut(shop_id) {
            shop.check_mail = on;
        }
    }

    /// Whether the shop's Check mail is on; none if there is no such shop.
    #[must_use]
    pub fn checks_mail(&self, shop_id: i64) -> Option<bool> {
        let state = self.state();
        state.shop(shop_id).map(|shop| shop.check_mail)
    }

    /// Makes this ShopCtrl an acceptance server, whose Mail override sends every mail to this address
    /// instead, and calls it sent (docs/beliefs.md, ShopCtrl); none makes it a production server.
    pub fn set_mail_override(&self, instead: Option<&str>) {
        self.state().mail_override = instead.map(str::to_owned);
    }

    /// Sets the local time's offset from UTC.
    pub fn set_offset(&self, offset: Offset) {
        self.state().offset = offset;
    }

    /// Answers 503 to everything until then.
    pub fn set_down_until(&self, until: Timestamp) {
        self.state().down_until = Some(until);
    }

    /// A connection as it is now, with the secret that it holds.
    #[must_use]
    pub fn connection(&self, shop_id: i64, id: &str) -> Option<Connection> {
        let state = self.state();
        state.connection(shop_id, id).cloned()
    }

    /// All connections.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.state().connections.all().to_vec()
    }

    /// Lets the connection's tests fail for this reason; none lets them pass again.
    pub fn fail_tests(&self, shop_id: i64, id: &str, reason: Option<&str>) {
        if let Some(connection) = self.state().connection_mut(shop_id, id) {
            connection.trouble = reason.map(|reason| Trouble {
                secret: None,
                reason: reason.to_owned(),
            });
        }
    }

    /// Lets the connection take the next secret, and then fail its tests while it holds that one.
    pub fn fail_tests_with_next_secret(&self, shop_id: i64, id: &str, reason: &str) {
        if let Some(connection) = self.state().connection_mut(shop_id, id) {
            connection.trouble_with_next_secret = Some(reason.to_owned());
        }
    }
}

impl State {
    fn connection(&self, shop_id: i64, id: &str) -> Option<&Connection> {
        let mut connections = self.connections.of(shop_id);
        connections.find(|connection| connection.id == id)
    }

    fn connection_mut(&mut self, shop_id: i64, id: &str) -> Option<&mut Connection> {
        let is_it = |connection: &Connection| connection.id == id;
        self.connections.find_mut(shop_id, is_it)
    }

    fn shop(&self, id: i64) -> Option<&Shop> {
        self.shops.of(id).next()
    }

    fn shop_mut(&mut self, id: i64) -> Option<&mut Shop> {
        self.shops.find_mut(id, |_| true)
    }

    fn email_id(&mut self) -> i64 {
        let id = self.next_email;
        self.next_email += 1;
        id
    }
}

/// ShopCtrl as a service. Tell [`ShopCtrl::set_base`] where it is served.
#[must_use]
pub fn service(shopctrl: Arc<ShopCtrl>, gate: Arc<Gate>, clock: Arc<Clock>) -> Service {
    let connection = "/v1/Shops/{shop_id}/MailConnections/{connection_id}";
    let router = Router::new()
        .route("/v1/Me", get(rest::me))
        .route("/v1/System/Version", get(rest::version))
        .route("/v1/System/Time", get(rest::time))
        .route("/v1/Shops", get(rest::shops))
        .route("/v1/Shops/ShopStatus", get(rest::shop_status))
        .route("/v1/Shops/{shop_id}/Emails", get(rest::emails))
        .route(connection, get(connections::get).put(connections::put))
        .route(&format!("{connection}/test"), post(connections::test))
        .route("/Mail/Microsoft365/Auth.aspx", get(screens::auth))
        .merge(employees::screens())
        .merge(sales_channels::screens())
        .merge(mailbox_list::screens())
        .merge(mailbox_details::screens())
        .merge(out_mail_box::screens())
        .with_state(shopctrl);
    Service {
        name: "shopctrl",
        operation,
        router,
        gate,
        clock,
    }
}

fn operation(request: &Request<Bytes>) -> String {
    let segments: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    let what = match segments.as_slice() {
        ["v1", "Shops", _, "MailConnections", _] => "connection",
        ["v1", "Shops", _, "MailConnections", _, "test"] => "connection test",
        ["v1", "Shops", _, "Emails"] => "Emails",
        ["Shops", _] => "shop",
        ["Shops", _, "Settings"] => "settings",
        ["Shops", _, "Settings", "E-mail", "Receiving"] => "settings receiving",
        ["Shops", _, "Settings", "E-mail", "Sending"] => "settings sending",
        ["Shops", _, "Settings", "E-mail", _, "Mailboxes", _] => "settings mailbox",
        ["Shops", _, "Settings", "E-mail", .., last] => last,
        [.., last] => last,
        [] => "",
    };
    format!("{} {what}", request.method())
}

#[cfg(test)]
mod tests;
