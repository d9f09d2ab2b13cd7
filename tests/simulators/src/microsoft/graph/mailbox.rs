//! The signed-in person and the mailbox (docs/beliefs.md, Exchange).

use axum::response::Response;
use serde_json::json;

use super::error::GraphError;
use super::{Caller, json};
use crate::microsoft::directory::Directory;
use crate::microsoft::directory::account::Account;
use crate::microsoft::exchange::store::Folder;

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

/// The account whose mailbox the caller may read: their own, or a shared one that they name.
pub(super) fn readable(
    directory: &Directory,
    caller: &Caller,
    of: Option<&str>,
) -> Result<Account, GraphError> {
    let account = person(directory, caller)?;
    let shared = of.filter(|address| !account.person.has_address(address));
    let read = match shared {
        None if caller.may(&READ) || caller.may(&READ_SHARED) => Some(account),
        None => None,
        // Full Access and a .Shared scope (facts, 3.3).
        Some(address) => {
            let mut full_access = account.person.full_access.iter();
            let mut known = full_access.any(|shared| shared.eq_ignore_ascii_case(address));
            known &= caller.may(&READ_SHARED);
            known.then(|| directory.account_at(address)).flatten()
        }
    };
    let read = read.ok_or_else(denied)?;
    match read.person.has_mailbox {
        true => Ok(read),
        false => Err(no_mailbox()),
    }
}

pub(super) fn denied() -> GraphError {
    GraphError::new(
        403,
        "ErrorAccessDenied",
        "Access is denied. Check credentials and try again.",
    )
}

pub(super) fn no_mailbox() -> GraphError {
    GraphError::new(
        404,
        "MailboxNotEnabledForRESTAPI",
        "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
    )
}

/// A folder by its well-known name.
pub(super) fn well_known(name: &str) -> Result<Folder, GraphError> {
    let mut all = Folder::ALL.into_iter();
    let found = all.find(|folder| folder.well_known_name() == name);
    found.ok_or_else(|| {
        GraphError::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    })
}

pub(super) fn folder(
    directory: &Directory,
    caller: &Caller,
    of: Option<&str>,
    folder: &str,
) -> Result<Response, GraphError> {
    let account = readable(directory, caller, of)?;
    let folder = well_known(folder)?;
    let now = directory.clock.now();
    let mut records = directory.records();
    let contents = records.mail.contents(account.oid, now);
    let unread = contents.of(folder).filter(|mail| !mail.seen).count();
    let mut shown = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users('me')/mailFolders/$entity",
        "id": folder_id(&account, folder),
        "displayName": folder.display_name(),
        "unreadItemCount": unread,
        "totalItemCount": contents.of(folder).count(),
    });
    if let (Some(names), Some(fields)) = (caller.selected(), shown.as_object_mut()) {
        fields.retain(|name, _| name.starts_with('@') || names.contains(&name.as_str()));
    }
    Ok(json(shown))
}

pub(super) fn folder_id(account: &Account, folder: Folder) -> String {
    format!("AQMk{}{}", account.oid.simple(), folder.well_known_name())
}

pub(super) fn person(directory: &Directory, caller: &Caller) -> Result<Account, GraphError> {
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
