//! What a check decides: from what was found about one mailbox secret to what is to be done. Pure.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::events::{DueReason, EventKind};
use shared::failure::{Failure, Kind};
use shared::ids::{KeyId, MailboxAddress};
use shared::policy::{self, Policy, Verdict};
use shared::rotation::{Probe, Step};
use shared::secret_store::SecretMetadata;
use shared::short_hash::short_hash;
use shared::tags;
use shared::tags::apps::Apps;
use shared::tags::reminded::Reminded;
use shared::tags::seen_drift::SeenDrift;
use shared::tags::stalled::Stalled;
use shared::tags::state::State;

/// What was found about one mailbox secret.
#[derive(Debug, Clone)]
pub struct Found {
    /// Labels, tags, state.
    pub secret: SecretMetadata,
    /// What `rotation` saw, unless it could not look.
    pub probe: Option<Probe>,
    /// The mailbox's policy.
    pub policy: Policy,
    /// The credentials that other secrets name, where all of them say so.
    pub named_by_others: Option<BTreeSet<KeyId>>,
    /// Another secret uses the same client secret, and there it leaked.
    pub shares_a_leaked_secret: bool,
    /// The check was asked for right after a promotion: rotations that are under way are not pushed.
    pub requested: bool,
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
    Rotate { reason: DueReason },
    /// Ask Secrets Manager to go on with a rotation that stands still.
    Reattempt { token: String },
    /// Invoke the remaining steps of a rotation ourselves: asking did not move it.
    Continue { token: String, first: Step },
}

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

/// What is to be done about one mailbox secret.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How it stands, but for what fails.
    pub standing: Standing,
    /// What does not go on by itself.
    pub failures: Vec<Failure>,
    /// What stops the shop's mail, unless an action mends it.
    pub stops_mail: Vec<Drift>,
    /// When its client secret ends, where that is known.
    pub expires_at: Option<Timestamp>,
    /// Whom to tell; never one of the mailboxes whose mail may stand still.
    pub contact: Option<String>,
    /// What to do.
    pub actions: Vec<Action>,
}

impl Action {
    /// The step or action, where it fails; of a rotation that goes on, the failing step says itself.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Retire => "retire",
            Self::TellRotated { .. } => Step::FinishSecret.name(),
            Self::Rotate { .. } | Self::Reattempt { .. } => "rotate",
            Self::Continue { first, .. } => first.name(),
            Self::DropPending { .. } | Self::Tell(_) | Self::Tag { .. } => "check",
        }
    }

    /// Whether it is put off while something could not be told: what notes that something was told, and
    /// a rotation that can wait, which is announced once, when it is asked for.
    pub fn follows_what_was_told(&self) -> bool {
        match self {
            Self::Tag { key, .. } => [tags::REMINDED, tags::DRIFT].contains(key),
            Self::Rotate { reason } => match reason {
                DueReason::Due => true,
                DueReason::Expired | DueReason::Emergency => false,
            },
            Self::Sweep
            | Self::Retire
            | Self::TellRotated { .. }
            | Self::DropPending { .. }
            | Self::Tell(_)
            | Self::Reattempt { .. }
            | Self::Continue { .. } => false,
        }
    }
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
            Self::Rotate { .. } => f.write_str("start a rotation"),
            Self::Reattempt { token } => write!(f, "have rotation {token} reattempted"),
            Self::Continue { token, .. } => {
                write!(f, "invoke the remaining steps of rotation {token}")
            }
        }
    }
}

/// Decides. `None` for a secret that is marked for deletion.
pub fn plan(found: &Found, now: Timestamp) -> Option<Plan> {
    let Found { secret, probe, .. } = found;
    if secret.deleted {
        return None;
    }
    let mut plan = Plan {
        standing: Standing::Healthy,
        failures: Vec::new(),
        stops_mail: Vec::new(),
        expires_at: None,
        contact: contact(secret, probe.as_ref()),
        actions: Vec::new(),
    };
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let Some(current) = secret.versions.current() else {
        plan.drift(vec![DriftKind::NoCurrentVersion.into()], true, &tag, now);
        return Some(plan);
    };
    // Promoted between the two looks: what was probed is out of date, so nothing is decided by it.
    let probe = probe.as_ref().filter(|probe| probe.version == current);
    plan.expires_at = match probe {
        Some(probe) => Some(probe.expires_at),
        // The cache, where nothing better can be had.
        None => tag(tags::EXPIRES_AT).and_then(|time| time.parse().ok()),
    };
    if found.shares_a_leaked_secret && tag(tags::EMERGENCY) != Some(current) {
        plan.actions.push(Action::Tag {
            key: tags::EMERGENCY,
            value: current.to_owned(),
        });
    }
    let wanted = wanted(found, probe, current, now, plan.expires_at);
    let next = plan.next_of_rotation(found, &tag, now, wanted);
    // What removes comes before what adds.
    if let Some(Action::DropPending { .. }) = next.first() {
        plan.actions.extend(next.first().cloned());
    }
    // Rotation switched off means "stop everything": look, remind, report, and nothing else.
    let acts = secret.rotation_enabled;
    if let Some(probe) = probe {
        plan.actions.extend(acts.then_some(Action::Sweep));
        plan.cache(&secret.arn, probe, current, &tag);
    }
    if let Some(drift) = drift_now(secret, probe, wanted) {
        let all_seen = probe.is_some_and(|probe| probe.problems.is_empty());
        plan.drift(drift, all_seen, &tag, now);
    }
    if acts && has_superseded(secret) {
        plan.actions.push(Action::Retire);
    }
    if let Some(end) = plan
        .expires_at
        .filter(|_| !renews_itself(found, probe, wanted, now))
    {
        plan.remind(current, &tag, now, end);
    }
    let added = next
        .into_iter()
        .filter(|action| !matches!(action, Action::DropPending { .. }));
    plan.actions.extend(added);
    Some(plan)
}

/// Whether a rotation is wanted, and why.
fn wanted(
    found: &Found,
    probe: Option<&Probe>,
    current: &str,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Option<DueReason> {
    let drift = probe
        .map(|probe| probe.drift.as_slice())
        .unwrap_or_default();
    let has = |what: DriftKind| drift.iter().any(|drift| drift.what == what);
    // Nothing can be issued in an app registration that is not there: only a person can go on.
    if has(DriftKind::RegistrationMissing) {
        return None;
    }
    let tag = |key: &str| found.secret.tags.get(key).map(String::as_str);
    if tag(tags::EMERGENCY) == Some(current) || found.shares_a_leaked_secret {
        return Some(DueReason::Emergency);
    }
    // Entra refuses it, and not by a replica that lags: somebody deleted it, or it was typed wrong.
    let confirmed = [
        DriftKind::CredentialMissing,
        DriftKind::KeyIdIsAnothers,
        DriftKind::ClientSecretIsAnId,
        DriftKind::ClientSecretEndsInLineBreak,
    ];
    let refused = DriftKind::SecretRefused;
    let seen_before = || SeenDrift::read(tag(tags::DRIFT)).before(now, &refused.into());
    if has(refused) && (confirmed.into_iter().any(has) || seen_before()) {
        return Some(DueReason::Expired);
    }
    // The cache, where nothing better can be had: without its start a short-lived one would be due.
    // Where the id is another credential's, nobody knows when this one was made.
    let cached = || tag(tags::ISSUED_AT).and_then(|time| time.parse().ok());
    let start = probe.and_then(|probe| probe.start);
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
        Verdict::Fresh | Verdict::Frozen => None,
    }
}

impl Plan {
    /// Mends the tags, and tells what a kill kept from being told.
    fn cache<'a>(
        &mut self,
        arn: &str,
        probe: &Probe,
        current: &str,
        tag: &impl Fn(&str) -> Option<&'a str>,
    ) {
        let untold = probe.issued_here
            && probe.version == current
            && tag(tags::ROTATED_VERSION) != Some(current);
        if untold {
            self.actions.push(Action::TellRotated {
                version: current.to_owned(),
            });
        }
        let apps: Apps = tag(tags::APP)
            .unwrap_or_default()
            .parse()
            .unwrap_or_default();
        let origin = tag(tags::ORIGIN).is_none().then(|| short_hash(arn));
        let cached = [
            (tags::ORIGIN, origin),
            (tags::TENANT, Some(probe.tenant_id.to_string())),
            (
                tags::APP,
                Some(apps.with_current(probe.client_id.as_str()).to_string()),
            ),
            (tags::ISSUED_AT, probe.start.map(|start| start.to_string())),
            (tags::EXPIRES_AT, Some(probe.expires_at.to_string())),
        ];
        for (key, value) in cached {
            if let Some(value) = value.filter(|value| tag(key) != Some(value)) {
                self.actions.push(Action::Tag { key, value });
            }
        }
    }

    /// One reminder for each threshold, and one when it is over.
    fn remind<'a>(
        &mut self,
        current: &str,
        tag: &impl Fn(&str) -> Option<&'a str>,
        now: Timestamp,
        end: Timestamp,
    ) {
        let contact = self.contact.clone();
        let (threshold, event) = match policy::threshold(now, end) {
            Some(threshold) => (
                threshold,
                EventKind::ClientSecretExpiring {
                    expires_at: end,
                    days_left: end.duration_since(now).as_secs() / 86_400,
                    threshold_days: threshold,
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
        if Reminded::covers(tag(tags::REMINDED), current, threshold) {
            return;
        }
        self.actions.push(Action::Tell(event));
        // Marked after it was told: a kill between the two repeats it, and never swallows it.
        self.actions.push(Action::Tag {
            key: tags::REMINDED,
            value: Reminded {
                version: current.to_owned(),
                threshold,
            }
            .to_string(),
        });
    }

    /// Tells a drift when it appears, and not again while it stays, whatever else comes and goes. Where not all
    /// could be looked at, what is not seen may stand all the same.
    fn drift<'a>(
        &mut self,
        found: Vec<Drift>,
        all_seen: bool,
        tag: &impl Fn(&str) -> Option<&'a str>,
        now: Timestamp,
    ) {
        if self.standing == Standing::Healthy {
            let stops = found.iter().filter(|drift| drift.stops_mail().is_some());
            self.stops_mail.extend(stops.cloned());
        }
        let seen = SeenDrift::read(tag(tags::DRIFT));
        let (sure, unsure): (Vec<Drift>, Vec<Drift>) = found
            .into_iter()
            .partition(|drift| seen.is_sure(now, drift));
        let next = seen.next(now, &sure, &unsure, all_seen);
        if seen.is_the_same_as(&next) {
            return;
        }
        let new = sure.into_iter().filter(|drift| !seen.published(drift));
        let new = new.map(|drift| {
            Action::Tell(EventKind::DriftFound {
                what: drift.what,
                connection: drift.connection,
                found_at: now,
                mended: false,
                // Told again after a kill, it is the same time: the tag was not set.
                time: seen.to_string(),
            })
        });
        self.actions.extend(new);
        self.actions.push(Action::Tag {
            key: tags::DRIFT,
            value: next.to_string(),
        });
    }

    /// What happens next with the rotation that is wanted, under way, or was left standing.
    fn next_of_rotation<'a>(
        &mut self,
        found: &Found,
        tag: &impl Fn(&str) -> Option<&'a str>,
        now: Timestamp,
        wanted: Option<DueReason>,
    ) -> Vec<Action> {
        let secret = &found.secret;
        let Some(token) = secret.versions.in_progress() else {
            return self.start(secret, wanted);
        };
        if found.requested {
            return Vec::new();
        }
        let state = State::read(tag(tags::STATE));
        let waits = waits(state.as_ref(), token);
        let stalled_at = state.as_ref().and_then(|state| state.stalled_at(token));
        // A check that is delivered twice has one time, and does not count twice.
        let stood_still = stalled_at.is_some_and(|check| check < now.as_second());
        let issued = !secret.versions.keys_of(token).is_empty();
        let token = token.to_owned();
        if !secret.rotation_enabled {
            self.failures.push(rotation_off("under way"));
            return Vec::new();
        }
        if !issued {
            let end = self.expires_at;
            let frozen =
                wanted.is_none() && end.is_some_and(|end| found.policy.holds_back(now, end));
            if frozen || stood_still {
                let mut next = vec![Action::DropPending { version: token }];
                next.extend(self.start(secret, wanted));
                return next;
            }
        }
        self.standing = if waits {
            Standing::WaitingForPerson
        } else {
            Standing::Due
        };
        if issued && (waits || stood_still) {
            // A rotation that waits for a person was told long ago.
            let first = if waits {
                Step::SetSecret
            } else {
                Step::CreateSecret
            };
            return vec![Action::Continue { token, first }];
        }
        let stalled = Action::Tag {
            key: tags::STATE,
            value: State::Stalled {
                token: token.clone(),
                check: now.as_second(),
            }
            .to_string(),
        };
        if stalled_at.is_some() {
            // Seen in this very check, which was delivered twice.
            return Vec::new();
        }
        if !issued && wanted.is_none() {
            // A configuration test, or a rotation by hand that has just begun: asking for it would
            // make a rotation of the one, and is not needed for the other.
            return vec![stalled];
        }
        vec![stalled, Action::Reattempt { token }]
    }

    fn start(&mut self, secret: &SecretMetadata, wanted: Option<DueReason>) -> Vec<Action> {
        let (Some(reason), Some(expires_at)) = (wanted, self.expires_at) else {
            return Vec::new();
        };
        if !secret.rotation_enabled {
            self.failures.push(rotation_off("wanted"));
            return Vec::new();
        }
        self.standing = Standing::Due;
        let due = EventKind::RotationDue { expires_at, reason };
        vec![Action::Tell(due), Action::Rotate { reason }]
    }
}

/// Whether all goes its way without a person, who is then reminded of nothing: nobody delivers by hand, and what
/// is due is being renewed, or will be.
fn renews_itself(
    found: &Found,
    probe: Option<&Probe>,
    wanted: Option<DueReason>,
    now: Timestamp,
) -> bool {
    let secret = &found.secret;
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let unattended = probe.is_some_and(|probe| !probe.attended && probe.problems.is_empty());
    let token = secret.versions.in_progress();
    let state = State::read(tag(tags::STATE));
    let waits = token.is_some_and(|token| waits(state.as_ref(), token));
    let stands = Stalled::read(tag(tags::STALLED)).is_some_and(|stalled| stalled.for_a_day(now));
    let on_its_way = match wanted {
        None => probe.is_some_and(|probe| {
            let verdict = found.policy.verdict(now, probe.start, probe.expires_at);
            verdict == Verdict::Fresh
        }),
        Some(DueReason::Due | DueReason::Emergency) => true,
        Some(DueReason::Expired) => false,
    };
    unattended && secret.rotation_enabled && on_its_way && !waits && !stands
}

fn rotation_off(what: &str) -> Failure {
    let what = format!("its rotation is switched off, and one is {what}");
    Failure::new(Kind::Misconfigured, what)
        .next_step("Ask who switched it off, and switch it on again: runbook, Stop and go on.")
}

fn contact(secret: &SecretMetadata, probe: Option<&Probe>) -> Option<String> {
    let contact = secret.tags.get(tags::CONTACT)?;
    let mailboxes = probe.map(|probe| probe.mailboxes.as_slice());
    let own = MailboxAddress::read(contact)
        .is_some_and(|contact| mailboxes.unwrap_or_default().contains(&contact));
    (!own).then(|| contact.clone())
}

/// Whether this rotation waits for a person.
fn waits(state: Option<&State>, token: &str) -> bool {
    state.is_some_and(|state| state.asked(token).is_some())
}

/// What is not as it was left, all in all; `None` when that could not be looked at.
fn drift_now(
    secret: &SecretMetadata,
    probe: Option<&Probe>,
    wanted: Option<DueReason>,
) -> Option<Vec<Drift>> {
    let rotating = secret.versions.in_progress().is_some();
    // In a rotation connections hold the pending secret already, as they should.
    let expected =
        |drift: &&Drift| rotating && drift.what == DriftKind::ConnectionHoldsAnotherSecret;
    let probed = probe?
        .drift
        .iter()
        .filter(|drift| !expected(drift))
        .cloned();
    let mut drift: Vec<Drift> = probed.collect();
    // Somebody switched the rotation off that is wanted now: only a person knows why.
    if !secret.rotation_enabled && (rotating || wanted.is_some()) {
        drift.push(DriftKind::RotationOff.into());
    }
    Some(drift)
}

/// Whether labels name credentials on versions that are neither current nor being made.
fn has_superseded(secret: &SecretMetadata) -> bool {
    let versions = &secret.versions;
    let claims = versions.claims();
    claims.keys().any(|(_, version)| !versions.in_use(version))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::period::Period;
    use shared::secret_store::versions::{CURRENT, PENDING, PREVIOUS, Versions};

    use shared::ids::DirectoryId;

    use super::*;

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";
    const APP: &str = "11111111-1111-4111-8111-111111111111";
    const OLD: &str = "key-33333333-3333-4333-8333-000000000000";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A healthy secret that ends on 2027-01-31.
    fn found(labels: &[(&str, &[&str])]) -> Found {
        let versions = labels.iter().map(|(version, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            ((*version).to_owned(), labels)
        });
        let end = "2027-01-31T00:00:00Z";
        Found {
            secret: SecretMetadata {
                arn: "arn".into(),
                name: "shopmail/orders".into(),
                rotation_enabled: true,
                versions: Versions(versions.collect()),
                tags: BTreeMap::from([
                    (tags::EXPIRES_AT.to_owned(), end.to_owned()),
                    (tags::ORIGIN.to_owned(), short_hash("arn")),
                    (tags::TENANT.to_owned(), APP.to_owned()),
                    (tags::APP.to_owned(), APP.to_owned()),
                ]),
                last_rotated: None,
                deleted: false,
                primary_region: None,
            },
            named_by_others: Some(BTreeSet::new()),
            requested: false,
            shares_a_leaked_secret: false,
            probe: Some(Probe {
                version: "c".into(),
                tenant_id: DirectoryId::read(APP).unwrap(),
                client_id: DirectoryId::read(APP).unwrap(),
                key_id: APP.parse().unwrap(),
                issued_here: false,
                now: None,
                start: None,
                expires_at: at(end),
                mailboxes: Vec::new(),
                attended: true,
                drift: Vec::new(),
                problems: Vec::new(),
            }),
            policy: Policy {
                renew_before: Period::days(30),
                hard_stop: Period::days(7),
                freezes: Vec::new(),
            },
        }
    }

    fn actions(found: &Found, now: &str) -> Vec<Action> {
        plan(found, at(now)).unwrap().actions
    }

    /// The drift that a check tells, which then has its tags.
    fn drift_told(found: &mut Found) -> Vec<DriftKind> {
        let mut told = Vec::new();
        for action in actions(found, "2026-11-23T00:00:00Z") {
            match action {
                Action::Tell(EventKind::DriftFound { what, .. }) => told.push(what),
                Action::Tag { key, value } => {
                    found.secret.tags.insert(key.to_owned(), value);
                }
                _ => {}
            }
        }
        told
    }

    fn starts(action: &Action) -> bool {
        matches!(action, Action::Rotate { .. })
    }

    #[test]
    fn a_fresh_secret_is_swept_and_left_alone() {
        assert_eq!(
            actions(&found(&[("c", &[CURRENT])]), "2026-11-23T00:00:00Z"),
            vec![Action::Sweep]
        );
    }

    #[test]
    fn a_due_secret_is_told_reminded_of_and_rotated_in_this_order() {
        let actions = actions(&found(&[("c", &[CURRENT])]), "2027-01-05T00:00:00Z");
        let told: Vec<&str> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Tell(event) => Some(event.detail_type()),
                _ => None,
            })
            .collect();
        assert_eq!(told, vec!["Client Secret Expiring", "Rotation Due"]);
        assert!(actions.last().is_some_and(starts));
    }

    #[test]
    fn each_threshold_reminds_once() {
        let mut found = found(&[("c", &[CURRENT])]);
        let now = "2027-01-25T00:00:00Z";
        let reminds = |found: &Found| {
            let expiring = |action: &Action| {
                matches!(action, Action::Tell(EventKind::ClientSecretExpiring { .. }))
            };
            actions(found, now).iter().any(expiring)
        };
        assert!(reminds(&found));
        found
            .secret
            .tags
            .insert(tags::REMINDED.into(), "c:7".into());
        assert!(!reminds(&found), "told at this threshold");
        found
            .secret
            .tags
            .insert(tags::REMINDED.into(), "c:14".into());
        assert!(reminds(&found), "the next threshold");
        found
            .secret
            .tags
            .insert(tags::REMINDED.into(), "older:7".into());
        assert!(reminds(&found), "told for another version");
    }

    #[test]
    fn a_mailbox_that_renews_itself_in_time_reminds_nobody() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.probe.as_mut().unwrap().attended = false;
        let reminds = |found: &Found, now: &str| {
            actions(found, now).iter().any(|action| {
                matches!(action, Action::Tell(kind) if kind.detail_type() == "Client Secret Expiring")
            })
        };
        let now = "2027-01-05T00:00:00Z";
        assert!(!reminds(&found, now));
        let with = |change: &dyn Fn(&mut Found)| {
            let mut found = found.clone();
            change(&mut found);
            reminds(&found, now)
        };
        assert!(with(&|found| found.probe.as_mut().unwrap().attended = true));
        assert!(with(&|found| found.probe = None), "nobody knows");
        assert!(with(&|found| found.secret.rotation_enabled = false));
        let stood = (at(now) - jiff::SignedDuration::from_hours(24)).as_second();
        assert!(with(&|found| {
            let stalled = format!("{stood}:");
            found.secret.tags.insert(tags::STALLED.into(), stalled);
        }));
        assert!(with(&|found| {
            let policy = found.policy.clone();
            let frozen = policy.with_tag(Some("freeze=2027-01-01/2027-01-20"));
            found.policy = frozen.unwrap();
        }));
        assert!(with(&|found| {
            let pending = [PENDING.to_owned(), KEY.to_owned()].into();
            found.secret.versions.0.insert("t".to_owned(), pending);
            let waiting = "waiting:t:1:x".to_owned();
            found.secret.tags.insert(tags::STATE.into(), waiting);
        }));
        // What has ended is told in any case.
        let ended = actions(&found, "2027-01-31T00:00:00Z");
        assert!(ended.iter().any(|action| {
            matches!(action, Action::Tell(EventKind::ClientSecretExpired { .. }))
        }));
    }

    #[test]
    fn a_rotation_that_stands_still_is_asked_for_once_and_then_continued() {
        let mut found = found(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        let asked = actions(&found, "2027-01-05T00:00:00Z");
        assert_eq!(asked.last(), Some(&Action::Reattempt { token: "t".into() }));
        let stalled = format!("stalled:t:{}", at("2027-01-05T00:00:00Z").as_second());
        found.secret.tags.insert(tags::STATE.into(), stalled);
        let again = actions(&found, "2027-01-05T00:00:00Z");
        let moves = |action: &Action| {
            matches!(
                action,
                Action::Reattempt { .. } | Action::Continue { .. } | Action::Rotate { .. }
            )
        };
        assert!(!again.iter().any(moves), "the same check, delivered twice");
        let next = actions(&found, "2027-01-05T06:00:00Z");
        let on = Action::Continue {
            token: "t".into(),
            first: Step::CreateSecret,
        };
        assert_eq!(next.last(), Some(&on));
    }

    #[test]
    fn an_empty_pending_version_that_stands_still_is_dropped_before_the_sweep() {
        let mut found = found(&[("c", &[CURRENT]), ("t", &[PENDING])]);
        found
            .secret
            .tags
            .insert(tags::STATE.into(), "stalled:t:1".into());
        let drop = Action::DropPending {
            version: "t".into(),
        };
        let idle = actions(&found, "2026-11-23T00:00:00Z");
        assert_eq!(
            idle,
            vec![drop.clone(), Action::Sweep],
            "not due: no new rotation"
        );
        let due = actions(&found, "2027-01-05T00:00:00Z");
        assert_eq!(due.first(), Some(&drop));
        assert!(due.last().is_some_and(starts));
    }

    #[test]
    fn a_freeze_drops_what_was_not_issued_and_starts_nothing() {
        let mut found = found(&[("c", &[CURRENT]), ("t", &[PENDING])]);
        found.policy = found
            .policy
            .with_tag(Some("freeze=2027-01-01/2027-01-20"))
            .unwrap();
        let frozen = actions(&found, "2027-01-05T00:00:00Z");
        assert_eq!(
            frozen.first(),
            Some(&Action::DropPending {
                version: "t".into()
            })
        );
        assert!(!frozen.iter().any(starts));
        // Past the hard stop it goes on all the same.
        found.policy = found
            .policy
            .with_tag(Some("freeze=2027-01-21/2027-01-31"))
            .unwrap();
        let pressed = actions(&found, "2027-01-26T00:00:00Z");
        assert_eq!(
            pressed.last(),
            Some(&Action::Reattempt { token: "t".into() })
        );
    }

    #[test]
    fn a_dead_secret_is_renewed_though_its_end_is_far_and_a_freeze_holds() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.policy = found
            .policy
            .with_tag(Some("freeze=2026-11-01/2026-12-28"))
            .unwrap();
        let probe = found.probe.as_mut().unwrap();
        probe.drift = vec![
            DriftKind::CredentialMissing.into(),
            DriftKind::SecretRefused.into(),
        ];
        assert!(actions(&found, "2026-11-23T00:00:00Z").iter().any(starts));
        found.probe.as_mut().unwrap().drift.pop();
        assert!(
            !actions(&found, "2026-11-23T00:00:00Z").iter().any(starts),
            "one stale read"
        );
    }

    #[test]
    fn a_drift_is_told_when_it_appears_and_not_again() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.probe.as_mut().unwrap().drift = vec![DriftKind::ConnectionDisabled.into()];
        let first = actions(&found, "2026-11-23T00:00:00Z");
        let tag = first.iter().find_map(|action| match action {
            Action::Tag { key, value } if *key == tags::DRIFT => Some(value.clone()),
            _ => None,
        });
        found.secret.tags.insert(tags::DRIFT.into(), tag.unwrap());
        assert_eq!(actions(&found, "2026-11-23T06:00:00Z"), vec![Action::Sweep]);
    }

    #[test]
    fn a_drift_told_again_after_a_kill_is_the_same_and_one_that_came_back_is_another() {
        let mut found = found(&[("c", &[CURRENT])]);
        // What is told, and then the tag, at a check that sees these.
        let mut at_check = |drifts: &[Drift], hour: i64, tagged: bool| {
            found.probe.as_mut().unwrap().drift = drifts.to_vec();
            let now = at("2026-11-23T00:00:00Z") + jiff::SignedDuration::from_hours(hour);
            let mut told = None;
            for action in actions(&found, &now.to_string()) {
                match action {
                    Action::Tell(EventKind::DriftFound { time, .. }) => told = Some(time),
                    Action::Tag { key, value } if tagged => {
                        found.secret.tags.insert(key.to_owned(), value);
                    }
                    _ => {}
                }
            }
            told
        };
        let refused = [Drift::from(DriftKind::SecretRefused)];
        let killed = at_check(&refused, 0, false).unwrap();
        assert_eq!(
            at_check(&refused, 6, true).as_deref(),
            Some(killed.as_str())
        );
        assert_eq!(at_check(&[], 12, true), None);
        let back = at_check(&refused, 18, true).unwrap();
        assert_ne!(back, killed);
    }

    #[test]
    fn a_drift_that_stays_is_not_told_again_when_another_comes_or_goes() {
        let mut found = found(&[("c", &[CURRENT])]);
        let mut told_with = |drifts: Vec<Drift>| {
            found.probe.as_mut().unwrap().drift = drifts;
            drift_told(&mut found)
        };
        let (a, b) = (DriftKind::ConnectionDisabled, DriftKind::SecretRefused);
        assert_eq!(told_with(vec![a.into()]), vec![a]);
        assert_eq!(told_with(vec![a.into(), b.into()]), vec![b]);
        assert_eq!(told_with(vec![b.into()]), Vec::new());
        assert_eq!(told_with(vec![b.into(), a.into()]), vec![a]);
        assert_eq!(told_with(Vec::new()), Vec::new());
    }

    #[test]
    fn a_drift_that_a_check_could_not_look_for_is_not_told_again_after_it() {
        let mut found = found(&[("c", &[CURRENT])]);
        let mut told_with = |drifts: Vec<Drift>, problems: &[&str]| {
            let probe = found.probe.as_mut().unwrap();
            probe.drift = drifts;
            probe.problems = problems.iter().map(|text| (*text).to_owned()).collect();
            drift_told(&mut found)
        };
        let what = DriftKind::KeyIdIsAnothers;
        assert_eq!(told_with(vec![what.into()], &[]), vec![what]);
        let other = DriftKind::ConnectionDisabled;
        assert_eq!(told_with(vec![other.into()], &["Graph: 503"]), vec![other]);
        assert_eq!(told_with(vec![what.into(), other.into()], &[]), Vec::new());
        assert_eq!(told_with(Vec::new(), &[]), Vec::new());
        assert_eq!(
            told_with(vec![what.into()], &[]),
            vec![what],
            "it came back"
        );
    }

    #[test]
    fn what_was_probed_of_another_version_decides_nothing() {
        let mut found = found(&[("c", &[PREVIOUS, OLD]), ("t", &[CURRENT, KEY])]);
        found.probe.as_mut().unwrap().expires_at = at("2026-11-24T00:00:00Z");
        let actions = actions(&found, "2026-11-23T00:00:00Z");
        assert_eq!(actions, vec![Action::Retire]);
    }

    #[test]
    fn rotation_switched_off_is_told_and_nothing_is_started() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.secret.rotation_enabled = false;
        let plan = plan(&found, at("2027-01-05T00:00:00Z")).unwrap();
        let why = plan.failures.first().unwrap().to_string();
        assert!(why.contains("switched off"), "{why}");
        assert!(!plan.actions.iter().any(starts));
        let off = |action: &Action| matches!(action, Action::Tell(EventKind::DriftFound { what, .. }) if *what == DriftKind::RotationOff);
        assert!(plan.actions.iter().any(off));
    }

    #[test]
    fn a_promotion_that_a_kill_kept_from_being_told_is_told() {
        let mut found = found(&[("p", &[PREVIOUS, OLD]), ("c", &[CURRENT, KEY])]);
        found.probe.as_mut().unwrap().issued_here = true;
        let tell = Action::TellRotated {
            version: "c".into(),
        };
        assert!(actions(&found, "2026-11-23T00:00:00Z").contains(&tell));
        found
            .secret
            .tags
            .insert(tags::ROTATED_VERSION.into(), "c".into());
        assert!(!actions(&found, "2026-11-23T00:00:00Z").contains(&tell));
    }

    #[test]
    fn a_leaked_secret_is_rotated_in_spite_of_all() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.policy = found
            .policy
            .with_tag(Some("freeze=2026-11-01/2026-12-28"))
            .unwrap();
        found.secret.tags.insert(tags::EMERGENCY.into(), "c".into());
        assert!(actions(&found, "2026-11-23T00:00:00Z").iter().any(starts));
        found
            .secret
            .tags
            .insert(tags::EMERGENCY.into(), "before".into());
        assert!(
            !actions(&found, "2026-11-23T00:00:00Z").iter().any(starts),
            "another version"
        );
    }
}
