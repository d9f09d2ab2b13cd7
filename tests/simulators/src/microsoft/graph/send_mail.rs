//! `POST /me/sendMail`: as JSON, or as MIME in Base64 (graph-docs, user-sendmail.md; outlook-send-mime-message).

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::BASE64;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::Caller;
use super::error::GraphError;
use super::mailbox::{denied, no_mailbox, person};
use crate::microsoft::directory::Directory;
use crate::microsoft::directory::account::Account;
use crate::microsoft::exchange::message;
use crate::microsoft::exchange::store::{Submitted, Via};

/// What Exchange leaves out of a MIME message without a word (msgraph-sdk-dotnet#2209,
/// microsoft-graph-docs-contrib#1093).
const DROPPED: [&str; 3] = ["Auto-Submitted", "Precedence", "List-Unsubscribe"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message: Message,
    /// A boolean, and text in the documents' example.
    #[serde(default)]
    save_to_sent_items: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    subject: String,
    body: Option<ItemBody>,
    from: Option<Recipient>,
    #[serde(default)]
    to_recipients: Vec<Recipient>,
    #[serde(default)]
    cc_recipients: Vec<Recipient>,
    #[serde(default)]
    bcc_recipients: Vec<Recipient>,
    #[serde(default)]
    internet_message_headers: Vec<Header>,
}

#[derive(Deserialize)]
struct ItemBody {
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: EmailAddress,
}

#[derive(Deserialize)]
struct EmailAddress {
    address: String,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// What is to be sent.
struct Draft {
    from: String,
    to: Vec<String>,
    message: Bytes,
    keeps_copy: bool,
}

pub(super) fn send(directory: &Directory, caller: &Caller) -> Result<Response, GraphError> {
    let account = person(directory, caller)?;
    if !caller.may(&["Mail.Send"]) {
        return Err(denied());
    }
    if !account.person.has_mailbox {
        return Err(no_mailbox());
    }
    let kind = caller.content_type.as_deref().unwrap_or_default();
    let draft = match kind.starts_with("text/plain") {
        true => of_mime(&account, &caller.body)?,
        false => of_json(directory, &account, &caller.body)?,
    };
    if draft.to.is_empty() {
        return Err(GraphError::new(
            400,
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }
    if !account.person.may_send_as(&draft.from) {
        return Err(GraphError::new(
            403,
            "ErrorSendAsDenied",
            "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account., Cannot submit message.",
        ));
    }
    let submitted = Submitted {
        by: account.oid,
        via: Via::Graph,
        from: draft.from,
        to: draft.to,
        message: draft.message,
    };
    let now = directory.clock.now();
    directory.records().submit(submitted, draft.keeps_copy, now);
    // Accepted is not delivered (facts, 3.3).
    Ok(StatusCode::ACCEPTED.into_response())
}

fn own_address(account: &Account) -> String {
    let person = &account.person;
    person.mail.clone().unwrap_or_else(|| person.upn.clone())
}

/// A copy is kept, and nothing can be said against it.
fn of_mime(account: &Account, body: &[u8]) -> Result<Draft, GraphError> {
    let packed: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let mime = BASE64.decode(&packed).ok().filter(|mime| !mime.is_empty());
    let mime = mime.ok_or_else(|| {
        GraphError::new(
            400,
            "ErrorMimeContentInvalidBase64String",
            "Invalid base64 string for MIME content.",
        )
    })?;
    let addresses = |name: &str| {
        let field = message::header(&mime, name).unwrap_or_default();
        message::addresses(&field)
    };
    let to = ["To", "Cc", "Bcc"]
        .into_iter()
        .flat_map(addresses)
        .collect();
    let from = addresses("From").pop();
    let unsent = ["Bcc"].into_iter().chain(DROPPED);
    let message = unsent.fold(Bytes::from(mime.clone()), |message, name| {
        message::without(&message, name)
    });
    Ok(Draft {
        from: from.unwrap_or_else(|| own_address(account)),
        to,
        message,
        keeps_copy: true,
    })
}

fn of_json(directory: &Directory, account: &Account, body: &[u8]) -> Result<Draft, GraphError> {
    let mail: Mail = serde_json::from_slice(body).map_err(|_| {
        GraphError::new(
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    })?;
    let message = mail.message;
    let headers = message.internet_message_headers.iter();
    let headers: Vec<(&str, &str)> = headers
        .map(|header| (header.name.as_str(), header.value.as_str()))
        .collect();
    // redaxo/core#6590
    let is_custom = |name: &str| name.starts_with("x-") || name.starts_with("X-");
    if let Some((name, _)) = headers.iter().find(|(name, _)| !is_custom(name)) {
        return Err(GraphError::new(
            400,
            "InvalidInternetMessageHeader",
            format!("The internet message header name '{name}' should start with 'x-' or 'X-'."),
        ));
    }
    let addresses = |recipients: &[Recipient]| {
        let all = recipients
            .iter()
            .map(|one| one.email_address.address.clone());
        all.collect::<Vec<String>>()
    };
    let shown = addresses(&message.to_recipients);
    let from = message.from.map(|from| from.email_address.address);
    let from = from.unwrap_or_else(|| own_address(account));
    let text = message.body.map(|body| body.content).unwrap_or_default();
    let written = message::write_with(
        &headers,
        &from,
        &shown.iter().map(String::as_str).collect::<Vec<_>>(),
        &message.subject,
        &text,
        directory.clock.now(),
    );
    let mut to = shown;
    to.extend(addresses(&message.cc_recipients));
    to.extend(addresses(&message.bcc_recipients));
    let refused = mail.save_to_sent_items == Value::Bool(false)
        || mail.save_to_sent_items.as_str() == Some("false");
    Ok(Draft {
        from,
        to,
        message: written,
        keeps_copy: !refused,
    })
}
