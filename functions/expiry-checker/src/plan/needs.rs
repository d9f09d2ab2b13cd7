//! What only people can do for a rotation, as far as it is known before: so that a dry run says it.

use jiff::{SignedDuration, Timestamp};
use shared::ids::ConnectionId;
use shared::rotation::inspection::{Facts, StoredGrant};

/// Entra lets an idle refresh token die after 90 days (entra-docs, refresh-tokens.md).
const IDLE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Whether a grant is there and of use, by all that is known.
pub fn works(grant: &StoredGrant, now: Timestamp) -> bool {
    let living = |redeemed: Timestamp| now.duration_since(redeemed) < IDLE;
    !grant.refused && grant.redeemed_at.is_some_and(living)
}

pub(super) fn of_people(facts: &Facts, now: Timestamp) -> Vec<String> {
    let grants = facts.grants.iter().flatten();
    let owners = grants.filter(|grant| !works(grant, now));
    let owners = owners.map(|grant| format!("the owner of {}", grant.mailbox.as_str()));
    let by_hand: Vec<&str> = facts.attended.iter().map(ConnectionId::as_str).collect();
    let contact = facts
        .has_attended()
        .then(|| format!("a person to hand it over for {}", by_hand.join(", ")));
    owners.chain(contact).collect()
}
