//! What is not as it was left: what of it is published, and what stops the shop's mail.

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::events::{DueReason, EventKind};
use shared::ids::ConnectionId;
use shared::mailbox::Unusable;
use shared::preflight::{Requirement, Row, Seen};
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
    let mut drift: Vec<Drift> = Vec::new();
    // Two of what a rotation needs may be one drift.
    for seen in facts?.drift.iter().filter(|drift| !expected(drift)) {
        if !drift.contains(seen) {
            drift.push(seen.clone());
        }
    }
    for published in still_published(found, facts?) {
        if !drift.contains(&published) {
            drift.push(published);
        }
    }
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

/// Of mailboxes that were not opened this time, and not for a fault of theirs, and of what a rotation needs and did not
/// answer or was hidden: that it is over nobody has seen.
fn still_published(found: &Found, facts: &Facts) -> Vec<Drift> {
    let seen = SeenDrift::read(found.tag(tags::DRIFT));
    let at = |connection: &ConnectionId, unusable| Drift {
        what: DriftKind::Unusable(unusable),
        connection: Some(connection.clone()),
    };
    let not_opened = facts.not_opened.iter();
    let drift = not_opened.flat_map(|c| Unusable::ALL.map(|unusable| at(c, unusable)));
    let not_told = facts.preflight.iter().filter(|row| match row.seen {
        Seen::NotSeen | Seen::NotVisible { .. } => true,
        Seen::Present | Seen::Missing | Seen::NotTold => false,
    });
    let not_told = not_told.filter_map(Row::drift_if_missing);
    // Whose app it is matters again when the role is back.
    let mut roles = facts.preflight.iter();
    let role = roles.find(|row| row.requirement == Requirement::RotatorRole);
    let no_role = role.is_none_or(|row| !matches!(row.seen, Seen::Present | Seen::NotTold));
    let no_owner = no_role.then(|| Drift::from(DriftKind::RotatorIsNoOwner));
    let drift = drift.chain(not_told).chain(no_owner);
    drift.filter(|drift| seen.published(drift)).collect()
}

/// When the next renewal begins, by what was seen or an earlier look noted.
pub(super) fn next_renewal(found: &Found) -> Option<Timestamp> {
    let facts = found.facts.as_ref();
    let tagged = |key| found.tag(key).and_then(|time| time.parse().ok());
    // Both of one client secret.
    let of_facts = facts.and_then(|facts| facts.start.zip(facts.expires_at));
    let noted = || tagged(tags::ISSUED_AT).zip(tagged(tags::EXPIRES_AT));
    let (start, end): (Timestamp, Timestamp) = of_facts.or_else(noted)?;
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
    let begins = next_renewal(found).filter(|begins| *begins > now);
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
