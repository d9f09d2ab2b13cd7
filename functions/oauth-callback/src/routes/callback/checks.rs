//! What has to hold before a grant is stored: the mailbox's own account signed in, and it granted all.

use secrecy::SecretString;
use shared::entra::id_token::Account;
use shared::entra::sign_in::{connection_scope, of_one_resource};
use shared::entra::token::Tokens;
use shared::grants::consents::Grants;
use shared::graph::account;
use shared::mailbox_secret::RestsOn;
use shared::retry::{Deadline, with_retries};

use super::sign_in::SignIn;
use crate::clients::Clients;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::session::owner::{AccountNames, GrantHolder};

/// The tenant of all personal Microsoft accounts (entra-docs, id-token-claims-reference.md).
const PERSONAL_ACCOUNTS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Known before: the same account. The first time (`Nobody`): an account of the tenant, whose name has to be looked
/// at yet.
pub(crate) fn grant_holder(
    sign_in: &SignIn,
    account: &Account,
    grants: &Grants,
) -> Result<GrantHolder, Outcome> {
    let expected = sign_in.name();
    if account.tid != sign_in.mailbox.tenant_id {
        return Err(match account.tid.as_str() {
            PERSONAL_ACCOUNTS => Outcome::PersonalAccount { expected },
            _ => Outcome::ForeignAccount { expected },
        });
    }
    let mailbox = &sign_in.ticket.mailbox;
    match GrantHolder::of(grants, mailbox, &account.oid, &account.tid) {
        GrantHolder::AnotherAccount => Err(Outcome::WrongAccount { expected }),
        holder @ (GrantHolder::ThisAccount | GrantHolder::Nobody) => Ok(holder),
    }
}

/// An account that is not known yet has to have the name that is expected.
pub(crate) async fn refuse_other_names(
    clients: &Clients,
    sign_in: &SignIn,
    tokens: &Tokens,
    account: &Account,
    deadline: Deadline,
) -> Result<(), Message> {
    let expected = sign_in.name();
    let names = match expected.rests_on() {
        RestsOn::Addresses if tokens.grants("User.Read") => {
            let addresses = with_retries(deadline, async || {
                account::addresses(&clients.http, &sign_in.app.endpoints, &tokens.access).await
            });
            AccountNames::Graph(addresses.await?)
        }
        RestsOn::Addresses | RestsOn::AddressAlone | RestsOn::SignInAs => {
            AccountNames::Token(account.preferred_username.clone())
        }
    };
    if names.contain(&expected) {
        Ok(())
    } else {
        Err(Outcome::AnotherName { expected }.into())
    }
}

/// The refresh token is the proof of `offline_access`, which Entra does not echo; scopes of another
/// resource than the token's are not echoed either.
pub(crate) fn refuse_incomplete_consent(
    sign_in: &SignIn,
    tokens: &Tokens,
) -> Result<SecretString, Outcome> {
    let asked = of_one_resource(&sign_in.scopes());
    let all = sign_in
        .connections()
        .map(|connection| connection_scope(&sign_in.app, connection))
        .filter(|scope| asked.contains(scope))
        .all(|scope| tokens.grants(&scope));
    match &tokens.refresh {
        Some(refresh_token) if all => Ok(refresh_token.clone()),
        _ => Err(Outcome::ConsentIncomplete {
            mailbox: sign_in.ticket.mailbox.clone(),
        }),
    }
}
