//! The contract of infra/shopctrl-connections.openapi.yaml: reading a mail connection, replacing its
//! client secret, having it tested. ShopCtrl publishes no such routes today (2026-11).

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Call, ShopCtrl, error_code, parsed, refusal};
use crate::failure::{Failure, Kind};
use crate::ids::KeyId;
use crate::mailbox_secret::{Connection, MailboxSecret, StoredCredential};
use crate::retry::{CallError, Retry};

/// A connection as ShopCtrl holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whether Status is Authorized.
    pub authorized: bool,
    /// Whether the Enable switch is on.
    pub enabled: bool,
    /// The credential whose value it holds.
    pub key_id: Option<KeyId>,
    /// When it took that value, by ShopCtrl's clock.
    pub secret_changed_at: Option<Timestamp>,
    /// The version of the connection, for `If-Match`.
    etag: Option<String>,
}

impl Held {
    /// Whether it is Authorized with this credential.
    #[must_use]
    pub fn has(&self, key_id: KeyId) -> bool {
        self.authorized && self.key_id == Some(key_id)
    }
}

/// How the replacement of a connection's client secret ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// ShopCtrl redeemed its refresh token with the new secret and holds it: Authorized.
    Authorized(Held),
    /// Only the mailbox's owner can authorize, at this address. Nothing was changed.
    PersonNeeded {
        /// Where; untrusted, to be checked before anybody is sent there.
        authorize_url: String,
    },
    /// Somebody changed the connection since it was read. Nothing was changed.
    ChangedMeanwhile,
}

/// What ShopCtrl's own test said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// Test MailBox or Send test mail went well.
    Passed,
    /// It did not.
    Failed,
}

#[derive(Deserialize)]
struct HeldBody {
    status: String,
    enabled: bool,
    key_id: Option<String>,
    secret_changed_at: Option<String>,
}

#[derive(Deserialize, Default)]
struct InteractionRequired {
    #[serde(default)]
    authorize_url: String,
}

fn held(what: &str, response: &http::Response<bytes::Bytes>) -> Result<Held, CallError> {
    let body: HeldBody = parsed(what, response)?;
    let etag = response.headers().get(http::header::ETAG);
    Ok(Held {
        authorized: body.status.eq_ignore_ascii_case("Authorized"),
        enabled: body.enabled,
        key_id: body.key_id.and_then(|id| id.parse().ok()),
        secret_changed_at: body.secret_changed_at.and_then(|time| time.parse().ok()),
        etag: etag.and_then(|tag| tag.to_str().ok()).map(str::to_owned),
    })
}

impl ShopCtrl {
    /// Reads a connection.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn connection(&self, connection: &Connection) -> Result<Held, CallError> {
        let what = format!("reading connection {} in ShopCtrl", connection.id);
        let path = self.paths.connection(connection);
        let response = self.call(&what, Call::get(path)).await?;
        held(&what, &response)
    }

    /// Replaces a connection's client secret by this credential of the app of `mailbox`, if the connection is still
    /// as `was` says.
    ///
    /// # Errors
    /// [`CallError`]; after [`crate::retry::Effect::Unknown`] reading the connection tells.
    pub async fn replace_secret(
        &self,
        connection: &Connection,
        was: &Held,
        mailbox: &MailboxSecret,
        credential: &StoredCredential,
    ) -> Result<Replaced, CallError> {
        let what = format!("delivering to connection {} in ShopCtrl", connection.id);
        // Without the version this could overwrite what somebody just changed by hand.
        let Some(etag) = was.etag.as_deref() else {
            let failure = Failure::new(
                Kind::Misconfigured,
                format!("{what}: it was read without ETag"),
            );
            return Err(CallError::refused(failure.next_step(
                "Have the installation's API follow infra/shopctrl-connections.openapi.yaml.",
            )));
        };
        let body = json!({
            "tenant_id": mailbox.tenant_id,
            "client_id": mailbox.client_id,
            "key_id": credential.key_id,
            "client_secret": credential.client_secret.expose(),
        });
        let call = Call {
            method: Method::PUT,
            path: self.paths.connection(connection),
            if_match: Some(etag),
            body: body.to_string().into(),
        };
        let response = self.call(&what, call).await?;
        match (response.status().as_u16(), error_code(&response).as_str()) {
            (200, _) => held(&what, &response).map(Replaced::Authorized),
            (409, "interaction_required") => {
                let body: InteractionRequired =
                    serde_json::from_slice(response.body()).unwrap_or_default();
                Ok(Replaced::PersonNeeded {
                    authorize_url: body.authorize_url,
                })
            }
            (412, _) => Ok(Replaced::ChangedMeanwhile),
            // Entra refused ShopCtrl the secret: a replica that lags ours.
            (422, "secret_refused") => {
                let failure = Failure::new(
                    Kind::Temporary,
                    format!("{what}: Entra refused the new secret to ShopCtrl"),
                );
                Err(CallError {
                    retry: Retry::Backoff,
                    status: Some(422),
                    ..CallError::refused(failure.code("secret_refused"))
                })
            }
            _ => Err(refusal(&what, &response)),
        }
    }

    /// Has ShopCtrl test a connection: Test MailBox, or Send test mail to the mailbox itself.
    ///
    /// # Errors
    /// [`CallError`] when the test could not be had.
    pub async fn test_connection(&self, connection: &Connection) -> Result<Tested, CallError> {
        #[derive(Deserialize)]
        struct Body {
            result: String,
        }
        let what = format!("testing connection {} in ShopCtrl", connection.id);
        let body = match connection.direction {
            crate::mailbox_secret::Direction::Receiving => json!({}),
            crate::mailbox_secret::Direction::Sending => {
                json!({ "send_to": connection.mailbox })
            }
        };
        let call = Call {
            method: Method::POST,
            path: format!("{}/test", self.paths.connection(connection)),
            if_match: None,
            body: body.to_string().into(),
        };
        let response = self.call(&what, call).await?;
        let body: Body = parsed(&what, &response)?;
        Ok(if body.result == "passed" {
            Tested::Passed
        } else {
            Tested::Failed
        })
    }
}
