//! What was left behind at a mailbox secret that `sweep` puts in order. Where nothing was, it is not called.

use std::fmt;

use shared::ids::KeyId;
use shared::rotation::inspection::{Facts, ListedCredential};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::{PENDING, key_label};
use shared::tags;
use shared::tags::redelivery::Redelivery;
use shared::tags::removing::Removing;
use shared::tags::state::State;

use super::found::Found;

/// What was left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untidy {
    /// Labels that have nothing to say any more.
    Leftovers,
    /// The current version is not labelled with its credential, or with another one.
    Label,
    /// A connection does not hold the current secret, or is not Authorized; or a delivery was begun and not published.
    Connections,
    /// A grant that nobody has redeemed for long.
    IdleGrant,
    /// A grant that Entra refuses.
    RefusedGrant,
    /// A writer of the grants was killed and left its label, which keeps an old grant.
    UnfinishedGrants,
    /// A person was asked for something outside of a rotation.
    Asked,
    /// A credential of ours that nothing names, or whose removal was begun and not published.
    LostCredential,
}

impl fmt::Display for Untidy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leftovers => "labels of what is over",
            Self::Label => "the label of the current credential",
            Self::Connections => "what connections hold",
            Self::IdleGrant => "a grant that nobody has redeemed for long",
            Self::RefusedGrant => "a grant that Entra refuses",
            Self::UnfinishedGrants => "a grants version that nobody needs",
            Self::Asked => "what a person was asked for",
            Self::LostCredential => "credentials that nobody has the value of",
        })
    }
}

pub(super) fn untidy(found: &Found, facts: &Facts, current: &str) -> Vec<Untidy> {
    let secret = &found.secret;
    let at_rest = secret.versions.in_progress().is_none();
    let all = [
        (Untidy::Leftovers, !secret.versions.leftovers().is_empty()),
        (Untidy::Label, is_labelled_otherwise(secret, facts, current)),
        // A rotation in progress has its own deliveries.
        (
            Untidy::Connections,
            at_rest && has_other_connections(found, facts, current),
        ),
        (
            Untidy::IdleGrant,
            at_rest && facts.grants.iter().flatten().any(|grant| grant.idle),
        ),
        (
            Untidy::RefusedGrant,
            at_rest && facts.grants.iter().flatten().any(|grant| grant.refused),
        ),
        (Untidy::UnfinishedGrants, at_rest && facts.grants_unfinished),
        (Untidy::Asked, at_rest && was_asked(found, current)),
        (Untidy::LostCredential, has_lost(found, facts)),
    ];
    let there = all.into_iter().filter(|(_, is)| *is);
    there.map(|(untidy, _)| untidy).collect()
}

/// The current version is labelled with the credential that its document names, where Entra lists it as its value's,
/// and with no other.
fn is_labelled_otherwise(secret: &SecretMetadata, facts: &Facts, current: &str) -> bool {
    let keys = secret.versions.keys_of(current);
    let labels = |key_id: &KeyId| secret.versions.labels_naming(current, *key_id);
    let has: Vec<&str> = keys.iter().flat_map(labels).collect();
    let label = facts.key_id.map(key_label);
    match (label, facts.key_fits) {
        (Some(label), Some(true)) => has != [label.as_str()],
        (Some(_), Some(false)) | (None, _) => !has.is_empty(),
        (Some(_), None) => false,
    }
}

fn has_other_connections(found: &Found, facts: &Facts, current: &str) -> bool {
    let begun = Redelivery::read(found.tag(tags::REDELIVERY), current);
    let open = facts
        .connections
        .iter()
        .any(|connection| begun.has(connection));
    let differs = facts
        .held
        .iter()
        .any(|held| !held.authorized || held.key_id != facts.key_id);
    open || differs && !facts.without_value
}

fn was_asked(found: &Found, current: &str) -> bool {
    let state = State::read(found.tag(tags::STATE));
    state.is_some_and(|state| state.asked(current).is_some())
}

fn has_lost(found: &Found, facts: &Facts) -> bool {
    let removing = Removing::read(found.tag(tags::REMOVING));
    let listed = facts.credentials.iter().flatten();
    let lost = listed.filter(|credential| is_lost(&found.secret, facts.key_id, credential));
    lost.count() > 0 || !removing.0.is_empty()
}

/// Whether a credential of ours is named by nothing, and not by a rotation that may be about to store it.
fn is_lost(secret: &SecretMetadata, current: Option<KeyId>, credential: &ListedCredential) -> bool {
    let Some(version) = &credential.issued_for else {
        return false;
    };
    let key_id = credential.key_id;
    let claims = secret.versions.claims();
    let named = Some(key_id) == current || claims.keys().any(|(named, _)| *named == key_id);
    let in_flight =
        secret.versions.has(version, PENDING) && secret.versions.keys_of(version).is_empty();
    !named && !in_flight && credential.settled
}

#[cfg(test)]
mod tests {
    use shared::rotation::inspection::{HeldSecret, StoredGrant};
    use shared::secret_store::versions::CURRENT;

    use super::*;
    use crate::plan::tests::{connection, found};

    const KEY: &str = "key-33333333-3333-4333-8333-333333333333";

    /// What is untidy once this was changed.
    fn with(change: impl FnOnce(&mut Found, &mut Facts)) -> Vec<Untidy> {
        let mut found = found(&[("c", &[CURRENT, KEY])]);
        let mut facts = found.facts.take().unwrap();
        change(&mut found, &mut facts);
        untidy(&found, &facts, "c")
    }

    fn orphan(settled: bool) -> ListedCredential {
        ListedCredential {
            key_id: "33333333-3333-4333-8333-000000000000".parse().unwrap(),
            start: None,
            end: None,
            issued_for: Some("t".to_owned()),
            settled,
        }
    }

    fn holds(authorized: bool, key_id: Option<KeyId>) -> HeldSecret {
        HeldSecret {
            connection: connection("in"),
            key_id,
            authorized,
            enabled: true,
        }
    }

    #[test]
    fn each_thing_that_was_left_behind_has_the_sweep_called_and_nothing_else_has() {
        assert_eq!(with(|_, _| {}), []);
        let lost = with(|_, facts| facts.credentials = Some(vec![orphan(true)]));
        assert_eq!(lost, [Untidy::LostCredential]);
        // Its label may not show yet; or it is somebody else's.
        let young = with(|_, facts| facts.credentials = Some(vec![orphan(false)]));
        assert_eq!(young, []);
        let foreign = with(|_, facts| {
            let issued_for = None;
            facts.credentials = Some(vec![ListedCredential {
                issued_for,
                ..orphan(true)
            }]);
        });
        assert_eq!(foreign, []);
        assert_eq!(
            with(|_, facts| facts.grants_unfinished = true),
            [Untidy::UnfinishedGrants]
        );
        let refused = with(|_, facts| facts.held = vec![holds(false, facts.key_id)]);
        assert_eq!(refused, [Untidy::Connections]);
        let another = with(|_, facts| facts.held = vec![holds(true, None)]);
        assert_eq!(another, [Untidy::Connections]);
        let right = with(|_, facts| facts.held = vec![holds(true, facts.key_id)]);
        assert_eq!(right, []);
        let grant = |idle, refused| {
            with(move |_, facts| {
                facts.grants = Some(vec![StoredGrant {
                    mailbox: serde_json::from_str("\"orders@shop.example\"").unwrap(),
                    redeemed_at: None,
                    idle,
                    refused,
                }]);
            })
        };
        assert_eq!(grant(true, false), [Untidy::IdleGrant]);
        assert_eq!(grant(false, true), [Untidy::RefusedGrant]);
        let named_otherwise = with(|_, facts| facts.key_fits = Some(false));
        assert_eq!(named_otherwise, [Untidy::Label]);
    }
}
