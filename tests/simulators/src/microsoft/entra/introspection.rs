//! `POST /introspect`, by which a mail server asks whose token it was shown (RFC 7662). Entra has no such endpoint,
//! and Exchange needs none: this is for mail servers in tests that others wrote, and of the simulator's alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::microsoft::directory::Directory;
use crate::microsoft::directory::account::{Obstacle, Person};
use crate::microsoft::directory::scope::OUTLOOK;

#[derive(Deserialize)]
pub(super) struct Asked {
    token: String,
}

pub(super) async fn introspect(
    State(directory): State<Arc<Directory>>,
    Form(asked): Form<Asked>,
) -> Json<Value> {
    let known = mail_token(&directory, &asked.token);
    // Of a token that is not active nothing else is said (RFC 7662, 2.2).
    Json(known.unwrap_or_else(|| json!({"active": false})))
}

/// What is said of a token that opens mailboxes by IMAP, POP or SMTP.
fn mail_token(directory: &Directory, token: &str) -> Option<Value> {
    let token = directory.access_token(token)?;
    let in_time = directory.clock.now() < token.expires;
    if !in_time || token.audience != OUTLOOK {
        return None;
    }
    let account = directory.account(token.oid?)?;
    if account.person.obstacle == Some(Obstacle::Disabled) {
        return None;
    }
    let scopes: Vec<&str> = token.scopes.iter().map(String::as_str).collect();
    Some(json!({
        "active": true,
        "scope": scopes.join(" "),
        "client_id": token.app_id,
        "username": account.person.upn.to_lowercase(),
        "exp": token.expires.as_second(),
        "aud": token.audience,
        // An extension (2.2): the addresses that XOAUTH2's `user=` may name, between bars.
        "mailboxes": mailboxes(directory, &account.person),
    }))
}

/// The person's own mailbox under each of its addresses, and shared ones with Full Access (facts, 3.1).
fn mailboxes(directory: &Directory, person: &Person) -> String {
    let own = person.addresses().filter(|_| person.has_mailbox);
    let shared = person.full_access.iter().map(String::as_str);
    let shared = shared.filter(|address| {
        let shared = directory.account_at(address);
        shared.is_some_and(|shared| shared.person.has_mailbox)
    });
    let addresses = own.chain(shared).map(|address| address.to_lowercase());
    addresses.fold("|".to_owned(), |all, address| all + &address + "|")
}
