//! Who is being asked for a hand-over: what else is due soon for the same contact is done in one go. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::mailbox_secret::Delivery;
use shared::policy::{self, Policy, Verdict};
use shared::secret_store::SecretMetadata;
use shared::tags;
use shared::tags::state::State;

/// The contacts that are asked for a hand-over, or will be by this check, each with the secrets that it is for.
#[derive(Debug, Default)]
pub struct Contacts(BTreeMap<String, Vec<String>>);

impl Contacts {
    /// Adds one from the list, which may be minutes old, by its tags, which are a cache: what is missed is done later.
    pub fn add(&mut self, secret: &SecretMetadata, policy: &Policy, now: Timestamp) {
        if let Some(contact) = secret.tags.get(tags::CONTACT)
            && is_asked_for(secret, policy, now)
        {
            let of_contact = self.0.entry(contact.clone()).or_default();
            of_contact.push(secret.arn.clone());
        }
    }

    /// Whether this contact is asked for another secret than the one with this ARN.
    pub fn is_asked_for_another(&self, contact: Option<&str>, arn: &str) -> bool {
        let asked = contact.and_then(|contact| self.0.get(contact));
        asked.is_some_and(|arns| arns.iter().any(|other| other != arn))
    }
}

fn is_asked_for(secret: &SecretMetadata, policy: &Policy, now: Timestamp) -> bool {
    let tag = |key: &str| secret.tags.get(key).map(String::as_str);
    let looked_after = !secret.deleted && !secret.is_replica() && secret.rotation_enabled;
    if !looked_after || tag(tags::DELIVERY) != Some(Delivery::Attended.name()) {
        return false;
    }
    let state = State::read(tag(tags::STATE));
    let asked = |token| state.as_ref().is_some_and(|s| s.asked(token).is_some());
    if secret.versions.in_progress().is_some_and(asked) {
        return true;
    }
    let Ok(policy) = policy.clone().with_tag(tag(policy::TAG)) else {
        return false;
    };
    let time = |key: &str| tag(key).and_then(|time| time.parse().ok());
    let Some(end) = time(tags::EXPIRES_AT) else {
        return false;
    };
    match policy.verdict(now, time(tags::ISSUED_AT), end) {
        Verdict::Due | Verdict::Expired => true,
        Verdict::Fresh | Verdict::Held(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use shared::secret_store::versions::{CURRENT, PENDING};

    use super::*;
    use crate::samples;

    fn secret(name: &str, tags: &[(&str, &str)]) -> SecretMetadata {
        SecretMetadata {
            arn: name.to_owned(),
            ..samples::secret(name, &[("c", &[CURRENT]), ("t", &[PENDING])], tags)
        }
    }

    #[test]
    fn a_contact_is_asked_for_another_one_that_waits_or_is_due_and_that_a_person_delivers() {
        let policy = Policy::default();
        let now: Timestamp = "2027-01-05T00:00:00Z".parse().unwrap();
        let ann = (tags::CONTACT, "ann@agency.example");
        let attended = (tags::DELIVERY, "attended");
        let this = secret("this", &[ann, attended]);
        let asked = |tags: &[(&str, &str)]| {
            let mut contacts = Contacts::default();
            for listed in [&this, &secret("other", tags)] {
                contacts.add(listed, &policy, now);
            }
            contacts.is_asked_for_another(Some(ann.1), "this")
        };
        let due = (tags::EXPIRES_AT, "2027-01-31T00:00:00Z");
        let fresh = (tags::EXPIRES_AT, "2027-12-31T00:00:00Z");
        let waits = (tags::STATE, "waiting:t:1000/14:abcd");
        assert!(asked(&[ann, attended, due]));
        assert!(asked(&[ann, attended, fresh, waits]));
        assert!(!asked(&[ann, attended, fresh]));
        assert!(!asked(&[ann, (tags::DELIVERY, "api"), due]));
        assert!(!asked(&[
            (tags::CONTACT, "bob@agency.example"),
            attended,
            due
        ]));
        let frozen = (policy::TAG, "freeze=2027-01-01/2027-01-20");
        assert!(!asked(&[ann, attended, due, frozen]));
        let mut alone = Contacts::default();
        alone.add(&secret("this", &[ann, attended, due]), &policy, now);
        assert!(!alone.is_asked_for_another(Some(ann.1), "this"));
    }
}
