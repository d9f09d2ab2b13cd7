//! What became of each secret of a check, as its answer and the report say it.

use jiff::Timestamp;
use shared::drift::Drift;
use shared::events::{FleetEntry, FleetState, Looked, MailFlow, Totals};
use shared::failure::{Failure, Kind};
use shared::half_done::HalfDone;
use shared::preflight::{Seen, Told};

use crate::call::Check;
use crate::news::News;
use crate::record::Record;

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

/// The step of a look.
pub(crate) const LOOK: &str = "inspect";

/// What failed, and at which step or action.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) step: &'static str,
    pub(crate) failure: Failure,
}

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
    /// Whether the shop's mail flows.
    pub(crate) mail: MailFlow,
    pub(crate) actions: Vec<String>,
    /// What only people can do for the rotation that is due.
    pub(crate) needs: Vec<String>,
    /// Where the delivery of the rotation under way came to, if that is half way.
    pub(crate) half_done: Option<HalfDone>,
    /// What its rotation needs of others: of a dry run alone.
    pub(crate) preflight: Vec<Told>,
    pub(crate) failures: Vec<Failed>,
}

impl Outcome {
    /// Whether an answer that is full does without it rather than without another one.
    pub(crate) fn is_plain(&self) -> bool {
        let missing = |row: &Told| row.seen == Seen::Missing;
        self.failures.is_empty() && self.needs.is_empty() && !self.preflight.iter().any(missing)
    }

    pub(crate) fn replica(secret: String) -> Self {
        Self {
            secret,
            standing: None,
            expires_at: None,
            rotating: false,
            is_fresh: false,
            waits_for_its_first: false,
            since: None,
            mail: MailFlow::NotKnown,
            actions: Vec::new(),
            needs: Vec::new(),
            half_done: None,
            preflight: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Of a secret that could not be looked at or dealt with.
    pub(crate) fn unseen(record: &Record, step: &'static str, failure: Failure) -> Self {
        Self {
            secret: record.name().to_owned(),
            standing: Some(Standing::Healthy),
            // The cache, where nothing better can be had.
            expires_at: record.expires_at,
            is_fresh: false,
            rotating: record.pending.is_some(),
            waits_for_its_first: false,
            since: None,
            mail: MailFlow::NotKnown,
            actions: Vec::new(),
            needs: Vec::new(),
            half_done: None,
            preflight: Vec::new(),
            failures: vec![Failed { step, failure }],
        }
    }

    /// With nothing to do.
    fn healthy(record: &Record, now: Timestamp) -> Self {
        let mail = record.expires_at.map(|end| MailFlow::until(end, now));
        Self {
            secret: record.name().to_owned(),
            standing: Some(Standing::Healthy),
            expires_at: record.expires_at,
            is_fresh: true,
            rotating: false,
            waits_for_its_first: false,
            since: None,
            mail: mail.unwrap_or(MailFlow::NotKnown),
            actions: Vec::new(),
            needs: Vec::new(),
            half_done: None,
            preflight: Vec::new(),
            failures: Vec::new(),
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

    /// Failed is what failed: there is no such state without its words.
    pub(crate) fn state(&self) -> FleetState {
        let waits = |failed: &Failed| failed.failure.kind == Kind::WaitingForPerson;
        if self.first_failure().is_some() {
            return match self.is_unreachable() {
                true => FleetState::Unreachable,
                false => FleetState::Failed,
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

    /// Whether all that failed was a look at it, and may pass.
    fn is_unreachable(&self) -> bool {
        self.failures
            .iter()
            .all(|failed| match failed.failure.kind {
                Kind::WaitingForPerson | Kind::Frozen => true,
                Kind::Temporary => failed.step == LOOK,
                Kind::Refused | Kind::Misconfigured => false,
            })
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
                half_done: self.half_done,
            },
            rotating: self.rotating,
            is_fresh: self.is_fresh,
            waits_for_its_first: self.waits_for_its_first,
        }
    }
}

/// What a check has counted, and what it has to say of those that are more than counted.
pub(crate) struct Tally {
    totals: Totals,
    /// What became of those that were dealt with.
    pub(crate) unwell: Vec<(Outcome, News)>,
    /// The same of those that the next part looks at anew, and counts.
    pub(crate) again: Vec<(Outcome, News)>,
    /// Those with nothing to do, as far as the answer names them.
    healthy: Vec<Outcome>,
}

/// An answer has 6 MB (Lambda quotas, "Invocation payload"): so many secrets are in it.
const ANSWERED: usize = 2_000;

impl Tally {
    pub(crate) fn new(check: &Check) -> Self {
        Self {
            totals: check.so_far.clone(),
            unwell: Vec::new(),
            again: Vec::new(),
            healthy: Vec::new(),
        }
    }

    pub(crate) fn add_replica(&mut self, record: &Record, check: &Check) {
        self.add(Outcome::replica(record.name().to_owned()), check);
    }

    pub(crate) fn add_healthy(&mut self, record: &Record, check: &Check) {
        self.add(Outcome::healthy(record, check.now), check);
    }

    fn add(&mut self, outcome: Outcome, check: &Check) {
        self.totals.add(outcome.looked(), check.now);
        if self.healthy.len() < ANSWERED {
            self.healthy.push(outcome);
        }
    }

    /// How many tags are to be set when it is published.
    pub(crate) fn to_be_noted(&self) -> usize {
        let all = self.unwell.iter().chain(&self.again);
        all.filter(|(_, news)| !news.tags.is_empty()).count()
    }

    /// All that the answer names, and the sum.
    pub(crate) fn end(self, check: &Check) -> (Vec<Outcome>, Totals) {
        let Self {
            mut totals,
            unwell,
            again: _,
            healthy,
        } = self;
        let mut outcomes: Vec<Outcome> = unwell.into_iter().map(|(outcome, _)| outcome).collect();
        for outcome in &outcomes {
            totals.add(outcome.looked(), check.now);
        }
        outcomes.extend(healthy);
        outcomes.sort_by_key(Outcome::is_plain);
        outcomes.truncate(ANSWERED);
        outcomes.sort_by(|one, other| one.secret.cmp(&other.secret));
        (outcomes, totals)
    }
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
            mail: MailFlow::Flows,
            actions: Vec::new(),
            needs: Vec::new(),
            half_done: None,
            preflight: Vec::new(),
            failures: kinds
                .iter()
                .map(|kind| Failed {
                    step: LOOK,
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
