//! The account that signed in: who it is, and whether its inbox can be read.

use bytes::Bytes;
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::{authorized, parsed, send};
use crate::cloud::Endpoints;
use crate::failure::{Failure, Kind};
use crate::http::Client;
use crate::ids::MailboxAddress;
use crate::mailbox::{NO_AUTO_RESPONSE, TEXT, TestMail, Unusable};
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
    let request = authorized(Method::GET, &url, token, Bytes::new());
    let advice = |status, _: &str| match status {
        403 => Some("Give the app the delegated permission User.Read of Microsoft Graph."),
        _ => None,
    };
    let response = send(http, what, request, advice).await?;
    Ok(Addresses(read(&parsed(what, &response)?)))
}

/// What is `null`, missing or odd is no address.
fn read(me: &Value) -> Vec<String> {
    let text = |field| me.get(field).and_then(Value::as_str);
    let named = ["userPrincipalName", "mail"].into_iter().filter_map(text);
    let aliases = me.get("proxyAddresses").and_then(Value::as_array);
    let aliases = aliases.into_iter().flatten().filter_map(|entry| {
        let (kind, address) = entry.as_str()?.split_once(':')?;
        kind.eq_ignore_ascii_case("smtp").then_some(address)
    });
    named.chain(aliases).map(str::to_lowercase).collect()
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
    let advice = |status, code: &str| {
        let unusable = Unusable::of_graph_code(status, code);
        unusable.map(Unusable::next_step)
    };
    let response = send(http, what, request, advice).await?;
    parsed::<Value>(what, &response).map(|_| ())
}

/// Sends a test mail from the account's mailbox to itself, and keeps no copy. As JSON: of a MIME message Graph drops what
/// keeps others from answering (msgraph-sdk-dotnet#2209, microsoft-graph-docs-contrib#424).
///
/// # Errors
/// [`CallError`].
pub async fn send_test_mail(
    http: &Client,
    endpoints: &Endpoints,
    token: &SecretString,
    mailbox: &MailboxAddress,
    mail: &TestMail,
) -> Result<(), CallError> {
    let what = "sending a test mail by Microsoft Graph";
    let (name, value) = NO_AUTO_RESPONSE;
    let body = json!({
        "message": {
            "subject": mail.subject(),
            "body": {"contentType": "text", "content": TEXT},
            "toRecipients": [{"emailAddress": {"address": mailbox}}],
            "internetMessageHeaders": [{"name": name, "value": value}],
        },
        "saveToSentItems": false,
    });
    let url = format!("{}/v1.0/me/sendMail", endpoints.graph);
    let request = authorized(Method::POST, &url, token, body.to_string().into());
    let advice = |status, _: &str| match status {
        403 => Some("Give the app the delegated permission Mail.Send of Microsoft Graph."),
        404 => Some(Unusable::NoMailbox.next_step()),
        _ => None,
    };
    send(http, what, request, advice).await.map(drop)
}

/// Where a test mail may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// The inbox, which ShopCtrl reads.
    Inbox,
    /// Any: junk, and where rules put it.
    Any,
}

/// Whether a test mail has come. By `$filter`, which the store answers; the index of `$search` lags.
///
/// # Errors
/// [`CallError`].
pub async fn has_test_mail(
    http: &Client,
    endpoints: &Endpoints,
    token: &SecretString,
    mail: &TestMail,
    folder: Folder,
) -> Result<bool, CallError> {
    #[derive(Deserialize)]
    struct Found {
        value: Vec<Value>,
    }
    let what = "looking for the test mail by Microsoft Graph";
    let place = match folder {
        Folder::Inbox => "me/mailFolders/inbox/messages",
        Folder::Any => "me/messages",
    };
    let mut url = Url::parse(&format!("{}/v1.0/{place}", endpoints.graph)).map_err(|_| {
        let what = format!("{what}: its address is not one");
        CallError::refused(Failure::new(Kind::Misconfigured, what))
    })?;
    url.query_pairs_mut()
        .append_pair("$filter", &format!("subject eq '{}'", mail.subject()))
        .append_pair("$select", "id")
        .append_pair("$top", "1");
    let request = authorized(Method::GET, url.as_str(), token, Bytes::new());
    let response = send(http, what, request, |_, _| None).await?;
    let found: Found = parsed(what, &response)?;
    Ok(!found.value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_null_or_odd_costs_nothing_but_itself() {
        let me = json!({"userPrincipalName": "U@x.example", "mail": null, "proxyAddresses": null});
        assert_eq!(read(&me), ["u@x.example"]);
        let me = json!({"mail": 7, "proxyAddresses": ["SMTP:A@x.example", null, "x500:/o=x", "smtp:b@x.example"]});
        assert_eq!(read(&me), ["a@x.example", "b@x.example"]);
        assert_eq!(read(&json!([])), Vec::<String>::new());
    }
}
