//! What became of each secret of a check, as its answer and the report say it.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared::drift::Drift;
use shared::events::{FleetEntry, FleetState, Looked, MailFlow, OutOfReach};
use shared::failure::{Failure, Kind};
use shared::secret_store::SecretMetadata;
use shared::tags;

use crate::call::Check;

/// How a mailbox secret stands, where nothing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing to do.
    Healthy,
    /// A rotation is due or under way.
    Due,
    /// A rotation waits for a person.
    WaitingForPerson,
}

/// What failed, and at which step or action.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) step: &'static str,
    pub(crate) failure: Failure,
}

impl Failed {
    /// Something is wrong with it, more than that it could not be looked at.
    fn is_broken(&self) -> bool {
        match self.failure.kind {
            Kind::Temporary => self.step != LOOK,
            Kind::Refused | Kind::Misconfigured => true,
            Kind::WaitingForPerson | Kind::Frozen => false,
        }
    }
}

/// The step at which a secret is looked at.
pub(crate) const LOOK: &str = "probe";

/// What became of one secret.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its name, or its ARN where it could not be described.
    pub(crate) secret: String,
    /// None of a replica, which is looked after in its own region.
    pub(crate) standing: Option<Standing>,
    pub(crate) expires_at: Option<Timestamp>,
    /// A rotation is under way, or was started.
    pub(crate) rotating: bool,
    /// The policy wants no rotation yet.
    pub(crate) is_fresh: bool,
    /// It has had no client secret yet.
    pub(crate) waits_for_its_first: bool,
    /// The first check that saw it not in order.
    pub(crate) since: Option<Timestamp>,
    /// What could not be reached, where it could not be looked at for that.
    pub(crate) out_of_reach: Option<OutOfReach>,
    /// Whether the shop's mail flows.
    pub(crate) mail: MailFlow,
    pub(crate) actions: Vec<String>,
    pub(crate) failures: Vec<Failed>,
}

impl Outcome {
    pub(crate) fn replica(secret: &SecretMetadata) -> Self {
        Self {
            secret: secret.name.clone(),
            standing: None,
            expires_at: None,
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
            since: None,
            out_of_reach: None,
            mail: MailFlow::NotKnown,
            actions: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Of a secret that could not be looked at.
    pub(crate) fn unseen(listed: &SecretMetadata, failure: Failure) -> Self {
        Self {
            secret: listed.arn.clone(),
            standing: Some(Standing::Healthy),
            // The cache, where nothing better can be had.
            expires_at: listed
                .tags
                .get(tags::EXPIRES_AT)
                .and_then(|end| end.parse().ok()),
            is_fresh: false,
            rotating: listed.versions.in_progress().is_some(),
            waits_for_its_first: false,
            since: None,
            out_of_reach: None,
            mail: MailFlow::NotKnown,
            actions: Vec::new(),
            failures: vec![Failed {
                step: LOOK,
                failure,
            }],
        }
    }

    /// What stops the shop's mail is a failure, where no other one has been met already.
    pub(crate) fn add_drift(&mut self, drift: impl Iterator<Item = Drift>) {
        let stops: Vec<Failure> = drift.filter_map(|drift| drift.stops_mail()).collect();
        if !stops.is_empty() {
            self.mail = MailFlow::StandsStill;
        }
        if self.failures.is_empty() {
            self.failures
                .extend(stops.into_iter().map(|failure| Failed {
                    step: LOOK,
                    failure,
                }));
        }
    }

    /// The first failure that is neither a person's turn nor a freeze.
    pub(crate) fn first_failure(&self) -> Option<&Failed> {
        let mut failures = self.failures.iter();
        failures.find(|failed| match failed.failure.kind {
            Kind::Temporary | Kind::Refused | Kind::Misconfigured => true,
            Kind::WaitingForPerson | Kind::Frozen => false,
        })
    }

    /// Failed is what failed: there is no such state without its words. What could only not be looked at, and may be well,
    /// is unreachable.
    pub(crate) fn state(&self) -> FleetState {
        let waits = |failed: &Failed| failed.failure.kind == Kind::WaitingForPerson;
        if self.first_failure().is_some() {
            let mut failures = self.failures.iter();
            return match failures.any(Failed::is_broken) {
                true => FleetState::Failed,
                false => FleetState::Unreachable,
            };
        }
        match self.standing {
            None => FleetState::Replica,
            Some(_) if self.failures.iter().any(waits) => FleetState::WaitingForPerson,
            Some(Standing::WaitingForPerson) => FleetState::WaitingForPerson,
            Some(Standing::Due) => FleetState::Due,
            Some(Standing::Healthy) => FleetState::Healthy,
        }
    }

    /// As the totals count it.
    pub(crate) fn looked(&self) -> Looked {
        let words = self.first_failure();
        Looked {
            entry: FleetEntry {
                secret: self.secret.clone(),
                state: self.state(),
                expires_at: self.expires_at,
                since: self.since,
                failure: words.map(|failed| failed.failure.to_string()),
            },
            rotating: self.rotating,
            is_fresh: self.is_fresh,
            waits_for_its_first: self.waits_for_its_first,
        }
    }
}

/// The answer to whoever asked for the check.
pub(crate) fn answer(
    check: &Check,
    outcomes: &[Outcome],
    continues_after: Option<String>,
) -> Value {
    let secrets = outcomes.iter().map(|outcome| {
        let failures = outcome.failures.iter();
        json!({
            "secret": outcome.secret,
            "state": outcome.state(),
            "expires_at": outcome.expires_at,
            "actions": outcome.actions,
            "failures": failures.map(|failed| failed.failure.to_string()).collect::<Vec<_>>(),
        })
    });
    json!({
        "now": check.now,
        "dry_run": check.dry_run,
        "part": check.part,
        "continues_after": continues_after,
        "secrets": secrets.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::drift::DriftKind;

    fn outcome(standing: Standing, kinds: &[Kind]) -> Outcome {
        Outcome {
            secret: "shopmail/orders".to_owned(),
            standing: Some(standing),
            expires_at: None,
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
            since: None,
            out_of_reach: None,
            mail: MailFlow::Flows,
            actions: Vec::new(),
            failures: kinds
                .iter()
                .map(|kind| Failed {
                    step: "probe",
                    failure: Failure::new(*kind, "x".repeat(1000)),
                })
                .collect(),
        }
    }

    #[test]
    fn what_fails_outweighs_what_waits_and_both_what_is_due() {
        let state = |standing, kinds: &[Kind]| outcome(standing, kinds).state();
        let waits = Kind::WaitingForPerson;
        assert_eq!(state(Standing::Due, &[]), FleetState::Due);
        assert_eq!(state(Standing::Due, &[Kind::Frozen]), FleetState::Due);
        let waiting = FleetState::WaitingForPerson;
        assert_eq!(state(Standing::Healthy, &[waits]), waiting);
        assert_eq!(state(Standing::WaitingForPerson, &[]), waiting);
        let failed = state(Standing::WaitingForPerson, &[waits, Kind::Misconfigured]);
        assert_eq!(failed, FleetState::Failed);
    }

    #[test]
    fn what_could_only_not_be_looked_at_is_unreachable_and_not_failed() {
        let unreachable = || outcome(Standing::Healthy, &[Kind::Temporary]);
        assert_eq!(unreachable().state(), FleetState::Unreachable);
        let wrong = outcome(Standing::Healthy, &[Kind::Temporary, Kind::Misconfigured]);
        assert_eq!(wrong.state(), FleetState::Failed);
        let mut acts = unreachable();
        acts.failures[0].step = "retire";
        assert_eq!(acts.state(), FleetState::Failed, "what it did failed");
    }

    #[test]
    fn what_stops_mail_is_never_healthy() {
        for what in [DriftKind::ConnectionDisabled, DriftKind::SecretRefused] {
            let mut stopped = outcome(Standing::Healthy, &[]);
            stopped.add_drift([what.into()].into_iter());
            assert_eq!(stopped.state(), FleetState::Failed);
        }
        let mut works = outcome(Standing::Healthy, &[]);
        works.add_drift([DriftKind::CredentialMissing.into()].into_iter());
        assert_eq!(works.state(), FleetState::Healthy);
    }
}
