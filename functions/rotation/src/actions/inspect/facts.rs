//! What a deep look comes to for one secret.

use shared::credential::{Fit, Slip};
use shared::drift::{Drift, DriftKind};
use shared::failure::Failure;
use shared::grants::GrantsDocument;
use shared::graph::application::{Application, Registration};
use shared::ids::MailboxAddress;
use shared::mailbox_secret::{Connection, Delivery, Direction, MailboxSecret};
use shared::preflight::Row;
use shared::rotation::inspection::{Facts, HeldSecret, StoredGrant, TenantRotator};

use super::Look;
use super::documents::Document;
use super::mailboxes::SeenMailboxes;
use super::registrations::SeenRegistrations;
use super::shops::SeenShops;
use crate::credentials::removal::find_credential;
use crate::preflight::{self, Ownership, Registered, Right, is_denied};
use crate::proof::sign_in::says_no_such_app;

/// What was seen for one secret.
pub(super) struct Seen<'a> {
    pub(super) registrations: &'a SeenRegistrations,
    /// What Entra said to the document's client secret, where it has one.
    pub(super) signs_in: Option<Result<bool, Failure>>,
    pub(super) shops: SeenShops,
    pub(super) mailboxes: SeenMailboxes,
}

pub(super) async fn facts(look: &Look<'_>, document: &Document, seen: Seen<'_>) -> Facts {
    let Seen {
        registrations: seen,
        signs_in,
        shops,
        mailboxes,
    } = seen;
    let mailbox = &document.mailbox;
    let mut facts = Facts {
        version: document.version.clone(),
        of: TenantRotator::of(mailbox),
        client_id: mailbox.client_id.clone(),
        without_value: mailbox.credential.stored().is_none(),
        key_id: mailbox.credential.key_id(),
        key_fits: None,
        issued_here: false,
        now: seen.now(),
        start: None,
        expires_at: mailbox.credential.end(None),
        credentials: None,
        mailboxes: mailbox.own_addresses(),
        connections: mailbox.connections.iter().map(|c| c.id.clone()).collect(),
        sending: sending(mailbox).map(|c| c.id.clone()).collect(),
        attended: attended(mailbox).map(|c| c.id.clone()).collect(),
        held: Vec::new(),
        attested: Vec::new(),
        grants: None,
        grants_unfinished: false,
        not_opened: mailboxes.not_opened,
        preflight: shops.preflight,
        drift: Vec::new(),
        problems: Vec::new(),
    };
    let application = application(look, document, seen).await;
    add_sign_in(&mut facts, mailbox, &application, signs_in);
    let needed = needed(look, document, seen, &application, &mailboxes.refused).await;
    // One cause is told once: that the rotator may not look is what is told then.
    let explained = needed.iter().any(|row| row.drift().is_some());
    facts.preflight.extend(needed);
    match application {
        Ok(application) => {
            add_credential(&mut facts, mailbox, &application);
            let listed = look.listed(&application, seen, &document.arn, &document.look.keys);
            facts.credentials = Some(listed);
        }
        Err(failure) if is_denied(&failure) && explained => {}
        Err(failure) => facts.problems.push(failure),
    }
    add_connections(&mut facts, mailbox, shops.held);
    add_grants(look, &mut facts, document, &mailboxes.refused);
    facts.drift.extend(mailboxes.drift);
    facts.problems.extend(mailboxes.problems);
    facts.problems.extend(shops.problems);
    let missing = facts.preflight.iter().filter_map(Row::drift);
    facts.drift.extend(missing);
    // Where nothing else explains it.
    if !facts.drift.iter().any(|drift| drift.what.stops_mail()) {
        let at = |connection| Drift {
            what: DriftKind::MailNotChecked,
            connection: Some(connection),
        };
        facts.drift.extend(shops.not_checked.into_iter().map(at));
    }
    facts.problems.sort_by_key(ToString::to_string);
    facts.problems.dedup();
    facts
}

/// What a rotation needs of Entra.
async fn needed(
    look: &Look<'_>,
    document: &Document,
    seen: &SeenRegistrations,
    application: &Result<Application, Failure>,
    refused: &[MailboxAddress],
) -> Vec<Row> {
    let mailbox = &document.mailbox;
    let denied = application.as_ref().err().is_some_and(is_denied);
    let right = preflight::right(seen.may(), denied);
    let ownership = match right {
        // It reads what it owns.
        Right::OwnApps { .. } if denied => Ownership::NoOwner,
        Right::OwnApps { .. } if application.is_ok() => ownership(look, document, seen).await,
        Right::OwnApps { .. } | Right::AllApps | Right::None | Right::NotTold => Ownership::NotSeen,
    };
    let mut rows = Vec::new();
    // Of a rotator that could not sign in nothing is known.
    if seen.now().is_some() {
        rows.extend(preflight::rights(right, ownership));
    }
    if let Ok(application) = application {
        let registered = Registered {
            application,
            arn: &document.arn,
            keys: &document.look.keys,
            current: mailbox.credential.key_id(),
            now: seen.now(),
            quarantine: look.clients.settings.quarantine.signed(),
        };
        let (may, policies) = (seen.may(), seen.policies());
        let shown = preflight::of_application(look.clients, mailbox, &registered, may, policies);
        rows.extend(shown);
    }
    let companion = document.companion.as_ref().ok();
    let application = application.as_ref().ok();
    rows.extend(preflight::of_people(
        look.clients,
        mailbox,
        application,
        companion,
        refused,
    ));
    rows
}

/// By the list of what the rotator owns, or else by the app registration's owners, where these are shown.
async fn ownership(look: &Look<'_>, document: &Document, seen: &SeenRegistrations) -> Ownership {
    let mailbox = &document.mailbox;
    let listed = seen.owns(&mailbox.client_id);
    if listed == Some(true) {
        return Ownership::Owner;
    }
    let Some(tokens) = seen.tokens() else {
        return Ownership::NotSeen;
    };
    let (http, app) = (look.clients.http.clone(), look.clients.app(mailbox));
    let registration = Registration::new(http, app, tokens.clone());
    match preflight::ownership(&registration, mailbox, seen.deadline(look.deadline)).await {
        Ownership::NotShown | Ownership::NotSeen if listed == Some(false) => Ownership::NoOwner,
        shown => shown,
    }
}

fn sending(mailbox: &MailboxSecret) -> impl Iterator<Item = &Connection> {
    let connections = mailbox.connections.iter();
    connections.filter(|connection| connection.direction == Direction::Sending)
}

fn attended(mailbox: &MailboxSecret) -> impl Iterator<Item = &Connection> {
    let connections = mailbox.connections.iter();
    connections.filter(|connection| connection.delivery == Delivery::Attended)
}

/// The app registration, with the document's credential looked for again where one look does not show it: Graph's
/// reads lag its writes.
async fn application(
    look: &Look<'_>,
    document: &Document,
    seen: &SeenRegistrations,
) -> Result<Application, Failure> {
    let mut application = seen.application(&document.mailbox.client_id)?.clone();
    if let (Some(key_id), Some(tokens)) = (document.mailbox.credential.key_id(), seen.tokens())
        && application.credential(key_id).is_none()
    {
        let clients = look.clients;
        let app = clients.app(&document.mailbox);
        let registration = Registration::new(clients.http.clone(), app, tokens.clone());
        let found = find_credential(clients, &registration, key_id, seen.deadline(look.deadline));
        application.credentials.extend(found.await?);
    }
    Ok(application)
}

fn add_sign_in(
    facts: &mut Facts,
    mailbox: &MailboxSecret,
    application: &Result<Application, Failure>,
    signs_in: Option<Result<bool, Failure>>,
) {
    // Where there is no value to sign in with, Graph's word is all that there is.
    let agrees = match &signs_in {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(failure)) => says_no_such_app(failure),
    };
    if agrees && application.as_ref().err().is_some_and(says_no_such_app) {
        facts.drift.push(DriftKind::RegistrationMissing.into());
    }
    match signs_in {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => {
            facts.drift.push(DriftKind::SecretRefused.into());
            // What whoever typed it may have typed wrong.
            let stored = mailbox.credential.stored();
            let slip: Option<Slip> = stored.and_then(|stored| stored.client_secret.slip());
            facts
                .drift
                .extend(slip.map(DriftKind::from).map(Drift::from));
        }
        Some(Err(failure)) => facts.problems.push(failure),
    }
}

fn add_credential(facts: &mut Facts, mailbox: &MailboxSecret, application: &Application) {
    let named = mailbox.credential.key_id();
    match named.map(|key_id| application.credential(key_id)) {
        // Nobody said which one is in use.
        None => {}
        Some(Some(credential)) => {
            let stored = mailbox.credential.stored();
            let is_anothers =
                stored.is_some_and(|stored| credential.fits(&stored.client_secret) == Fit::No);
            facts.key_fits = Some(!is_anothers);
            if is_anothers {
                // Whose start it is that counts is not known then.
                facts.drift.push(DriftKind::KeyIdIsAnothers.into());
            } else {
                facts.start = credential.start;
            }
            let marker = credential.marker();
            facts.issued_here = marker.is_some_and(|marker| marker.token == facts.version);
        }
        Some(None) => {
            facts.key_fits = Some(false);
            facts.drift.push(DriftKind::CredentialMissing.into());
        }
    }
    let end = application.end_of(mailbox);
    facts.expires_at = end.or(mailbox.credential.end(None));
}

fn add_connections(
    facts: &mut Facts,
    mailbox: &MailboxSecret,
    held: Vec<Result<HeldSecret, Failure>>,
) {
    for held in held {
        match held {
            Ok(held) => {
                facts.drift.extend(drift(mailbox, &held));
                facts.held.push(held);
            }
            Err(failure) => facts.problems.push(failure),
        }
    }
}

fn drift(mailbox: &MailboxSecret, held: &HeldSecret) -> Option<Drift> {
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
            Some(_) | None => return None,
        }
    };
    Some(Drift {
        what,
        connection: Some(held.connection.clone()),
    })
}

/// Before the first secret is issued no grant can be redeemed, and nobody is asked for one.
fn add_grants(look: &Look<'_>, facts: &mut Facts, document: &Document, refused: &[MailboxAddress]) {
    let mailbox = &document.mailbox;
    let probed = mailbox.probed_mailboxes();
    if !document.needs_grants() || facts.without_value && document.look.pending.is_none() {
        return;
    }
    let companion: &GrantsDocument = match &document.companion {
        Ok(companion) => companion,
        Err(failure) => return facts.problems.push(failure.clone()),
    };
    let redeem_every = look.clients.settings.redeem_every.signed();
    let idle_before = facts.now.and_then(|now| now.checked_sub(redeem_every).ok());
    let grants = probed.into_iter().map(|mailbox| {
        let redeemed_at = companion.grants.of(mailbox).map(|grant| grant.redeemed_at);
        StoredGrant {
            mailbox: mailbox.clone(),
            redeemed_at,
            idle: redeemed_at
                .zip(idle_before)
                .is_some_and(|(at, before)| at < before),
            refused: refused.contains(mailbox),
        }
    });
    facts.grants = Some(grants.collect());
    if let Some(token) = &document.look.pending {
        let attested = attended(mailbox).filter(|c| companion.attestations.attested(token, &c.id));
        facts.attested = attested.map(|c| c.id.clone()).collect();
    }
}
