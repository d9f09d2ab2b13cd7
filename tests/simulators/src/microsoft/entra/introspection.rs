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

/// The person's own mailbox under each of its addresses, and shared ones with Full Access (facts, 3.2).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, ask, form};

    const SEND: &str = "https://outlook.office.com/SMTP.Send";

    async fn introspected(fixture: &Fixture, token: &str) -> Value {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let body = form(&[("token", token), ("client_id", ""), ("client_secret", "")]);
        ask(&fixture.entra, "POST", "/introspect", &kind, body)
            .await
            .json()
    }

    #[tokio::test]
    async fn a_mail_token_is_told_with_its_scope_and_the_mailboxes_that_it_opens() {
        let fixture = Fixture::new();
        let directory = &fixture.directory;
        let token = fixture.signed_in(SEND);
        for address in ["info@shop.example", "gone@shop.example"] {
            let shared = Person {
                has_mailbox: address.starts_with("info"),
                ..Person::with_mailbox(address, "-")
            };
            directory.add_account(fixture.tenant, shared);
        }
        directory.change_account(fixture.person, |person| {
            person.upn = "U123@shop.example".to_owned();
            person.full_access = ["Info", "gone", "nobody"]
                .map(|name| format!("{name}@shop.example"))
                .into();
        });
        let told = introspected(&fixture, &token).await;
        assert_eq!(told["active"], true);
        assert_eq!(told["scope"], "SMTP.Send");
        assert_eq!(told["username"], "u123@shop.example");
        let mailboxes =
            "|u123@shop.example|orders@shop.example|orders@shop.example|info@shop.example|";
        assert_eq!(told["mailboxes"], mailboxes);
        directory.change_account(fixture.person, |person| person.has_mailbox = false);
        let told = introspected(&fixture, &token).await;
        assert_eq!(told["mailboxes"], "|info@shop.example|");
    }

    #[tokio::test]
    async fn of_a_token_that_opens_no_mailbox_nothing_is_told() {
        let fixture = Fixture::new();
        let inactive = json!({"active": false});
        let of_graph = fixture.signed_in("Mail.Read");
        assert_eq!(introspected(&fixture, "invented").await, inactive);
        assert_eq!(introspected(&fixture, &of_graph).await, inactive);
        let token = fixture.signed_in(SEND);
        fixture.wait(3598);
        assert_eq!(introspected(&fixture, &token).await["active"], true);
        fixture.wait(1);
        assert_eq!(introspected(&fixture, &token).await, inactive);
        let token = fixture.signed_in(SEND);
        fixture.directory.change_account(fixture.person, |person| {
            person.obstacle = Some(Obstacle::Disabled);
        });
        assert_eq!(introspected(&fixture, &token).await, inactive);
    }
}
