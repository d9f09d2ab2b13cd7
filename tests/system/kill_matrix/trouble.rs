//! What is done to a call.

use std::fmt;

use simulators::gate::Fault;

use super::site::Site;
use crate::support::faults::{answer, throttled, unavailable};

/// One column of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// The processes are ended by SIGKILL.
    Kill { effect: bool },
    /// Too many requests.
    Throttled,
    /// 500, 503 or 504.
    Status { status: u16, effect: bool },
    /// The connection is reset.
    Reset { effect: bool },
    /// No answer ever comes.
    Silence { effect: bool },
    /// The answer breaks off.
    CutOff,
    /// A gateway's page instead of the answer, with status 200.
    NotJson,
    /// Graph: `Directory_ConcurrencyViolation`, seen with different statuses.
    Concurrency { status: u16 },
    /// Graph's reads lag from here on.
    StaleList,
    /// Killed after the effect, and Graph's reads lag from here on.
    KillAndStaleList,
    /// 503 to every call of this kind, until the run has ended.
    Outage,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = |effect: &bool| if *effect { "after" } else { "before" };
        match self {
            Self::Kill { effect: e } => write!(f, "killed {} effect", effect(e)),
            Self::Throttled => f.write_str("throttled"),
            Self::Status { status, effect: e } => write!(f, "{status} {} effect", effect(e)),
            Self::Reset { effect: e } => write!(f, "reset {} effect", effect(e)),
            Self::Silence { effect: e } => write!(f, "silence {} effect", effect(e)),
            Self::CutOff => f.write_str("answer cut off"),
            Self::NotJson => f.write_str("answer not JSON"),
            Self::Concurrency { status } => write!(f, "{status} concurrency violation"),
            Self::StaleList => f.write_str("stale list"),
            Self::KillAndStaleList => f.write_str("killed after effect, stale list"),
            Self::Outage => f.write_str("503 each time"),
        }
    }
}

impl Trouble {
    /// As the world's gate does it to a call of this service; `None` where the call is let through.
    pub fn fault(self, service: &str) -> Option<Fault> {
        Some(match self {
            Self::Kill { effect } => Fault::Kill { effect },
            Self::KillAndStaleList => Fault::Kill { effect: true },
            Self::Throttled => throttled(service),
            Self::Status { status, effect } => unavailable(service, status, effect),
            Self::Outage => unavailable(service, 503, false),
            Self::Reset { effect } => Fault::Reset { effect },
            Self::Silence { effect } => Fault::Hang { effect },
            Self::CutOff => Fault::CutOff,
            Self::NotJson => Fault::NotJson,
            Self::Concurrency { status } => answer(status, false, CONCURRENCY),
            Self::StaleList => return None,
        })
    }

    /// Whether Graph's reads lag from the call on.
    pub fn makes_lists_stale(self) -> bool {
        matches!(self, Self::StaleList | Self::KillAndStaleList)
    }

    /// Every trouble that can befall a call.
    pub fn all_of(site: &Site) -> Vec<Self> {
        let mut all = vec![Self::Kill { effect: false }, Self::Kill { effect: true }];
        all.extend(refusals(site));
        all.extend(lost_answers());
        all.extend([
            Self::Silence { effect: false },
            Self::Silence { effect: true },
        ]);
        all.extend(stale(site));
        all.push(Self::Outage);
        all
    }

    /// One of each kind: killed before and after the effect, refused, answer lost after the effect, no
    /// answer. Neighbouring calls get different ones, so that every trouble meets every service.
    pub fn some_of(site: &Site, at: usize) -> Vec<Self> {
        if is_decisive(site) {
            return Self::all_of(site);
        }
        let refusals = refusals(site);
        let lost = lost_answers();
        let mut some = vec![Self::Kill { effect: false }, Self::Kill { effect: true }];
        some.push(refusals[at % refusals.len()]);
        some.push(lost[at % lost.len()]);
        some.push(Self::Silence {
            effect: at % 2 == 1,
        });
        some.extend(stale(site));
        some
    }
}

/// The writes on which everything hangs get every trouble in every run.
fn is_decisive(site: &Site) -> bool {
    let operation = site.operation.as_str();
    ["POST addPassword", "PutSecretValue", "POST removePassword"].contains(&operation)
        || operation == "UpdateSecretVersionStage [AWSCURRENT]"
}

/// Nothing was done.
fn refusals(site: &Site) -> Vec<Trouble> {
    let mut all = vec![
        Trouble::Throttled,
        Trouble::Status {
            status: 503,
            effect: false,
        },
        Trouble::Reset { effect: false },
        Trouble::Status {
            status: 500,
            effect: false,
        },
        Trouble::Status {
            status: 504,
            effect: false,
        },
    ];
    if on_application(site) {
        all.extend([409, 400].map(|status| Trouble::Concurrency { status }));
    }
    all
}

/// It was done, and the answer does not say so.
fn lost_answers() -> Vec<Trouble> {
    vec![
        Trouble::Reset { effect: true },
        Trouble::Status {
            status: 504,
            effect: true,
        },
        Trouble::CutOff,
        Trouble::Status {
            status: 500,
            effect: true,
        },
        Trouble::NotJson,
    ]
}

fn stale(site: &Site) -> Vec<Trouble> {
    let after_a_write = site.operation == "POST addPassword"
        || (site.step == "createSecret" && site.operation == "PutSecretValue");
    let mut stale = Vec::new();
    if on_application(site) {
        stale.push(Trouble::StaleList);
    }
    if after_a_write {
        stale.push(Trouble::KillAndStaleList);
    }
    stale
}

fn on_application(site: &Site) -> bool {
    let operations = ["GET application", "POST addPassword", "POST removePassword"];
    operations.contains(&site.operation.as_str())
}

const CONCURRENCY: &str = r#"{"error":{"code":"Directory_ConcurrencyViolation","message":"Error due to concurrent requests being made to the tenant."}}"#;
