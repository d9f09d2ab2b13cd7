//! setSecret: delivers the pending secret to ShopCtrl, once it signs in at Entra and not before.

use jiff::Timestamp;
use shared::failure::Failure;
use shared::mailbox_secret::{Connection, Delivery};
use shared::retry::Deadline;
use shared::rotation::StepCall;
use shared::ticket::Purpose;

use super::begin::{self, Stored};
use super::give_up::give_up_if_dead;
use crate::ask_person::{Need, Request, ask};
use crate::clients::Clients;
use crate::context::Context;
use crate::delivery::deliver::{Delivered, deliver, delivered_event};
use crate::delivery::logins::Logins;
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
    match wait_until_signs_in(clients, &context.document, secret, deadline).await {
        Ok(now) => deliver_all(&stored, now).await,
        Err(Refused::Client(refused)) => Err(give_up_if_dead(&stored, refused).await),
        Err(Refused::Other(failure)) => Err(failure),
    }
}

async fn deliver_all(stored: &Stored<'_>, now: Timestamp) -> Result<(), Failure> {
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
    let logins = Logins::read(clients, pending).await;
    let api = pending
        .connections
        .iter()
        .filter(|c| c.delivery == Delivery::Api);
    let deliveries = api.map(async |connection| {
        let delivered = async {
            let shopctrl = logins.shopctrl(connection)?;
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
    let (attested, open) = attended(context).await?;
    let attested = attested.iter();
    delivered.extend(attested.map(|c| delivered_event(context, credential.key_id, c, None)));
    for_person.extend(open);
    clients.events.publish(&delivered).await?;
    // What a person has to do is asked for before what only has to be tried again.
    if !for_person.is_empty() {
        let request = Request {
            purpose: Purpose::Rotate,
            due_by: stored.mail_stops(),
        };
        return Err(ask(context, Need::hand_overs(for_person), request, now).await?);
    }
    failure.map_or(Ok(()), Err)
}

/// The attended connections: those that were attested in this rotation, and those that were not.
async fn attended<'c>(
    context: &'c Context<'_>,
) -> Result<(Vec<&'c Connection>, Vec<&'c Connection>), Failure> {
    let document = &context.document;
    if !document.has_attended() {
        return Ok((Vec::new(), Vec::new()));
    }
    let grants_document = context.clients.grants(&context.secret).read().await?;
    let attestations = grants_document.attestations;
    let attended = document
        .connections
        .iter()
        .filter(|c| c.delivery == Delivery::Attended);
    Ok(attended.partition(|c| attestations.attested(&context.version, &c.id)))
}
