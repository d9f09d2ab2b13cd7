//! ShopCtrl: its documented interface (`rest`), the contract that this project asks of it
//! (`connections`), what a person does in its screens ([`screens`]), and the screens themselves for a
//! browser: login ([`employees`]), Sales Channels, the lists of mailboxes, Mailbox details.
//! Held to facts/shopctrl.md and infra/shopctrl-connections.openapi.yaml.

mod connections;
#[cfg(test)]
mod contract;
pub mod employees;
mod mail_check;
mod mailbox_details;
mod mailbox_list;
mod rest;
mod sales_channels;
#[cfg(test)]
mod screen_user;
pub mod screens;
mod test_mail;
mod window;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::clock::Clock;
use crate::gate::{Gate, Service};
use crate::microsoft::directory::scope::OUTLOOK;
use crate::microsoft::directory::{Directory, Standing};
use employees::Employee;
use mailbox_details::Unconfirmed;
use screens::PendingSignIn;
pub use test_mail::SentMail;

/// Receiving or sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Receiving email.
    Receiving,
    /// Sending email.
    Sending,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Sending => "sending",
        }
    }

    /// The entry of the topic menu.
    fn topic(self) -> &'static str {
        match self {
            Self::Receiving => "Receiving email",
            Self::Sending => "Sending email",
        }
    }

    /// The last part of the topic's address.
    fn segment(self) -> &'static str {
        match self {
            Self::Receiving => "Receiving",
            Self::Sending => "Sending",
        }
    }

    fn of_segment(segment: &str) -> Option<Self> {
        [Self::Receiving, Self::Sending]
            .into_iter()
            .find(|direction| direction.segment() == segment)
    }

    /// What the Protocol field of Mailbox details offers (facts/shopctrl.md, 2.2).
    fn protocols(self) -> &'static [Protocol] {
        match self {
            Self::Receiving => &[Protocol::Graph, Protocol::Pop3, Protocol::Imap],
            Self::Sending => &[Protocol::Graph, Protocol::Smtp],
        }
    }
}

/// How mail is fetched or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Microsoft Graph API
    Graph,
    /// IMAP
    Imap,
    /// POP3
    Pop3,
    /// SMTP
    Smtp,
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }

    /// The entry of the Protocol field.
    fn label(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph API",
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Smtp => "SMTP",
        }
    }

    /// What is asked for at Microsoft (facts/shopctrl.md, 2.1).
    fn scope(self, direction: Direction) -> String {
        match (self, direction) {
            (Self::Graph, Direction::Receiving) => "offline_access User.Read Mail.Read".to_owned(),
            (Self::Graph, Direction::Sending) => {
                "offline_access User.Read Mail.Read Mail.Send".to_owned()
            }
            (Self::Imap, _) => format!("offline_access {OUTLOOK}/IMAP.AccessAsUser.All"),
            (Self::Pop3, _) => format!("offline_access {OUTLOOK}/POP.AccessAsUser.All"),
            (Self::Smtp, _) => format!("offline_access {OUTLOOK}/SMTP.Send"),
        }
    }
}

/// The Status field of the Auth Parameters pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Authorized
    Authorized,
    /// Not authorized
    NotAuthorized,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Authorized => "Authorized",
            Self::NotAuthorized => "Not authorized",
        }
    }
}

/// Server, Port and Use SSL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailServer {
    /// Server.
    pub name: String,
    /// Port.
    pub port: String,
    /// Use SSL.
    pub ssl: bool,
}

/// A mail connection of a shop.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The shop.
    pub shop_id: i64,
    /// Its id within the shop.
    pub id: String,
    /// Receiving or sending.
    pub direction: Direction,
    /// How.
    pub protocol: Protocol,
    /// The account that it is for.
    pub mailbox: String,
    /// The Enable switch.
    pub enabled: bool,
    /// Server, Port and Use SSL: for the e-mail protocols only.
    pub server: MailServer,
    /// Priority, of SMTP connections: Send test mail tries the lowest number first.
    pub priority: i64,
    /// Disable Chunking, of SMTP connections. It changes nothing here.
    pub disable_chunking: bool,
    /// Auto Reply, of receiving connections: every sender of a mail that comes in gets a mail.
    pub auto_reply: bool,
    /// Delete mail from server, of receiving connections. It changes nothing here.
    pub delete_from_server: bool,
    /// Whether it is authorized.
    pub status: Status,
    /// Tenant ID.
    pub tenant_id: Uuid,
    /// Client ID.
    pub client_id: Uuid,
    /// Client Secret: what it holds.
    pub secret: Option<String>,
    /// The key id that came with the secret; none when it was pasted.
    pub key_id: Option<Uuid>,
    /// When the secret was last changed.
    pub secret_changed_at: Option<Timestamp>,
    /// Its own refresh token.
    pub refresh_token: Option<String>,
    /// Who signed in, which may not be the mailbox.
    pub authorized_as: Option<Uuid>,
    version: u64,
    trouble: Option<Trouble>,
    trouble_with_next_secret: Option<String>,
}

impl Connection {
    /// A new connection: enabled, without a secret, not authorized.
    #[must_use]
    pub fn new(
        shop_id: i64,
        id: &str,
        (direction, protocol): (Direction, Protocol),
        mailbox: &str,
        tenant_id: Uuid,
        client_id: Uuid,
    ) -> Self {
        Self {
            shop_id,
            id: id.to_owned(),
            direction,
            protocol,
            mailbox: mailbox.to_owned(),
            enabled: true,
            server: MailServer::default(),
            priority: 0,
            disable_chunking: false,
            auto_reply: false,
            delete_from_server: false,
            status: Status::NotAuthorized,
            tenant_id,
            client_id,
            secret: None,
            key_id: None,
            secret_changed_at: None,
            refresh_token: None,
            authorized_as: None,
            version: 1,
            trouble: None,
            trouble_with_next_secret: None,
        }
    }

    /// The first three characters of the secret.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.secret
            .as_ref()
            .map(|secret| secret.chars().take(3).collect())
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    fn hold(&mut self, secret: &str, key_id: Option<Uuid>, now: Timestamp) {
        self.secret = Some(secret.to_owned());
        self.key_id = key_id;
        self.secret_changed_at = Some(now);
        self.version += 1;
        if let Some(reason) = self.trouble_with_next_secret.take() {
            self.trouble = Some(Trouble {
                secret: Some(secret.to_owned()),
                reason,
            });
        }
    }
}

/// Why tests fail: always, or while a certain secret is held.
#[derive(Debug, Clone)]
struct Trouble {
    secret: Option<String>,
    reason: String,
}

/// Why mail does not flow in a direction right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageCause {
    /// Status is Not authorized.
    NotAuthorized,
    /// The Enable switch is off.
    Disabled,
    /// The shop's Check mail is off: nothing is fetched by any receiving connection.
    CheckMailOff,
    /// Entra refuses the secret that it holds, everywhere or at some replicas.
    SecretRefused(Standing),
}

/// A direction in which mail does not flow right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The shop.
    pub shop_id: i64,
    /// The connection.
    pub connection_id: String,
    /// Its direction.
    pub direction: Direction,
    /// Why.
    pub cause: OutageCause,
}

/// A mail in ShopCtrl. `MailboxId` is a folder: 1 unhandled, 3 sent (facts/shopctrl.md, 1.5).
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
    on_the_way: Vec<Email>,
}

#[derive(Debug)]
struct Login {
    name: String,
    password: String,
    shops: BTreeSet<i64>,
}

struct State {
    base: String,
    logins: Vec<Login>,
    shops: Vec<Shop>,
    connections: Vec<Connection>,
    sign_ins: HashMap<String, PendingSignIn>,
    employees: Vec<Employee>,
    /// By session cookie: the employee's login.
    sessions: HashMap<String, String>,
    unconfirmed: HashMap<String, Unconfirmed>,
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
                logins: Vec::new(),
                shops: Vec::new(),
                connections: Vec::new(),
                sign_ins: HashMap::new(),
                employees: Vec::new(),
                sessions: HashMap::new(),
                unconfirmed: HashMap::new(),
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

    /// The redirect URI that the app registration must have (facts/shopctrl.md, 2.1).
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/Mail/Microsoft365/Auth.aspx", self.state().base)
    }

    /// Adds an employee login that has these shops.
    pub fn add_login(&self, name: &str, password: &str, shops: &[i64]) {
        self.directory.note_secret(password);
        self.state().logins.push(Login {
            name: name.to_owned(),
            password: password.to_owned(),
            shops: shops.iter().copied().collect(),
        });
    }

    /// Adds a shop.
    pub fn add_shop(&self, id: i64, name: &str) {
        let now = self.clock.now();
        self.state().shops.push(Shop {
            id,
            name: name.to_owned(),
            active: true,
            check_mail: true,
            mail_address: String::new(),
            started: now,
            last_mail_check: now,
            reckoned: now,
            emails: Vec::new(),
            on_the_way: Vec::new(),
        });
    }

    /// Adds a connection.
    pub fn add_connection(&self, connection: Connection) {
        self.state().connections.push(connection);
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
    /// instead, and calls it sent (facts/shopctrl.md, 2.2); none makes it a production server.
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
        self.state().connections.clone()
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

    /// A mail arrives at the shop's mailbox; the next mail check that works brings it in.
    pub fn receive_mail(&self, shop_id: i64, from: &str, to: &str, subject: &str) {
        let date = self.clock.now();
        let mut state = self.state();
        let id = state.email_id();
        if let Some(shop) = state.shops.iter_mut().find(|shop| shop.id == shop_id) {
            shop.on_the_way.push(Email {
                id,
                mailbox_id: 1,
                from: from.to_owned(),
                to: to.to_owned(),
                subject: subject.to_owned(),
                date,
            });
        }
    }

    /// The directions in which mail does not flow right now.
    #[must_use]
    pub fn outages(&self) -> Vec<Outage> {
        self.connections()
            .into_iter()
            .filter_map(|connection| {
                let cause = self.outage_of(&connection)?;
                Some(Outage {
                    shop_id: connection.shop_id,
                    connection_id: connection.id,
                    direction: connection.direction,
                    cause,
                })
            })
            .collect()
    }

    fn outage_of(&self, connection: &Connection) -> Option<OutageCause> {
        if connection.status == Status::NotAuthorized {
            return Some(OutageCause::NotAuthorized);
        }
        if !connection.enabled {
            return Some(OutageCause::Disabled);
        }
        if connection.direction == Direction::Receiving
            && self.checks_mail(connection.shop_id) == Some(false)
        {
            return Some(OutageCause::CheckMailOff);
        }
        let standing = connection
            .secret
            .as_ref()
            .map_or(Standing::Refused, |secret| {
                self.directory.standing(connection.client_id, secret)
            });
        (standing != Standing::Accepted).then_some(OutageCause::SecretRefused(standing))
    }

    /// Whether ShopCtrl is up and the login is good; gives the login's shops.
    fn enter(&self, headers: &HeaderMap) -> Result<BTreeSet<i64>, Refused> {
        let now = self.clock.now();
        let state = self.state();
        if let Some(until) = state.down_until.filter(|until| now < *until) {
            return Err(Refused::Down {
                wait: until.duration_since(now).as_secs().max(1),
            });
        }
        let given = basic_credentials(headers);
        let login = state.logins.iter().find(|login| {
            given
                .as_ref()
                .is_some_and(|(name, password)| *name == login.name && *password == login.password)
        });
        login
            .map(|login| login.shops.clone())
            .ok_or(Refused::BadLogin)
    }
}

/// Why a request was not looked at.
enum Refused {
    Down { wait: i64 },
    BadLogin,
}

impl From<Refused> for Response {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Down { wait } => (
                StatusCode::SERVICE_UNAVAILABLE,
                [(RETRY_AFTER, wait.to_string())],
                axum::Json(json!({"error": "unavailable"})),
            )
                .into_response(),
            // Message is ASP.NET Web API's own word for it; error is the contract's.
            Refused::BadLogin => (
                StatusCode::UNAUTHORIZED,
                [(WWW_AUTHENTICATE, "Basic realm=\"ShopCtrl\"")],
                axum::Json(json!({
                    "error": "unauthorized",
                    "Message": "Authorization has been denied for this request.",
                })),
            )
                .into_response(),
        }
    }
}

impl State {
    fn connection(&self, shop_id: i64, id: &str) -> Option<&Connection> {
        self.connections
            .iter()
            .find(|connection| connection.shop_id == shop_id && connection.id == id)
    }

    fn connection_mut(&mut self, shop_id: i64, id: &str) -> Option<&mut Connection> {
        self.connections
            .iter_mut()
            .find(|connection| connection.shop_id == shop_id && connection.id == id)
    }

    fn shop(&self, id: i64) -> Option<&Shop> {
        self.shops.iter().find(|shop| shop.id == id)
    }

    fn shop_mut(&mut self, id: i64) -> Option<&mut Shop> {
        self.shops.iter_mut().find(|shop| shop.id == id)
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

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded = header.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::contract;
    use super::*;
    use crate::fixture::{Answer, Fixture, MAILBOX, ask};

    const PATH: &str = "/v1/Shops/12/MailConnections/in";
    const LOGIN: &str = "Basic YXBpOmEgcGFzc3dvcmQ=";

    /// A shop with a receiving connection that works, and the key id of its secret.
    fn connected() -> (Fixture, Uuid) {
        let fixture = Fixture::new();
        let shopctrl = &fixture.shopctrl;
        shopctrl.add_login("api", "a password", &[12]);
        shopctrl.add_shop(12, "Shop");
        let kind = (Direction::Receiving, Protocol::Graph);
        let app = fixture.app.app_id;
        shopctrl.add_connection(Connection::new(
            12,
            "in",
            kind,
            MAILBOX,
            fixture.tenant,
            app,
        ));
        let (key_id, secret) = fixture.secret();
        shopctrl.enter_secret(12, "in", &secret);
        assert_eq!(shopctrl.outages()[0].cause, OutageCause::NotAuthorized);
        shopctrl.authorize_as(12, "in", MAILBOX).unwrap();
        assert_eq!(shopctrl.outages(), []);
        (fixture, key_id)
    }

    /// Asks, and holds the answer against the contract.
    async fn asks(
        fixture: &Fixture,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut headers = vec![("authorization", LOGIN)];
        headers.extend(more);
        headers.retain(|(_, value)| !value.is_empty());
        let answer = ask(&fixture.shop, method, path, &headers, body.to_owned()).await;
        let name = if path.ends_with("/test") { " test" } else { "" };
        let operation = format!("{method} connection{name}");
        let found = contract::violations(&operation, answer.status.as_u16(), &answer.body);
        assert_eq!(
            found,
            Vec::<String>::new(),
            "{operation}: {}",
            answer.text()
        );
        answer
    }

    fn renewal(fixture: &Fixture, key_id: Uuid, secret: &str) -> String {
        let body = json!({
            "tenant_id": fixture.tenant, "client_id": fixture.app.app_id,
            "key_id": key_id, "client_secret": secret,
        });
        let body = body.to_string();
        assert_eq!(
            contract::request_violations("PUT connection", body.as_bytes()),
            Vec::<String>::new()
        );
        body
    }

    #[tokio::test]
    async fn a_put_swaps_and_authorizes_in_one_and_names_the_key() {
        let (fixture, old_key) = connected();
        let read = asks(&fixture, "GET", PATH, &[], "").await;
        assert_eq!(read.json()["status"], "Authorized");
        assert_eq!(read.json()["key_id"], Value::Null, "pasted by hand");
        let (key_id, secret) = fixture.secret();
        let body = renewal(&fixture, key_id, &secret);
        let etag = read.header("etag").to_owned();
        let fresh = [("if-match", etag.as_str())];

        assert_eq!(asks(&fixture, "PUT", PATH, &[], &body).await.status, 428);
        assert_eq!(
            asks(&fixture, "PUT", PATH, &[("if-match", "\"0\"")], &body)
                .await
                .status,
            412
        );
        assert_eq!(
            asks(&fixture, "PUT", PATH, &fresh, "{\"secret\": 1}")
                .await
                .status,
            400
        );
        let wrong = renewal(&fixture, key_id, &secret.replace('~', "_"));
        assert_eq!(
            asks(&fixture, "PUT", PATH, &fresh, &wrong).await.status,
            422
        );
        let unchanged = asks(&fixture, "GET", PATH, &[], "").await;
        assert_eq!(unchanged.json(), read.json());

        let put = asks(&fixture, "PUT", PATH, &fresh, &body).await;
        assert_eq!(put.status, 200);
        assert_ne!(put.header("etag"), etag);
        assert_eq!(put.json()["key_id"], key_id.to_string());
        assert_eq!(put.json()["hint"], secret[..3]);
        fixture.directory.delete_secret(fixture.app.app_id, old_key);
        assert_eq!(fixture.shopctrl.outages(), []);
        let test = asks(&fixture, "POST", &format!("{PATH}/test"), &[], "").await;
        assert_eq!(test.json()["result"], "passed");
        fixture.directory.delete_secret(fixture.app.app_id, key_id);
        let refused = OutageCause::SecretRefused(Standing::Refused);
        assert_eq!(fixture.shopctrl.outages()[0].cause, refused);
        let test = asks(&fixture, "POST", &format!("{PATH}/test"), &[], "").await;
        assert_eq!(test.json()["result"], "failed");
    }

    #[tokio::test]
    async fn a_dead_sign_in_changes_nothing_and_leads_to_microsoft() {
        let (fixture, old_key) = connected();
        let read = asks(&fixture, "GET", PATH, &[], "").await;
        let etag = read.header("etag").to_owned();
        fixture.directory.revoke_sessions(fixture.person);
        let (key_id, secret) = fixture.secret();
        let body = renewal(&fixture, key_id, &secret);
        let refused = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
        assert_eq!(refused.status, 409);
        assert_eq!(
            asks(&fixture, "GET", PATH, &[], "").await.json(),
            read.json()
        );
        let url = refused.json()["authorize_url"].as_str().unwrap().to_owned();
        fixture.shopctrl.follow(&url, MAILBOX).unwrap();
        let read = asks(&fixture, "GET", PATH, &[], "").await;
        assert_eq!(
            read.json()["key_id"],
            Value::Null,
            "it keeps the secret that works"
        );
        let etag = read.header("etag").to_owned();
        let put = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
        assert_eq!(put.status, 200);

        // With the old secret gone too, the sign-in completes the swap.
        fixture.directory.revoke_sessions(fixture.person);
        fixture.directory.delete_secret(fixture.app.app_id, old_key);
        fixture.directory.delete_secret(fixture.app.app_id, key_id);
        let (key_id, secret) = fixture.secret();
        let etag = put.header("etag").to_owned();
        let body = renewal(&fixture, key_id, &secret);
        let refused = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
        let url = refused.json()["authorize_url"].as_str().unwrap().to_owned();
        fixture.shopctrl.follow(&url, MAILBOX).unwrap();
        assert_eq!(fixture.shopctrl.outages(), []);
        let held = fixture.shopctrl.connection(12, "in").unwrap();
        assert_eq!(held.key_id, Some(key_id));
    }

    #[tokio::test]
    async fn it_can_take_a_secret_and_then_fail_and_it_can_be_down() {
        let (fixture, _) = connected();
        let before = fixture.shopctrl.connection(12, "in").unwrap();
        fixture
            .shopctrl
            .fail_tests_with_next_secret(12, "in", "Mailbox server said no");
        let (key_id, secret) = fixture.secret();
        let etag = before.etag();
        let body = renewal(&fixture, key_id, &secret);
        let put = asks(&fixture, "PUT", PATH, &[("if-match", &etag)], &body).await;
        assert_eq!(put.status, 200);
        let path = format!("{PATH}/test");
        let test = asks(
            &fixture,
            "POST",
            &path,
            &[],
            "{\"send_to\": \"a@b.example\"}",
        )
        .await;
        assert_eq!(test.json()["reason"], "Mailbox server said no");
        fixture
            .shopctrl
            .enter_secret(12, "in", &before.secret.unwrap());
        fixture.shopctrl.authorize_as(12, "in", MAILBOX).unwrap();
        let test = asks(&fixture, "POST", &path, &[], "").await;
        assert_eq!(test.json()["result"], "passed");

        let now = fixture.clock.now();
        fixture
            .shopctrl
            .set_down_until(now + SignedDuration::from_hours(2));
        assert_eq!(asks(&fixture, "GET", PATH, &[], "").await.status, 503);
        fixture.wait(2 * 3600);
        assert_eq!(asks(&fixture, "GET", PATH, &[], "").await.status, 200);
        let nobody = [("authorization", "Basic eDp5")];
        let answer = ask(&fixture.shop, "GET", PATH, &nobody, "").await;
        assert_eq!(answer.status, 401);
        let found = contract::violations("GET connection", 401, &answer.body);
        assert_eq!(found, Vec::<String>::new());
        let other = PATH.replace("12", "13");
        assert_eq!(asks(&fixture, "GET", &other, &[], "").await.status, 404);
    }

    #[tokio::test]
    async fn the_wrong_account_is_authorized_and_fails_its_test() {
        let (fixture, _) = connected();
        let mut person = crate::microsoft::directory::account::Person::with_mailbox(
            "me@shop.example",
            "password!",
        );
        person.is_admin = true;
        fixture.directory.add_account(fixture.tenant, person);
        fixture
            .shopctrl
            .authorize_as(12, "in", "me@shop.example")
            .unwrap();
        let test = asks(&fixture, "POST", &format!("{PATH}/test"), &[], "").await;
        assert_eq!(test.json()["result"], "failed");
    }

    #[tokio::test]
    async fn mail_is_checked_only_while_the_connection_works() {
        let (fixture, key_id) = connected();
        let last_check = async || {
            let headers = [("authorization", LOGIN)];
            let answer = ask(&fixture.shop, "GET", "/v1/Shops/ShopStatus", &headers, "").await;
            let text = answer.json()[0]["LastMailCheck"]
                .as_str()
                .unwrap()
                .to_owned();
            text.parse::<Timestamp>().unwrap()
        };
        let start = last_check().await;
        fixture
            .shopctrl
            .receive_mail(12, "customer@a.example", MAILBOX, "canary");
        fixture.wait(301);
        let checked = last_check().await;
        assert_eq!(checked.duration_since(start).as_secs(), 300);
        let headers = [("authorization", LOGIN)];
        let path = "/v1/Shops/12/Emails?mailboxId=1&pageSize=10&pageNumber=1";
        let emails = ask(&fixture.shop, "GET", path, &headers, "").await;
        assert_eq!(emails.json()[0]["Subject"], "canary");

        // The secret ends at minute 12: the check at minute 10 is the last.
        let end = start + SignedDuration::from_mins(12);
        fixture
            .directory
            .set_secret_end(fixture.app.app_id, key_id, end);
        fixture.wait(3600);
        let stopped = last_check().await;
        assert_eq!(stopped.duration_since(start).as_mins(), 10);
        let (_, secret) = fixture.secret();
        fixture.shopctrl.enter_secret(12, "in", &secret);
        fixture.wait(600);
        assert_eq!(last_check().await, stopped, "not authorized");
        fixture.shopctrl.authorize_as(12, "in", MAILBOX).unwrap();
        assert_eq!(last_check().await, stopped, "no check is due yet");
        fixture.wait(300);
        assert!(last_check().await > stopped);
        let used = fixture
            .directory
            .credential_with_value(&secret)
            .unwrap()
            .last_used;
        assert!(used.is_some_and(|used| used > stopped), "{used:?}");
    }

    #[tokio::test]
    async fn a_connection_in_use_keeps_its_sign_in_for_years() {
        let (fixture, _) = connected();
        for _ in 0..3 {
            fixture.wait(80 * 24 * 3600);
            fixture.shopctrl.check_mail();
        }
        assert_eq!(
            fixture.shopctrl.test_connection(12, "in", None),
            Some(Ok(()))
        );
        fixture
            .shopctrl
            .edit(12, "in", |connection| connection.enabled = false);
        fixture.wait(90 * 24 * 3600);
        fixture
            .shopctrl
            .edit(12, "in", |connection| connection.enabled = true);
        let test = fixture.shopctrl.test_connection(12, "in", None).unwrap();
        assert!(
            test.unwrap_err().contains("AADSTS700082"),
            "idle for 90 days"
        );
    }
}
