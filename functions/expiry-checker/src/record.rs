//! A mailbox secret as the list shows it: in few bytes, for there may be a hundred thousand of them.

use jiff::Timestamp;
use shared::ids::{DirectoryId, KeyId};
use shared::mailbox_secret::{Delivery, Rotator};
use shared::policy::{Policy, Verdict};
use shared::rotation::inspection::{ListedCredential, TenantRotator};
use shared::rotation::secret_name;
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::Versions;
use shared::tags;
use shared::tags::apps::Apps;
use shared::tags::rotator::CloudRotator;
use shared::tags::stalled::Stalled;
use shared::tags::state::State;

use crate::depth::Rules;

/// Whether a secret is looked after here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    LookedAfter,
    /// In its own region.
    Replica,
    /// It is going to be deleted, and can be restored until then.
    Deleted,
}

/// Where a secret's rotation stands, as far as the list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// None is due.
    None,
    /// One is due and not begun.
    Due,
    /// One is under way, or failed.
    UnderWay,
    /// One waits for a person.
    WaitsForPerson,
}

/// A secret of the list.
#[derive(Debug)]
pub struct Record {
    pub arn: Box<str>,
    pub standing: Standing,
    /// Its app registrations, today's first.
    pub apps: Apps,
    /// The credentials that its labels name.
    pub keys: Box<[KeyId]>,
    /// The one of the current version, where labels name just one.
    pub current_key: Option<KeyId>,
    /// Those of a version that leaked.
    pub leaked: Box<[KeyId]>,
    /// The tenant, where its tag says it.
    pub tenant: Option<DirectoryId>,
    /// Who issues its credentials, where that is known and is asked for many at once.
    pub rotator: Option<CloudRotator>,
    pub issued_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    /// No rotation of it was ever published.
    pub never_rotated: bool,
    pub rotation: Rotation,
    /// From here on not even a freeze holds its rotation back.
    pub past_hard_stop: bool,
    /// Since when it is not in order, where it is not.
    pub stands_since: Option<Timestamp>,
    /// When the current version was promoted, where a rotation did that.
    pub promoted_at: Option<Timestamp>,
    /// The rotation that is under way.
    pub pending: Option<Box<str>>,
    /// Nothing is under way, wrong, asked for or near.
    pub at_rest: bool,
    /// It is its turn to be looked at deeply.
    pub turn: bool,
    /// Its contact, where it would be renewed along with another one that the contact is asked for.
    pub goes_along_with: Option<Box<str>>,
    /// All that the list shows, where it is looked at deeply.
    pub listed: Option<Listed>,
}

/// What the list shows of a secret, as JSON: of a hundred thousand it has to fit into memory.
#[derive(Debug)]
pub struct Listed(Box<[u8]>);

impl Listed {
    fn of(secret: &SecretMetadata) -> Option<Self> {
        serde_json::to_vec(secret)
            .ok()
            .map(|json| Self(json.into()))
    }

    fn read(&self) -> Option<SecretMetadata> {
        serde_json::from_slice(&self.0).ok()
    }
}

impl Record {
    pub fn new(secret: SecretMetadata, rules: &Rules<'_>) -> Self {
        let tag = |key: &str| secret.tags.get(key).map(String::as_str);
        let time = |key: &str| tag(key).and_then(|time| time.parse().ok());
        let versions = &secret.versions;
        let mut keys: Vec<KeyId> = versions.claims().into_keys().map(|(key, _)| key).collect();
        keys.dedup();
        let current_keys = versions.current().map(|current| versions.keys_of(current));
        let leaked = tag(tags::EMERGENCY).map(|version| versions.keys_of(version));
        let rotator = tag(tags::ROTATOR).and_then(|tag| tag.parse::<CloudRotator>().ok());
        let rotator = rotator.filter(|of| of.rotator != Rotator::Itself {});
        let tenant = tag(tags::TENANT).and_then(DirectoryId::read);
        let apps: Apps = tag(tags::APP)
            .unwrap_or_default()
            .parse()
            .unwrap_or_default();
        let client_id = apps.current().and_then(DirectoryId::read);
        let known = rotator.is_some() && tenant.is_some() && client_id.is_some();
        let at_rest = known && rules.is_at_rest(&secret);
        let turn = rules.is_its_turn(&secret.arn);
        let mut record = Self {
            standing: match (secret.is_replica(), secret.deleted) {
                (true, _) => Standing::Replica,
                (false, true) => Standing::Deleted,
                (false, false) => Standing::LookedAfter,
            },
            apps,
            current_key: match current_keys.as_deref() {
                Some([key_id]) => Some(*key_id),
                Some(_) | None => None,
            },
            leaked: leaked.unwrap_or_default().into(),
            keys: keys.into(),
            tenant,
            rotator,
            issued_at: time(tags::ISSUED_AT),
            expires_at: time(tags::EXPIRES_AT),
            never_rotated: tag(tags::ROTATED_VERSION).is_none(),
            rotation: rotation(&secret, rules),
            past_hard_stop: time(tags::EXPIRES_AT).is_some_and(|end: Timestamp| {
                end.duration_since(rules.now) <= rules.policy.hard_stop.signed()
            }),
            stands_since: Stalled::read(tag(tags::STALLED)).map(|stalled| stalled.since),
            promoted_at: promoted_at(&secret),
            pending: versions.in_progress().map(Into::into),
            at_rest,
            turn,
            goes_along_with: goes_along_with(&secret, rules.policy, rules.now).map(Into::into),
            arn: secret.arn.as_str().into(),
            listed: None,
        };
        record.listed = Listed::of(&secret).filter(|_| record.is_deep());
        record
    }

    /// Its name.
    pub fn name(&self) -> &str {
        secret_name(&self.arn)
    }

    /// As the list showed it, as far as that was kept.
    pub fn as_listed(&self) -> SecretMetadata {
        if let Some(listed) = self.listed.as_ref().and_then(Listed::read) {
            return listed;
        }
        let end = self
            .expires_at
            .map(|end| (tags::EXPIRES_AT.to_owned(), end.to_string()));
        SecretMetadata {
            arn: self.arn.to_string(),
            name: self.name().to_owned(),
            rotation_enabled: true,
            versions: Versions::default(),
            tags: end.into_iter().collect(),
            last_rotated: None,
            next_rotation: None,
            deleted: false,
            primary_region: None,
        }
    }

    /// Whether it is looked at with all that depends on it.
    pub fn is_deep(&self) -> bool {
        self.standing == Standing::LookedAfter && (!self.at_rest || self.turn)
    }

    /// The app registration of today.
    pub fn client_id(&self) -> Option<DirectoryId> {
        DirectoryId::read(self.apps.current()?)
    }

    /// By whom its app registration is listed together with others.
    pub fn of(&self) -> Option<TenantRotator> {
        let CloudRotator { cloud, rotator } = self.rotator.clone()?;
        Some(TenantRotator {
            cloud,
            tenant_id: self.tenant.clone()?,
            rotator,
        })
    }

    /// Whether what its app registration lists is as the list of secrets says. The list may be older; then a deep look
    /// tells.
    pub fn agrees_with(&self, listed: &[ListedCredential]) -> bool {
        let Some(key_id) = self.current_key else {
            return false;
        };
        let current = listed.iter().find(|credential| credential.key_id == key_id);
        let second = |time: Option<Timestamp>| time.map(Timestamp::as_second);
        let same = |credential: &ListedCredential| {
            let published = credential.issued_for.is_none() || !self.never_rotated;
            published
                && second(credential.end) == second(self.expires_at)
                && second(credential.start) == second(self.issued_at)
        };
        current.is_some_and(same) && listed.iter().all(|credential| credential.key_id == key_id)
    }
}

fn rotation(secret: &SecretMetadata, rules: &Rules<'_>) -> Rotation {
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    if let Some(token) = secret.versions.in_progress() {
        let state = State::read(tag(tags::STATE));
        return match state.is_some_and(|state| state.asked(token).is_some()) {
            true => Rotation::WaitsForPerson,
            false if secret.rotation_enabled => Rotation::UnderWay,
            // Nobody goes on with it.
            false => Rotation::None,
        };
    }
    match rules.verdict(secret) {
        Some(Verdict::Due) if secret.rotation_enabled => Rotation::Due,
        Some(_) | None => Rotation::None,
    }
}

fn promoted_at(secret: &SecretMetadata) -> Option<Timestamp> {
    let promoted = secret.tags.get(tags::ROTATED_VERSION).map(String::as_str);
    let is_current = promoted.is_some() && promoted == secret.versions.current();
    secret.last_rotated.filter(|_| is_current)
}

/// The contact of an attended one that is due soon.
fn goes_along_with<'s>(
    secret: &'s SecretMetadata,
    policy: &Policy,
    now: Timestamp,
) -> Option<&'s str> {
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let time = |key: &str| tag(key).and_then(|time| time.parse().ok());
    let attended = tag(tags::DELIVERY) == Some(Delivery::Attended.name());
    let (start, end) = (time(tags::ISSUED_AT)?, time(tags::EXPIRES_AT)?);
    let policy = policy.clone().with_tag(tag(shared::policy::TAG)).ok()?;
    let soon = attended && policy.is_due_soon(now, start, end);
    tag(tags::CONTACT).filter(|_| soon)
}

#[cfg(test)]
mod tests {
    use shared::secret_store::versions::CURRENT;

    use super::*;
    use crate::samples;

    fn key(n: u8) -> KeyId {
        format!("33333333-3333-4333-8333-0000000000{n:02x}")
            .parse()
            .unwrap()
    }

    fn at(time: &str) -> Option<Timestamp> {
        Some(time.parse().unwrap())
    }

    fn listed(n: u8) -> ListedCredential {
        ListedCredential {
            key_id: key(n),
            start: at("2026-01-01T00:00:00Z"),
            end: at("2027-01-20T00:00:00.7Z"),
            issued_for: None,
            settled: true,
        }
    }

    #[test]
    fn a_light_look_agrees_only_with_the_one_credential_that_the_tags_tell_of() {
        let label = format!("key-{}", key(1));
        let tags = [
            (tags::ISSUED_AT, "2026-01-01T00:00:00Z"),
            (tags::EXPIRES_AT, "2027-01-20T00:00:00Z"),
        ];
        let secret = samples::secret("shopmail/orders", &[("c", &[CURRENT, &label])], &tags);
        let policy = Policy::default();
        let rules = Rules {
            policy: &policy,
            interval: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let record = Record::new(secret, &rules);
        assert!(record.agrees_with(&[listed(1)]));
        let moved = ListedCredential {
            end: at("2026-12-20T00:00:00Z"),
            ..listed(1)
        };
        // Its promotion was never published.
        let issued = ListedCredential {
            issued_for: Some("c".to_owned()),
            ..listed(1)
        };
        let others: [&[ListedCredential]; 5] = [
            &[],
            &[listed(2)],
            &[listed(1), listed(2)],
            &[moved],
            &[issued],
        ];
        for other in others {
            assert!(!record.agrees_with(other), "{other:?}");
        }
    }
}
