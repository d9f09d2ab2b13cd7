//! Whether there is something to do about superseded credentials, for which `retire` is called.

use jiff::Timestamp;
use shared::ids::KeyId;
use shared::rotation::inspection::{Facts, ListedCredential};
use shared::secret_store::SecretMetadata;
use shared::secret_store::versions::{Claim, PREVIOUS};
use shared::tags;
use shared::tags::superseded::SupersededWarnings;

use super::found::Found;

/// The last week before a superseded credential's end has warnings of its own.
const LAST_WEEK: i64 = 7;

/// Where nobody could look, or something does not answer, only for one that leaked: it would hold up the others.
pub(super) fn is_to_retire(found: &Found, facts: Option<&Facts>, now: Timestamp) -> bool {
    let secret = &found.secret;
    let versions = &secret.versions;
    let claims = versions.claims();
    let in_use = |key_id: KeyId, version: &str| {
        let used = |(named, of): &(KeyId, &str)| *named == key_id && versions.in_use(of);
        versions.in_use(version)
            || facts.and_then(|facts| facts.key_id) == Some(key_id)
            || claims.keys().any(used)
    };
    let superseded = claims
        .iter()
        .filter(|((key_id, version), _)| !in_use(*key_id, version));
    let mut superseded = superseded.map(|((key_id, version), claim)| (*key_id, *version, *claim));
    let Some((facts, listed)) = facts.and_then(|facts| Some((facts, facts.credentials.as_ref()?)))
    else {
        return superseded.any(|(_, version, _)| found.requested || is_leaked(found, version));
    };
    if facts.has_silent() {
        return superseded.any(|(_, version, _)| is_leaked(found, version));
    }
    superseded.any(|(key_id, version, claim)| {
        let credential = listed.iter().find(|credential| credential.key_id == key_id);
        // Whether somebody uses it only Entra's report tells, which is read in its turn.
        found.turn || has_come(found, facts, credential, Old { version, claim }, now)
    })
}

fn is_leaked(found: &Found, version: &str) -> bool {
    found.tag(tags::EMERGENCY) == Some(version)
}

/// A superseded version, and how far its credential's life has come.
#[derive(Clone, Copy)]
struct Old<'a> {
    version: &'a str,
    claim: Claim,
}

/// Whether something is due of this one.
fn has_come(
    found: &Found,
    facts: &Facts,
    credential: Option<&ListedCredential>,
    old: Old<'_>,
    now: Timestamp,
) -> bool {
    // It is gone: its labels are to go, too.
    let Some(credential) = credential else {
        return true;
    };
    let leaked = is_leaked(found, old.version);
    let ended = credential.end.is_some_and(|end| end <= now);
    let since = match old.claim {
        Claim::Released | Claim::Retired => return true,
        Claim::Superseded(since) => since,
        Claim::Holds => superseded_since(&found.secret, old.version),
    };
    let Some(since) = since.filter(|_| !leaked && !ended) else {
        return true;
    };
    let quarantine_over = now.duration_since(since) >= found.quarantine.signed();
    let days_left = credential
        .end
        .map(|end| end.duration_since(now).as_hours() / 24);
    let warned = || {
        let keys = std::iter::once(credential.key_id);
        let told = SupersededWarnings::read(found.tag(tags::SUPERSEDED), keys);
        told.of(credential.key_id).is_some()
    };
    let by_hand = credential.issued_for.is_none();
    (quarantine_over && !facts.has_attended())
        || facts.has_attended() && days_left.is_some_and(|days| days <= LAST_WEEK)
        || by_hand && !warned()
}

/// By Secrets Manager's own date, where it is of the promotion that superseded this version.
fn superseded_since(secret: &SecretMetadata, version: &str) -> Option<Timestamp> {
    secret
        .last_rotated
        .filter(|_| secret.versions.has(version, PREVIOUS))
}
