//! The *Out mail box*: mail that could not be sent, with its error (docs/beliefs.md, ShopCtrl). That it exists is
//! documented; where it stands and what its columns are is not, nor what puts a mail there but a sending that failed.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;

use super::employees::LoggedIn;
use super::{ShopCtrl, window};
use crate::microsoft::entra::escape;

/// A mail that could not be sent.
#[derive(Debug, Clone)]
pub(super) struct Unsent {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) error: String,
}

pub(super) fn screens() -> Router<Arc<ShopCtrl>> {
    Router::new().route("/Shops/{shop_id}/OutMailBox", get(show))
}

async fn show(
    State(shopctrl): State<Arc<ShopCtrl>>,
    Path(shop_id): Path<i64>,
    employee: LoggedIn,
) -> Response {
    let state = shopctrl.state();
    let Some(shop) = state.shop(shop_id).filter(|_| employee.sees(shop_id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut rows = String::new();
    for Unsent { to, subject, error } in &shop.unsent {
        let (to, subject, error) = (escape(to), escape(subject), escape(error));
        let _ = write!(rows, "<li>{to}: {subject}: {error}</li>");
    }
    window::draw("Out mail box", &format!("<ul>{rows}</ul>")).into_response()
}

#[cfg(test)]
mod tests {
    use crate::shopctrl::screen_user::{SENDING, ScreenUser, shop};

    #[tokio::test]
    async fn a_mail_that_could_not_be_sent_is_in_the_out_mail_box_with_its_error() {
        let fixture = shop();
        fixture.shopctrl.fail_tests(12, "out", Some("550 refused"));
        let mut admin = ScreenUser::admin(&fixture).await;
        let to = [("to", "me@agency.example")];
        admin.post(&format!("{SENDING}/SendTestMail"), &to).await;
        let out = admin.open("/Shops/12/OutMailBox").await;
        assert!(
            out.body
                .contains("me@agency.example: Test mail: 550 refused"),
            "{}",
            out.body
        );
        fixture.shopctrl.fail_tests(12, "out", None);
        admin.post(&format!("{SENDING}/SendTestMail"), &to).await;
        let out = admin.open("/Shops/12/OutMailBox").await;
        assert_eq!(
            out.body.matches("Test mail").count(),
            1,
            "what was sent is not there"
        );
    }
}
