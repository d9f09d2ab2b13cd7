//! Whether a rotation that waits for a person is to be gone on with: where what it waits for was done, where the person
//! is to be asked again, and else once a day, should both have been missed. To try each at each check would hold up the
//! rest, and the slots in which sign-in pages run.

use jiff::Timestamp;
use shared::drift::DriftKind;
use shared::policy;
use shared::rotation::inspection::{Facts, HeldSecret, StoredGrant};
use shared::tags::state::Asked;

use super::found::Found;

/// `asked` is what this rotation asked for.
pub(super) fn goes_on(
    found: &Found,
    facts: Option<&Facts>,
    token: &str,
    asked: &Asked,
    now: Timestamp,
    end: Option<Timestamp>,
) -> bool {
    let link_ended = asked.until <= now.as_second();
    let refused = |facts: &Facts| facts.drift.contains(&DriftKind::SecretRefused.into());
    // 0 when mail has stopped already.
    let threshold = match facts.is_some_and(refused) {
        true => Some(0),
        false => end.and_then(|end| found.policy.thresholds.urgency(now, end)),
    };
    let nearer = policy::tightened(asked.threshold, threshold);
    let done = facts.is_some_and(|facts| something_was_done(found, facts, token, asked));
    found.turn || link_ended || nearer || done
}

fn something_was_done(found: &Found, facts: &Facts, token: &str, asked: &Asked) -> bool {
    let pending = found.secret.versions.keys_of(token);
    let delivered = |held: &HeldSecret| {
        let holds_it = held.key_id.is_some_and(|key_id| pending.contains(&key_id));
        holds_it && held.authorized && held.enabled
    };
    let by_hand = facts.attended.iter().all(|id| facts.attested.contains(id));
    let by_api = facts.held.iter().all(delivered);
    let signed_in = |grant: &StoredGrant| {
        let redeemed = grant.redeemed_at.map(Timestamp::as_second);
        redeemed.is_some_and(|redeemed| asked.at.is_some_and(|at| redeemed >= at))
    };
    let delivered_by_someone = !facts.attended.is_empty() || !facts.held.is_empty();
    by_hand && by_api && delivered_by_someone || facts.grants.iter().flatten().any(signed_in)
}
