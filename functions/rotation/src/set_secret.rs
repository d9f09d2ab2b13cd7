//! setSecret: delivers the pending secret to ShopCtrl, once it signs in at Entra and not before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::entra::token::Tokens;
use shared::events::{Event, EventKind};
use shared::failure::{Failure, Kind};
use shared::ids::KeyId;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::{CallError, Deadline, Retry, backoff, out_of_time, with_retries};
use shared::secret_store::versions::CURRENT;
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::Replaced;
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::begin::Begun;
use crate::call::StepCall;
use crate::connections::ShopCtrls;
use crate::failed::Failed;
use crate::person::{Need, Request};
use crate::redeliver::Mends;
use crate::sign_in::Refused;
use crate::{Invocation, Rotation};

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The connection is Authorized with the secret.
    Yes,
    /// ShopCtrl needs a person to authorize; it changed nothing.
    PersonNeeded,
}

impl Invocation {
    pub(crate) fn delivered(
        &self,
        connection: &Connection,
        document: &MailboxSecret,
        put_back_at: Option<Timestamp>,
    ) -> Event {
        info!(connection = %connection.id, key_id = %document.key_id, "delivered");
        self.event(EventKind::ConnectionDelivered {
            connection: connection.id.clone(),
            direction: connection.direction,
            key_id: document.key_id,
            delivery: connection.delivery,
            put_back_at,
        })
    }
}

impl Rotation {
    pub(crate) async fn set_secret(
        &self,
        call: &StepCall,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let (run, pending, current) = match self.begin(call, deadline).await? {
            Begun::Stored {
                run,
                pending,
                current,
                ..
            } => (run, *pending, current),
            Begun::Empty { .. } | Begun::ConfigurationTest(_) | Begun::AlreadyCurrent { .. } => {
                return Ok(());
            }
        };
        let now = match self.wait_until_signs_in(&pending, deadline).await {
            Ok(now) => now,
            Err(refused) => return Err(self.why_refused(&run, &pending, refused).await),
        };
        let logins = self.shopctrls(&pending).await;
        let api = pending
            .connections
            .iter()
            .filter(|c| c.delivery == Delivery::Api);
        let deliveries = api.map(async |connection| {
            let delivered = self.deliver(&run, &logins, connection, &pending).await;
            (connection, delivered)
        });
        let deliveries = futures_util::future::join_all(deliveries).await;

        let (mut told, mut for_person, mut failure) = (Vec::new(), Vec::new(), None);
        for (connection, delivered) in deliveries {
            match delivered {
                Ok(Delivered::Yes) => told.push(run.delivered(connection, &pending, None)),
                Ok(Delivered::PersonNeeded) => for_person.push(connection.clone()),
                Err(error) => failure = Some(error),
            }
        }
        let (attested, open) = self.attended(&run, &pending).await?;
        told.extend(
            attested
                .into_iter()
                .map(|c| run.delivered(c, &pending, None)),
        );
        for_person.extend(open.into_iter().cloned());
        self.events.publish(&told).await?;
        // What a person has to do is asked for before what only has to be tried again.
        if !for_person.is_empty() {
            let request = Request {
                purpose: Purpose::Rotate,
                now,
                due_by: current.expires_at,
            };
            let asked = self.ask(&run, &pending, hand_overs(for_person), request);
            return Err(asked.await?);
        }
        failure.map_or(Ok(()), Err)
    }

    /// The document that consumers use now.
    pub(crate) async fn current_document(
        &self,
        run: &Invocation,
    ) -> Result<MailboxSecret, Failure> {
        let value = self
            .store
            .value_with_label(&run.secret.arn, CURRENT)
            .await?;
        MailboxSecret::read(&value.text)
    }

    // === A secret that does not sign in ===

    /// A secret that Entra refuses to the end of the wait has not arrived yet, or it is gone (somebody
    /// deleted the credential), or it has ended while a person was waited for. In the last two cases
    /// the version can never be promoted, and gives up.
    async fn why_refused(
        &self,
        run: &Invocation,
        pending: &MailboxSecret,
        refused: Refused,
    ) -> Failure {
        let failure = match refused {
            Refused::Client(failure) => failure,
            Refused::Other(failure) => return failure,
        };
        let look = async {
            let current = self.current_document(run).await?;
            let tokens = self.rotators.token(&current, run.deadline).await?;
            let dead = self.is_dead(run, pending, &tokens).await?;
            Ok::<_, Failure>(dead.then_some(tokens.now))
        };
        match look.await {
            Ok(None) => failure,
            Ok(Some(now)) => match self.give_up(run, pending.key_id, now).await {
                Ok(failure) | Err(failure) => failure,
            },
            Err(looking) => {
                warn!(failure = %looking, "could not look whether the credential is still there");
                failure
            }
        }
    }

    async fn is_dead(
        &self,
        run: &Invocation,
        pending: &MailboxSecret,
        tokens: &Tokens,
    ) -> Result<bool, Failure> {
        if pending.expires_at <= tokens.now {
            return Ok(true);
        }
        let app = self.app(pending);
        let registration = self.registration(&app, tokens);
        self.is_gone(&registration, pending.key_id, run.deadline)
            .await
    }

    /// Connections that took the dead secret get the current one back; then the version gives up
    /// AWSPENDING, and the next check starts a new rotation.
    async fn give_up(
        &self,
        run: &Invocation,
        dead: KeyId,
        now: Timestamp,
    ) -> Result<Failure, Failure> {
        let current = self
            .store
            .value_with_label(&run.secret.arn, CURRENT)
            .await?;
        let mailbox = MailboxSecret::read(&current.text)?;
        let of_current = Invocation {
            secret: run.secret.clone(),
            token: current.version,
            rotation_token: None,
            deadline: run.deadline,
        };
        // What cannot be put back now is delivered again by the next rotation or sweep.
        let beside = Some(run.token.as_str());
        let mends = Mends::Only(dead);
        match self
            .redeliver(&of_current, &mailbox, now, beside, &mends)
            .await
        {
            Ok(redelivered) if redelivered.needs.is_empty() => {}
            Ok(_) => warn!("a connection was not put back: it wants a person's sign-in"),
            Err(failure) => warn!(%failure, "a connection was not put back"),
        }
        let gone = Failure::new(
            Kind::Temporary,
            "delivering: the new credential is no longer valid in Entra, and its version gives up",
        )
        .next_step("Nothing to do: the next check starts a new rotation.");
        let failed = Failed {
            step: "setSecret",
            token: &run.token,
            failure: &gone,
        };
        self.tell_failure(&run.secret, failed).await?;
        // Its `key-` label stays: `retire` removes what Entra may still show of the credential.
        self.give_way(run).await?;
        Ok(gone)
    }

    // === Delivering ===

    /// Delivers a document's credential to one `api` connection: read, swap if it is still as read.
    pub(crate) async fn deliver(
        &self,
        run: &Invocation,
        logins: &ShopCtrls,
        connection: &Connection,
        document: &MailboxSecret,
    ) -> Result<Delivered, Failure> {
        let shopctrl = self.shopctrl(logins, connection)?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match swap_once(&shopctrl, connection, document, run.deadline).await {
                Ok(Some(delivered)) => return Ok(delivered),
                Ok(None) => None,
                Err(error) if error.retry != Retry::No => Some(error),
                Err(error) => return Err(error.failure),
            };
            let wish = error.as_ref().and_then(CallError::retry_after);
            let pause = wish.unwrap_or_else(|| backoff(attempt));
            if attempt >= DELIVERIES || !run.deadline.sleep(pause).await {
                return Err(error.map_or_else(|| changed_meanwhile(connection), Into::into));
            }
        }
    }

    /// The attended connections: those that were attested in this rotation, and those that were not.
    async fn attended<'a>(
        &self,
        run: &Invocation,
        document: &'a MailboxSecret,
    ) -> Result<(Vec<&'a Connection>, Vec<&'a Connection>), Failure> {
        if !document.has_attended() {
            return Ok((Vec::new(), Vec::new()));
        }
        let attestations = self.companion(&run.secret).read().await?.attestations;
        let attended = document
            .connections
            .iter()
            .filter(|c| c.delivery == Delivery::Attended);
        Ok(attended.partition(|c| attestations.attested(&run.token, &c.id)))
    }
}

/// One round of a delivery; `None` when the connection was changed meanwhile.
async fn swap_once(
    shopctrl: &ShopCtrl,
    connection: &Connection,
    document: &MailboxSecret,
    deadline: Deadline,
) -> Result<Option<Delivered>, CallError> {
    let held = with_retries(deadline, async || shopctrl.connection(connection).await).await?;
    if held.has(document.key_id) {
        return Ok(Some(Delivered::Yes));
    }
    if !deadline.leaves_time_for(1) {
        return Err(out_of_time());
    }
    let swapped = shopctrl.replace_secret(connection, &held, document).await?;
    Ok(match swapped {
        Replaced::Authorized(held) if held.has(document.key_id) => Some(Delivered::Yes),
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

/// One request for each mailbox: a link admits one account.
fn hand_overs(connections: Vec<Connection>) -> Vec<Need> {
    let mut by_mailbox: BTreeMap<String, Vec<Connection>> = BTreeMap::new();
    for connection in connections {
        let key = connection.mailbox.key();
        by_mailbox.entry(key).or_default().push(connection);
    }
    by_mailbox.into_values().map(Need::HandOver).collect()
}

/// A delivery is tried this often in one invocation.
const DELIVERIES: u32 = 5;
