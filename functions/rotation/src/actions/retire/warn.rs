//! What is published of a superseded credential that is kept.

use jiff::Timestamp;
use shared::drift::DriftKind;
use shared::events::{Event, EventKind};
use shared::failure::Failure;
use shared::ids::KeyId;
use shared::mailbox_secret::Delivery;
use shared::tags;
use shared::tags::superseded::{SupersededWarnings, Why};

use super::retirement::Retirement;
use crate::ask_person::hand_over;
use crate::context::{Context, event};
use crate::credentials::superseded::Superseded;
use crate::credentials::warning::Warning;

/// Says that somebody uses a superseded credential, that it ends soon and nothing shows that nobody
/// does, or that one goes which a person made. Once for each state and threshold.
pub(super) async fn publish_warning(
    run: &Retirement<'_>,
    of: Superseded<'_>,
    now: Timestamp,
    published: &mut SupersededWarnings,
) -> Result<(), Failure> {
    let key_id = of.credential.key_id;
    let Some(warning) = Warning::of(of, now) else {
        return Ok(());
    };
    let before = published.of(key_id);
    if before.is_some_and(|before| !warning.says_more_than(before)) {
        return Ok(());
    }
    let mut events = Vec::new();
    let says_when = warning.warned.threshold.is_some() || warning.by_hand && before.is_none();
    if let Some(ends_at) = of.credential.end.filter(|_| says_when) {
        events.push(ending(run, of, warning, ends_at));
    }
    if warning.warned.why == Why::Used {
        let what = DriftKind::SupersededSecretInUse;
        events.push(drift(run, what, of.since, key_id));
    }
    run.context.clients.events.publish(&events).await?;
    published.set(key_id, warning.warned);
    note(run, published).await
}

fn ending(run: &Retirement<'_>, of: Superseded<'_>, warning: Warning, ends_at: Timestamp) -> Event {
    let Context {
        clients,
        secret,
        document,
        ..
    } = &run.context;
    let goes = of.since.checked_add(clients.settings.quarantine.signed());
    let attended = document
        .connections
        .iter()
        .filter(|c| c.delivery == Delivery::Attended);
    let ending = EventKind::SupersededSecretEnding {
        key_id: of.credential.key_id,
        // One that only `api` connections used goes after its quarantine.
        ends_at: match goes {
            Ok(goes) if !of.attended => goes.min(ends_at),
            Ok(_) | Err(_) => ends_at,
        },
        threshold_days: warning.warned.threshold,
        connections: attended.map(hand_over).collect(),
    };
    event(secret, None, ending)
}

/// One that leaked and is kept is a danger that somebody has to know of.
pub(super) async fn publish_leak_kept(
    run: &Retirement<'_>,
    of: Superseded<'_>,
    now: Timestamp,
    published: &mut SupersededWarnings,
) -> Result<(), Failure> {
    let key_id = of.credential.key_id;
    let warning = Warning::of_a_leak();
    let before = published.of(key_id);
    let said = before.is_some_and(|before| !warning.says_more_than(before));
    if !of.leaked || of.has_ended(now) || said {
        return Ok(());
    }
    let drift = drift(run, DriftKind::LeakedSecretStillValid, now, key_id);
    run.context.clients.events.publish(&[drift]).await?;
    published.set(key_id, warning.warned);
    note(run, published).await
}

fn drift(run: &Retirement<'_>, what: DriftKind, found_at: Timestamp, key_id: KeyId) -> Event {
    let time = key_id.to_string();
    let kind = EventKind::drift(what.into(), found_at, time);
    event(&run.context.secret, None, kind)
}

async fn note(run: &Retirement<'_>, published: &SupersededWarnings) -> Result<(), Failure> {
    let tag = (tags::SUPERSEDED, published.to_string());
    let store = &run.context.clients.store;
    store.tag(&run.context.secret.arn, &[tag]).await?;
    Ok(())
}
