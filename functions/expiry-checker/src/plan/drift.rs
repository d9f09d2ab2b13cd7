//! What is not as it was left: what of it is published, and what stops the shop's mail.

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::events::{DueReason, EventKind};
use shared::ids::ConnectionId;
use shared::mailbox::Unusable;
use shared::rotation::inspection::Facts;
use shared::tags;
use shared::tags::seen_drift::SeenDrift;

use super::action::PlannedAction;
use super::backstop;
use super::found::Found;

/// What is not as it was left, all in all; `None` when that could not be looked at.
pub(super) fn drift_now(
    found: &Found,
    facts: Option<&Facts>,
    wanted: Option<DueReason>,
    now: Timestamp,
) -> Option<Vec<Drift>> {
    let secret = &found.secret;
    let rotating = secret.versions.in_progress().is_some();
    // In a rotation connections hold the pending secret already, as they should.
    let expected =
        |drift: &&Drift| rotating && drift.what == DriftKind::ConnectionHoldsAnotherSecret;
    let seen = facts?
        .drift
        .iter()
        .filter(|drift| !expected(drift))
        .cloned();
    let mut drift: Vec<Drift> = seen.collect();
    drift.extend(still_published(found, facts?));
    // Somebody switched the rotation off, only a person knows why; or has not switched it on yet, where no check has
    // seen the mailbox before.
    let known = found.tag(tags::ORIGIN).is_some();
    if !secret.rotation_enabled && (known || rotating || wanted.is_some()) {
        drift.push(DriftKind::RotationOff.into());
    }
    // What is due now is asked for now, and the schedule counts anew.
    let fresh = facts.filter(|_| wanted.is_none());
    let backstop = fresh.and_then(|facts| backstop::misplaced(found, facts, now));
    drift.extend(backstop.map(Drift::from));
    Some(drift)
}

/// Of mailboxes that were not opened this time, and not for a fault of theirs: that it is over nobody has seen.
fn still_published(found: &Found, facts: &Facts) -> Vec<Drift> {
    let seen = SeenDrift::read(found.tag(tags::DRIFT));
    let at = |connection: &ConnectionId, unusable| Drift {
        what: DriftKind::Unusable(unusable),
        connection: Some(connection.clone()),
    };
    let not_opened = facts.not_opened.iter();
    let drift = not_opened.flat_map(|c| Unusable::ALL.map(|unusable| at(c, unusable)));
    drift.filter(|drift| seen.published(drift)).collect()
}

/// When the next renewal begins, by what was seen or an earlier look noted.
pub(super) fn next_renewal(found: &Found) -> Option<Timestamp> {
    let facts = found.facts.as_ref();
    let noted = |key| found.tag(key).and_then(|time| time.parse().ok());
    let start = facts.and_then(|facts| facts.start);
    let start: Timestamp = start.or_else(|| noted(tags::ISSUED_AT))?;
    let end = facts.and_then(|facts| facts.expires_at);
    let end: Timestamp = end.or_else(|| noted(tags::EXPIRES_AT))?;
    Some(found.policy.renewal(end.duration_since(start), end))
}

/// Publishes a drift when it appears, and not again while it stays, whatever else comes and goes. Where not all
/// could be looked at, what is not seen may stand all the same.
pub(super) fn publish_drift(
    found: &Found,
    drift: Vec<Drift>,
    all_seen: bool,
    now: Timestamp,
) -> Vec<PlannedAction> {
    let seen = SeenDrift::read(found.tag(tags::DRIFT));
    let (sure, unsure): (Vec<Drift>, Vec<Drift>) = drift
        .into_iter()
        .partition(|drift| seen.is_sure(now, drift));
    let next = seen.next(now, &sure, &unsure, all_seen);
    if seen.is_the_same_as(&next) {
        return Vec::new();
    }
    let begins = next_renewal(found);
    let new = sure.into_iter().filter(|drift| !seen.published(drift));
    let new = new.map(|drift| {
        // Published again after a kill, it is the same time: the tag was not set.
        let found = EventKind::drift(drift, now, seen.to_string());
        PlannedAction::Publish(found.before_the_renewal(begins))
    });
    let noted = PlannedAction::Tag {
        key: tags::DRIFT,
        value: next.to_string(),
    };
    new.chain([noted]).collect()
}
