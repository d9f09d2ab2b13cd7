//! The screens for a real browser: Settings > E-mail of a shop, plain, so that a hand-over can be done
//! by a person on one machine. ShopCtrl's own login comes before it and is left out here.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::{Connection, Direction, ShopCtrl};
use crate::entra::escape;

/// `GET /Shops/{shop_id}/Settings/E-mail`
pub(super) async fn settings(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path(shop_id): Path<i64>,
) -> Response {
    let sections: String = shopctrl
        .connections()
        .iter()
        .filter(|connection| connection.shop_id == shop_id)
        .map(section)
        .collect();
    if sections.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    page("Shop Settings: Communication: E-mail", &sections).into_response()
}

fn section(connection: &Connection) -> String {
    let (title, button) = match connection.direction {
        Direction::Receiving => ("Receiving email", "Test MailBox"),
        Direction::Sending => ("Sending email", "Send test mail"),
    };
    let id = escape(&connection.id);
    let at = format!("/Shops/{}/Settings/E-mail/{id}", connection.shop_id);
    format!(
        r#"<section><h2>{title}: {mailbox}</h2>
<p>Enable: {enabled}. Protocol: {protocol}.</p><h3>Auth Parameters</h3>
<p>Auth method: Microsoft 365<br>Tenant ID: {tenant}<br>Client ID: {client}<br>Status: <strong>{status}</strong></p>
<form method="post" action="{at}/authorize"><label>Client Secret <input name="client_secret" type="password" autocomplete="off" placeholder="{hint}…"></label>
<button type="submit">Save and Authorize</button></form>
<form method="post" action="{at}/test"><button type="submit">{button}</button></form></section>"#,
        mailbox = escape(&connection.mailbox),
        enabled = if connection.enabled { "on" } else { "off" },
        protocol = connection.protocol.name(),
        tenant = connection.tenant_id,
        client = connection.client_id,
        status = connection.status.name(),
        hint = escape(&connection.hint().unwrap_or_default()),
    )
}

#[derive(Deserialize)]
pub(super) struct AuthParameters {
    #[serde(default)]
    client_secret: String,
}

/// Save and Authorize: what was entered is stored before Microsoft's sign-in (facts/shopctrl.md, 2.3).
pub(super) async fn authorize(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, id)): Path<(i64, String)>,
    Form(entered): Form<AuthParameters>,
) -> Response {
    let secret = entered.client_secret.trim();
    if !secret.is_empty() {
        shopctrl.enter_secret(shop_id, &id, secret);
    }
    match shopctrl.save_and_authorize(shop_id, &id) {
        Some(url) => Redirect::to(&url).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Test `MailBox`, or Send test mail.
pub(super) async fn test(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path((shop_id, id)): Path<(i64, String)>,
) -> Response {
    let text = match shopctrl.test_connection(shop_id, &id, None) {
        Some(Ok(())) => "The connection works.".to_owned(),
        Some(Err(reason)) => format!("The connection does not work: {reason}"),
        None => return StatusCode::NOT_FOUND.into_response(),
    };
    page("Test", &with_way_back(&escape(&text), Some(shop_id))).into_response()
}

/// What `Auth.aspx` shows.
pub(super) fn outcome(shop_id: Option<i64>, outcome: Result<String, String>) -> Response {
    let (status, title, text) = match outcome {
        Ok(account) => (
            StatusCode::OK,
            "Success",
            format!("Access was granted for {account}."),
        ),
        Err(reason) => (StatusCode::BAD_REQUEST, "Error", reason),
    };
    let content = with_way_back(&escape(&text), shop_id);
    (status, page(title, &content)).into_response()
}

fn with_way_back(text: &str, shop_id: Option<i64>) -> String {
    let back = shop_id
        .map(|shop_id| {
            format!(
                r#"<p><a href="/Shops/{shop_id}/Settings/E-mail">Back to Shop Settings</a></p>"#
            )
        })
        .unwrap_or_default();
    format!("<p>{text}</p>{back}")
}

fn page(title: &str, content: &str) -> Html<String> {
    Html(format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>body{{font:16px sans-serif;max-width:40em;margin:3em auto;padding:0 1em}}section{{border-top:1px solid #ccc}}</style></head>
<body><p>ShopCtrl (simulated)</p><h1>{title}</h1>
{content}</body></html>"#
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use url::Url;

    use super::*;
    use crate::directory::sign_in::{Decision, Step};
    use crate::shopctrl::{Protocol, Status};
    use crate::test_world::{MAILBOX, TestWorld, ask, form};

    #[tokio::test]
    async fn a_person_pastes_the_secret_and_comes_back_authorized() {
        let world = TestWorld::new();
        let shopctrl = Arc::clone(&world.shopctrl);
        shopctrl.add_shop(12, "Shop");
        let kind = (Direction::Sending, Protocol::Smtp);
        let app = world.app.app_id;
        shopctrl.add_connection(Connection::new(12, "out", kind, MAILBOX, world.tenant, app));
        let (_, secret) = world.secret();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let path = "/Shops/12/Settings/E-mail/out/authorize";
        let body = form(&[("client_secret", &secret)]);
        let sent = ask(&world.shop, "POST", path, &headers, body).await;
        assert_eq!(
            shopctrl.connection(12, "out").unwrap().status,
            Status::NotAuthorized
        );
        let signed_in =
            world
                .directory
                .sign_in_as(sent.header("location"), MAILBOX, Decision::Accept);
        let Step::Redirect(location) = signed_in else {
            panic!("{signed_in:?}");
        };
        let location = Url::parse(&location).unwrap();
        let back = format!("{}?{}", location.path(), location.query().unwrap());
        let success = ask(&world.shop, "GET", &back, &[], "").await;
        assert!(success.text().contains("Success") && success.text().contains(MAILBOX));
        let settings = ask(&world.shop, "GET", "/Shops/12/Settings/E-mail", &[], "").await;
        assert!(settings.text().contains("<strong>Authorized</strong>"));
        assert!(!settings.text().contains(&secret));
        let test = ask(
            &world.shop,
            "POST",
            "/Shops/12/Settings/E-mail/out/test",
            &[],
            "",
        )
        .await;
        assert!(
            test.text().contains("The connection works."),
            "{}",
            test.text()
        );
    }
}
