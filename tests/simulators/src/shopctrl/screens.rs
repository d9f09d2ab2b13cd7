//! What a person does in ShopCtrl's screens, for tests that need no browser: the Auth Parameters pane,
//! Save and Authorize with Microsoft's sign-in, and the page that it comes back to
//! (docs/beliefs.md, ShopCtrl).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::connections::NewSecret;
use super::habits::BackTo;
use super::{Connection, ShopCtrl, Status, mailbox_details, mailbox_list, window};
use crate::microsoft::directory::denial::Denial;
use crate::microsoft::directory::redemption::{Client, CodeRedemption, Proof};
use crate::microsoft::directory::sign_in::{Decision, Step};
use crate::microsoft::directory::tokens::Tokens;
use crate::microsoft::entra::escape;

/// How long a sign-in that was begun can be finished.
const SIGN_IN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// A sign-in at Microsoft that ShopCtrl sent somebody to.
#[derive(Debug, Clone)]
pub(super) struct PendingSignIn {
    shop_id: i64,
    connection_id: String,
    redirect_uri: String,
    begun: Timestamp,
    /// The secret of the `PUT` that had to be refused with 409.
    offered: Option<NewSecret>,
}

impl ShopCtrl {
    /// Changes a connection by hand: Enable, protocol, mailbox, …
    pub fn edit(&self, shop_id: i64, id: &str, edit: impl FnOnce(&mut Connection)) {
        self.check_mail_of(shop_id);
        if let Some(connection) = self.state().connection_mut(shop_id, id) {
            edit(connection);
            connection.version += 1;
        }
    }

    /// Enters the Client Secret: Status becomes Not authorized (docs/beliefs.md, ShopCtrl).
    pub fn enter_secret(&self, shop_id: i64, id: &str, secret: &str) {
        self.check_mail_of(shop_id);
        self.directory.note_secret(secret);
        let now = self.clock.now();
        if let Some(connection) = self.state().connection_mut(shop_id, id) {
            connection.hold(secret, None, now);
            connection.status = Status::NotAuthorized;
        }
    }

    /// Presses Save and Authorize: where the browser is sent.
    #[must_use]
    pub fn save_and_authorize(&self, shop_id: i64, id: &str) -> Option<String> {
        let redirect_uri = self.redirect_uri();
        let mut state = self.state();
        let connection = state.connection(shop_id, id)?.clone();
        Some(self.open_sign_in(&mut state, &connection, &redirect_uri, None))
    }

    /// Presses Save and Authorize, and signs in at Microsoft as `address`, accepting.
    ///
    /// # Errors
    /// What the person is left with instead of the Success window.
    pub fn authorize_as(&self, shop_id: i64, id: &str, address: &str) -> Result<(), String> {
        let url = self
            .save_and_authorize(shop_id, id)
            .ok_or_else(|| "no such connection".to_owned())?;
        self.follow(&url, address)
    }

    /// Follows an authorize URL of ShopCtrl's as `address`, accepting.
    ///
    /// # Errors
    /// What the person is left with instead of the Success window.
    pub fn follow(&self, authorize_url: &str, address: &str) -> Result<(), String> {
        match self
            .directory
            .sign_in_as(authorize_url, address, Decision::Accept)
        {
            Step::Page(page) => Err(format!("{page:?}")),
            Step::Redirect(location) => {
                let location = Url::parse(&location).map_err(|error| error.to_string())?;
                self.come_back(&location.query_pairs().into_owned().collect())
                    .map(drop)
            }
        }
    }

    /// Writes down a sign-in and gives the URL that it begins at.
    pub(super) fn open_sign_in(
        &self,
        state: &mut super::State,
        connection: &Connection,
        redirect_uri: &str,
        offered: Option<NewSecret>,
    ) -> String {
        let key = self.directory.records().guid().simple().to_string();
        state.sign_ins.insert(
            key.clone(),
            PendingSignIn {
                shop_id: connection.shop_id,
                connection_id: connection.id.clone(),
                redirect_uri: redirect_uri.to_owned(),
                begun: self.clock.now(),
                offered,
            },
        );
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &connection.client_id.to_string())
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("response_mode", "query")
            .append_pair("scope", &connection.protocol.scope(connection.direction))
            .append_pair("state", &key)
            .finish();
        format!(
            "{}/{}/oauth2/v2.0/authorize?{query}",
            self.directory.authority(),
            connection.tenant_id
        )
    }

    /// Where Back to Shop Settings leads.
    fn back_of_sign_in(&self, query: &BTreeMap<String, String>) -> Option<String> {
        let state = self.state();
        let pending = state.sign_ins.get(query.get("state")?)?;
        let connection = state.connection(pending.shop_id, &pending.connection_id)?;
        let (shop_id, direction) = (connection.shop_id, connection.direction);
        Some(match state.habits.back_to {
            BackTo::MailboxDetails => {
                mailbox_details::with_open_pane(shop_id, direction, &connection.id)
            }
            BackTo::List => mailbox_list::address(shop_id, direction),
        })
    }

    /// The way back from Microsoft: gives the account that access was granted for.
    fn come_back(&self, query: &BTreeMap<String, String>) -> Result<String, String> {
        let now = self.clock.now();
        let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let begun_in = self
            .state()
            .sign_ins
            .get(get("state"))
            .map(|pending| pending.shop_id);
        begun_in
            .into_iter()
            .for_each(|shop| self.check_mail_of(shop));
        let mut state = self.state();
        let pending = state
            .sign_ins
            .remove(get("state"))
            .filter(|pending| now < pending.begun + SIGN_IN_LIFETIME)
            .ok_or_else(|| "This sign-in is not known any more".to_owned())?;
        if query.contains_key("error") {
            return Err(get("error_description").to_owned());
        }
        let connection = state
            .connection_mut(pending.shop_id, &pending.connection_id)
            .ok_or_else(|| "The connection is gone".to_owned())?;
        let held = connection.secret.clone().unwrap_or_default();
        let redeem = |secret: &str| self.redeem(connection, &pending, get("code"), secret);
        let (tokens, swapped) = match (redeem(&held), &pending.offered) {
            (Ok(tokens), _) => (tokens, None),
            // The secret that it holds does not work any more: the one that was offered may.
            (Err(denial), Some(offered)) if denial.error == "invalid_client" => {
                let tokens = redeem(&offered.client_secret).map_err(|denial| denial.to_string())?;
                (tokens, Some(offered))
            }
            (Err(denial), _) => return Err(denial.to_string()),
        };
        if let Some(offered) = swapped {
            connection.hold(&offered.client_secret, Some(offered.key_id), now);
        }
        connection.authorized_as = tokens
            .refresh_token
            .as_ref()
            .and_then(|token| self.directory.refresh_token(token))
            .map(|token| token.oid);
        connection.refresh_token = tokens.refresh_token;
        connection.status = Status::Authorized;
        connection.version += 1;
        let account = connection
            .authorized_as
            .and_then(|oid| self.directory.account(oid));
        if let Some(account) = account.as_ref().filter(|_| connection.mailbox.is_empty()) {
            account.person.upn.clone_into(&mut connection.mailbox);
        }
        let name = account.map(|account| account.person.upn);
        Ok(name.unwrap_or_default())
    }

    fn redeem(
        &self,
        connection: &Connection,
        pending: &PendingSignIn,
        code: &str,
        secret: &str,
    ) -> Result<Tokens, Denial> {
        let (tenant, client_id) = (
            connection.tenant_id.to_string(),
            connection.client_id.to_string(),
        );
        self.directory.redeem_code(
            Client {
                tenant: &tenant,
                client_id: &client_id,
                proof: Proof::Secret(secret),
            },
            CodeRedemption {
                code,
                redirect_uri: &pending.redirect_uri,
                code_verifier: None,
                scope: Some(&connection.protocol.scope(connection.direction)),
            },
        )
    }
}

/// `Auth.aspx`, the redirect URI. It needs no login of ShopCtrl's: `state` says whose sign-in it is.
/// Whether the real one does is not known (docs/beliefs.md, ShopCtrl), as is the wording of both windows.
pub(super) async fn auth(
    State(shopctrl): State<Arc<ShopCtrl>>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let back = shopctrl.back_of_sign_in(&query);
    let (status, title, text) = match shopctrl.come_back(&query) {
        Ok(account) => (
            StatusCode::OK,
            "Success",
            format!("<p>Access was granted for {}.</p>", escape(&account)),
        ),
        Err(reason) => (
            StatusCode::BAD_REQUEST,
            "Access was not granted",
            format!(
                "<p>{}</p><p>Correct the errors and proceed with the same steps.</p>",
                escape(&reason)
            ),
        ),
    };
    let back = back
        .map(|back| format!(r#"<p><a href="{back}">Back to Shop Settings</a></p>"#))
        .unwrap_or_default();
    (status, window::draw(title, &format!("{text}{back}"))).into_response()
}
