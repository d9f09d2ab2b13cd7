//! The Mailbox details window with its Auth Parameters pane, and what Save and Authorize asks before it
//! stores what was entered and goes to Microsoft (docs/beliefs.md, ShopCtrl).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use uuid::Uuid;

use super::employees::{Closed, LoggedIn};
use super::mailbox_list::{self, entered};
use super::window::{self, check_box, choice, text_field};
use super::{
    AuthParameters, AutoReply, Connection, Direction, MailServer, Protocol, ShopCtrl, Status,
};
use crate::microsoft::entra::escape;

/// Stands for a mailbox that is not there yet.
const NEW: &str = "new";

/// Where the window is; without an id it is a new mailbox.
pub(super) fn address(shop_id: i64, direction: Direction, id: Option<&str>) -> String {
    let list = mailbox_list::address(shop_id, direction);
    let id: String = url::form_urlencoded::byte_serialize(id.unwrap_or(NEW).as_bytes()).collect();
    format!("{list}/Mailboxes/{id}")
}

/// Where the window is with its Auth Parameters pane open. That it is open when somebody comes back from Microsoft
/// is read out of the set-up pages, where *Status* is seen to change then.
pub(super) fn with_open_pane(shop_id: i64, direction: Direction, id: &str) -> String {
    format!("{}?{OPEN_PANE}", address(shop_id, direction, Some(id)))
}

const OPEN_PANE: &str = "pane=AuthParameters";

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
    RawQuery(query): RawQuery,
    employee: LoggedIn,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let connection = find(&shopctrl, shop_id, direction, &id)?;
    let pane = match query.as_deref() {
        Some(OPEN_PANE) => Pane::Open,
        _ => Pane::Collapsed,
    };
    Ok(draw(&connection, &id, pane, None))
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

/// The Auth Parameters pane.
#[derive(Debug, Clone, Copy)]
enum Pane {
    Open,
    Collapsed,
}

/// Draws the window. No field of the real one names the mailbox's address. It ends with *Ok*; the same window of other
/// connectors ends with *Save* or *Save and Close*. The real one changes with the Protocol that is chosen; here Server, Port, Use SSL
/// and what SMTP has are there once the protocol is stored. Auth method Basic is left out with its
/// Login and Password. Whether Client Secret is shown on Edit is not known: it is blank here, and left
/// blank it stays as it is.
fn draw(connection: &Connection, id: &str, pane: Pane, note: Option<&str>) -> Response {
    let (shop_id, direction) = (connection.shop_id, connection.direction);
    let list = mailbox_list::address(shop_id, direction);
    let here = address(shop_id, direction, Some(id));
    let note = note
        .map(|note| format!(r#"<p role="alert">{}</p>"#, escape(note)))
        .unwrap_or_default();
    let protocols: Vec<(&str, &str)> = direction
        .protocols()
        .iter()
        .map(|protocol| (protocol.name(), protocol.label()))
        .collect();
    let pane = match pane {
        Pane::Open => " open",
        Pane::Collapsed => "",
    };
    let guid = |id: Uuid| match id.is_nil() {
        true => String::new(),
        false => id.to_string(),
    };
    let content = format!(
        r#"{note}<form method="post" action="{here}">
{enable}{protocol}
{more}
<details{pane}><summary>Auth Parameters</summary>
<p class="field"><label for="auth_method">Auth method</label><select id="auth_method" name="auth_method"><option>Microsoft 365</option></select></p>
{tenant}{client}
<p class="field"><label for="client_secret">Client Secret</label><input id="client_secret" name="client_secret" type="password" autocomplete="off"></p>
<p class="field"><label for="status">Status</label><input id="status" value="{status}" readonly></p>
<p><button name="button" value="authorize">Save and Authorize</button></p></details>
<p><button name="button" value="ok">Ok</button> <a href="{list}">Cancel</a></p></form>"#,
        enable = check_box("Enable", "enabled", connection.enabled),
        protocol = choice(
            "Protocol",
            "protocol",
            &protocols,
            connection.protocol.name()
        ),
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
        fields.push_str(&auto_reply_fields(&connection.auto_reply));
        fields.push_str(&text_field(
            "Delete mail from server after days",
            "delete_after_days",
            &connection.delete_after_days,
        ));
    }
    fields
}

/// What is documented of Auto Reply mail; the labels' wording is not, but for Exclude Subject Expressions.
fn auto_reply_fields(reply: &AutoReply) -> String {
    let delays = AutoReply::DELAYS.map(|delay| (delay, delay));
    [
        text_field("Auto Reply mail", "auto_reply", &reply.template),
        text_field(
            "Exclude addresses",
            "excluded_addresses",
            &reply.excluded_addresses,
        ),
        text_field(
            "Exclude Subject Expressions",
            "excluded_subjects",
            &reply.excluded_subjects,
        ),
        choice("Delayed sending", "delay", &delays, &reply.delay),
    ]
    .concat()
}

#[derive(Deserialize)]
struct Entered {
    button: String,
    enabled: Option<String>,
    protocol: String,
    server: Option<String>,
    port: Option<String>,
    ssl: Option<String>,
    priority: Option<String>,
    disable_chunking: Option<String>,
    auto_reply: Option<String>,
    excluded_addresses: Option<String>,
    excluded_subjects: Option<String>,
    delay: Option<String>,
    delete_after_days: Option<String>,
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
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            connection.auto_reply = AutoReply {
                template: text(&self.auto_reply),
                excluded_addresses: text(&self.excluded_addresses),
                excluded_subjects: text(&self.excluded_subjects),
                delay: text(&self.delay),
            };
            connection.delete_after_days = text(&self.delete_after_days);
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
        .map_err(|wrong| draw(&held, &id, Pane::Open, Some(&wrong)))?;
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
                held.protocol = new.protocol;
                held.server = new.server;
                held.priority = new.priority;
                held.disable_chunking = new.disable_chunking;
                held.auto_reply = new.auto_reply;
                held.delete_after_days = new.delete_after_days;
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
mod tests;
