//! The way to a shop's settings: Sales Channels panel > Shop icon > Settings > topic menu
//! Communication > E-mail > Receiving email | Sending email (docs/beliefs.md, ShopCtrl).

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::StatusCode;

use super::employees::{Closed, LoggedIn};
use super::{Direction, ShopCtrl, deep_link, mailbox_list, window};
use crate::microsoft::entra::escape;

pub(super) fn screens() -> Router<Arc<ShopCtrl>> {
    Router::new()
        .route("/", get(panel))
        .route("/Shops/{shop_id}", get(shop))
        .route("/Shops/{shop_id}/Settings", get(settings))
        .route("/Shops/{shop_id}/Settings/E-mail", get(e_mail))
}

async fn panel(
    State(shopctrl): State<Arc<ShopCtrl>>,
    RawQuery(query): RawQuery,
    employee: LoggedIn,
) -> Response {
    if let Some(screen) = query.as_deref().and_then(deep_link::screen) {
        return Redirect::to(&screen).into_response();
    }
    let mut content = format!(
        r#"<p>{} <a href="/Logout">Log out</a></p><section aria-labelledby="panel"><h2 id="panel">Sales Channels</h2><ul>"#,
        escape(employee.name())
    );
    for shop in shopctrl.state().shops.all() {
        if employee.sees(shop.id) {
            let (id, name) = (shop.id, escape(&shop.name));
            let _ = write!(content, r#"<li><a href="/Shops/{id}">{name}</a></li>"#);
        }
    }
    content.push_str("</ul></section>");
    window::draw("ShopCtrl", &content).into_response()
}

/// The menu of a shop's icon.
async fn shop(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path(shop_id): Path<i64>,
    employee: LoggedIn,
) -> Response {
    let state = shopctrl.state();
    let Some(shop) = state.shop(shop_id).filter(|_| employee.sees(shop_id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let settings = match employee.may_change_settings() {
        true => format!(r#"<li><a href="/Shops/{shop_id}/Settings">Settings</a></li>"#),
        false => String::new(),
    };
    let content = format!(
        r#"<ul><li><a href="/">Sales Channels</a></li>{settings}<li><a href="/Shops/{shop_id}/OutMailBox">Out mail box</a></li></ul>"#
    );
    window::draw(&shop.name, &content).into_response()
}

/// The topic menu.
async fn settings(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path(shop_id): Path<i64>,
    employee: LoggedIn,
) -> Result<Response, Response> {
    employee.enter_settings(shop_id)?;
    let state = shopctrl.state();
    let shop = state.shop(shop_id);
    let shop = shop.ok_or(Closed::NotThere)?;
    let topics: String = [Direction::Receiving, Direction::Sending]
        .map(|direction| {
            let address = mailbox_list::address(shop_id, direction);
            format!(r#"<li><a href="{address}">{}</a></li>"#, direction.topic())
        })
        .concat();
    let content = format!(
        r#"<p>{name}</p><nav aria-label="Topics"><ul><li>Communication<ul><li>E-mail<ul>{topics}</ul></li></ul></li></ul></nav>"#,
        name = escape(&shop.name)
    );
    Ok(window::draw("Shop Settings", &content).into_response())
}

/// E-mail without a topic opens the first one.
async fn e_mail(Path(shop_id): Path<i64>) -> Redirect {
    Redirect::to(&mailbox_list::address(shop_id, Direction::Receiving))
}
