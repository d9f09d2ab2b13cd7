//! setSecret: delivers the pending secret to ShopCtrl, once it signs in at Entra and not before: first the owners' grants
//! are redeemed with it, which touches nothing; then one direction takes it and is tested; then the other.

use jiff::Timestamp;
use shared::failure::{Failure, Kind};
use shared::half_done::HalfDone;
use shared::mailbox_secret::{Connection, Delivery, Direction};
use shared::retry::Deadline;
use shared::rotation::{Step, StepCall};
use shared::ticket::Purpose;
use tracing::info;

use super::begin::{self, Stored};
use super::beside::{Beside, Companion};
use super::give_up::give_up_if_dead;
use super::waiting::{Waiting, waiting};
use crate::ask_person::{Need, Request, ask};
use crate::clients::Clients;
use crate::context::Context;
use crate::delivery::deliver::delivered_event;
use crate::failures::{Failed, publish_failure};
use crate::proof::direction::{Outcome, Tried, try_direction};
use crate::proof::mailboxes::redeem_grants;
use crate::proof::sign_in::{Refused, wait_until_signs_in};

pub(super) async fn run(
    clients: &Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<(), Failure> {
    let Some(stored) = begin::set_secret(clients, call, deadline).await? else {
        return Ok(());
    };
    let context = &stored.context;
    let secret = &stored.credential.client_secret;
    // What is read meanwhile changes nothing.
    let signs_in = wait_until_signs_in(clients, &context.document, secret, deadline);
    let beside = async {
        let beside = stored.beside(companion(context)).await;
        beside.map_err(Refused::Other)
    };
    match tokio::try_join!(signs_in, beside) {
        Ok((now, beside)) => deliver_in_order(&stored, &beside, now).await,
        Err(Refused::Client(refused)) => Err(give_up_if_dead(&stored, refused).await),
        Err(Refused::Other(failure)) => Err(failure),
    }
}

fn companion(context: &Context<'_>) -> Companion {
    match context.document.probed_mailboxes().is_empty() {
        true => Companion::IfAttended,
        false => Companion::Always,
    }
}

async fn deliver_in_order(
    stored: &Stored<'_>,
    beside: &Beside<'_>,
    now: Timestamp,
) -> Result<(), Failure> {
    let redeemed = redeem(stored, beside).await;
    let (attested, open) = attended(&stored.context, beside)?;
    let waits = match redeemed.all() {
        true => false,
        false => match waiting(stored, beside, now).await {
            Waiting::CostsMail => false,
            Waiting::NotKnown => redeemed.may_pass(),
            Waiting::CostsNothing => true,
        },
    };
    let tried = match waits {
        true => {
            info!("nothing is delivered before the grants are there: there is time");
            Vec::new()
        }
        false => one_direction_then_the_other(stored, beside, now).await,
    };
    let came_to = CameTo {
        redeemed,
        tried,
        attested,
        open,
    };
    came_to.say(stored, beside, now).await
}

/// What came of redeeming the grants.
struct Redeemed {
    /// The sign-ins that only an owner can make.
    needs: Vec<Need>,
    /// Why one was not redeemed for another reason.
    failure: Option<Failure>,
}

impl Redeemed {
    fn all(&self) -> bool {
        self.needs.is_empty() && self.failure.is_none()
    }

    /// Whether the next attempt may find all of them redeemed.
    fn may_pass(&self) -> bool {
        let failure = self.failure.as_ref();
        self.needs.is_empty() && failure.is_some_and(|failure| failure.kind == Kind::Temporary)
    }
}

async fn redeem(stored: &Stored<'_>, beside: &Beside<'_>) -> Redeemed {
    let Stored {
        context,
        credential,
        ..
    } = stored;
    let redeem = async {
        if context.document.probed_mailboxes().is_empty() {
            return Ok(Vec::new());
        }
        let grants = &beside.grants()?.grants;
        redeem_grants(context, &credential.client_secret, grants).await
    };
    let (needs, failure) = match redeem.await {
        Ok(needs) => (needs, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    Redeemed { needs, failure }
}

/// Receiving first: its test touches no mailbox, where that of sending sends a mail. While it does not work, sending
/// stays with the current secret, unless that ends soon.
async fn one_direction_then_the_other<'c>(
    stored: &'c Stored<'_>,
    beside: &Beside<'_>,
    now: Timestamp,
) -> Vec<Tried<'c>> {
    let Stored {
        context,
        credential,
        ..
    } = stored;
    let logins = &beside.logins;
    let mut tried = try_direction(context, credential, logins, Direction::Receiving, now).await;
    if !tried.iter().all(Tried::works) && waiting(stored, beside, now).await != Waiting::CostsMail {
        info!("sending is not touched: receiving does not work with the new secret yet");
        return tried;
    }
    tried.extend(try_direction(context, credential, logins, Direction::Sending, now).await);
    tried
}

/// The attended connections: those that were attested in this rotation, and those that were not.
fn attended<'c>(
    context: &'c Context<'_>,
    beside: &Beside<'_>,
) -> Result<(Vec<&'c Connection>, Vec<&'c Connection>), Failure> {
    let document = &context.document;
    if !document.has_attended() {
        return Ok((Vec::new(), Vec::new()));
    }
    let attestations = &beside.grants()?.attestations;
    let attended = document
        .connections
        .iter()
        .filter(|c| c.delivery == Delivery::Attended);
    Ok(attended.partition(|c| attestations.attested(&context.version, &c.id)))
}

/// What this attempt came to.
struct CameTo<'c> {
    redeemed: Redeemed,
    /// The `api` connections that were given the secret or tested.
    tried: Vec<Tried<'c>>,
    attested: Vec<&'c Connection>,
    /// To which a person still has to give it.
    open: Vec<&'c Connection>,
}

impl CameTo<'_> {
    /// Publishes it, asks whom it needs in one request, and ends the step.
    async fn say(
        self,
        stored: &Stored<'_>,
        beside: &Beside<'_>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let Stored {
            context,
            credential,
            ..
        } = stored;
        let half_done = self.half_done(context);
        let has_it = self.has_it();
        let delivered = has_it.map(|c| delivered_event(context, credential.key_id, c, None));
        let delivered: Vec<_> = delivered.collect();
        context.clients.events.publish(&delivered).await?;
        let Self {
            redeemed,
            tried,
            mut open,
            ..
        } = self;
        let mut failures: Vec<Failure> = redeemed.failure.into_iter().collect();
        for Tried {
            connection,
            outcome,
            ..
        } in tried
        {
            match outcome {
                Outcome::Works => {}
                Outcome::PersonNeeded => open.push(connection),
                Outcome::TestFailed(of_test) => {
                    let of_test = of_test.half_done(half_done);
                    publish_test_failed(context, &of_test).await?;
                    failures.push(of_test);
                }
                Outcome::Failed(failure) => failures.push(failure),
            }
        }
        let needs = Need::together(redeemed.needs, Need::hand_overs(open));
        // A person is asked at once. The failure comes before the waiting: it is what has to be looked at.
        let waiting = if needs.is_empty() {
            None
        } else {
            let request = Request {
                purpose: Purpose::Rotate,
                due_by: beside.mail_stops(&context.secret),
                half_done,
            };
            Some(ask(context, needs, request, now).await?)
        };
        match failures.into_iter().chain(waiting).next() {
            Some(failure) => Err(failure.half_done(half_done)),
            None => Ok(()),
        }
    }

    fn has_it(&self) -> impl Iterator<Item = &Connection> {
        let tried = self.tried.iter().filter(|tried| tried.holds);
        let tried = tried.map(|tried| tried.connection);
        tried.chain(self.attested.iter().copied())
    }

    fn half_done(&self, context: &Context<'_>) -> Option<HalfDone> {
        let has = |connection: &Connection| self.has_it().any(|c| c.id == connection.id);
        let all = context.document.connections.iter();
        HalfDone::of(all.map(|c| (c.direction, has(c))))
    }
}

/// After "Connection Delivered" of an earlier attempt nobody else would hear of it.
async fn publish_test_failed(context: &Context<'_>, failure: &Failure) -> Result<(), Failure> {
    let failed = Failed {
        step: Step::SetSecret,
        token: &context.version,
        failure,
    };
    publish_failure(context.clients, &context.secret, failed).await
}
