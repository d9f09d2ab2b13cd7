//! The connections of a document, proved by what ShopCtrl shows of them after its own test: that they hold the secret
//! still, and the mail check.

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::events::{EventKind, Trouble};
use shared::failure::{Failure, Kind};
use shared::grants::attestations::Attestations;
use shared::mailbox_secret::{Connection, Delivery, Direction, StoredCredential};
use shared::retry::{backoff, with_retries};
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::Held;
use shared::shopctrl::status::LastMailCheck;
use shared::tags;
use shared::tags::open_troubles::OpenTroubles;
use tracing::info;

use crate::context::Context;
use crate::delivery::logins::Logins;

/// They hold this credential, which is the context's version's, and work with it.
pub(crate) async fn prove_connections(
    context: &Context<'_>,
    credential: &StoredCredential,
    logins: &Logins<'_>,
    attestations: &Attestations,
    now: Timestamp,
) -> Result<(), Failure> {
    let proofs = context.document.connections.iter().map(async |connection| {
        let shopctrl = logins.shopctrl(connection)?;
        let since = match connection.delivery {
            Delivery::Api => prove_api(context, credential, &shopctrl, connection, now).await?,
            Delivery::Attended => attested_at(attestations, &context.version, connection)?,
        };
        match connection.direction {
            Direction::Receiving => {
                wait_for_mail_check(context, &shopctrl, connection, since).await
            }
            Direction::Sending => {
                look_at_sent(&shopctrl, connection, since).await;
                Ok(())
            }
        }
    });
    let failures = futures_util::future::join_all(proofs)
        .await
        .into_iter()
        .filter_map(Result::err);
    failures.reduce(|first, _| first).map_or(Ok(()), Err)
}

/// An `api` connection holds the new secret still, with which setSecret saw it pass ShopCtrl's own test, and is
/// switched on. Returns when it took the secret, by ShopCtrl's clock.
async fn prove_api(
    context: &Context<'_>,
    credential: &StoredCredential,
    shopctrl: &ShopCtrl,
    connection: &Connection,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let held = with_retries(context.deadline, async || {
        shopctrl.connection(connection).await
    });
    let held = held.await?;
    if !held.has(credential.key_id) {
        let id = &connection.id;
        let what = format!("proving connection {id}: it does not hold the new secret");
        return Err(Failure::new(Kind::Temporary, what)
            .next_step("Nothing to do: the rotation is tried again from its delivery."));
    }
    refuse_disabled(context, connection, &held, now).await?;
    Ok(held.secret_changed_at)
}

/// A connection that somebody switched off cannot be tested.
pub(crate) async fn refuse_disabled(
    context: &Context<'_>,
    connection: &Connection,
    held: &Held,
    now: Timestamp,
) -> Result<(), Failure> {
    if held.enabled {
        return Ok(());
    }
    let since = held.secret_changed_at.unwrap_or(now);
    Err(publish_disabled(context, connection, since).await?)
}

/// A direction that is not proved never turns green. The connection holds the new secret already, so no mail is lost by waiting.
async fn publish_disabled(
    context: &Context<'_>,
    connection: &Connection,
    since: Timestamp,
) -> Result<Failure, Failure> {
    let drift = Drift {
        what: DriftKind::ConnectionDisabled,
        connection: Some(connection.id.clone()),
    };
    // Once in a rotation, whose token is in the id.
    let event = EventKind::drift(drift.clone(), since, String::new());
    context
        .clients
        .events
        .publish(&[context.event(event)])
        .await?;
    note_open(context, Trouble::of(drift), since).await?;
    let what = format!("proving connection {}: it is switched off", connection.id);
    Ok(Failure::new(Kind::WaitingForPerson, what).next_step(
        "Switch Enable on in ShopCtrl. If it is meant to be off, take the connection out of the mailbox document.",
    ))
}

/// What is published in a rotation is over with it: finishSecret, or a check, says so.
async fn note_open(
    context: &Context<'_>,
    trouble: Trouble,
    since: Timestamp,
) -> Result<(), Failure> {
    let secret = &context.secret;
    let tag = secret.tags.get(tags::OPEN).map(String::as_str);
    let current = secret.versions.current().unwrap_or_default();
    let open = OpenTroubles::read(tag).with(current, since, &trouble);
    let open = open.to_string();
    if tag != Some(&open) {
        let store = &context.clients.store;
        store.tag(&secret.arn, &[(tags::OPEN, open)]).await?;
    }
    Ok(())
}

/// Waits until ShopCtrl has checked the shop's mail since it took the secret, by ShopCtrl's own
/// clock; where it does not say when that was, until the time of the last check moves.
async fn wait_for_mail_check(
    context: &Context<'_>,
    shopctrl: &ShopCtrl,
    connection: &Connection,
    since: Option<Timestamp>,
) -> Result<(), Failure> {
    let wait = context.clients.settings.mail_check_wait.duration();
    let deadline = context.deadline.at_most(wait);
    let shop_id = connection.shopctrl.shop_id;
    let status =
        async || with_retries(deadline, async || shopctrl.shop_status(shop_id).await).await;
    let first = status().await?;
    if !first.active {
        info!(connection = %connection.id, "the shop is not active in ShopCtrl: it checks no mail");
        return Ok(());
    }
    let mut last = match first.last_mail_check {
        LastMailCheck::At(last) => last,
        LastMailCheck::NotSaid => {
            // Builds differ in their fields; ShopCtrl's own test has passed.
            info!(connection = %connection.id, "ShopCtrl does not say when it checked mail");
            return Ok(());
        }
        LastMailCheck::Unreadable => return Err(unreadable_mail_check(connection)),
    };
    let since = since.unwrap_or(last);
    let mut attempt = 1;
    while last <= since {
        if !deadline.sleep(backoff(attempt)).await {
            return Err(Failure::new(
                Kind::Temporary,
                format!("proving connection {}: ShopCtrl has not checked the shop's mail since it took the secret", connection.id),
            )
            .next_step("It is tried again; if it goes on, look at Check mail in the shop's e-mail settings."));
        }
        attempt += 1;
        last = match status().await?.last_mail_check {
            LastMailCheck::At(at) => at,
            LastMailCheck::NotSaid => last,
            LastMailCheck::Unreadable => return Err(unreadable_mail_check(connection)),
        };
    }
    Ok(())
}

/// One look at whether ShopCtrl has sent mail since it took the secret: said and never waited for, since a shop may have
/// nothing to send.
async fn look_at_sent(shopctrl: &ShopCtrl, connection: &Connection, since: Option<Timestamp>) {
    let shop_id = connection.shopctrl.shop_id;
    let sent = match since {
        Some(since) => shopctrl.has_sent_since(shop_id, since).await,
        None => Ok(None),
    };
    let sent = match sent {
        Ok(Some(true)) => "it has sent mail",
        Ok(Some(false)) => "it has sent nothing yet",
        Ok(None) => "not known",
        Err(error) => {
            info!(connection = %connection.id, failure = %error.failure, "ShopCtrl could not be asked what it sent");
            "not known"
        }
    };
    info!(connection = %connection.id, sent, "what ShopCtrl shows of its sending since it took the secret");
}

/// A proof is not skipped because its answer is odd.
fn unreadable_mail_check(connection: &Connection) -> Failure {
    Failure::new(
        Kind::Misconfigured,
        format!(
            "proving connection {}: LastMailCheck in ShopCtrl's ShopStatus is not a time",
            connection.id
        ),
    )
    .next_step("Compare GET v1/Shops/ShopStatus with the documented form, and tell whoever runs that ShopCtrl.")
}

fn attested_at(
    attestations: &Attestations,
    version: &str,
    connection: &Connection,
) -> Result<Option<Timestamp>, Failure> {
    match attestations.of(version, &connection.id) {
        Some(said) if attestations.attested(version, &connection.id) => Ok(Some(said.at)),
        _ => Err(Failure::new(
            Kind::WaitingForPerson,
            format!(
                "proving connection {}: nobody attested it yet",
                connection.id
            ),
        )),
    }
}
