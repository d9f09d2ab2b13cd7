//! What Secrets Manager has of that which a link or a session names.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::grants::GrantsStore;
use shared::mailbox_secret::{MailboxSecret, StoredCredential};
use shared::retry::CallError;
use shared::secret_store::versions::{CURRENT, PREVIOUS};
use shared::secret_store::{SecretMetadata, SecretValue};
use shared::ticket::{Purpose, Refused, Ticket, TicketKey};

use crate::clients::Clients;
use crate::hand_over::context::HandOverContext;
use crate::message::{Button, Message};
use crate::outcome::Outcome;
use crate::session::signed_in::SignedIn;

pub(crate) async fn ticket_key(clients: &Clients) -> Result<TicketKey, Failure> {
    let key = clients
        .store
        .value_with_label(&clients.settings.ticket_key_secret, CURRENT)
        .await
        .map_err(|error| error.failure.while_doing("reading the ticket key"))?;
    TicketKey::new(key.text)
}

/// Checks a ticket with the key, and, where another one signed it, with the key before: after a planned change the
/// links that are under way go on. After a leak the key before is not AWSPREVIOUS any more (docs/runbook.md).
pub(crate) async fn verify(
    clients: &Clients,
    key: &TicketKey,
    text: &str,
    now: Timestamp,
) -> Result<Result<Ticket, Refused>, Failure> {
    let verified = key.verify(text, now);
    if verified != Err(Refused::OtherKey) {
        return Ok(verified);
    }
    let previous = clients
        .store
        .value_if_labelled(&clients.settings.ticket_key_secret, PREVIOUS)
        .await
        .map_err(|error| error.failure.while_doing("reading the ticket key before"))?;
    let previous = previous.and_then(|value| TicketKey::new(value.text).ok());
    Ok(previous.map_or(verified, |previous| previous.verify(text, now)))
}

/// The ticket of a session. The link may expire while the session is open; the session ends soon after.
pub(crate) async fn session_ticket(
    clients: &Clients,
    key: &TicketKey,
    text: &str,
    now: Timestamp,
) -> Result<Ticket, Message> {
    match verify(clients, key, text, now).await? {
        Ok(ticket) | Err(Refused::Expired(ticket)) => Ok(ticket),
        Err(Refused::OtherKey) => Err(Outcome::OtherKey.into()),
        Err(Refused::Invalid) => Err(Outcome::InvalidTicket.into()),
    }
}

/// The version that a ticket is bound to.
pub(crate) struct BoundVersion {
    pub secret: SecretMetadata,
    pub document: MailboxSecret,
    pub credential: StoredCredential,
}

/// Whether what a ticket was for still has to be done.
pub(crate) fn still_to_do(secret: &SecretMetadata, ticket: &Ticket) -> Result<(), Outcome> {
    if secret.is_replica() {
        return Err(Outcome::Replica);
    }
    let current = secret.versions.current() == Some(&ticket.version);
    let pending = secret.versions.in_progress() == Some(&ticket.version);
    match ticket.purpose {
        Purpose::Rotate if current => Err(Outcome::AlreadyDone),
        Purpose::Rotate if pending => Ok(()),
        Purpose::Connect if current => Ok(()),
        Purpose::Rotate | Purpose::Connect => Err(Outcome::Superseded),
    }
}

/// The version, if what the ticket was for still has to be done. `text` is the ticket as text.
pub(crate) async fn bound_version(
    clients: &Clients,
    ticket: &Ticket,
    text: &str,
) -> Result<BoundVersion, Message> {
    let (secret, value) = secret_and_value(clients, ticket).await;
    let secret = secret?;
    still_to_do(&secret, ticket).map_err(|outcome| match outcome {
        // It was good once: whoever has it may have the newer one sent.
        Outcome::Superseded => Message::from(outcome).with_button(Button::NewLink {
            ticket: text.to_owned(),
        }),
        outcome => outcome.into(),
    })?;
    let Some(value) = value? else {
        let what = "reading the link's version: it has no value";
        return Err(Failure::new(Kind::Temporary, what).into());
    };
    let document = MailboxSecret::read(&value.text)?;
    Ok(BoundVersion {
        credential: stored(&document)?,
        secret,
        document,
    })
}

/// No link is sent for a version whose document has no client secret yet: a code could not be redeemed.
fn stored(document: &MailboxSecret) -> Result<StoredCredential, Failure> {
    let stored = document.credential.stored().cloned();
    let what = "reading the link's version: its client secret is not issued yet";
    stored.ok_or_else(|| Failure::new(Kind::Temporary, what))
}

/// The hand-over that a session is about, unless the session is over, or its account is not the mailbox's any
/// more.
pub(crate) async fn owners_hand_over(
    clients: &Clients,
    session: Option<SignedIn>,
    key: &TicketKey,
    now: Timestamp,
) -> Result<HandOverContext, Message> {
    let context = hand_over_of_any_account(clients, session, key, now).await?;
    if context.is_the_owners() {
        return Ok(context);
    }
    let outcome = Outcome::WrongAccount {
        expected: context.sign_in_name(),
    };
    let button = Button::sign_in_as_another(&context.session.ticket);
    Err(Message::from(outcome).with_button(button))
}

/// The same, whosever the mailbox is by now.
pub(crate) async fn hand_over_of_any_account(
    clients: &Clients,
    session: Option<SignedIn>,
    key: &TicketKey,
    now: Timestamp,
) -> Result<HandOverContext, Message> {
    let session = session.ok_or(Outcome::SessionOver)?;
    let ticket = session_ticket(clients, key, &session.ticket, now).await?;
    let (secret, value) = secret_and_value(clients, &ticket).await;
    let (secret, value) = (secret?, value?);
    if secret.is_replica() {
        return Err(Outcome::Replica.into());
    }
    let versions = &secret.versions;
    let live = [versions.current(), versions.in_progress()].contains(&Some(&ticket.version));
    let value = value.filter(|_| live).ok_or(Outcome::Superseded)?;
    let document = MailboxSecret::read(&value.text)?;
    let grants_document = GrantsStore::of(&clients.store, &secret.name);
    let grants_document = grants_document.read().await?;
    Ok(HandOverContext {
        session,
        ticket,
        secret,
        credential: stored(&document)?,
        document,
        grants_document,
    })
}

async fn secret_and_value(
    clients: &Clients,
    ticket: &Ticket,
) -> (
    Result<SecretMetadata, CallError>,
    Result<Option<SecretValue>, CallError>,
) {
    let span = tracing::Span::current();
    span.record("secret", &ticket.secret);
    span.record("token", &ticket.version);
    tokio::join!(
        clients.store.describe(&ticket.secret),
        clients.store.value_of(&ticket.secret, &ticket.version),
    )
}
