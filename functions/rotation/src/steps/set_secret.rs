//! setSecret: delivers the pending secret to ShopCtrl, once it signs in at Entra and not before.

use jiff::Timestamp;
use shared::failure::Failure;
use shared::mailbox_secret::{Connection, Delivery};
use shared::retry::Deadline;
use shared::rotation::StepCall;
use shared::ticket::Purpose;

use super::begin::{self, Stored};
use super::beside::{Beside, Companion};
use super::give_up::give_up_if_dead;
use crate::ask_person::{Need, Request, ask};
use crate::clients::Clients;
use crate::context::Context;
use crate::delivery::deliver::{Delivered, deliver, delivered_event};
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
        let beside = stored.beside(Companion::IfAttended).await;
        beside.map_err(Refused::Other)
    };
    match tokio::try_join!(signs_in, beside) {
        Ok((now, beside)) => deliver_all(&stored, &beside, now).await,
        Err(Refused::Client(refused)) => Err(give_up_if_dead(&stored, refused).await),
        Err(Refused::Other(failure)) => Err(failure),
    }
}

async fn deliver_all(
    stored: &Stored<'_>,
    beside: &Beside<'_>,
    now: Timestamp,
) -> Result<(), Failure> {
    let Stored {
        context,
        credential,
        ..
    } = stored;
    let Context {
        clients,
        document: pending,
        deadline,
        ..
    } = context;
    let api = pending
        .connections
        .iter()
        .filter(|c| c.delivery == Delivery::Api);
    let deliveries = api.map(async |connection| {
        let delivered = async {
            let shopctrl = beside.logins.shopctrl(connection)?;
            deliver(&shopctrl, connection, pending, credential, *deadline).await
        };
        (connection, delivered.await)
    });
    let deliveries = futures_util::future::join_all(deliveries).await;

    let (mut delivered, mut for_person, mut failure) = (Vec::new(), Vec::new(), None);
    for (connection, delivery) in deliveries {
        match delivery {
            Ok(Delivered::Yes) => delivered.push(delivered_event(
                context,
                credential.key_id,
                connection,
                None,
            )),
            Ok(Delivered::PersonNeeded) => for_person.push(connection),
            Err(error) => failure = Some(error),
        }
    }
    let (attested, open) = attended(context, beside)?;
    let attested = attested.iter();
    delivered.extend(attested.map(|c| delivered_event(context, credential.key_id, c, None)));
    for_person.extend(open);
    clients.events.publish(&delivered).await?;
    // What a person has to do is asked for before what only has to be tried again.
    if !for_person.is_empty() {
        let request = Request {
            purpose: Purpose::Rotate,
            due_by: beside.mail_stops(&context.secret),
        };
        return Err(ask(context, Need::hand_overs(for_person), request, now).await?);
    }
    failure.map_or(Ok(()), Err)
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
