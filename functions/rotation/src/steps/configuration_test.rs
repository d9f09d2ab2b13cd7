//! The configuration test: is everything there that a rotation will need? Tried with the current
//! secret, changing nothing but the stored grants, which are redeemed. Before the first secret is issued, all else
//! is tried: nobody can sign in yet, and nobody is asked to.

use std::slice;

use jiff::Timestamp;
use shared::credential::{ClientSecret, Credential, Fit, Slip};
use shared::drift::DriftKind;
use shared::failure::{Failure, Kind};
use shared::grants::consents::{Grant, Grants};
use shared::graph::application::{Application, Registration};
use shared::ids::{DirectoryId, KeyId};
use shared::mailbox_secret::{Delivery, Direction, MailboxSecret, StoredCredential};
use shared::preflight::Row;
use shared::retry::with_retries;
use shared::tags;
use shared::tags::published_failures::PublishedFailures;
use shared::ticket::Purpose;
use tracing::info;

use crate::ask_person::{Request, ask};
use crate::context::Context;
use crate::credentials::removal::{ABSENT_LOOKS, find_credential};
use crate::delivery::logins::Logins;
use crate::preflight::{self, Ownership, Registered, Right, is_denied};
use crate::proof::mailboxes::prove_mailboxes;
use crate::proof::round_trip::Trip;
use crate::proof::sign_in::{Refused, wait_until_signs_in};

/// Tries all of it and reports all that is wrong in one message. A missing or dead grant is no
/// error: its owner is asked for one. The context is of the current version, to which the links are bound:
/// the pending one of a test goes away.
pub(super) async fn test_configuration(context: &Context<'_>) -> Result<(), Failure> {
    info!("this call is a configuration test");
    try_all(context).await.map_err(as_of_a_test)?;
    forget_failures(context).await
}

/// What was published to fail does not any more, and the next check says so.
async fn forget_failures(context: &Context<'_>) -> Result<(), Failure> {
    let secret = &context.secret;
    let key = tags::PUBLISHED_FAILURES;
    let tag = secret.tags.get(key).map(String::as_str);
    let published = PublishedFailures::read(tag, &context.version);
    if !published.is_empty() {
        let none = PublishedFailures::read(None, &context.version);
        let store = &context.clients.store;
        store.tag(&secret.arn, &[(key, none.to_string())]).await?;
    }
    Ok(())
}

/// A sign-in with the current secret.
struct SignedIn<'a> {
    with: &'a StoredCredential,
    /// Entra's clock.
    now: Timestamp,
}

async fn try_all(context: &Context<'_>) -> Result<(), Failure> {
    let store = context.clients.grants(&context.secret);
    let (entra, signs_in, shopctrl, grants_document) = tokio::join!(
        try_entra(context),
        try_sign_in(context),
        try_shopctrl(context),
        store.read(),
    );
    let mut problems: Vec<Failure> = shopctrl;
    problems.extend(entra);
    let signed_in = signs_in.unwrap_or_else(|failure| {
        problems.push(failure);
        None
    });
    if let Ok(grants_document) = &grants_document {
        let grants = &grants_document.grants;
        problems.extend(refuse_to_reveal_in_vain(&context.document, grants).err());
    }
    let signed_in = signed_in.filter(|_| problems.is_empty());
    let needs = match (grants_document, &signed_in) {
        (Ok(grants_document), Some(signed_in)) => {
            let secret = &signed_in.with.client_secret;
            prove_mailboxes(context, secret, &grants_document.grants, Trip::Once).await
        }
        (Ok(_), None) => Ok(Vec::new()),
        (Err(failure), _) => Err(failure),
    };
    let needs = needs.unwrap_or_else(|failure| {
        problems.push(failure);
        Vec::new()
    });
    if let Some(signed_in) = signed_in.filter(|_| !needs.is_empty()) {
        let request = Request {
            purpose: Purpose::Connect,
            due_by: Some(signed_in.with.expires_at),
            half_done: None,
        };
        let waiting = ask(context, needs, request, signed_in.now).await?;
        info!(%waiting, "asked for the first grants");
    }
    together(problems)
}

/// `None` where there is nothing to sign in with yet.
async fn try_sign_in<'a>(context: &'a Context<'_>) -> Result<Option<SignedIn<'a>>, Failure> {
    let document = &context.document;
    let Some(with) = document.credential.stored() else {
        info!("the first client secret is not issued yet; sign-ins and grants are not tried");
        return Ok(None);
    };
    let secret = &with.client_secret;
    match wait_until_signs_in(context.clients, document, secret, context.deadline).await {
        Ok(now) => Ok(Some(SignedIn { with, now })),
        Err(refused) => Err(does_not_sign_in(secret, refused)),
    }
}

fn does_not_sign_in(secret: &ClientSecret, refused: Refused) -> Failure {
    match refused {
        Refused::Client(failure) => Failure::new(
            Kind::Misconfigured,
            "signing in with the current client secret: Entra refuses it",
        )
        .code(failure.code.unwrap_or_default())
        .next_step(secret.slip().map_or(
            "Check that client_secret holds the Value, not the Secret ID.",
            Slip::next_step,
        )),
        Refused::Other(failure) => failure,
    }
}

async fn try_entra(context: &Context<'_>) -> Vec<Failure> {
    let Context {
        clients,
        document: mailbox,
        deadline,
        ..
    } = context;
    let registration = match clients.registration(mailbox, *deadline).await {
        Ok(registration) => registration,
        Err(failure) => return vec![failure],
    };
    let (mut application, mut problems) = look(context, &registration).await;
    // Graph's reads lag its writes, and whoever tests may have mended it just now.
    for _ in 1..ABSENT_LOOKS {
        let pause = clients.settings.look_interval.duration();
        if problems.is_empty() || !deadline.sleep(pause).await {
            break;
        }
        (application, problems) = look(context, &registration.apart()).await;
    }
    match application {
        Ok(application) => problems.extend(
            try_application(context, &registration, &application)
                .await
                .err(),
        ),
        // That it may not look is told with the right that is missing.
        Err(failure) if is_denied(&failure) && !problems.is_empty() => {}
        Err(failure) => problems.push(failure),
    }
    problems
}

/// The app registration, and what a rotation needs and is missing there.
async fn look(
    context: &Context<'_>,
    registration: &Registration,
) -> (Result<Application, Failure>, Vec<Failure>) {
    let application = with_retries(context.deadline, async || registration.read().await).await;
    let application = application.map_err(|error| error.failure);
    let rows = needed(context, registration, &application).await;
    (application, preflight::failures(&rows).collect())
}

/// What a rotation needs of Entra.
async fn needed(
    context: &Context<'_>,
    registration: &Registration,
    application: &Result<Application, Failure>,
) -> Vec<Row> {
    let (mailbox, deadline) = (&context.document, context.deadline);
    let may = registration.application_permissions();
    let denied = application.as_ref().err().is_some_and(is_denied);
    let right = preflight::right(may.as_ref(), denied);
    let ownership = match right {
        Right::OwnApps { .. } if denied => Ownership::NoOwner,
        Right::OwnApps { .. } => preflight::ownership(registration, mailbox, deadline).await,
        Right::AllApps | Right::None | Right::NotTold => Ownership::NotSeen,
    };
    let mut rows = preflight::rights(right, ownership);
    let Ok(application) = application else {
        return rows;
    };
    let policies = match preflight::may_read_policies(may.as_ref()) {
        true => {
            let (graph, app) = (
                registration.of_tenant(),
                slice::from_ref(&mailbox.client_id),
            );
            let policies = with_retries(deadline, async || graph.policies(app).await).await;
            Some(policies.unwrap_or_default())
        }
        false => None,
    };
    let claims = context.secret.versions.claims();
    let keys: Vec<KeyId> = claims.into_keys().map(|(key_id, _)| key_id).collect();
    let registered = Registered {
        application,
        arn: &context.secret.arn,
        keys: &keys,
        current: mailbox.credential.key_id(),
        now: Some(registration.now()),
        quarantine: context.clients.settings.quarantine.signed(),
    };
    let (may, policies) = (may.as_ref(), policies.as_ref());
    rows.extend(preflight::of_application(
        context.clients,
        mailbox,
        &registered,
        may,
        policies,
    ));
    rows
}

async fn try_application(
    context: &Context<'_>,
    registration: &Registration,
    application: &Application,
) -> Result<(), Failure> {
    let Context {
        clients,
        document: mailbox,
        deadline,
        ..
    } = context;
    if let Some(key_id) = mailbox.credential.key_id() {
        let credential = match application.credential(key_id) {
            Some(credential) => Some(credential.clone()),
            None => find_credential(clients, registration, key_id, *deadline).await?,
        };
        refuse_anothers_id(mailbox, credential.as_ref())?;
    }
    if application.most_credentials().is_some() {
        refuse_a_second_secret(context).await?;
    }
    Ok(())
}

fn refuse_anothers_id(
    mailbox: &MailboxSecret,
    credential: Option<&Credential>,
) -> Result<(), Failure> {
    let stored = mailbox.credential.stored();
    let fit = |credential: &Credential| match stored {
        Some(stored) => credential.fits(&stored.client_secret),
        None => Fit::CannotTell,
    };
    match credential.map(fit) {
        Some(Fit::Yes | Fit::CannotTell) => Ok(()),
        Some(Fit::No) => Err(Failure::new(
            Kind::Misconfigured,
            "reading the app registration in Entra: the client secret with this key_id begins with other characters than client_secret",
        )
        .next_step(
            "Put key_id and client_secret of one and the same client secret into the document: the portal shows Secret ID and the beginning of the Value side by side.",
        )),
        None => Err(Failure::new(
            Kind::Misconfigured,
            "reading the app registration in Entra: it has no client secret with this key_id",
        )
        .next_step(match stored {
            Some(_) => "Set key_id to the Secret ID that the portal shows beside the client secret.",
            None => "Set key_id to the Secret ID that the portal shows beside the client secret in use, or leave it empty.",
        })),
    }
}

/// The page of a hand-over lets the mailbox's own account in and nobody else. Whose accounts these are is known
/// once all owners have signed in.
fn refuse_to_reveal_in_vain(mailbox: &MailboxSecret, grants: &Grants) -> Result<(), Failure> {
    let own = mailbox.connections.iter().map(|c| grants.of(&c.mailbox));
    let Some(own) = own.collect::<Option<Vec<&Grant>>>() else {
        return Ok(());
    };
    let known = |id: &&DirectoryId| own.iter().any(|grant| grant.oid == **id);
    let Some(id) = mailbox.reveal_to.iter().find(|id| !known(id)) else {
        return Ok(());
    };
    Err(Failure::new(
        Kind::Misconfigured,
        format!("reading the document: reveal_to names {id}, which is no account of its mailboxes, and nothing can be shown to it"),
    )
    .next_step("Name the mailbox's own account in reveal_to (the hand-over page says its object ID), or nobody."))
}

/// Where Entra allows two credentials, two mailbox secrets on one app registration would take each other's
/// places.
async fn refuse_a_second_secret(context: &Context<'_>) -> Result<(), Failure> {
    let store = &context.clients.store;
    let mailbox = &context.document;
    for other in store.list(tags::MANAGED, "mailbox").await? {
        if other.arn == context.secret.arn || other.is_replica() || other.deleted {
            continue;
        }
        let Some(version) = other.versions.current() else {
            continue;
        };
        let value = store.value_of(&other.arn, version).await?;
        let document = value.and_then(|value| MailboxSecret::read(&value.text).ok());
        let same = |other: MailboxSecret| {
            other.tenant_id == mailbox.tenant_id && other.client_id == mailbox.client_id
        };
        if document.is_some_and(same) {
            return Err(Failure::new(
                Kind::Misconfigured,
                format!("reading the app registration in Entra: it allows two client secrets, and {} rotates there too", other.name),
            )
            .next_step(
                "Give each mailbox secret an app registration of its own, or set the supported account types to this organization only.",
            ));
        }
    }
    Ok(())
}

async fn try_shopctrl(context: &Context<'_>) -> Vec<Failure> {
    let Context {
        clients,
        document: mailbox,
        deadline,
        ..
    } = context;
    let logins = Logins::read(clients, mailbox).await;
    let tries = mailbox.connections.iter().map(async |connection| {
        let shopctrl = logins.shopctrl(connection)?;
        with_retries(*deadline, async || shopctrl.check_login().await).await?;
        let shop_id = connection.shopctrl.shop_id;
        let status = with_retries(*deadline, async || shopctrl.shop_status(shop_id).await);
        if status.await?.mail_is_not_checked() && connection.direction == Direction::Receiving {
            let not_checked = DriftKind::MailNotChecked;
            let what = format!("connection {}: {}", connection.id, not_checked.meaning());
            let failure = Failure::new(Kind::Misconfigured, what);
            return Err(failure.next_step(not_checked.next_step()));
        }
        if connection.delivery == Delivery::Api {
            with_retries(*deadline, async || shopctrl.connection(connection).await).await?;
        }
        Ok(())
    });
    let tries = futures_util::future::join_all(tries).await;
    tries
        .into_iter()
        .filter_map(|tried: Result<(), Failure>| tried.err())
        .collect()
}

/// Secrets Manager tests once, when somebody sets rotation up, and not again by itself.
fn as_of_a_test(failure: Failure) -> Failure {
    failure.where_nothing_tries_again(
        "Test the configuration again in some minutes (docs/runbook.md, Rotate now).",
        "test it again",
    )
}

/// All problems as one failure, each once; the worst kind counts.
fn together(problems: Vec<Failure>) -> Result<(), Failure> {
    let problems: Vec<Failure> = problems.into_iter().map(as_of_a_test).collect();
    let mut texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.dedup();
    let temporary = problems
        .iter()
        .all(|problem| problem.kind == Kind::Temporary);
    match problems.into_iter().next() {
        None => Ok(()),
        Some(first) if texts.len() == 1 => Err(first),
        Some(_) => {
            let kind = if temporary {
                Kind::Temporary
            } else {
                Kind::Misconfigured
            };
            let what = format!(
                "testing the configuration, {} problems: {}",
                texts.len(),
                texts.join(" | ")
            );
            Err(Failure::new(kind, what))
        }
    }
}
