//! The logins of the interface (HTTP Basic).

use std::collections::{BTreeSet, HashMap};

use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::ShopCtrl;

/// The shops of each login, by its name and password.
pub(super) type Logins = HashMap<(String, String), BTreeSet<i64>>;

impl ShopCtrl {
    /// Adds an employee login that has these shops.
    pub fn add_login(&self, name: &str, password: &str, shops: &[i64]) {
        self.directory.note_secret(password);
        let login = (name.to_owned(), password.to_owned());
        let mut state = self.state();
        let of_it = state.logins.entry(login);
        of_it.or_insert_with(|| shops.iter().copied().collect());
    }

    /// Gives a login these shops in the place of those that it has.
    pub fn set_shops(&self, name: &str, password: &str, shops: &[i64]) {
        let login = (name.to_owned(), password.to_owned());
        let shops = shops.iter().copied().collect();
        self.state().logins.insert(login, shops);
    }

    /// Whether ShopCtrl is up and the login is good; gives the login's shops.
    pub(super) fn enter(&self, headers: &HeaderMap) -> Result<BTreeSet<i64>, Refused> {
        let now = self.clock.now();
        let state = self.state();
        if let Some(until) = state.down_until.filter(|until| now < *until) {
            return Err(Refused::Down {
                wait: until.duration_since(now).as_secs().max(1),
            });
        }
        let login = basic_credentials(headers);
        let shops = login.and_then(|login| state.logins.get(&login));
        shops.cloned().ok_or(Refused::BadLogin)
    }
}

/// Why a request was not looked at.
pub(super) enum Refused {
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

pub(super) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let encoded = header.strip_prefix("Basic ")?;
    let text = String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
