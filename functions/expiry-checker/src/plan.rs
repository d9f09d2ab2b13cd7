//! What a check decides: from what was found about one mailbox secret to what is to be done. Pure.

use std::fmt;

use jiff::Timestamp;
use shared::events::{DueReason, EventKind, FleetState};
use shared::policy::{self, Policy, Verdict};
use shared::secret_store::Described;
use shared::tags;

use crate::rotation_function::{Drift, Probe};

/// What was found about one mailbox secret.
#[derive(Debug, Clone)]
pub struct Found {
    /// Labels, tags, state.
    pub secret: Described,
    /// What `rotation` saw, unless it could not look.
    pub probe: Option<Probe>,
    /// The mailbox's policy.
    pub policy: Policy,
}

/// What is to be done, in this order: what removes comes before what adds.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Remove credentials of ours whose value was never stored.
    Sweep,
    /// Remove superseded credentials whose quarantine is over.
    Retire,
    /// Tell the promotion of this version, which a kill kept from being told.
    TellRotated { version: String },
    /// Take AWSPENDING from a version that holds nothing of ours.
    DropPending { version: String },
    /// Say something to the world.
    Tell(EventKind),
    /// Set a tag.
    Tag { key: &'static str, value: String },
    /// Ask Secrets Manager for a rotation.
    Rotate,
    /// Ask Secrets Manager to go on with a rotation that stands still.
    Reattempt { token: String },
    /// Invoke the remaining steps of a rotation ourselves: asking did not move it.
    Continue { token: String, issued: bool },
}

/// What is to be done about one mailbox secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// How it stands.
    pub state: FleetState,
    /// When its client secret ends, where that is known.
    pub expires_at: Option<Timestamp>,
    /// What to do.
    pub actions: Vec<Action>,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sweep => f.write_str("remove orphaned credentials, if any"),
            Self::Retire => f.write_str("retire superseded credentials whose quarantine is over"),
            Self::TellRotated { version } => write!(f, "tell that version {version} was promoted"),
            Self::DropPending { version } => {
                write!(
                    f,
                    "take AWSPENDING from version {version}, which holds nothing issued"
                )
            }
            Self::Tell(event) => write!(f, "tell: {}", event.detail_type()),
            Self::Tag { key, value } => write!(f, "set tag {key} to {value}"),
            Self::Rotate => f.write_str("start a rotation"),
            Self::Reattempt { token } => write!(f, "have rotation {token} reattempted"),
            Self::Continue { token, .. } => {
                write!(f, "invoke the remaining steps of rotation {token}")
            }
        }
    }
}

/// Decides. `None` for a secret that is marked for deletion.
pub fn plan(found: &Found, now: Timestamp) -> Option<Plan> {
    let Found {
        secret,
        probe,
        policy,
    } = found;
    if secret.deleted {
        return None;
    }
    let current = secret.versions.current()?;
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let expires_at = match probe {
        Some(probe) => Some(probe.expires_at),
        // The cache, where nothing better can be had.
        None => tag(tags::EXPIRES_AT).and_then(|time| time.parse().ok()),
    };
    let mut plan = Plan {
        state: if probe
            .as_ref()
            .is_some_and(|probe| probe.problems.is_empty())
        {
            FleetState::Healthy
        } else {
            FleetState::Failed
        },
        expires_at,
        actions: Vec::new(),
    };
    if probe.is_some() {
        plan.actions.push(Action::Sweep);
    }
    if has_superseded(secret) {
        plan.actions.push(Action::Retire);
    }
    if let Some(probe) = probe {
        plan.cache(probe, current, &tag);
        plan.actions.extend(probe.drift.iter().map(drift_found));
    }
    if let Some(end) = expires_at {
        plan.remind(current, &tag, now, end);
    }
    let wanted = wanted(found, current, now, expires_at);
    match secret.versions.in_progress() {
        Some(token) => plan.go_on(secret, token, &tag, policy, now, expires_at, wanted),
        None => plan.start(secret, expires_at, wanted),
    }
    Some(plan)
}

/// Whether a rotation is wanted, and why.
fn wanted(
    found: &Found,
    current: &str,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Option<DueReason> {
    if found.secret.tags.get(tags::EMERGENCY).map(String::as_str) == Some(current) {
        return Some(DueReason::Emergency);
    }
    let start = found.probe.as_ref().and_then(|probe| probe.start);
    match found.policy.verdict(now, start, expires_at?) {
        Verdict::Expired => Some(DueReason::Expired),
        Verdict::Due => Some(DueReason::Due),
        Verdict::Fresh | Verdict::Frozen => {
            // Somebody deleted it in Entra, and Entra does not take it any more either.
            let has = |what: &str| {
                let drift = found.probe.iter().flat_map(|probe| &probe.drift);
                drift.clone().any(|drift| drift.what == what)
            };
            let gone = has("credential_missing") && has("secret_refused");
            gone.then_some(DueReason::Expired)
        }
    }
}

impl Plan {
    /// Mends the tags, and tells what a kill kept from being told.
    fn cache<'a>(&mut self, probe: &Probe, current: &str, tag: &impl Fn(&str) -> Option<&'a str>) {
        let untold = probe.issued_here
            && probe.version == current
            && tag(tags::ROTATED_VERSION) != Some(current);
        if untold {
            self.actions.push(Action::TellRotated {
                version: current.to_owned(),
            });
        }
        let end = probe.expires_at.to_string();
        if tag(tags::EXPIRES_AT) != Some(&end) {
            self.actions.push(Action::Tag {
                key: tags::EXPIRES_AT,
                value: end,
            });
        }
    }

    /// One reminder for each rung of the ladder, and one when it is over.
    fn remind<'a>(
        &mut self,
        current: &str,
        tag: &impl Fn(&str) -> Option<&'a str>,
        now: Timestamp,
        end: Timestamp,
    ) {
        let contact = tag(tags::CONTACT).map(str::to_owned);
        let (rung, event) = match policy::rung(now, end) {
            Some(rung) => (
                rung,
                EventKind::ClientSecretExpiring {
                    expires_at: end,
                    days_left: end.duration_since(now).as_secs() / 86_400,
                    rung,
                    contact,
                },
            ),
            None if end <= now => (
                0,
                EventKind::ClientSecretExpired {
                    expires_at: end,
                    contact,
                },
            ),
            None => return,
        };
        let last = tag(tags::REMINDED)
            .and_then(|last| last.strip_prefix(current)?.strip_prefix(':')?.parse().ok());
        if last.is_some_and(|last: i64| last <= rung) {
            return;
        }
        self.actions.push(Action::Tell(event));
        // Marked after it was told: a kill between the two repeats it, and never swallows it.
        self.actions.push(Action::Tag {
            key: tags::REMINDED,
            value: format!("{current}:{rung}"),
        });
    }

    fn start(
        &mut self,
        secret: &Described,
        expires_at: Option<Timestamp>,
        wanted: Option<DueReason>,
    ) {
        let (Some(reason), Some(expires_at)) = (wanted, expires_at) else {
            return;
        };
        if !secret.rotation_enabled {
            self.state = FleetState::Failed;
            self.actions.push(Action::Tell(EventKind::DriftFound {
                what: "rotation_off".to_owned(),
                connection: None,
            }));
            return;
        }
        self.state = FleetState::Due;
        self.actions
            .push(Action::Tell(EventKind::RotationDue { expires_at, reason }));
        self.actions.push(Action::Rotate);
    }

    /// A rotation is under way, or was left standing.
    #[expect(clippy::too_many_arguments, reason = "all of it decides")]
    fn go_on<'a>(
        &mut self,
        secret: &Described,
        token: &str,
        tag: &impl Fn(&str) -> Option<&'a str>,
        policy: &Policy,
        now: Timestamp,
        expires_at: Option<Timestamp>,
        wanted: Option<DueReason>,
    ) {
        let state = tag(tags::STATE).unwrap_or_default();
        let waits = state.starts_with(&tags::waiting(token));
        let stood_still = state == tags::stalled(token);
        let issued = !secret.versions.keys_of(token).is_empty();
        let token = token.to_owned();
        if !issued {
            let frozen = expires_at.is_some_and(|end| policy.holds_back(now, end));
            let stale = wanted.is_none() && stood_still;
            if !secret.rotation_enabled || stale || (frozen && wanted != Some(DueReason::Emergency))
            {
                self.actions.push(Action::DropPending { version: token });
                // The same check also starts what is due, unless a freeze holds.
                let startable = secret.rotation_enabled && !frozen;
                if startable {
                    self.start(secret, expires_at, wanted);
                }
                return;
            }
        }
        if !secret.rotation_enabled {
            self.state = FleetState::Failed;
            self.actions.push(Action::Tell(EventKind::DriftFound {
                what: "rotation_off".to_owned(),
                connection: None,
            }));
            return;
        }
        self.state = if waits {
            FleetState::WaitingForPerson
        } else {
            FleetState::Due
        };
        if waits || stood_still {
            self.actions.push(Action::Continue { token, issued });
        } else {
            self.actions.push(Action::Tag {
                key: tags::STATE,
                value: tags::stalled(&token),
            });
            self.actions.push(Action::Reattempt { token });
        }
    }
}

/// Whether labels name credentials on versions that are neither current nor being made.
fn has_superseded(secret: &Described) -> bool {
    let versions = &secret.versions;
    versions.keys().iter().any(|(_, version)| {
        Some(*version) != versions.current() && Some(*version) != versions.in_progress()
    })
}

fn drift_found(drift: &Drift) -> Action {
    Action::Tell(EventKind::DriftFound {
        what: drift.what.clone(),
        connection: drift.connection.clone(),
    })
}
