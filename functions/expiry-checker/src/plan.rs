//! What a check decides: from what was found about one mailbox secret to what is to be done. Pure.

pub mod action;
pub mod backstop;
mod drift;
pub mod found;
mod half_done;
pub mod needs;
#[cfg(test)]
mod oracle;
mod reminder;
mod retirement;
mod rotation_next;
mod rotation_wanted;
pub mod untidy;
mod waiting;

use jiff::Timestamp;
use shared::drift::{Drift, DriftKind};
use shared::failure::Failure;
use shared::half_done::HalfDone;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::Delivery;
use shared::rotation::inspection::Facts;
use shared::short_hash::short_hash;
use shared::tags;
use shared::tags::apps::Apps;
use shared::tags::rotator::CloudRotator;

use crate::report::Standing;
use action::PlannedAction;
use found::Found;

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
    /// What to do.
    pub actions: Vec<PlannedAction>,
    /// What only people can do for the rotation that is due.
    pub needs: Vec<String>,
    /// Where the delivery of the rotation under way came to, if that is half way.
    pub half_done: Option<HalfDone>,
}

/// Decides. `None` for a secret that is marked for deletion.
pub fn plan(found: &Found, now: Timestamp) -> Option<Plan> {
    let Found { secret, facts, .. } = found;
    if secret.deleted {
        return None;
    }
    let mut plan = Plan {
        standing: Standing::Healthy,
        failures: Vec::new(),
        stops_mail: Vec::new(),
        expires_at: None,
        actions: Vec::new(),
        needs: Vec::new(),
        half_done: facts
            .as_ref()
            .and_then(|facts| half_done::half_done(found, facts)),
    };
    let Some(current) = secret.versions.current() else {
        plan.add_drift(found, vec![DriftKind::NoCurrentVersion.into()], true, now);
        return Some(plan);
    };
    // Promoted between the two looks: what was seen is out of date, so nothing is decided by it.
    let facts = facts.as_ref().filter(|facts| facts.version == current);
    plan.expires_at = match facts {
        Some(facts) => facts.expires_at,
        // The cache, where nothing better can be had.
        None => found
            .tag(tags::EXPIRES_AT)
            .and_then(|time| time.parse().ok()),
    };
    if found.shares_a_leaked_secret && found.tag(tags::EMERGENCY) != Some(current) {
        plan.actions.push(PlannedAction::Tag {
            key: tags::EMERGENCY,
            value: current.to_owned(),
        });
    }
    let wanted = rotation_wanted::wanted(found, facts, current, now, plan.expires_at);
    let next = rotation_next::next_of_rotation(found, facts, now, wanted, plan.expires_at);
    plan.standing = next.standing;
    plan.failures.extend(next.failure);
    // What removes comes before what adds.
    let drops = |action: &PlannedAction| matches!(action, PlannedAction::DropPending { .. });
    let (dropped, added): (Vec<_>, Vec<_>) = next.actions.into_iter().partition(drops);
    plan.actions.extend(dropped);
    // Rotation switched off means "stop everything": look, remind, report, and nothing else.
    let acts = secret.rotation_enabled;
    if let Some(facts) = facts {
        let untidy = untidy::untidy(found, facts, current);
        // What does not answer would not now, and hold up the others.
        let sweeps = acts && !untidy.is_empty() && !facts.has_silent();
        plan.actions
            .extend(sweeps.then_some(PlannedAction::Sweep(untidy)));
        if wanted.is_some() || next.standing == Standing::WaitingForPerson {
            plan.needs = needs::of_people(facts, now);
        }
        plan.actions.extend(publish_rotated(found, facts, current));
        plan.actions.extend(cache(found, facts));
    }
    if let Some(drift) = drift::drift_now(found, facts, wanted, now) {
        let all_seen = facts.is_some_and(Facts::all_seen);
        plan.add_drift(found, drift, all_seen, now);
    }
    if acts && retirement::is_to_retire(found, facts, now) {
        plan.actions.push(PlannedAction::Retire);
    }
    let silent = reminder::renews_itself(found, facts, wanted, now);
    if let Some(end) = plan.expires_at.filter(|_| !silent) {
        let reminders = reminder::remind(found, current, now, end, wanted);
        plan.actions.extend(reminders);
    }
    plan.actions.extend(added);
    Some(plan)
}

impl Plan {
    /// Whether nothing is to be done, nothing fails and nothing is waited for.
    pub fn is_quiet(&self) -> bool {
        self.standing == Standing::Healthy
            && self.failures.is_empty()
            && self.stops_mail.is_empty()
            && self.actions.is_empty()
    }

    fn add_drift(&mut self, found: &Found, drift: Vec<Drift>, all_seen: bool, now: Timestamp) {
        if self.standing == Standing::Healthy {
            let stops = drift.iter().filter(|drift| drift.what.stops_mail());
            self.stops_mail.extend(stops.cloned());
        }
        let published = drift::publish_drift(found, drift, all_seen, now);
        self.actions.extend(published);
    }
}

/// The promotion that a kill kept from being published.
fn publish_rotated(found: &Found, facts: &Facts, current: &str) -> Option<PlannedAction> {
    let unpublished = facts.issued_here
        && facts.version == current
        && found.tag(tags::ROTATED_VERSION) != Some(current);
    unpublished.then(|| PlannedAction::PublishRotated {
        version: current.to_owned(),
    })
}

/// The tags that are a cache of what was seen.
fn cache(found: &Found, facts: &Facts) -> Vec<PlannedAction> {
    let arn = &found.secret.arn;
    let apps: Apps = found
        .tag(tags::APP)
        .unwrap_or_default()
        .parse()
        .unwrap_or_default();
    let apps = apps.with_current(facts.client_id.as_str());
    let origin = found.tag(tags::ORIGIN).is_none();
    let cached = [
        (tags::ORIGIN, origin.then(|| short_hash(arn))),
        (tags::TENANT, Some(facts.of.tenant_id.to_string())),
        (tags::ROTATOR, rotator(facts)),
        (tags::MAILBOXES, mailboxes(facts)),
        (tags::DELIVERY, Some(delivery(facts).name().to_owned())),
        (tags::APP, Some(apps.to_string())),
        (tags::ISSUED_AT, facts.start.map(|start| start.to_string())),
        (
            tags::EXPIRES_AT,
            facts.expires_at.map(|end| end.to_string()),
        ),
    ];
    let changed = cached.into_iter().filter_map(|(key, value)| {
        let value = value.filter(|value| found.tag(key) != Some(value))?;
        Some(PlannedAction::Tag { key, value })
    });
    changed.collect()
}

/// `attended` where a person delivers to some connection.
fn delivery(facts: &Facts) -> Delivery {
    match facts.has_attended() {
        true => Delivery::Attended,
        false => Delivery::Api,
    }
}

fn rotator(facts: &Facts) -> Option<String> {
    let rotator = CloudRotator {
        cloud: facts.of.cloud,
        rotator: facts.of.rotator.clone(),
    };
    let tag = rotator.to_string();
    let fits = tag.len() <= 256 && tag.chars().all(|c| c == ' ' || plain(c));
    fits.then_some(tag)
}

/// A tag's value has letters, digits, spaces and `_.:/=+-@` (Secrets Manager API reference, *Tag*), and 256 of them.
fn plain(c: char) -> bool {
    c.is_alphanumeric() || "_.:/=+-@".contains(c)
}

fn mailboxes(facts: &Facts) -> Option<String> {
    let all = facts.mailboxes.iter().map(MailboxAddress::as_str);
    let mut tag = String::new();
    for address in all.filter(|address| address.chars().all(plain)) {
        let space = if tag.is_empty() { "" } else { " " };
        if tag.len() + space.len() + address.len() > 256 {
            break;
        }
        tag.push_str(space);
        tag.push_str(address);
    }
    (!tag.is_empty()).then_some(tag)
}

#[cfg(test)]
mod tests {

    use shared::period::Period;
    use shared::secret_store::versions::{CURRENT, PENDING, PREVIOUS};

    use shared::ids::ConnectionId;

    use shared::secret_store::SecretMetadata;

    use shared::events::{DueReason, EventKind};
    use shared::failure::Kind;
    use shared::policy::Policy;
    use shared::rotation::Step;

    use super::untidy::Untidy;
    use super::*;
    use crate::samples::{self, ID};

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";
    const OLD: &str = "key-33333333-3333-4333-8333-000000000000";

    pub(super) fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A healthy secret that ends on 2027-01-31.
    pub(super) fn found(labels: &[(&str, &[&str])]) -> Found {
        let end = "2027-01-31T00:00:00Z";
        let rotator = format!("global federated {ID}");
        let tags = [
            (tags::EXPIRES_AT, end),
            (tags::ORIGIN, &short_hash("arn")),
            (tags::TENANT, ID),
            (tags::APP, ID),
            (tags::DELIVERY, "attended"),
            (tags::ROTATOR, &rotator),
        ];
        Found {
            secret: SecretMetadata {
                arn: "arn".into(),
                ..samples::secret("shopmail/orders", labels, &tags)
            },
            quarantine: Period::days(7),
            requested: false,
            turn: true,
            continued: false,
            shares_a_leaked_secret: false,
            contact_is_asked: false,
            facts: Some(Facts {
                key_id: Some(KEY.strip_prefix("key-").unwrap().parse().unwrap()),
                expires_at: Some(at(end)),
                attended: vec![connection("in")],
                ..samples::facts()
            }),
            policy: Policy::default(),
        }
    }

    fn actions(found: &Found, now: &str) -> Vec<PlannedAction> {
        plan(found, at(now)).unwrap().actions
    }

    /// The drift that a check publishes, which then has its tags.
    fn published_drift(found: &mut Found) -> Vec<DriftKind> {
        let mut published = Vec::new();
        for action in actions(found, "2026-11-23T00:00:00Z") {
            match action {
                PlannedAction::Publish(EventKind::DriftFound { what, .. }) => published.push(what),
                PlannedAction::Tag { key, value } => {
                    found.secret.tags.insert(key.to_owned(), value);
                }
                _ => {}
            }
        }
        published
    }

    pub(super) fn connection(id: &str) -> ConnectionId {
        serde_json::from_value(id.into()).unwrap()
    }

    /// The current version has no label of its credential.
    fn labels_it() -> PlannedAction {
        PlannedAction::Sweep(vec![Untidy::Label])
    }

    fn starts(action: &PlannedAction) -> bool {
        matches!(action, PlannedAction::Rotate { .. })
    }

    #[test]
    fn a_fresh_secret_is_swept_and_left_alone() {
        assert_eq!(
            actions(&found(&[("c", &[CURRENT])]), "2026-11-23T00:00:00Z"),
            vec![labels_it()]
        );
    }

    #[test]
    fn a_due_secret_is_published_reminded_of_and_rotated_in_this_order() {
        let actions = actions(&found(&[("c", &[CURRENT])]), "2027-01-05T00:00:00Z");
        let published: Vec<&str> = actions
            .iter()
            .filter_map(|action| match action {
                PlannedAction::Publish(event) => Some(event.detail_type()),
                _ => None,
            })
            .collect();
        assert_eq!(published, vec!["Client Secret Expiring", "Rotation Due"]);
        assert!(actions.last().is_some_and(starts));
    }

    #[test]
    fn a_document_without_a_value_is_due_at_once_and_reminds_nobody_of_an_end_that_is_not_known() {
        let mut found = found(&[("c", &[CURRENT])]);
        let facts = found.facts.as_mut().unwrap();
        (facts.without_value, facts.key_id, facts.expires_at) = (true, None, None);
        let now = "2026-11-23T00:00:00Z";
        let actions_now = actions(&found, now);
        let due = PlannedAction::Publish(EventKind::RotationDue {
            expires_at: None,
            reason: DueReason::Due,
        });
        let rotate = PlannedAction::Rotate {
            reason: DueReason::Due,
        };
        assert_eq!(actions_now, vec![due, rotate]);
        let frozen = found.policy.clone();
        let frozen = frozen.with_tag(Some("freeze=2026-11-01/2026-12-28"));
        let frozen = Found {
            policy: frozen.unwrap(),
            ..found.clone()
        };
        assert!(!actions(&frozen, now).iter().any(starts), "a freeze holds");
        // The named one ends in the freeze.
        let ends = |end: &str| {
            let mut found = frozen.clone();
            found.facts.as_mut().unwrap().expires_at = Some(at(end));
            actions(&found, now).iter().any(starts)
        };
        assert!(!ends("2027-01-31T00:00:00Z"));
        assert!(ends("2026-11-25T00:00:00Z"), "the hard stop");
        assert!(ends("2026-11-01T00:00:00Z"), "it has ended");
    }

    #[test]
    fn what_is_due_soon_is_renewed_along_with_what_its_contact_is_asked_for_and_not_by_itself() {
        let mut found = found(&[("c", &[CURRENT])]);
        let starts_on = |found: &Found, day: &str| actions(found, day).iter().any(starts);
        // Two years, which end on 2027-01-31, and are due on 2027-01-01.
        found.facts.as_mut().unwrap().start = Some(at("2025-01-31T00:00:00Z"));
        let soon = "2026-11-05T00:00:00Z";
        assert!(!starts_on(&found, soon));
        found.contact_is_asked = true;
        assert!(starts_on(&found, soon));
        assert!(
            !starts_on(&found, "2026-10-30T00:00:00Z"),
            "more than 60 days early"
        );
        let frozen = found
            .policy
            .clone()
            .with_tag(Some("freeze=2026-11-01/2026-11-20"));
        let frozen = Found {
            policy: frozen.unwrap(),
            ..found.clone()
        };
        assert!(!starts_on(&frozen, soon));
        let mut by_api = found.clone();
        by_api.facts.as_mut().unwrap().attended.clear();
        assert!(!starts_on(&by_api, soon));
        // Half a year: a twelfth of it is 15 days.
        found.facts.as_mut().unwrap().start = Some(at("2026-08-01T00:00:00Z"));
        assert!(!starts_on(&found, "2026-12-10T00:00:00Z"));
        assert!(starts_on(&found, "2026-12-20T00:00:00Z"));
    }

    #[test]
    fn each_threshold_reminds_once() {
        let mut found = found(&[("c", &[CURRENT])]);
        let now = "2027-01-25T00:00:00Z";
        let reminds = |found: &Found| {
            let expiring = |action: &PlannedAction| {
                matches!(
                    action,
                    PlannedAction::Publish(EventKind::ClientSecretExpiring { .. })
                )
            };
            actions(found, now).iter().any(expiring)
        };
        assert!(reminds(&found));
        found
            .secret
            .tags
            .insert(tags::REMINDED.into(), "c:7".into());
        assert!(!reminds(&found), "published at this threshold");
        found
            .secret
            .tags
            .insert(tags::REMINDED.into(), "c:14".into());
        assert!(reminds(&found), "the next threshold");
        found
            .secret
            .tags
            .insert(tags::REMINDED.into(), "older:7".into());
        assert!(reminds(&found), "published for another version");
    }

    #[test]
    fn a_mailbox_that_renews_itself_in_time_reminds_nobody() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.facts.as_mut().unwrap().attended.clear();
        let reminds = |found: &Found, now: &str| {
            actions(found, now).iter().any(|action| {
                matches!(action, PlannedAction::Publish(kind) if kind.detail_type() == "Client Secret Expiring")
            })
        };
        let now = "2027-01-05T00:00:00Z";
        assert!(!reminds(&found, now));
        let with = |change: &dyn Fn(&mut Found)| {
            let mut found = found.clone();
            change(&mut found);
            reminds(&found, now)
        };
        assert!(with(&|found| found
            .facts
            .as_mut()
            .unwrap()
            .attended
            .push(connection("in"))));
        assert!(with(&|found| found.facts = None), "nobody knows");
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
        // What has ended is published in any case.
        let ended = actions(&found, "2027-01-31T00:00:00Z");
        assert!(ended.iter().any(|action| {
            matches!(
                action,
                PlannedAction::Publish(EventKind::ClientSecretExpired { .. })
            )
        }));
    }

    #[test]
    fn a_rotation_that_stands_still_is_asked_for_once_and_then_continued() {
        let mut found = found(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        let asked = actions(&found, "2027-01-05T00:00:00Z");
        assert_eq!(
            asked.last(),
            Some(&PlannedAction::Reattempt { token: "t".into() })
        );
        let stalled = format!("stalled:t:{}", at("2027-01-05T00:00:00Z").as_second());
        found.secret.tags.insert(tags::STATE.into(), stalled);
        let again = actions(&found, "2027-01-05T00:00:00Z");
        let moves = |action: &PlannedAction| {
            matches!(
                action,
                PlannedAction::Reattempt { .. }
                    | PlannedAction::Continue { .. }
                    | PlannedAction::Rotate { .. }
            )
        };
        assert!(!again.iter().any(moves), "the same check, delivered twice");
        let next = actions(&found, "2027-01-05T06:00:00Z");
        let on = PlannedAction::Continue {
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
        let drop = PlannedAction::DropPending {
            version: "t".into(),
        };
        let idle = actions(&found, "2026-11-23T00:00:00Z");
        assert_eq!(
            idle,
            vec![drop.clone(), labels_it()],
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
            Some(&PlannedAction::DropPending {
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
            Some(&PlannedAction::Reattempt { token: "t".into() })
        );
    }

    #[test]
    fn a_dead_secret_is_renewed_though_its_end_is_far_and_a_freeze_holds() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.policy = found
            .policy
            .with_tag(Some("freeze=2026-11-01/2026-12-28"))
            .unwrap();
        let facts = found.facts.as_mut().unwrap();
        facts.drift = vec![
            DriftKind::CredentialMissing.into(),
            DriftKind::SecretRefused.into(),
        ];
        assert!(actions(&found, "2026-11-23T00:00:00Z").iter().any(starts));
        found.facts.as_mut().unwrap().drift.pop();
        assert!(
            !actions(&found, "2026-11-23T00:00:00Z").iter().any(starts),
            "one stale read"
        );
    }

    #[test]
    fn a_drift_is_published_when_it_appears_and_not_again() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.facts.as_mut().unwrap().drift = vec![DriftKind::ConnectionDisabled.into()];
        let first = actions(&found, "2026-11-23T00:00:00Z");
        let tag = first.iter().find_map(|action| match action {
            PlannedAction::Tag { key, value } if *key == tags::DRIFT => Some(value.clone()),
            _ => None,
        });
        found.secret.tags.insert(tags::DRIFT.into(), tag.unwrap());
        assert_eq!(actions(&found, "2026-11-23T06:00:00Z"), vec![labels_it()]);
    }

    #[test]
    fn a_drift_published_again_after_a_kill_is_the_same_and_one_that_came_back_is_another() {
        let mut found = found(&[("c", &[CURRENT])]);
        // What is published, and then the tag, at a check that sees these.
        let mut at_check = |drifts: &[Drift], hour: i64, tagged: bool| {
            found.facts.as_mut().unwrap().drift = drifts.to_vec();
            let now = at("2026-11-23T00:00:00Z") + jiff::SignedDuration::from_hours(hour);
            let mut published = None;
            for action in actions(&found, &now.to_string()) {
                match action {
                    PlannedAction::Publish(EventKind::DriftFound { time, .. }) => {
                        published = Some(time)
                    }
                    PlannedAction::Tag { key, value } if tagged => {
                        found.secret.tags.insert(key.to_owned(), value);
                    }
                    _ => {}
                }
            }
            published
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
    fn a_drift_that_stays_is_not_published_again_when_another_comes_or_goes() {
        let mut found = found(&[("c", &[CURRENT])]);
        let mut published_with = |drifts: Vec<Drift>| {
            found.facts.as_mut().unwrap().drift = drifts;
            published_drift(&mut found)
        };
        let (a, b) = (DriftKind::ConnectionDisabled, DriftKind::SecretRefused);
        assert_eq!(published_with(vec![a.into()]), vec![a]);
        assert_eq!(published_with(vec![a.into(), b.into()]), vec![b]);
        assert_eq!(published_with(vec![b.into()]), Vec::new());
        assert_eq!(published_with(vec![b.into(), a.into()]), vec![a]);
        assert_eq!(published_with(Vec::new()), Vec::new());
    }

    #[test]
    fn a_drift_that_a_check_could_not_look_for_is_not_published_again_after_it() {
        let mut found = found(&[("c", &[CURRENT])]);
        let mut published_with = |drifts: Vec<Drift>, problems: &[&str]| {
            let facts = found.facts.as_mut().unwrap();
            facts.drift = drifts;
            facts.problems = problems
                .iter()
                .map(|text| Failure::new(Kind::Temporary, *text))
                .collect();
            published_drift(&mut found)
        };
        let what = DriftKind::KeyIdIsAnothers;
        assert_eq!(published_with(vec![what.into()], &[]), vec![what]);
        let other = DriftKind::ConnectionDisabled;
        assert_eq!(
            published_with(vec![other.into()], &["Graph: 503"]),
            vec![other]
        );
        assert_eq!(
            published_with(vec![what.into(), other.into()], &[]),
            Vec::new()
        );
        assert_eq!(published_with(Vec::new(), &[]), Vec::new());
        assert_eq!(
            published_with(vec![what.into()], &[]),
            vec![what],
            "it came back"
        );
    }

    #[test]
    fn what_was_seen_of_another_version_decides_nothing_and_what_leaked_is_retired_all_the_same() {
        let mut found = found(&[("c", &[PREVIOUS, OLD]), ("t", &[CURRENT, KEY])]);
        found.facts.as_mut().unwrap().expires_at = Some(at("2026-11-24T00:00:00Z"));
        let now = "2026-11-23T00:00:00Z";
        assert_eq!(actions(&found, now), vec![]);
        let leaked = (tags::EMERGENCY.to_owned(), "c".to_owned());
        found.secret.tags.extend([leaked]);
        assert_eq!(actions(&found, now), vec![PlannedAction::Retire]);
    }

    #[test]
    fn a_rotation_that_this_check_may_have_begun_is_not_pushed_by_its_next_part() {
        let mut found = found(&[("c", &[CURRENT]), ("t", &[PENDING, KEY])]);
        let moves = |found: &Found| {
            let actions = actions(found, "2027-01-05T00:00:00Z");
            actions.iter().any(PlannedAction::moves_the_rotation)
        };
        assert!(moves(&found));
        found.continued = true;
        assert!(!moves(&found));
        // What an earlier check saw standing is.
        let stalled = (tags::STATE.to_owned(), "stalled:t:1798000000".to_owned());
        found.secret.tags.extend([stalled]);
        assert!(moves(&found));
    }

    #[test]
    fn rotation_switched_off_is_published_and_nothing_is_started() {
        let mut found = found(&[("c", &[CURRENT])]);
        found.secret.rotation_enabled = false;
        let plan = plan(&found, at("2027-01-05T00:00:00Z")).unwrap();
        let why = plan.failures.first().unwrap().to_string();
        assert!(why.contains("switched off"), "{why}");
        assert!(!plan.actions.iter().any(starts));
        let off = |action: &PlannedAction| matches!(action, PlannedAction::Publish(EventKind::DriftFound { what, .. }) if *what == DriftKind::RotationOff);
        assert!(plan.actions.iter().any(off));
    }

    #[test]
    fn a_rotation_under_way_is_left_alone_where_rotation_was_switched_off() {
        for labels in [&[PENDING][..], &[PENDING, KEY]] {
            let mut found = found(&[("c", &[CURRENT]), ("t", labels)]);
            found.secret.rotation_enabled = false;
            let plan = plan(&found, at("2026-11-23T00:00:00Z")).unwrap();
            let why = plan.failures.first().unwrap().to_string();
            assert!(why.contains("one is under way"), "{why}");
            let touches = |action: &PlannedAction| match action {
                PlannedAction::Publish(_) => false,
                PlannedAction::Tag { key, .. } => *key == tags::STATE,
                PlannedAction::Sweep(_)
                | PlannedAction::Retire
                | PlannedAction::PublishRotated { .. }
                | PlannedAction::DropPending { .. }
                | PlannedAction::Rotate { .. }
                | PlannedAction::Reattempt { .. }
                | PlannedAction::Continue { .. } => true,
            };
            assert!(!plan.actions.iter().any(touches), "{:?}", plan.actions);
        }
    }

    #[test]
    fn a_promotion_that_a_kill_kept_from_being_published_is_published() {
        let mut found = found(&[("p", &[PREVIOUS, OLD]), ("c", &[CURRENT, KEY])]);
        found.facts.as_mut().unwrap().issued_here = true;
        let publish = PlannedAction::PublishRotated {
            version: "c".into(),
        };
        assert!(actions(&found, "2026-11-23T00:00:00Z").contains(&publish));
        found
            .secret
            .tags
            .insert(tags::ROTATED_VERSION.into(), "c".into());
        assert!(!actions(&found, "2026-11-23T00:00:00Z").contains(&publish));
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
