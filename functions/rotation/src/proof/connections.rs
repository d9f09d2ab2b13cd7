//! The connections of a document, proved by what ShopCtrl shows of them: its own test, and the mail check.

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::events::{EventKind, Trouble};
use shared::failure::{Failure, Kind};
use shared::grants::attestations::Attestations;
use shared::mailbox_secret::{Connection, Delivery, Direction, MailboxSecret, StoredCredential};
use shared::retry::{backoff, with_retries};
use shared::rotation::Step;
use shared::secret_store::versions::CURRENT;
use shared::shopctrl::ShopCtrl;
use shared::shopctrl::connections::Tested;
use shared::shopctrl::status::LastMailCheck;
use shared::tags;
use shared::tags::open_troubles::OpenTroubles;
use tracing::{info, warn};

use crate::context::Context;
use crate::delivery::deliver::{Delivered, deliver};
use crate::delivery::logins::Logins;
use crate::failures::{Failed, publish_failure};

/// ShopCtrl's test is asked for this often before a connection is put back.
const TESTS: u32 = 2;

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
            // ShopCtrl shows nothing of sending but its own test.
            Direction::Sending => Ok(()),
        }
    });
    let failures = futures_util::future::join_all(proofs)
        .await
        .into_iter()
        .filter_map(Result::err);
    failures.reduce(|first, _| first).map_or(Ok(()), Err)
}

/// An `api` connection holds the new secret, is switched on and passes ShopCtrl's own test.
/// Returns when it took the secret, by ShopCtrl's clock. Where it took it and fails its test, it
/// is put back to the current secret, which still works, where that is known.
async fn prove_api(
    context: &Context<'_>,
    credential: &StoredCredential,
    shopctrl: &ShopCtrl,
    connection: &Connection,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let Context {
        clients,
        secret,
        deadline,
        ..
    } = context;
    let held = with_retries(*deadline, async || shopctrl.connection(connection).await);
    let held = held.await?;
    let id = &connection.id;
    if !held.has(credential.key_id) {
        let what = format!("proving connection {id}: it does not hold the new secret");
        return Err(Failure::new(Kind::Temporary, what));
    }
    if !held.enabled {
        let since = held.secret_changed_at.unwrap_or(now);
        return Err(publish_disabled(context, connection, since).await?);
    }
    if passes_test(context, shopctrl, connection).await? {
        return Ok(held.secret_changed_at);
    }
    let what =
        format!("testing connection {id} in ShopCtrl: it took the new secret, and its test failed");
    let current = clients.store.value_with_label(&secret.arn, CURRENT).await?;
    let current = MailboxSecret::read(&current.text)?;
    let outcome = match current.credential.stored() {
        Some(before) if before.expires_at <= now => {
            return Err(Failure::new(Kind::Temporary, what));
        }
        Some(before) => match deliver(shopctrl, connection, &current, before, *deadline).await? {
            Delivered::Yes => "it was put back to the current one",
            Delivered::PersonNeeded => "putting it back needs a person",
        },
        None => "the one before is not known, and cannot be put back",
    };
    warn!(connection = %id, outcome, "ShopCtrl cannot use the new secret");
    let failure = Failure::new(Kind::Temporary, format!("{what}; {outcome}"))
        .next_step("It is tried again; if it goes on, test the connection in ShopCtrl.");
    // After "Connection Delivered" nobody else would hear of it.
    let failed = Failed {
        step: Step::TestSecret,
        token: &context.version,
        failure: &failure,
    };
    publish_failure(clients, secret, failed).await?;
    Err(failure)
}

async fn passes_test(
    context: &Context<'_>,
    shopctrl: &ShopCtrl,
    connection: &Connection,
) -> Result<bool, Failure> {
    let deadline = context.deadline;
    for attempt in 1..=TESTS {
        let tested = with_retries(deadline, async || {
            shopctrl.test_connection(connection).await
        });
        match tested.await? {
            Tested::Passed => return Ok(true),
            Tested::Failed => {
                info!(connection = %connection.id, attempt, "ShopCtrl's test failed");
                if attempt < TESTS && !deadline.sleep(backoff(attempt)).await {
                    break;
                }
            }
        }
    }
    Ok(false)
}

/// A connection that somebody switched off cannot be proved, and a direction that is not proved
/// never turns green. It holds the new secret already, so no mail is lost by waiting.
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
