//! What happens next with the rotation that is wanted, under way, or was left standing.

use jiff::Timestamp;
use shared::events::{DueReason, EventKind};
use shared::failure::{Failure, Kind};
use shared::policy::Hold;
use shared::rotation::Step;
use shared::rotation::inspection::Facts;
use shared::tags;
use shared::tags::state::State;

use super::action::PlannedAction;
use super::found::Found;
use super::waiting::goes_on;
use crate::report::Standing;

/// What happens next.
pub(super) struct Next {
    pub(super) standing: Standing,
    /// Why nothing does that should.
    pub(super) failure: Option<Failure>,
    pub(super) actions: Vec<PlannedAction>,
}

impl Next {
    fn of(standing: Standing, actions: Vec<PlannedAction>) -> Self {
        Self {
            standing,
            failure: None,
            actions,
        }
    }

    fn rotation_off(what: &str) -> Self {
        let what = format!("its rotation is switched off, and one is {what}");
        let failure = Failure::new(Kind::Misconfigured, what)
            .next_step("Ask who switched it off, and switch it on again: runbook, Stop and go on.");
        Self {
            failure: Some(failure),
            ..Self::of(Standing::Healthy, Vec::new())
        }
    }
}

pub(super) fn next_of_rotation(
    found: &Found,
    facts: Option<&Facts>,
    now: Timestamp,
    wanted: Option<DueReason>,
    expires_at: Option<Timestamp>,
) -> Next {
    let secret = &found.secret;
    let Some(token) = secret.versions.in_progress() else {
        return start(found, wanted, expires_at);
    };
    if found.requested {
        return Next::of(Standing::Healthy, Vec::new());
    }
    if !secret.rotation_enabled {
        return Next::rotation_off("under way");
    }
    let stalled_at = stalled_at(found, token);
    // A check that is delivered twice has one time, and does not count twice.
    let stood_still = stalled_at.is_some_and(|check| check < now.as_second());
    let issued = !secret.versions.keys_of(token).is_empty();
    // A window holds back what would begin, and not what is under way.
    let held = expires_at.and_then(|end| found.policy.held(now, Some(end)));
    let frozen = wanted.is_none() && held == Some(Hold::Freeze);
    if !issued && (frozen || stood_still) {
        let dropped = PlannedAction::DropPending {
            version: token.to_owned(),
        };
        let mut next = start(found, wanted, expires_at);
        next.actions.insert(0, dropped);
        return next;
    }
    let state = State::read(found.tag(tags::STATE));
    // Without its label nobody can say what it would deliver.
    if issued && let Some(asked) = state.as_ref().and_then(|state| state.asked(token)) {
        let goes_on = goes_on(found, facts, token, asked, now, expires_at);
        // It was published long ago that it began.
        let actions = goes_on.then(|| PlannedAction::Continue {
            token: token.to_owned(),
            first: Step::SetSecret,
        });
        return Next::of(Standing::WaitingForPerson, actions.into_iter().collect());
    }
    let actions = if issued && stood_still {
        vec![PlannedAction::Continue {
            token: token.to_owned(),
            first: Step::CreateSecret,
        }]
    } else if stalled_at.is_some() || found.continued {
        // Seen in this very check, which was delivered twice or goes on.
        Vec::new()
    } else {
        // A configuration test, or a rotation by hand that has just begun: asking for it would
        // make a rotation of the one, and is not needed for the other.
        let asked = issued || wanted.is_some();
        let mut actions = vec![note_stalled(token, now)];
        actions.extend(asked.then(|| PlannedAction::Reattempt {
            token: token.to_owned(),
        }));
        actions
    };
    Next::of(Standing::Due, actions)
}

fn start(found: &Found, wanted: Option<DueReason>, expires_at: Option<Timestamp>) -> Next {
    let Some(reason) = wanted else {
        return Next::of(Standing::Healthy, Vec::new());
    };
    if !found.secret.rotation_enabled {
        return Next::rotation_off("wanted");
    }
    let due = EventKind::RotationDue { expires_at, reason };
    let actions = vec![
        PlannedAction::Publish(due),
        PlannedAction::Rotate { reason },
    ];
    Next::of(Standing::Due, actions)
}

/// Whether this rotation waits for a person.
pub(super) fn waits(found: &Found, token: &str) -> bool {
    let state = State::read(found.tag(tags::STATE));
    state.is_some_and(|state| state.asked(token).is_some())
}

/// The check that first saw this rotation standing still.
fn stalled_at(found: &Found, token: &str) -> Option<i64> {
    State::read(found.tag(tags::STATE))?.stalled_at(token)
}

fn note_stalled(token: &str, now: Timestamp) -> PlannedAction {
    let state = State::Stalled {
        token: token.to_owned(),
        check: now.as_second(),
    };
    PlannedAction::Tag {
        key: tags::STATE,
        value: state.to_string(),
    }
}
