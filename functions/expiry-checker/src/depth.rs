//! How deeply a mailbox secret is looked at. At rest, its app registration's list is enough, and all that depends on it is
//! looked at once a day, each secret at its own time of day. Pure.

use jiff::{SignedDuration, Timestamp};
use shared::period::Period;
use shared::policy::{self, Policy, Verdict};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::{PENDING, PROVED, key_label};
use shared::short_hash::short_hash;
use shared::tags;
use shared::tags::open_troubles::OpenTroubles;
use shared::tags::published_failures::PublishedFailures;
use shared::tags::redelivery::Redelivery;
use shared::tags::reminded::Reminded;
use shared::tags::removing::Removing;
use shared::tags::seen_drift::SeenDrift;
use shared::tags::stalled::Stalled;
use shared::tags::state::State;

/// From here to its end a client secret is looked at deeply at each check.
const NEAR: SignedDuration = SignedDuration::from_hours(45 * 24);

const DAY: i64 = 86_400;

/// By what it is decided.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The settings' policy, which a secret's tag may change.
    pub policy: &'a Policy,
    /// The time from one check to the next, where it is known.
    pub interval: Option<Period>,
    /// The check's time.
    pub now: Timestamp,
}

impl Rules<'_> {
    /// Whether this check is the one of the day that looks deeply at this secret. Without a known interval each is.
    pub fn is_its_turn(&self, arn: &str) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        let hash = i64::from_str_radix(&short_hash(arn), 16).unwrap_or_default();
        let since_its_time = (self.now.as_second() - hash).rem_euclid(DAY);
        since_its_time < interval.signed().as_secs()
    }

    /// Whether nothing of it is under way, wrong, asked for or near, as far as the list shows.
    pub fn is_at_rest(&self, secret: &SecretMetadata) -> bool {
        let Some(current) = secret.versions.current() else {
            return false;
        };
        secret.rotation_enabled
            && has_its_label_alone(secret, current)
            && is_known(secret, current)
            && nothing_is_noted(secret, current)
            && self.is_far(secret)
    }

    fn is_far(&self, secret: &SecretMetadata) -> bool {
        let end = time(secret, tags::EXPIRES_AT);
        let far = end.is_some_and(|end| end.duration_since(self.now) > NEAR);
        far && time(secret, tags::ISSUED_AT).is_some()
            && self.verdict(secret) == Some(Verdict::Fresh)
    }

    /// What the policy says of its client secret, by the dates that an earlier look noted.
    pub fn verdict(&self, secret: &SecretMetadata) -> Option<Verdict> {
        let tag = secret.tags.get(policy::TAG).map(String::as_str);
        let policy = self.policy.clone().with_tag(tag).ok()?;
        let end = time(secret, tags::EXPIRES_AT)?;
        Some(policy.verdict(self.now, time(secret, tags::ISSUED_AT), end))
    }
}

fn time(secret: &SecretMetadata, key: &str) -> Option<Timestamp> {
    secret.tags.get(key).and_then(|time| time.parse().ok())
}

/// The current version is labelled with one credential, and no label says anything else.
fn has_its_label_alone(secret: &SecretMetadata, current: &str) -> bool {
    let versions = &secret.versions;
    let claims = versions.claims();
    let keys = versions.keys_of(current);
    let [key_id] = keys.as_slice() else {
        return false;
    };
    claims.len() == 1
        && versions.labels_naming(current, *key_id) == [key_label(*key_id).as_str()]
        && versions.with_label(PENDING).is_none()
        && versions
            .with_label(PROVED)
            .is_none_or(|proved| proved == current)
}

/// An earlier look wrote what a light one goes by.
fn is_known(secret: &SecretMetadata, current: &str) -> bool {
    let tag = |key: &str| secret.tags.get(key);
    let rotated = tag(tags::ROTATED_VERSION).is_none_or(|version| version == current);
    let there = [tags::TENANT, tags::APP, tags::ROTATOR, tags::DELIVERY];
    rotated
        && there.into_iter().all(|key| tag(key).is_some())
        && tag(tags::ORIGIN) == Some(&short_hash(&secret.arn))
}

/// No tag tells of something that is not over.
fn nothing_is_noted(secret: &SecretMetadata, current: &str) -> bool {
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let asked = match State::read(tag(tags::STATE)) {
        Some(State::Waiting { .. } | State::Stalled { .. }) => true,
        Some(State::Rotated) | None => tag(tags::STATE).is_some_and(|state| state != "rotated"),
    };
    let failures = tag(tags::PUBLISHED_FAILURES);
    let failed = !PublishedFailures::read(failures, current).is_empty()
        || PublishedFailures::of_another_version(failures, current);
    let open = OpenTroubles::read(tag(tags::OPEN));
    let is_open = tag(tags::OPEN).is_some() && (!open.is_empty() || open.version() != current);
    !asked
        && !failed
        && !is_open
        && SeenDrift::read(tag(tags::DRIFT)).is_none()
        && Stalled::read(tag(tags::STALLED)).is_none()
        && Redelivery::read(tag(tags::REDELIVERY), current).is_empty()
        && Removing::read(tag(tags::REMOVING)).0.is_empty()
        && !Reminded::covers(tag(tags::REMINDED), current, i64::MAX)
        && tag(tags::EMERGENCY) != Some(current)
}

#[cfg(test)]
mod tests {
    use shared::secret_store::versions::{CURRENT, PREVIOUS};

    use super::*;
    use crate::samples::{self, ID};

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";
    const OTHER: &str = "key-33333333-3333-4333-8333-000000000000";
    const NOW: &str = "2026-11-27T06:00:00Z";

    fn rules(policy: &Policy, now: Timestamp) -> Rules<'_> {
        Rules {
            policy,
            interval: Some(Period::seconds(6 * 3_600)),
            now,
        }
    }

    fn at_rest() -> SecretMetadata {
        let rotator = format!("global federated {ID}");
        let mut secret = samples::secret("shopmail/orders", &[("c", &[CURRENT, KEY])], &[]);
        let tags = [
            (tags::TENANT, ID),
            (tags::APP, ID),
            (tags::ROTATOR, &rotator),
            (tags::DELIVERY, "api"),
            (tags::ORIGIN, &short_hash(&secret.arn)),
            (tags::ISSUED_AT, "2026-01-01T00:00:00Z"),
            (tags::EXPIRES_AT, "2027-01-20T00:00:00Z"),
            (tags::ROTATED_VERSION, "c"),
            (tags::STATE, "rotated"),
            (tags::DRIFT, tags::NONE),
            (tags::STALLED, tags::NONE),
        ];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        secret.tags.extend(tags);
        secret
    }

    fn is_at_rest(secret: &SecretMetadata) -> bool {
        rules(&Policy::default(), NOW.parse().unwrap()).is_at_rest(secret)
    }

    #[test]
    fn whatever_is_noted_of_it_a_secret_is_looked_at_deeply() {
        assert!(is_at_rest(&at_rest()));
        for (key, value) in [
            (tags::ORIGIN, "another"),
            (tags::EXPIRES_AT, "2027-01-10T00:00:00Z"),
            (tags::EXPIRES_AT, "soon"),
            (tags::ROTATED_VERSION, "b"),
            (tags::STATE, "waiting:t:1795428000/30/k/1795428000x0:s"),
            (tags::STATE, "stalled:t:1795428000"),
            (tags::STATE, "somebody typed this"),
            (tags::DRIFT, "0123abcd@1795428000"),
            (tags::STALLED, "1795428000:"),
            (tags::REMOVING, "33333333-3333-4333-8333-000000000000"),
            (tags::REMINDED, "c:30"),
            (tags::EMERGENCY, "c"),
            (policy::TAG, "renew-before=P60D"),
            (policy::TAG, "somebody typed this"),
        ] {
            let mut noted = at_rest();
            noted.tags.insert(key.to_owned(), value.to_owned());
            assert!(!is_at_rest(&noted), "{key}={value}");
        }
        let needed = [tags::TENANT, tags::APP, tags::ROTATOR, tags::DELIVERY];
        for key in needed
            .into_iter()
            .chain([tags::ISSUED_AT, tags::EXPIRES_AT])
        {
            let mut unknown = at_rest();
            unknown.tags.remove(key);
            assert!(!is_at_rest(&unknown), "{key} is missing");
        }
    }

    #[test]
    fn what_its_labels_say_beyond_one_credential_makes_a_look_deep() {
        let with = |labels: &[(&str, &[&str])]| SecretMetadata {
            versions: samples::secret("", labels, &[]).versions,
            ..at_rest()
        };
        // As a proof leaves it until the next one.
        assert!(is_at_rest(&with(&[
            ("b", &[PREVIOUS]),
            ("c", &[CURRENT, KEY, PROVED])
        ])));
        for labels in [
            &[("c", &[CURRENT] as &[&str])] as &[(&str, &[&str])],
            &[("c", &[CURRENT, KEY, OTHER])],
            &[("b", &[PREVIOUS, OTHER]), ("c", &[CURRENT, KEY])],
            &[("c", &[CURRENT, KEY]), ("t", &[PENDING])],
            &[("c", &[CURRENT, KEY]), ("t", &[PROVED])],
            &[("b", &[PREVIOUS])],
        ] {
            assert!(!is_at_rest(&with(labels)), "{labels:?}");
        }
        let off = SecretMetadata {
            rotation_enabled: false,
            ..at_rest()
        };
        assert!(!is_at_rest(&off));
    }

    #[test]
    fn of_a_days_checks_one_is_its_turn_and_without_a_schedule_each() {
        let policy = Policy::default();
        let start: Timestamp = NOW.parse().unwrap();
        for arn in ["a", "b", "c", "d", "e"] {
            let checks = (0..4).map(|n| start + SignedDuration::from_hours(6 * n));
            let turns = checks.filter(|now| rules(&policy, *now).is_its_turn(arn));
            assert_eq!(turns.count(), 1, "{arn}");
        }
        let always = Rules {
            interval: None,
            ..rules(&policy, start)
        };
        assert!(always.is_its_turn("a"));
    }
}
