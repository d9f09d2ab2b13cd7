//! Microsoft Graph as the mailbox account: who it is, and whether its inbox can be read.

use bytes::Bytes;
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;

use crate::entra::Endpoints;
use crate::entra::application::{authorized, parsed, send};
use crate::http::Client;
use crate::mailbox_secret::MailboxAddress;
use crate::retry::CallError;

/// The addresses of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(Vec<String>);

impl Addresses {
    /// Whether one of them is `mailbox`, without regard to case.
    #[must_use]
    pub fn contain(&self, mailbox: &MailboxAddress) -> bool {
        self.0.contains(&mailbox.key())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Me {
    user_principal_name: Option<String>,
    mail: Option<String>,
    #[serde(default)]
    proxy_addresses: Vec<String>,
}

/// The addresses of the account that signed in: `userPrincipalName`, `mail`, and its aliases
/// (`SMTP:` the first, `smtp:` the others).
///
/// # Errors
/// [`CallError`].
pub async fn addresses(
    http: &Client,
    endpoints: &Endpoints,
    token: &SecretString,
) -> Result<Addresses, CallError> {
    let what = "reading the account's addresses";
    let url = format!(
        "{}/v1.0/me?$select=id,userPrincipalName,mail,proxyAddresses",
        endpoints.graph
    );
    let response = send(
        http,
        what,
        authorized(Method::GET, &url, token, Bytes::new()),
    )
    .await?;
    let me: Me = parsed(what, &response)?;
    let aliases = me.proxy_addresses.iter().filter_map(|entry| {
        let (kind, address) = entry.split_once(':')?;
        kind.eq_ignore_ascii_case("smtp")
            .then(|| address.to_lowercase())
    });
    let named = [me.user_principal_name, me.mail];
    let named = named.into_iter().flatten().map(|name| name.to_lowercase());
    Ok(Addresses(named.chain(aliases).collect()))
}

/// Opens the inbox without marking anything read.
///
/// # Errors
/// [`CallError`].
pub async fn open_inbox(
    http: &Client,
    endpoints: &Endpoints,
    token: &SecretString,
) -> Result<(), CallError> {
    let what = "opening the inbox";
    let url = format!(
        "{}/v1.0/me/mailFolders/inbox?$select=id,displayName",
        endpoints.graph
    );
    let request = authorized(Method::GET, &url, token, Bytes::new());
    let response = send(http, what, request).await.map_err(|mut error| {
        if error.status == Some(403) {
            error.failure = error.failure.next_step(
                "Check that the account has its own mailbox and that the app has the delegated permission Mail.Read.",
            );
        }
        error
    })?;
    parsed::<serde_json::Value>(what, &response).map(|_| ())
}
