//! probe: looks at a mailbox secret's world and says what there is, without changing anything. So the
//! checker learns of what it may not read itself.

use jiff::Timestamp;
use shared::credential::{Fit, Marker, Slip};
use shared::drift::{Drift, DriftKind};
use shared::failure::Failure;
use shared::graph::application::Application;
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret};
use shared::retry::{Deadline, with_retries};
use shared::rotation::{ActionCall, Probe};
use shared::secret_store::versions::CURRENT;

use crate::clients::Clients;
use crate::credentials::removal::find_credential;
use crate::delivery::logins::Logins;
use crate::proof::sign_in::{says_no_such_app, signs_in};

pub(super) async fn run(
    clients: &Clients,
    call: &ActionCall,
    deadline: Deadline,
) -> Result<Probe, Failure> {
    let current = clients
        .store
        .value_with_label(&call.secret, CURRENT)
        .await?;
    let mailbox = MailboxSecret::read(&current.text)?;
    let (entra, signs_in, connections) = tokio::join!(
        look_at_entra(clients, &mailbox, deadline),
        try_sign_in(clients, &mailbox, deadline),
        look_at_connections(clients, &mailbox, deadline),
    );
    let mut probe = Probe {
        version: current.version,
        tenant_id: mailbox.tenant_id.clone(),
        client_id: mailbox.client_id.clone(),
        without_value: mailbox.credential.stored().is_none(),
        key_id: mailbox.credential.key_id(),
        issued_here: false,
        now: None,
        start: None,
        expires_at: mailbox.credential.end(None),
        mailboxes: mailbox.own_addresses(),
        connections: mailbox.connections.iter().map(|c| c.id.clone()).collect(),
        attended: mailbox.has_attended(),
        drift: Vec::new(),
        problems: Vec::new(),
    };
    // Where there is no value to sign in with, Graph's word is all that there is.
    let sign_in_agrees = match &signs_in {
        Ok(SignIn::NotTried) => true,
        Ok(SignIn::Accepted | SignIn::Refused(_)) => false,
        Err(failure) => says_no_such_app(failure),
    };
    if entra.as_ref().err().is_some_and(says_no_such_app) && sign_in_agrees {
        probe.drift.push(DriftKind::RegistrationMissing.into());
    }
    match signs_in {
        Ok(SignIn::Accepted | SignIn::NotTried) => {}
        Ok(SignIn::Refused(slip)) => {
            probe.drift.push(DriftKind::SecretRefused.into());
            let slip = slip.map(DriftKind::from);
            probe.drift.extend(slip.map(Drift::from));
        }
        Err(failure) => probe.problems.push(failure.to_string()),
    }
    match entra {
        Ok(seen) => add_credential(&mut probe, &mailbox, &seen),
        Err(failure) => probe.problems.push(failure.to_string()),
    }
    for look in connections {
        match look {
            Ok(drift) => probe.drift.extend(drift),
            Err(failure) => probe.problems.push(failure.to_string()),
        }
    }
    probe.problems.sort();
    probe.problems.dedup();
    Ok(probe)
}

/// What Entra says to the document's client secret.
enum SignIn {
    Accepted,
    /// And what whoever typed it may have typed wrong.
    Refused(Option<Slip>),
    /// The document has none yet.
    NotTried,
}

async fn try_sign_in(
    clients: &Clients,
    mailbox: &MailboxSecret,
    deadline: Deadline,
) -> Result<SignIn, Failure> {
    let Some(stored) = mailbox.credential.stored() else {
        return Ok(SignIn::NotTried);
    };
    let secret = &stored.client_secret;
    Ok(match signs_in(clients, mailbox, secret, deadline).await? {
        true => SignIn::Accepted,
        false => SignIn::Refused(secret.slip()),
    })
}

/// The app registration, and Entra's clock.
struct Seen {
    now: Timestamp,
    application: Application,
}

fn add_credential(probe: &mut Probe, mailbox: &MailboxSecret, seen: &Seen) {
    probe.now = Some(seen.now);
    let named = mailbox.credential.key_id();
    let credential = named.map(|key_id| seen.application.credential(key_id));
    match credential {
        // Nobody said which one is in use.
        None => {}
        Some(Some(credential)) => {
            // Whose start it is that counts is not known where the id is another's.
            probe.start = credential.start;
            let stored = mailbox.credential.stored();
            if stored.is_some_and(|stored| credential.fits(&stored.client_secret) == Fit::No) {
                probe.drift.push(DriftKind::KeyIdIsAnothers.into());
                probe.start = None;
            }
            let of_version = |marker: Marker| marker.token == probe.version;
            probe.issued_here = credential.marker().is_some_and(of_version);
        }
        Some(None) => probe.drift.push(DriftKind::CredentialMissing.into()),
    }
    let end = seen.application.end_of(mailbox);
    probe.expires_at = end.or(mailbox.credential.end(None));
}

async fn look_at_entra(
    clients: &Clients,
    mailbox: &MailboxSecret,
    deadline: Deadline,
) -> Result<Seen, Failure> {
    let registration = clients.registration(mailbox, deadline).await?;
    let read = async || registration.read().await;
    let mut application = with_retries(deadline, read).await?;
    if let Some(key_id) = mailbox.credential.key_id()
        && application.credential(key_id).is_none()
    {
        // Graph's reads lag its writes: what one look does not find is looked for again.
        let found = find_credential(clients, &registration, key_id, deadline);
        application.credentials.extend(found.await?);
    }
    Ok(Seen {
        now: registration.now(),
        application,
    })
}

async fn look_at_connections(
    clients: &Clients,
    mailbox: &MailboxSecret,
    deadline: Deadline,
) -> Vec<Result<Option<Drift>, Failure>> {
    let api = |c: &&Connection| c.delivery == Delivery::Api;
    if !mailbox.connections.iter().any(|c| api(&c)) {
        return Vec::new();
    }
    let logins = Logins::read(clients, mailbox).await;
    let looks = mailbox.connections.iter().filter(api);
    let looks = looks.map(async |connection| {
        let shopctrl = logins.shopctrl(connection)?;
        let held = with_retries(deadline, async || shopctrl.connection(connection).await).await?;
        let what = if !held.authorized {
            DriftKind::ConnectionNotAuthorized
        } else if !held.enabled {
            DriftKind::ConnectionDisabled
        } else {
            match mailbox.credential.stored() {
                Some(stored) if held.key_id != Some(stored.key_id) => {
                    DriftKind::ConnectionHoldsAnotherSecret
                }
                // Before the first secret is issued, whatever works is as it should be.
                Some(_) | None => return Ok(None),
            }
        };
        Ok(Some(Drift {
            what,
            connection: Some(connection.id.clone()),
        }))
    });
    futures_util::future::join_all(looks).await
}
