//! The list of a shop's mailboxes, receiving or sending, with its buttons and the fields beside it
//! (docs/beliefs.md, ShopCtrl). The wording of the popups is not known.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::employees::{Closed, LoggedIn};
use super::{Connection, Direction, ShopCtrl, mailbox_details, window};
use crate::microsoft::entra::escape;

/// Where the list is.
pub(super) fn address(shop_id: i64, direction: Direction) -> String {
    format!("/Shops/{shop_id}/Settings/E-mail/{}", direction.segment())
}

pub(super) fn screens() -> Router<Arc<ShopCtrl>> {
    let list = "/Shops/{shop_id}/Settings/E-mail/{direction}";
    Router::new()
        .route(list, get(show).post(press))
        .route(&format!("{list}/Save"), post(save))
        .route(&format!("{list}/SendTestMail"), get(ask_address).post(send))
}

/// The direction in an address, for an employee who may see the shop's settings.
pub(super) fn entered(
    employee: &LoggedIn,
    shop_id: i64,
    segment: &str,
) -> Result<Direction, Closed> {
    employee.enter_settings(shop_id)?;
    Direction::of_segment(segment).ok_or(Closed::NotThere)
}

async fn show(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment)): Path<(i64, String)>,
    employee: LoggedIn,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let state = shopctrl.state();
    let shop = state.shop(shop_id);
    let shop = shop.ok_or(Closed::NotThere)?;
    let here = address(shop_id, direction);
    let mut rows = String::new();
    for (at, connection) in in_list(state.connections.all(), shop_id, direction).enumerate() {
        let (id, name) = (escape(&connection.id), window::row(at + 1, connection));
        let _ = write!(
            rows,
            r#"<p><input type="radio" id="mailbox-{id}" name="mailbox" value="{id}"> <label for="mailbox-{id}">{name}</label></p>"#
        );
    }
    let (field, test) = match direction {
        Direction::Receiving => (
            window::check_box("Check mail", "check_mail", shop.check_mail),
            "Test MailBox",
        ),
        Direction::Sending => (
            window::text_field("Mail address", "mail_address", &shop.mail_address),
            "Send test mail",
        ),
    };
    let acceptance = match &state.mail_override {
        Some(_) => "<p>Acceptance server: Mail override is on.</p>",
        None => "",
    };
    let content = format!(
        r#"<p><a href="/Shops/{shop_id}/Settings">Shop Settings</a>: {shop_name}</p>{acceptance}
<form method="post" action="{here}"><fieldset><legend>Mailboxes</legend>{rows}</fieldset>
<p><button name="button" value="add">Add</button> <button name="button" value="edit">Edit</button> <button name="button" value="test">{test}</button></p></form>
<form method="post" action="{here}/Save">{field}<p><button>Save</button></p></form>"#,
        shop_name = escape(&shop.name),
    );
    Ok(window::draw(direction.topic(), &content).into_response())
}

fn in_list(
    connections: &[Connection],
    shop_id: i64,
    direction: Direction,
) -> impl Iterator<Item = &Connection> {
    connections
        .iter()
        .filter(move |one| one.shop_id == shop_id && one.direction == direction)
}

#[derive(Deserialize)]
struct Pressed {
    #[serde(default)]
    button: String,
    mailbox: Option<String>,
}

async fn press(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment)): Path<(i64, String)>,
    employee: LoggedIn,
    Form(pressed): Form<Pressed>,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let here = address(shop_id, direction);
    let selected = pressed.mailbox.as_deref();
    let to = |address: String| Redirect::to(&address).into_response();
    Ok(match (pressed.button.as_str(), direction, selected) {
        ("add", _, _) => to(mailbox_details::address(shop_id, direction, None)),
        ("edit", _, Some(id)) => to(mailbox_details::address(shop_id, direction, Some(id))),
        // It tests the shop's sending, and asks for an address only.
        ("test", Direction::Sending, _) => to(format!("{here}/SendTestMail")),
        ("test", Direction::Receiving, Some(id)) => {
            let result = shopctrl.test_connection(shop_id, id, None);
            let result = result.ok_or(Closed::NotThere)?;
            let text = match result {
                Ok(()) => "The connection works.".to_owned(),
                Err(reason) => format!("The connection does not work: {reason}"),
            };
            window::popup("Test MailBox", &text, &here).into_response()
        }
        _ => window::popup("Select a mailbox", "Select a mailbox first.", &here).into_response(),
    })
}

#[derive(Deserialize)]
struct Fields {
    check_mail: Option<String>,
    mail_address: Option<String>,
}

async fn save(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment)): Path<(i64, String)>,
    employee: LoggedIn,
    Form(fields): Form<Fields>,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    match direction {
        Direction::Receiving => shopctrl.set_check_mail(shop_id, fields.check_mail.is_some()),
        Direction::Sending => {
            if let Some(shop) = shopctrl.state().shop_mut(shop_id) {
                shop.mail_address = fields.mail_address.unwrap_or_default();
            }
        }
    }
    Ok(Redirect::to(&address(shop_id, direction)).into_response())
}

async fn ask_address(
    Path((shop_id, segment)): Path<(i64, String)>,
    employee: LoggedIn,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let here = address(shop_id, direction);
    let content = format!(
        r#"<form method="post" action="{here}/SendTestMail">{}<p><button>Send</button> <a href="{here}">Cancel</a></p></form>"#,
        window::text_field("E-mail address", "to", "")
    );
    Ok(window::draw("Send test mail", &content).into_response())
}

#[derive(Deserialize)]
struct TestMail {
    to: String,
}

async fn send(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, segment)): Path<(i64, String)>,
    employee: LoggedIn,
    Form(mail): Form<TestMail>,
) -> Result<Response, Response> {
    let direction = entered(&employee, shop_id, &segment)?;
    let text = match shopctrl.send_test_mail(shop_id, mail.to.trim()) {
        // The same words with a Mail override: the address is never told.
        Ok(()) => "The test mail was sent.".to_owned(),
        Err(reason) => format!("The test mail was not sent: {reason}"),
    };
    let back = address(shop_id, direction);
    Ok(window::popup("Send test mail", &text, &back).into_response())
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, MAILBOX, ask};
    use crate::shopctrl::OutageCause;
    use crate::shopctrl::screen_user::{RECEIVING, SENDING, ScreenUser, shop};

    async fn last_check(fixture: &Fixture) -> String {
        let headers = [("authorization", "Basic YXBpOmEgcGFzc3dvcmQ=")];
        let answer = ask(&fixture.shop, "GET", "/v1/Shops/ShopStatus", &headers, "").await;
        answer.json()[0]["LastMailCheck"].to_string()
    }

    #[tokio::test]
    async fn test_mailbox_wants_a_mailbox_selected_and_says_how_it_went() {
        let fixture = shop();
        let mut admin = ScreenUser::admin(&fixture).await;
        let list = admin.open(RECEIVING).await;
        assert!(list.body.contains("1 (Microsoft Graph API)"));
        assert!(list.body.contains("Test MailBox") && !list.body.contains(MAILBOX));
        assert!(!list.body.contains("Send test mail"));
        let nothing = admin.post(RECEIVING, &[("button", "test")]).await;
        assert_eq!(nothing.heading(), "Select a mailbox");
        let selected = [("button", "test"), ("mailbox", "in")];
        let good = admin.post(RECEIVING, &selected).await;
        assert!(good.body.contains("The connection works."), "{}", good.body);
        fixture.shopctrl.edit(12, "in", |one| one.enabled = false);
        let bad = admin.post(RECEIVING, &selected).await;
        assert!(bad.body.contains("does not work"), "{}", bad.body);
    }

    #[tokio::test]
    async fn with_check_mail_off_the_test_passes_and_no_mail_comes() {
        let fixture = shop();
        let mut admin = ScreenUser::admin(&fixture).await;
        let before = last_check(&fixture).await;
        let list = admin.post(&format!("{RECEIVING}/Save"), &[]).await;
        assert_eq!(list.heading(), "Receiving email");
        assert_eq!(fixture.shopctrl.checks_mail(12), Some(false));
        fixture
            .directory
            .receive_mail("a@b.example", MAILBOX, "canary");
        fixture.wait(3600);
        assert_eq!(last_check(&fixture).await, before);
        let selected = [("button", "test"), ("mailbox", "in")];
        let good = admin.post(RECEIVING, &selected).await;
        assert!(good.body.contains("The connection works."));
        assert_eq!(
            fixture.shopctrl.outages()[0].cause,
            OutageCause::CheckMailOff
        );
        let on = [("check_mail", "on")];
        admin.post(&format!("{RECEIVING}/Save"), &on).await;
        fixture.wait(301);
        assert_ne!(last_check(&fixture).await, before);
        assert_eq!(fixture.shopctrl.outages(), []);
    }

    #[tokio::test]
    async fn send_test_mail_asks_for_an_address_and_the_mail_address_is_kept() {
        let fixture = shop();
        let mut admin = ScreenUser::admin(&fixture).await;
        let asked = admin.post(SENDING, &[("button", "test")]).await;
        assert!(asked.body.contains("E-mail address"), "{}", asked.body);
        let to = [("to", "me@agency.example")];
        let sent = admin.post(asked.url.as_str(), &to).await;
        assert!(
            sent.body.contains("The test mail was sent."),
            "{}",
            sent.body
        );
        let mail = fixture.shopctrl.sent_mail().pop().unwrap();
        assert_eq!(
            (mail.went_to.as_str(), mail.from.as_str()),
            (to[0].1, MAILBOX)
        );
        let fields = [("mail_address", "Shop <orders@shop.example>")];
        let list = admin.post(&format!("{SENDING}/Save"), &fields).await;
        assert!(list.body.contains("Shop &lt;orders@shop.example&gt;"));
    }
}
