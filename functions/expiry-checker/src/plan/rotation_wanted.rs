//! Whether a rotation is wanted, and why.

use jiff::Timestamp;
use shared::drift::DriftKind;
use shared::events::DueReason;
use shared::policy::Verdict;
use shared::rotation::inspection::Facts;
use shared::tags;
use shared::tags::seen_drift::SeenDrift;

use super::found::Found;

/// `None` where it can wait, or has to.
pub(super) fn wanted(
    found: &Found,
    facts: Option<&Facts>,
    current: &str,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Option<DueReason> {
    let drift = facts
        .map(|facts| facts.drift.as_slice())
        .unwrap_or_default();
    let has = |what: DriftKind| drift.iter().any(|drift| drift.what == what);
    // Nothing can be issued in an app registration that is not there: only a person can go on.
    if has(DriftKind::RegistrationMissing) {
        return None;
    }
    if found.tag(tags::EMERGENCY) == Some(current) || found.shares_a_leaked_secret {
        return Some(DueReason::Emergency);
    }
    if facts.is_some_and(|facts| facts.without_value) {
        return first(found, now, expires_at);
    }
    // Entra refuses it, and not by a replica that lags: somebody deleted it, or it was typed wrong.
    let confirmed = [
        DriftKind::CredentialMissing,
        DriftKind::KeyIdIsAnothers,
        DriftKind::ClientSecretIsAnId,
        DriftKind::ClientSecretEndsInLineBreak,
    ];
    let refused = DriftKind::SecretRefused;
    let seen_before = || SeenDrift::read(found.tag(tags::DRIFT)).before(now, &refused.into());
    if has(refused) && (confirmed.into_iter().any(has) || seen_before()) {
        return Some(DueReason::Expired);
    }
    // The cache, where nothing better can be had: without its start a short-lived one would be due.
    // Where the id is another credential's, nobody knows when this one was made.
    let cached = || {
        found
            .tag(tags::ISSUED_AT)
            .and_then(|time| time.parse().ok())
    };
    let start = facts.and_then(|facts| facts.start);
    let start = start.or_else(|| {
        if has(DriftKind::KeyIdIsAnothers) {
            None
        } else {
            cached()
        }
    });
    match found.policy.verdict(now, start, expires_at?) {
        Verdict::Expired => Some(DueReason::Expired),
        Verdict::Due => Some(DueReason::Due),
        Verdict::Fresh if goes_along(found, facts, now, start, expires_at?) => {
            Some(DueReason::Together)
        }
        Verdict::Fresh | Verdict::Held(_) => None,
    }
}

/// Whether its contact has the ShopCtrl of another mailbox open anyway, and would be asked for this one soon.
fn goes_along(
    found: &Found,
    facts: Option<&Facts>,
    now: Timestamp,
    start: Option<Timestamp>,
    end: Timestamp,
) -> bool {
    let attended = facts.is_some_and(|facts| facts.has_attended());
    let soon = start.is_some_and(|start| found.policy.is_due_soon(now, start, end));
    found.contact_is_asked && attended && soon && found.policy.calendar.hold(now).is_none()
}

/// The first secret of a document that came without one is due at once, unless the policy holds it back. When the one that
/// ShopCtrl uses ends may not be known.
fn first(found: &Found, now: Timestamp, expires_at: Option<Timestamp>) -> Option<DueReason> {
    match expires_at {
        Some(end) if end <= now => Some(DueReason::Expired),
        Some(_) | None => match found.policy.held(now, expires_at) {
            Some(_) => None,
            None => Some(DueReason::Due),
        },
    }
}
