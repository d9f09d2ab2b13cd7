//! The signed-in person and the mailbox (docs/beliefs.md, Exchange).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::error::GraphError;
use super::{Caller, json};
use crate::microsoft::directory::account::Account;
use crate::microsoft::directory::{Directory, SentMail};

const READ: [&str; 3] = ["Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"];
const READ_SHARED: [&str; 3] = [
    "Mail.ReadBasic.Shared",
    "Mail.Read.Shared",
    "Mail.ReadWrite.Shared",
];

pub(super) fn me(directory: &Directory, caller: &Caller) -> Result<Response, GraphError> {
    let account = person(directory, caller)?;
    if !caller.may(&["User.Read", "User.ReadWrite", "User.Read.All"]) {
        return Err(GraphError::not_allowed());
    }
    let person = account.person;
    let mut shown = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
        "id": account.oid,
        "displayName": person.display_name,
        "userPrincipalName": person.upn,
        "mail": person.mail,
    });
    // proxyAddresses comes only when it is asked for.
    if let (Some(names), Some(fields)) = (caller.selected(), shown.as_object_mut()) {
        fields.insert("proxyAddresses".to_owned(), json!(person.proxy_addresses));
        fields.retain(|name, _| name.starts_with('@') || names.contains(&name.as_str()));
    }
    Ok(json(shown))
}

pub(super) fn folder(
    directory: &Directory,
    caller: &Caller,
    of: Option<&str>,
    folder: &str,
) -> Result<Response, GraphError> {
    let account = person(directory, caller)?;
    let denied = || {
        GraphError::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        )
    };
    let own = of.is_none_or(|address| account.person.has_address(address));
    let permitted = match own {
        true => caller.may(&READ) || caller.may(&READ_SHARED),
        // Full Access and a .Shared scope (facts, 3.3).
        false => {
            caller.may(&READ_SHARED)
                && account
                    .person
                    .full_access
                    .iter()
                    .any(|shared| of.is_some_and(|of| of.eq_ignore_ascii_case(shared)))
        }
    };
    if !permitted {
        return Err(denied());
    }
    let has_mailbox = match (own, of) {
        (false, Some(address)) => directory
            .account_at(address)
            .is_some_and(|shared| shared.person.has_mailbox),
        _ => account.person.has_mailbox,
    };
    if !has_mailbox {
        return Err(GraphError::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ));
    }
    if !["inbox", "sentitems", "drafts"].contains(&folder) {
        return Err(GraphError::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        ));
    }
    let mut shown = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users('me')/mailFolders/$entity",
        "id": format!("AQMk{}", account.oid.simple()),
        "displayName": if folder == "inbox" { "Inbox" } else { folder },
        "unreadItemCount": 0,
        "totalItemCount": 0,
    });
    if let (Some(names), Some(fields)) = (caller.selected(), shown.as_object_mut()) {
        fields.retain(|name, _| name.starts_with('@') || names.contains(&name.as_str()));
    }
    Ok(json(shown))
}

pub(super) fn send(directory: &Directory, caller: &Caller) -> Result<Response, GraphError> {
    let account = person(directory, caller)?;
    if !caller.may(&["Mail.Send"]) {
        return Err(GraphError::new(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ));
    }
    if !account.person.has_mailbox {
        return Err(GraphError::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ));
    }
    let body: Value = serde_json::from_slice(&caller.body).map_err(|_| {
        GraphError::new(
            400,
            "ErrorMimeContentInvalidBase64String",
            "Invalid base64 string for MIME content.",
        )
    })?;
    let addressed = body
        .pointer("/message/toRecipients/0/emailAddress/address")
        .is_some_and(Value::is_string);
    if !addressed {
        return Err(GraphError::new(
            400,
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }
    directory.records().sent_mail.push(SentMail {
        oid: account.oid,
        body,
    });
    // Accepted is not delivered (facts, 3.3).
    Ok(StatusCode::ACCEPTED.into_response())
}

fn person(directory: &Directory, caller: &Caller) -> Result<Account, GraphError> {
    let oid = caller.token.oid.ok_or_else(|| {
        GraphError::new(
            400,
            "BadRequest",
            "/me request is only valid with delegated authentication flow.",
        )
    })?;
    directory
        .account(oid)
        .ok_or_else(|| GraphError::not_found(&oid.to_string()))
}
