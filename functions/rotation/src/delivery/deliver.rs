//! Delivering a credential of a document's app to one `api` connection: read, replace if it is still as read.

use jiff::Timestamp;
use shared::events::{Event, EventKind};
use shared::failure::{Failure, Kind};
use shared::ids::KeyId;
use shared::mailbox_secret::{Connection, MailboxSecret, StoredCredential};
use shared::retry::{CallError, Deadline, Retry, backoff, out_of_time, with_retries};
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::{Held, Replaced};
use tracing::info;

use crate::context::Context;

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The connection is Authorized with the secret.
    Yes(Held),
    /// ShopCtrl needs a person to authorize; it changed nothing.
    PersonNeeded,
}

/// A delivery is tried this often in one invocation.
const DELIVERIES: u32 = 5;

pub(crate) async fn deliver(
    shopctrl: &ShopCtrl,
    connection: &Connection,
    document: &MailboxSecret,
    credential: &StoredCredential,
    deadline: Deadline,
) -> Result<Delivered, Failure> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let error = match deliver_once(shopctrl, connection, document, credential, deadline).await {
            Ok(Some(delivered)) => return Ok(delivered),
            Ok(None) => None,
            Err(error) if error.retry != Retry::No => Some(error),
            Err(error) => return Err(error.failure),
        };
        let wanted = error.as_ref().and_then(CallError::retry_after);
        let pause = wanted.unwrap_or_else(|| backoff(attempt));
        if attempt >= DELIVERIES || !deadline.sleep(pause).await {
            return Err(error.map_or_else(|| changed_meanwhile(connection), Into::into));
        }
    }
}

/// `None` when the connection was changed meanwhile.
async fn deliver_once(
    shopctrl: &ShopCtrl,
    connection: &Connection,
    document: &MailboxSecret,
    credential: &StoredCredential,
    deadline: Deadline,
) -> Result<Option<Delivered>, CallError> {
    let held = with_retries(deadline, async || shopctrl.connection(connection).await).await?;
    if held.has(credential.key_id) {
        return Ok(Some(Delivered::Yes(held)));
    }
    if !deadline.leaves_time_for(1) {
        return Err(out_of_time());
    }
    let swapped = shopctrl.replace_secret(connection, &held, document, credential);
    Ok(match swapped.await? {
        Replaced::Authorized(held) if held.has(credential.key_id) => Some(Delivered::Yes(held)),
        // 200, and yet not what was asked for: look again.
        Replaced::Authorized(_) | Replaced::ChangedMeanwhile => None,
        Replaced::PersonNeeded { .. } => Some(Delivered::PersonNeeded),
    })
}

fn changed_meanwhile(connection: &Connection) -> Failure {
    let what = format!(
        "delivering to connection {}: it keeps being changed by others",
        connection.id
    );
    Failure::new(Kind::Temporary, what)
}

/// The event that a connection holds the context's credential; `put_back_at` where that is no rotation's.
pub(crate) fn delivered_event(
    context: &Context<'_>,
    key_id: KeyId,
    connection: &Connection,
    put_back_at: Option<Timestamp>,
) -> Event {
    info!(connection = %connection.id, %key_id, "the connection holds the secret now");
    context.event(EventKind::ConnectionDelivered {
        connection: connection.id.clone(),
        direction: connection.direction,
        key_id,
        delivery: connection.delivery,
        put_back_at,
    })
}
