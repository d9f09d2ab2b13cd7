//! The reminders that a client secret ends: one for each threshold, and one when it has ended.

use jiff::Timestamp;
use shared::drift::Drift;
use shared::events::{DueReason, EventKind, Renewal};
use shared::policy::{Hold, Verdict};
use shared::rotation::inspection::Facts;
use shared::tags;
use shared::tags::reminded::Reminded;
use shared::tags::seen_drift::SeenDrift;
use shared::tags::stalled::Stalled;

use super::action::PlannedAction;
use super::found::Found;
use super::rotation_next::waits;

pub(super) fn remind(
    found: &Found,
    current: &str,
    now: Timestamp,
    end: Timestamp,
    wanted: Option<DueReason>,
) -> Vec<PlannedAction> {
    let (threshold, event) = match found.policy.thresholds.reached(now, end) {
        Some(threshold) => (
            threshold,
            EventKind::ClientSecretExpiring {
                expires_at: end,
                days_left: end.duration_since(now).as_secs() / 86_400,
                threshold_days: threshold,
                renewal: renewal(found, now, end, wanted),
            },
        ),
        None if end <= now => (0, EventKind::ClientSecretExpired { expires_at: end }),
        None => return Vec::new(),
    };
    if Reminded::covers(found.tag(tags::REMINDED), current, threshold) {
        return Vec::new();
    }
    let reminded = Reminded {
        version: current.to_owned(),
        threshold,
    };
    // Marked after it was published: a kill between the two repeats it, and never swallows it.
    vec![
        PlannedAction::Publish(event),
        PlannedAction::Tag {
            key: tags::REMINDED,
            value: reminded.to_string(),
        },
    ]
}

fn renewal(found: &Found, now: Timestamp, end: Timestamp, wanted: Option<DueReason>) -> Renewal {
    let token = found.secret.versions.in_progress();
    if !found.secret.rotation_enabled {
        Renewal::SwitchedOff
    } else if token.is_some_and(|token| waits(found, token)) {
        Renewal::WaitsForPerson
    } else if token.is_some() || wanted.is_some() {
        Renewal::UnderWay
    } else {
        match found.policy.held(now, Some(end)) {
            Some(Hold::Freeze) => Renewal::Frozen,
            Some(Hold::OutsideWindow) | None => Renewal::NotDue,
        }
    }
}

/// Whether all goes its way without a person, who is then reminded of nothing: nobody delivers by hand, and what
/// is due is being renewed, or will be.
pub(super) fn renews_itself(
    found: &Found,
    facts: Option<&Facts>,
    wanted: Option<DueReason>,
    now: Timestamp,
) -> bool {
    let secret = &found.secret;
    let seen = SeenDrift::read(found.tag(tags::DRIFT));
    let barred = |drift: &Drift| drift.what.bars_the_renewal() && seen.published(drift);
    let unattended = facts.is_some_and(|facts| {
        !facts.has_attended() && facts.all_seen() && !facts.drift.iter().any(barred)
    });
    let token = secret.versions.in_progress();
    let waits = token.is_some_and(|token| waits(found, token));
    let stalled = Stalled::read(found.tag(tags::STALLED));
    let stands = stalled.is_some_and(|stalled| stalled.for_a_day(now));
    let on_its_way = match wanted {
        None => facts.is_some_and(|facts| {
            let end = facts.expires_at;
            let verdict = end.map(|end| found.policy.verdict(now, facts.start, end));
            // A window comes each week, a freeze may last.
            matches!(
                verdict,
                Some(Verdict::Fresh | Verdict::Held(Hold::OutsideWindow))
            )
        }),
        Some(DueReason::Due | DueReason::Together | DueReason::Emergency) => true,
        Some(DueReason::Expired) => false,
    };
    unattended && secret.rotation_enabled && on_its_way && !waits && !stands
}
