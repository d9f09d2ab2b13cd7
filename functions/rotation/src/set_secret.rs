//! setSecret: delivers the pending secret to ShopCtrl, once it signs in at Entra and not before.

use shared::credential::KeyId;
use shared::entra::application::Application;
use shared::events::EventKind;
use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::{CallError, Deadline, backoff, with_retries};
use shared::secret_store::Value;
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::Swapped;
use shared::ticket::Purpose;
use tracing::{info, warn};

use crate::call::{Call, Step};
use crate::connections::ShopCtrls;
use crate::permission::{Permission, permission};
use crate::person::Need;
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

impl Rotation {
    pub(crate) async fn set_secret(&self, call: &Call, deadline: Deadline) -> Result<(), Failure> {
        let Some((run, pending)) = self.pending(Step::Set, call, deadline).await? else {
            return Ok(());
        };
        let pending = MailboxSecret::read(&pending.text)?;
        if let Err(refused) = self.wait_until_signs_in(&pending, deadline).await {
            return Err(self.why_refused(&run, &pending, refused).await);
        }
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

        let mut unauthorized = Vec::new();
        let mut failure = None;
        for (connection, delivered) in deliveries {
            match delivered {
                Ok(Delivered::Yes) => {}
                Ok(Delivered::PersonNeeded) => unauthorized.push(connection.clone()),
                Err(error) => failure = Some(error),
            }
        }
        // What a person has to do is asked for before what only has to be tried again.
        let mut needs: Vec<Need> = unauthorized
            .into_iter()
            .map(|connection| Need::HandOver(vec![connection]))
            .collect();
        let attended = self.not_attested(&run, &pending).await?;
        if !attended.is_empty() {
            needs.push(Need::HandOver(attended));
        }
        if !needs.is_empty() {
            let due_by = self.current_end(&run).await?;
            return Err(self
                .ask(&run, &pending, Purpose::Rotate, needs, due_by)
                .await?);
        }
        failure.map_or(Ok(()), Err)
    }

    /// What the steps after createSecret begin with: the labels and the pending value, read in
    /// parallel. `None` when there is nothing to do.
    pub(crate) async fn pending(
        &self,
        step: Step,
        call: &Call,
        deadline: Deadline,
    ) -> Result<Option<(Invocation, Value)>, Failure> {
        let Call::Step {
            token,
            rotation_token,
            ..
        } = call
        else {
            return Ok(None);
        };
        let (secret, value) = tokio::join!(
            self.store.describe(call.secret()),
            self.store.value_of(call.secret(), token),
        );
        let secret = secret?;
        match permission(step, token, &secret)? {
            Permission::Run => {}
            Permission::AlreadyCurrent | Permission::ConfigurationTest => return Ok(None),
        }
        let run = Invocation {
            secret,
            token: token.clone(),
            rotation_token: rotation_token.clone(),
            deadline,
        };
        let value = match value? {
            Some(value) => value,
            None => self.lagging_value(&run).await?,
        };
        Ok(Some((run, value)))
    }

    /// GetSecretValue can lag PutSecretValue for a moment (aws-sdk-js-v3#7701); the label says that
    /// the value is there.
    async fn lagging_value(&self, run: &Invocation) -> Result<Value, Failure> {
        for attempt in 1..=6 {
            if !run.deadline.sleep(backoff(attempt)).await {
                break;
            }
            if let Some(value) = self.store.value_of(&run.secret.arn, &run.token).await? {
                return Ok(value);
            }
        }
        Err(Failure::new(
            Kind::Temporary,
            "reading the pending version: Secrets Manager does not show it yet",
        ))
    }

    /// A secret that Entra refuses to the end of the wait has either not arrived or is gone: somebody
    /// may have deleted the credential. Then the version can never be promoted, and gives up.
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
        match self.is_gone(run, pending).await {
            Ok(false) => failure,
            Ok(true) => match self.give_up_pending(run, pending.key_id).await {
                Ok(()) => Failure::new(
                    Kind::Temporary,
                    "delivering: the new credential is no longer in Entra; the version gives up",
                )
                .next_step("Nothing to do: the next check starts a new rotation."),
                Err(failure) => failure,
            },
            Err(looking) => {
                warn!(failure = %looking, "could not look whether the credential is still there");
                failure
            }
        }
    }

    async fn is_gone(&self, run: &Invocation, pending: &MailboxSecret) -> Result<bool, Failure> {
        let tokens = self.rotators.token(pending, run.deadline).await?;
        let app = self.app(pending);
        let registration = self.registration(&app, &tokens);
        let shows = |application: &Application, key: KeyId| application.credential(key).is_some();
        for attempt in 1..=ABSENT_LOOKS {
            let seen = with_retries(run.deadline, async || registration.read().await).await?;
            if shows(&seen, pending.key_id) || !run.deadline.sleep(backoff(attempt)).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Delivers to one `api` connection: read, swap if it is still as read, read back.
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
                Ok(Some(Delivered::Yes)) => {
                    info!(connection = %connection.id, key_id = %document.key_id, "delivered");
                    let delivered = run.event(EventKind::ConnectionDelivered {
                        connection: connection.id.clone(),
                        direction: connection.direction,
                        key_id: document.key_id,
                        delivery: connection.delivery,
                    });
                    self.events.put(&[delivered]).await?;
                    return Ok(Delivered::Yes);
                }
                Ok(Some(Delivered::PersonNeeded)) => return Ok(Delivered::PersonNeeded),
                Ok(None) => None,
                Err(error) if error.again.is_some() => Some(error),
                Err(error) => return Err(error.failure),
            };
            let wish = error.as_ref().and_then(|error| error.again.flatten());
            let pause = wish.unwrap_or_else(|| backoff(attempt));
            if attempt >= DELIVERIES || !run.deadline.sleep(pause).await {
                return Err(error.map_or_else(|| changed_meanwhile(connection), Into::into));
            }
        }
    }

    /// The attended connections that nobody has attested in this rotation.
    async fn not_attested(
        &self,
        run: &Invocation,
        document: &MailboxSecret,
    ) -> Result<Vec<Connection>, Failure> {
        if !document.has_attended() {
            return Ok(Vec::new());
        }
        let grants = self.grants(&run.secret).read().await?;
        let open = document.connections.iter().filter(|connection| {
            connection.delivery == Delivery::Attended
                && !grants.attested(&run.token, connection.id.as_str())
        });
        Ok(open.cloned().collect())
    }

    /// When the current client secret ends: by then a person must have acted.
    pub(crate) async fn current_end(&self, run: &Invocation) -> Result<jiff::Timestamp, Failure> {
        let current = shared::secret_store::versions::CURRENT;
        let value = self
            .store
            .value_with_label(&run.secret.arn, current)
            .await?;
        Ok(MailboxSecret::read(&value.text)?.expires_at)
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
    if held.authorized && held.key_id == Some(document.key_id) {
        return Ok(Some(Delivered::Yes));
    }
    Ok(
        match shopctrl.swap_secret(connection, &held, document).await? {
            Swapped::Authorized(held)
                if held.authorized && held.key_id == Some(document.key_id) =>
            {
                Some(Delivered::Yes)
            }
            // 200, and yet not what was asked for: look again.
            Swapped::Authorized(_) | Swapped::ChangedMeanwhile => None,
            Swapped::PersonNeeded => Some(Delivered::PersonNeeded),
        },
    )
}

fn changed_meanwhile(connection: &Connection) -> Failure {
    Failure::new(
        Kind::Temporary,
        format!(
            "delivering to connection {}: it keeps being changed by others",
            connection.id
        ),
    )
}

/// A delivery is tried this often in one invocation.
const DELIVERIES: u32 = 5;
/// A credential is taken as gone when this many looks in a row did not find it.
const ABSENT_LOOKS: u32 = 3;
