//! ShopCtrl: its documented REST API, and the contract for mail connections that we ask of it.

pub mod connections;
pub mod status;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderValue, Method, Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::{BaseUrl, Reader};
use crate::failure::{Failure, Kind, sanitized_code};
use crate::http::{Client, retry_after, transient};
use crate::json;
use crate::mailbox_secret::Connection;
use crate::retry::{CallError, Effect, Retry};

/// Paths of an installation's API. ShopCtrl's own installations differ, so each is a setting.
#[derive(Debug, Clone)]
pub struct ShopCtrlPaths {
    connection: String,
}

impl ShopCtrlPaths {
    /// Reads `SHOPCTRL_CONNECTION_PATH` (default
    /// `/Shops/{shop_id}/MailConnections/{connection_id}`), below a connection's `api`.
    pub fn read<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> Self {
        Self {
            connection: reader.or(
                "SHOPCTRL_CONNECTION_PATH",
                "/Shops/{shop_id}/MailConnections/{connection_id}".to_owned(),
            ),
        }
    }

    fn connection(&self, connection: &Connection) -> String {
        self.connection
            .replace("{shop_id}", &connection.shopctrl.shop_id.to_string())
            .replace("{connection_id}", connection.id.as_str())
    }
}

/// The login of ShopCtrl's API, an ordinary employee's: HTTP Basic on every request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    username: String,
    password: SecretString,
}

impl Login {
    /// Reads the value of a `shopmail-shopctrl/<host>` secret.
    ///
    /// # Errors
    /// [`Kind::Misconfigured`], naming the field.
    pub fn read(text: &SecretString) -> Result<Self, Failure> {
        json::read(text).map_err(|problem| {
            Failure::new(
                Kind::Misconfigured,
                format!("reading the ShopCtrl login: {problem}"),
            )
            .next_step(
                "Store username and password in the form that docs/configuration.md shows (The other secrets).",
            )
        })
    }

    fn header(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.username, self.password.expose_secret());
        let mut value =
            HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair.as_bytes()))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// One installation's API with a login.
#[derive(Debug, Clone)]
pub struct ShopCtrl {
    http: Client,
    paths: ShopCtrlPaths,
    api: BaseUrl,
    login: Login,
}

impl ShopCtrl {
    /// The API at `api`.
    #[must_use]
    pub fn new(http: Client, paths: ShopCtrlPaths, api: BaseUrl, login: Login) -> Self {
        Self {
            http,
            paths,
            api,
            login,
        }
    }

    async fn call(&self, what: &str, call: Call<'_>) -> Result<Response<Bytes>, CallError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.api, call.path))
            .header("Accept", "application/json")
            .header("Content-Type", "application/json");
        if let Some(login) = self.login.header() {
            request = request.header("Authorization", login);
        }
        if let Some(etag) = call.if_match {
            request = request.header("If-Match", etag);
        }
        let request = request.body(call.body).map_err(|_| {
            CallError::refused(Failure::new(
                Kind::Misconfigured,
                format!("{what}: the request could not be built"),
            ))
        })?;
        self.http
            .send(request)
            .await
            .map_err(|error| error.while_doing(what))
    }
}

struct Call<'a> {
    method: Method,
    path: String,
    if_match: Option<&'a str>,
    body: Bytes,
}

impl Call<'_> {
    fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            if_match: None,
            body: Bytes::new(),
        }
    }
}

/// Reads a 200's body, or classifies the refusal.
fn parsed<T: for<'de> Deserialize<'de>>(
    what: &str,
    response: &Response<Bytes>,
) -> Result<T, CallError> {
    if response.status() != 200 {
        return Err(refusal(what, response));
    }
    json::read_answer(response.body()).map_err(|problem| CallError {
        effect: Effect::Unknown,
        retry: Retry::Backoff,
        status: Some(200),
        failure: Failure::new(
            Kind::Temporary,
            format!("{what}: answered 200, but not in the expected form: {problem}"),
        ),
    })
}

/// ShopCtrl documents no error body; ours has `{"error": "<code>"}`.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    error: String,
}

fn error_code(response: &Response<Bytes>) -> String {
    let body: ErrorBody = serde_json::from_slice(response.body()).unwrap_or_default();
    sanitized_code(&body.error)
}

fn refusal(what: &str, response: &Response<Bytes>) -> CallError {
    let status = response.status().as_u16();
    let transient = transient(status);
    let kind = if transient.is_some() {
        Kind::Temporary
    } else {
        Kind::Misconfigured
    };
    let mut failure = Failure::new(kind, format!("{what}: ShopCtrl answered {status}"));
    let code = error_code(response);
    if !code.is_empty() {
        failure = failure.code(code);
    }
    failure = match status {
        401 | 403 => failure.next_step(
            "Check the ShopCtrl login (shopmail-shopctrl/<host>): its password may have been changed, or it lacks the shop.",
        ),
        404 => failure.next_step("Check the connection's api address, shop_id and id."),
        _ => failure,
    };
    CallError {
        effect: transient.unwrap_or(Effect::None),
        retry: match transient {
            Some(_) => Retry::transient(retry_after(response)),
            None => Retry::No,
        },
        status: Some(status),
        failure,
    }
}
