//! One direction of the `api` connections, side by side: each is given the secret and tested by ShopCtrl itself, and is
//! put back where that test fails.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Connection, Delivery, Direction, MailboxSecret, StoredCredential};
use shared::retry::{backoff, with_retries};
use shared::secret_store::versions::CURRENT;
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::Tested;
use tracing::{info, warn};

use super::connections::refuse_disabled;
use crate::context::Context;
use crate::delivery::deliver::{Delivered, deliver};
use crate::delivery::logins::Logins;

/// ShopCtrl's test is asked for this often before a connection is put back.
const TESTS: u32 = 2;

/// What became of one connection.
pub(crate) struct Tried<'c> {
    pub(crate) connection: &'c Connection,
    /// Whether it is known to hold the secret now.
    pub(crate) holds: bool,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    /// It works with the secret, by ShopCtrl's own test.
    Works,
    /// ShopCtrl needs a person to authorize; it changed nothing.
    PersonNeeded,
    /// It took the secret, and failed its test. People hear of it at once.
    TestFailed(Failure),
    /// Anything else.
    Failed(Failure),
}

impl Tried<'_> {
    pub(crate) fn works(&self) -> bool {
        match self.outcome {
            Outcome::Works => true,
            Outcome::PersonNeeded | Outcome::TestFailed(_) | Outcome::Failed(_) => false,
        }
    }
}

/// The credential is the context's version's. One that a connection holds already is not delivered again, but tested.
pub(crate) async fn try_direction<'c>(
    context: &'c Context<'_>,
    credential: &StoredCredential,
    logins: &Logins<'_>,
    direction: Direction,
    now: Timestamp,
) -> Vec<Tried<'c>> {
    let connections = context.document.connections.iter();
    let api = connections.filter(|c| c.delivery == Delivery::Api && c.direction == direction);
    let tries = api.map(async |connection| {
        let (holds, outcome) = try_one(context, credential, logins, connection, now).await;
        Tried {
            connection,
            holds,
            outcome,
        }
    });
    futures_util::future::join_all(tries).await
}

async fn try_one(
    context: &Context<'_>,
    credential: &StoredCredential,
    logins: &Logins<'_>,
    connection: &Connection,
    now: Timestamp,
) -> (bool, Outcome) {
    let Context {
        document, deadline, ..
    } = context;
    let shopctrl = match logins.shopctrl(connection) {
        Ok(shopctrl) => shopctrl,
        Err(failure) => return (false, Outcome::Failed(failure)),
    };
    let held = match deliver(&shopctrl, connection, document, credential, *deadline).await {
        Ok(Delivered::Yes(held)) => held,
        Ok(Delivered::PersonNeeded) => return (false, Outcome::PersonNeeded),
        Err(failure) => return (false, Outcome::Failed(failure)),
    };
    let tested = async {
        refuse_disabled(context, connection, &held, now).await?;
        passes_test(context, &shopctrl, connection).await
    };
    match tested.await {
        Ok(true) => (true, Outcome::Works),
        Ok(false) => test_failed(context, &shopctrl, connection, now).await,
        Err(failure) => (true, Outcome::Failed(failure)),
    }
}

async fn passes_test(
    context: &Context<'_>,
    shopctrl: &ShopCtrl,
    connection: &Connection,
) -> Result<bool, Failure> {
    let deadline = context.deadline;
    for attempt in 1..=TESTS {
        let tested = with_retries(deadline, async || {
            shopctrl.test_connection(connection).await
        });
        match tested.await? {
            Tested::Passed => return Ok(true),
            Tested::Failed => {
                info!(connection = %connection.id, attempt, "ShopCtrl's test failed");
                if attempt < TESTS && !deadline.sleep(backoff(attempt)).await {
                    break;
                }
            }
        }
    }
    Ok(false)
}

/// Puts the connection back to the current secret, where that is known and still works.
async fn test_failed(
    context: &Context<'_>,
    shopctrl: &ShopCtrl,
    connection: &Connection,
    now: Timestamp,
) -> (bool, Outcome) {
    let what = format!(
        "testing connection {} in ShopCtrl: it took the new secret, and its test failed",
        connection.id
    );
    let current = match current(context).await {
        Ok(current) => current,
        Err(failure) => return (true, Outcome::Failed(failure.while_doing(&what))),
    };
    let (holds, outcome) = match current.credential.stored() {
        // The new one costs no more than that.
        Some(before) if before.expires_at <= now => {
            let failure = Failure::new(Kind::Temporary, what);
            return (true, Outcome::Failed(failure));
        }
        Some(before) => {
            match deliver(shopctrl, connection, &current, before, context.deadline).await {
                Ok(Delivered::Yes(_)) => (false, "it was put back to the current one"),
                Ok(Delivered::PersonNeeded) => (true, "putting it back needs a person"),
                Err(failure) => {
                    return (true, Outcome::Failed(failure.while_doing(&what)));
                }
            }
        }
        None => (true, "the one before is not known, and cannot be put back"),
    };
    warn!(connection = %connection.id, outcome, "ShopCtrl cannot use the new secret");
    let failure = Failure::new(Kind::Temporary, format!("{what}; {outcome}"))
        .next_step("It is tried again; if it goes on, test the connection in ShopCtrl.");
    (holds, Outcome::TestFailed(failure))
}

async fn current(context: &Context<'_>) -> Result<MailboxSecret, Failure> {
    let Context {
        clients, secret, ..
    } = context;
    let current = clients.store.value_with_label(&secret.arn, CURRENT).await?;
    MailboxSecret::read(&current.text)
}
