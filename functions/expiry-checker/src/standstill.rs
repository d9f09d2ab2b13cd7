//! A mailbox that has not been in order for long: when a person hears of it, and what. Pure.

use jiff::{SignedDuration, Timestamp};
use shared::events::{EventKind, FleetState, MailFlow};
use shared::out_of_reach::OutOfReach;
use shared::period::Period;
use shared::secret_store::SecretMetadata;
use shared::tags;
use shared::tags::last_failure::{self, LastFailure};
use shared::tags::stalled::{A_DAY, Stalled};

use crate::report::{Failed, Outcome};

/// What is to be published and noted of a mailbox after a check.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standstill {
    pub(crate) event: Option<EventKind>,
    pub(crate) tag: Option<String>,
    /// The first check that saw it not in order, while it is not.
    pub(crate) since: Option<Timestamp>,
}

/// How long it stands until a person hears of it: what could not be looked at is published by the fourth check running,
/// where it is known how often is checked. They do not come to the second.
fn patience(state: FleetState, interval: Option<Period>) -> SignedDuration {
    match (state, interval) {
        (FleetState::Unreachable, Some(interval)) => interval.signed() * 5 / 2,
        _ => A_DAY,
    }
}

/// `secret` is as the check found it, `outcome` what became of it; `interval` is from one check to the next.
pub(crate) fn standstill(
    secret: &SecretMetadata,
    outcome: &Outcome,
    now: Timestamp,
    interval: Option<Period>,
) -> Standstill {
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let before = Stalled::read(tag(tags::STALLED));
    let rotating = secret.versions.in_progress();
    let stands = match outcome.state() {
        FleetState::Failed | FleetState::Unreachable => true,
        // One that is just beginning has not stood still.
        FleetState::Due => rotating.is_some(),
        FleetState::Healthy | FleetState::WaitingForPerson | FleetState::Replica => false,
    };
    if !stands {
        let tag = before.map(|_| tags::NONE.to_owned());
        return Standstill {
            event: None,
            tag,
            since: None,
        };
    }
    let mut stalled = Stalled::seen(before, now);
    // The cache, where the secret itself could not be looked at.
    let cached = || tag(tags::EXPIRES_AT).and_then(|end| end.parse().ok());
    let end = outcome.expires_at.or_else(cached);
    let patience = patience(outcome.state(), interval);
    let event = stalled.is_to_be_published(now, end, patience).then(|| {
        stalled = stalled.published(now, end);
        let last = rotating.and_then(|token| LastFailure::read(tag(tags::LAST_FAILURE), token));
        let next_step = tag(tags::LAST_NEXT_STEP).and_then(last_failure::read_next_step);
        let words = Words::of(outcome.first_failure(), last, next_step);
        let out_of_reach = out_of_reach(outcome);
        EventKind::RotationStalled {
            since: stalled.since,
            step: words.step,
            what: words.what,
            code: words.code,
            half_done: outcome.half_done,
            next_step: match &out_of_reach {
                Some(out_of_reach) => out_of_reach.next_step(),
                None => words.next_step,
            },
            out_of_reach,
            mail: match end.map(|end| MailFlow::until(end, now)) {
                Some(MailFlow::StandsStill) => MailFlow::StandsStill,
                _ => outcome.mail,
            },
            expires_at: end,
            check: now.as_second(),
        }
    });
    let tag = (before != Some(stalled)).then(|| stalled.to_string());
    let since = Some(stalled.since);
    Standstill { event, tag, since }
}

/// Only where it could not be looked at for that: what is broken is broken by itself.
fn out_of_reach(outcome: &Outcome) -> Option<OutOfReach> {
    match outcome.state() {
        FleetState::Unreachable => {
            let failure = &outcome.first_failure()?.failure;
            failure.out_of_reach.as_deref().cloned()
        }
        FleetState::Failed
        | FleetState::Due
        | FleetState::WaitingForPerson
        | FleetState::Healthy
        | FleetState::Replica => None,
    }
}

/// What there is to say of what stands still.
struct Words {
    step: String,
    what: String,
    code: Option<String>,
    next_step: String,
}

const READ_THE_LOG: &str = "Read the log of rotation (runbook, A rotation that stands still).";

impl Words {
    /// Of what this check met, or else of what the last attempt of Secrets Manager's did.
    fn of(failed: Option<&Failed>, last: Option<LastFailure>, next_step: Option<&str>) -> Self {
        match (failed, last) {
            (Some(Failed { step, failure }), _) => {
                // It was tried again for a day.
                let failure = failure.clone();
                let failure = failure.where_nothing_tries_again(READ_THE_LOG, "rotate again");
                let own = Some(failure.next_step).filter(|step| !step.is_empty());
                Self {
                    step: (*step).to_owned(),
                    what: failure.what,
                    code: failure.code,
                    next_step: own.unwrap_or_else(|| READ_THE_LOG.to_owned()),
                }
            }
            (None, Some(last)) => Self {
                what: format!("the last attempt was {}", last.what),
                step: last.step,
                code: last.code,
                next_step: next_step.unwrap_or(READ_THE_LOG).to_owned(),
            },
            (None, None) => Self {
                step: "createSecret".to_owned(),
                what: "it was begun and does not go on; nothing says why".to_owned(),
                code: None,
                next_step: READ_THE_LOG.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::failure::{Failure, Kind};
    use shared::secret_store::versions::{CURRENT, PENDING};

    use super::*;
    use crate::report::Standing;
    use crate::samples;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn secret(tags: &[(&str, &str)], versions: &[(&str, &[&str])]) -> SecretMetadata {
        samples::secret("shopmail/orders", versions, tags)
    }

    fn outcome(standing: Standing, failure: Option<Failure>) -> Outcome {
        let failures = failure.into_iter().map(|failure| Failed {
            step: "inspect",
            failure,
        });
        Outcome {
            secret: "shopmail/orders".to_owned(),
            standing: Some(standing),
            expires_at: None,
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
            since: None,
            mail: MailFlow::Flows,
            actions: Vec::new(),
            needs: Vec::new(),
            half_done: None,
            preflight: Vec::new(),
            failures: failures.collect(),
        }
    }

    const DAYS_AGO: &str = "1795000000:";

    #[test]
    fn a_rotation_that_secrets_manager_attempts_in_vain_is_published_with_its_step_and_code() {
        let stands = secret(
            &[
                (tags::STALLED, DAYS_AGO),
                (tags::LAST_FAILURE, "t:createSecret:Temporary:X:asking: 503"),
            ],
            &[("c", &[CURRENT]), ("t", &[PENDING])],
        );
        let after = standstill(
            &stands,
            &outcome(Standing::Due, None),
            at("2026-12-01T00:00:00Z"),
            None,
        );
        let Some(EventKind::RotationStalled { step, code, .. }) = after.event else {
            panic!("{after:?}");
        };
        assert_eq!(
            (step.as_str(), code.as_deref()),
            ("createSecret", Some("X"))
        );
        assert!(after.tag.unwrap().starts_with(DAYS_AGO));
    }

    #[test]
    fn what_just_begins_or_waits_for_a_person_or_is_well_again_does_not_stand_still() {
        let now = at("2026-12-01T00:00:00Z");
        let rotating: &[(&str, &[&str])] = &[("c", &[CURRENT]), ("t", &[PENDING])];
        let none = Standstill {
            event: None,
            tag: None,
            since: None,
        };
        let begins = secret(&[], &[("c", &[CURRENT])]);
        assert_eq!(
            standstill(&begins, &outcome(Standing::Due, None), now, None),
            none
        );
        let over = Standstill {
            tag: Some(tags::NONE.to_owned()),
            ..none.clone()
        };
        for standing in [Standing::Healthy, Standing::WaitingForPerson] {
            let stood = secret(&[(tags::STALLED, DAYS_AGO)], rotating);
            assert_eq!(
                standstill(&stood, &outcome(standing, None), now, None),
                over
            );
            let well = secret(&[(tags::STALLED, tags::NONE)], rotating);
            assert_eq!(standstill(&well, &outcome(standing, None), now, None), none);
        }
    }

    #[test]
    fn what_fails_is_noted_at_once_and_what_was_tried_for_a_day_is_not_said_to_go_on_by_itself() {
        let now = at("2026-12-01T00:00:00Z");
        let down = || Some(Failure::new(Kind::Temporary, "asking ShopCtrl: 503"));
        let first = secret(&[], &[("c", &[CURRENT])]);
        let noted = standstill(&first, &outcome(Standing::Healthy, down()), now, None);
        assert_eq!(
            (noted.event, noted.tag),
            (None, Some(format!("{}:", now.as_second())))
        );
        let stood = secret(&[(tags::STALLED, DAYS_AGO)], &[("c", &[CURRENT])]);
        let after = standstill(&stood, &outcome(Standing::Healthy, down()), now, None);
        let Some(EventKind::RotationStalled {
            what, next_step, ..
        }) = after.event
        else {
            panic!("{after:?}");
        };
        assert_eq!(what, "asking ShopCtrl: 503");
        assert!(!next_step.contains("tried again"), "{next_step}");
    }

    #[test]
    fn what_cannot_be_looked_at_is_published_by_the_fourth_check_running_with_what_is_out_of_reach()
    {
        let six_hours = Some(Period::seconds(6 * 3_600));
        let host = OutOfReach::ShopCtrl("shop.example".to_owned());
        let down = Failure::new(Kind::Temporary, "asking ShopCtrl: 503").out_of_reach(host);
        let unreachable = outcome(Standing::Healthy, Some(down));
        assert_eq!(unreachable.state(), FleetState::Unreachable);
        let mut tag: Option<String> = None;
        let mut published = Vec::new();
        for check in 0..6 {
            let now = Timestamp::from_second(1_795_000_000 + check * 6 * 3_600).unwrap();
            let tags = tag.iter().map(|tag| (tags::STALLED, tag.as_str()));
            let found = secret(&tags.collect::<Vec<_>>(), &[("c", &[CURRENT])]);
            let after = standstill(&found, &unreachable, now, six_hours);
            tag = after.tag.or(tag);
            published.push(after.event);
        }
        let times: Vec<bool> = published.iter().map(Option::is_some).collect();
        assert_eq!(times, [false, false, false, true, false, false]);
        let Some(EventKind::RotationStalled {
            out_of_reach: Some(OutOfReach::ShopCtrl(host)),
            next_step,
            ..
        }) = &published[3]
        else {
            panic!("{published:?}");
        };
        assert!(next_step.contains(host), "{next_step}");
    }
}
