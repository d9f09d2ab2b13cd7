//! The Mailbox details window with its Auth Parameters pane, and what Save and Authorize asks before it
//! stores what was entered and goes to Microsoft (docs/beliefs.md, ShopCtrl).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use uuid::Uuid;

use super::employees::{Closed, LoggedIn};
use super::mailbox_list::{self, entered};
use super::window::{self, check_box, text_field};
use super::{AuthParameters, Connection, Direction, MailServer, Protocol, ShopCtrl, Status};
use crate::microsoft::entra::escape;

/// Stands for a mailbox that is not there yet.
const NEW: &str = "new";

/// Where the window is; without an id it is a new mailbox.
pub(super) fn address(shop_id: i64, direction: Direction, id: Option<&str>) -> String {
    let list = mailbox_list::address(shop_id, direction);
    let id: String = url::form_urlencoded::byte_serialize(id.unwrap_or(NEW).as_bytes()).collect();
    format!("{list}/Mailboxes/{id}")
}

pub(super) fn screens() -> Router<Arc<ShopCtrl>> {
    let list = "/Shops/{shop_id}/Settings/E-mail/{direction}";
    Router::new()
        .route(
            &format!("{list}/Mailboxes/{{connection_id}}"),
            get(show).post(press),
        )
        .route(&format!("{list}/SaveAndAuthorize"), post(confirm))
}

/// What was entered when Save and Authorize was pressed, until it is confirmed.
#[derive(Debug, Clone)]
pub(super) struct Unconfirmed {
    connection: Connection,
    is_new: bool,
    client_secret: String,
}

async fn show(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment, id)): Path<(i64, String, String)>,
    employee: LoggedIn,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let connection = find(&shopctrl, shop_id, direction, &id)?;
    Ok(draw(&connection, &id, None))
}

/// A mailbox of the list, or a new one: not enabled, as the set-up pages have it enabled at their end.
fn find(
    shopctrl: &ShopCtrl,
    shop_id: i64,
    direction: Direction,
    id: &str,
) -> Result<Connection, Closed> {
    if id == NEW {
        let id = shopctrl.directory.records().guid().simple().to_string();
        let kind = (direction, Protocol::Graph);
        let new = Connection::new(shop_id, &id, kind, "", AuthParameters::default());
        return Ok(Connection {
            enabled: false,
            ..new
        });
    }
    let found = shopctrl.connection(shop_id, id);
    found
        .filter(|connection| connection.direction == direction)
        .ok_or(Closed::NotThere)
}

/// Draws the window. The real one changes with the Protocol that is chosen; here Server, Port, Use SSL
/// and what SMTP has are there once the protocol is stored. Auth method Basic is left out with its
/// Login and Password. Whether Client Secret is shown on Edit is not known: it is blank here, and left
/// blank it stays as it is.
fn draw(connection: &Connection, id: &str, note: Option<&str>) -> Response {
    let (shop_id, direction) = (connection.shop_id, connection.direction);
    let list = mailbox_list::address(shop_id, direction);
    let here = address(shop_id, direction, Some(id));
    let note = note
        .map(|note| format!(r#"<p role="alert">{}</p>"#, escape(note)))
        .unwrap_or_default();
    let protocols: String = direction
        .protocols()
        .iter()
        .map(|protocol| {
            let selected = if *protocol == connection.protocol {
                " selected"
            } else {
                ""
            };
            format!(
                r#"<option value="{}"{selected}>{}</option>"#,
                protocol.name(),
                protocol.label()
            )
        })
        .collect();
    let guid = |id: Uuid| match id.is_nil() {
        true => String::new(),
        false => id.to_string(),
    };
    let content = format!(
        r#"{note}<form method="post" action="{here}">
{enable}{mailbox}
<p class="field"><label for="protocol">Protocol</label><select id="protocol" name="protocol">{protocols}</select></p>
{more}
<details><summary>Auth Parameters</summary>
<p class="field"><label for="auth_method">Auth method</label><select id="auth_method" name="auth_method"><option>Microsoft 365</option></select></p>
{tenant}{client}
<p class="field"><label for="client_secret">Client Secret</label><input id="client_secret" name="client_secret" type="password" autocomplete="off"></p>
<p class="field"><label for="status">Status</label><input id="status" value="{status}" readonly></p>
<p><button name="button" value="authorize">Save and Authorize</button></p></details>
<p><button name="button" value="ok">Ok</button> <a href="{list}">Cancel</a></p></form>"#,
        enable = check_box("Enable", "enabled", connection.enabled),
        mailbox = text_field("E-mail address", "mailbox", &connection.mailbox),
        more = more_fields(connection),
        tenant = text_field("Tenant ID", "tenant_id", &guid(connection.tenant_id)),
        client = text_field("Client ID", "client_id", &guid(connection.client_id)),
        status = connection.status.name(),
    );
    window::draw("Mailbox details", &content).into_response()
}

fn more_fields(connection: &Connection) -> String {
    let mut fields = String::new();
    if connection.protocol != Protocol::Graph {
        let server = &connection.server;
        fields.push_str(&text_field("Server", "server", &server.name));
        fields.push_str(&text_field("Port", "port", &server.port));
        fields.push_str(&check_box("Use SSL", "ssl", server.ssl));
    }
    if connection.protocol == Protocol::Smtp {
        let priority = connection.priority.to_string();
        fields.push_str(&text_field("Priority", "priority", &priority));
        fields.push_str(&check_box(
            "Disable Chunking",
            "disable_chunking",
            connection.disable_chunking,
        ));
    }
    if connection.direction == Direction::Receiving {
        fields.push_str(&check_box(
            "Auto Reply",
            "auto_reply",
            connection.auto_reply,
        ));
        fields.push_str(&check_box(
            "Delete mail from server",
            "delete_from_server",
            connection.delete_from_server,
        ));
    }
    fields
}

#[derive(Deserialize)]
struct Entered {
    button: String,
    enabled: Option<String>,
    mailbox: String,
    protocol: String,
    server: Option<String>,
    port: Option<String>,
    ssl: Option<String>,
    priority: Option<String>,
    disable_chunking: Option<String>,
    auto_reply: Option<String>,
    delete_from_server: Option<String>,
    tenant_id: String,
    client_id: String,
    client_secret: String,
}

impl Entered {
    /// The connection with what was entered, the secret aside. Fields that the window did not have stay.
    fn onto(&self, mut connection: Connection) -> Result<Connection, String> {
        let guid = |field: &str, text: &str| {
            Uuid::try_parse(text.trim()).map_err(|_| format!("{field} is not valid"))
        };
        let had_server = connection.protocol != Protocol::Graph;
        let had_priority = connection.protocol == Protocol::Smtp;
        connection.enabled = self.enabled.is_some();
        self.mailbox.trim().clone_into(&mut connection.mailbox);
        connection.protocol = *connection
            .direction
            .protocols()
            .iter()
            .find(|protocol| protocol.name() == self.protocol)
            .ok_or("Protocol is not valid")?;
        connection.tenant_id = guid("Tenant ID", &self.tenant_id)?;
        connection.client_id = guid("Client ID", &self.client_id)?;
        if had_server {
            connection.server = MailServer {
                name: self.server.clone().unwrap_or_default(),
                port: self.port.clone().unwrap_or_default(),
                ssl: self.ssl.is_some(),
            };
        }
        if had_priority {
            let priority = self.priority.as_deref().unwrap_or_default().trim();
            connection.priority = priority.parse().map_err(|_| "Priority is not valid")?;
            connection.disable_chunking = self.disable_chunking.is_some();
        }
        if connection.direction == Direction::Receiving {
            connection.auto_reply = self.auto_reply.is_some();
            connection.delete_from_server = self.delete_from_server.is_some();
        }
        Ok(connection)
    }
}

async fn press(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment, id)): Path<(i64, String, String)>,
    employee: LoggedIn,
    Form(entered_by_hand): Form<Entered>,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let held = find(&shopctrl, shop_id, direction, &id)?;
    let connection = entered_by_hand
        .onto(held.clone())
        .map_err(|wrong| draw(&held, &id, Some(&wrong)))?;
    let unconfirmed = Unconfirmed {
        connection,
        is_new: id == NEW,
        client_secret: entered_by_hand.client_secret.trim().to_owned(),
    };
    shopctrl.directory.note_secret(&unconfirmed.client_secret);
    let list = mailbox_list::address(shop_id, direction);
    if entered_by_hand.button != "authorize" {
        shopctrl.store(unconfirmed);
        return Ok(Redirect::to(&list).into_response());
    }
    let key = shopctrl.directory.records().guid().simple().to_string();
    let content = format!(
        r#"<p>Unsaved changes on other tabs will be lost. Do you want to continue?</p>
<form method="post" action="{list}/SaveAndAuthorize"><input type="hidden" name="unconfirmed" value="{key}">
<p><button>Yes</button> <a href="{here}">No</a></p></form>"#,
        here = address(shop_id, direction, Some(&id)),
    );
    shopctrl.state().unconfirmed.insert(key, unconfirmed);
    Ok(window::draw("Save and Authorize", &content).into_response())
}

#[derive(Deserialize)]
struct Confirmed {
    unconfirmed: String,
}

/// Stores before it goes to Microsoft: that it does so in this order is inferred (docs/beliefs.md, ShopCtrl).
async fn confirm(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment)): Path<(i64, String)>,
    employee: LoggedIn,
    Form(form): Form<Confirmed>,
) -> Result<Response, Response> {
    entered(&employee, shop_id, &segment)?;
    let unconfirmed = shopctrl.state().unconfirmed.remove(&form.unconfirmed);
    let unconfirmed = unconfirmed.filter(|entered| entered.connection.shop_id == shop_id);
    let id = shopctrl.store(unconfirmed.ok_or(Closed::NotThere)?);
    let url = shopctrl
        .save_and_authorize(shop_id, &id)
        .ok_or(Closed::NotThere)?;
    Ok(Redirect::to(&url).into_response())
}

impl ShopCtrl {
    /// Stores what was entered, and gives the connection's id. An auth parameter that was entered anew
    /// makes it Not authorized; for a connection that was Authorized that is inferred
    /// (docs/beliefs.md, ShopCtrl).
    fn store(&self, entered: Unconfirmed) -> String {
        let new = entered.connection;
        let id = new.id.clone();
        let shop_id = new.shop_id;
        if entered.is_new {
            self.add_connection(new);
        } else {
            self.edit(shop_id, &id, |held| {
                if (held.tenant_id, held.client_id) != (new.tenant_id, new.client_id) {
                    held.status = Status::NotAuthorized;
                }
                held.enabled = new.enabled;
                held.mailbox = new.mailbox;
                held.protocol = new.protocol;
                held.server = new.server;
                held.priority = new.priority;
                held.disable_chunking = new.disable_chunking;
                held.auto_reply = new.auto_reply;
                held.delete_from_server = new.delete_from_server;
                held.tenant_id = new.tenant_id;
                held.client_id = new.client_id;
            });
        }
        if !entered.client_secret.is_empty() {
            self.enter_secret(shop_id, &id, &entered.client_secret);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, MAILBOX, PASSWORD};
    use crate::microsoft::directory::account::Person;
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
        assert!(success.body.contains(RECEIVING));
        let details = admin.post(RECEIVING, &edit).await;
        assert!(
            details.body.contains(r#"value="Authorized""#),
            "{}",
            details.body
        );
        assert!(!details.body.contains(&secret));
        let held = fixture.shopctrl.connection(12, "in").unwrap();
        assert_eq!(held.secret.as_ref(), Some(&secret));
        // Twice the same Yes does nothing.
        let gone = admin
            .post(&format!("{RECEIVING}/SaveAndAuthorize"), &yes)
            .await;
        assert_eq!(gone.status, 404);
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
            ("mailbox", MAILBOX),
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
        assert!(!details.body.contains("Auto Reply"));
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
            "Auto Reply",
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
        assert_eq!(receiving(&fixture.shopctrl)[1].status, Status::Authorized);
    }
}
