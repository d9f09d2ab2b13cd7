//! testSecret: proves the pending secret, which setSecret saw pass ShopCtrl's own tests: sign-ins, the mailbox with the
//! stored grant, that each connection holds it still, and that ShopCtrl goes on checking mail.

use shared::failure::{Failure, Kind};
use shared::retry::Deadline;
use shared::rotation::StepCall;
use shared::secret_store::versions::PROVED;
use shared::secret_store::{LabelSwap, MoveLabel};
use shared::ticket::Purpose;

use super::begin::{self, Stored, TestSecret};
use super::beside::Companion;
use super::configuration_test::test_configuration;
use crate::ask_person::{Request, ask};
use crate::clients::Clients;
use crate::context::Context;
use crate::proof::connections::prove_connections;
use crate::proof::mailboxes::prove_mailboxes;
use crate::proof::round_trip::Trip;
use crate::proof::sign_in::wait_until_signs_in;

pub(super) async fn run(
    clients: &Clients,
    call: &StepCall,
    deadline: Deadline,
) -> Result<(), Failure> {
    match begin::test_secret(clients, call, deadline).await? {
        TestSecret::Stored(stored) => prove(&stored).await,
        TestSecret::Configuration(context) => test_configuration(&context).await,
        TestSecret::AlreadyCurrent => Ok(()),
    }
}

async fn prove(stored: &Stored<'_>) -> Result<(), Failure> {
    let Stored {
        context,
        credential,
        ..
    } = stored;
    let client_secret = &credential.client_secret;
    let Context {
        clients,
        secret,
        document: pending,
        ..
    } = context;
    // What is read meanwhile changes nothing.
    let signs_in = async {
        let signs_in = wait_until_signs_in(clients, pending, client_secret, context.deadline);
        signs_in.await.map_err(Failure::from)
    };
    let (now, beside) = tokio::try_join!(signs_in, stored.beside(Companion::Always))?;
    let grants_document = beside.grants()?;
    let connections = prove_connections(
        context,
        credential,
        &beside.logins,
        &grants_document.attestations,
        now,
    );
    let grants = &grants_document.grants;
    let mailboxes = prove_mailboxes(context, client_secret, grants, Trip::OfRotation);
    let (connections, mailboxes) = match pending.has_round_trip() {
        false => tokio::join!(connections, mailboxes),
        // A mail is sent only where all else is proved: an attempt that fails for ShopCtrl costs none.
        true => {
            connections.await?;
            (Ok(()), mailboxes.await)
        }
    };
    // A person is asked at once, whatever the connections say, and the connections' failure
    // comes before the waiting: it is what has to be looked at.
    let needs = mailboxes.clone().unwrap_or_default();
    let waiting = if needs.is_empty() {
        None
    } else {
        let request = Request {
            purpose: Purpose::Rotate,
            due_by: beside.mail_stops(secret),
            half_done: None,
        };
        Some(ask(context, needs, request, now).await?)
    };
    connections?;
    mailboxes?;
    match waiting {
        Some(waiting) => Err(waiting),
        None => record_proof(context).await,
    }
}

/// The label without which finishSecret promotes nothing: no stale read can stand for a proof.
async fn record_proof(context: &Context<'_>) -> Result<(), Failure> {
    let versions = &context.secret.versions;
    if versions.has(&context.version, PROVED) {
        return Ok(());
    }
    let proved = MoveLabel {
        secret: &context.secret.arn,
        label: PROVED,
        to: Some(&context.version),
        // Of a rotation that was given up.
        from: versions.with_label(PROVED),
    };
    match context.clients.store.swap_label(proved).await? {
        LabelSwap::Done => Ok(()),
        LabelSwap::Lost => Err(Failure::new(
            Kind::Temporary,
            "recording the proof: its label was moved by somebody else meanwhile",
        )),
    }
}
