//! The tags of a mailbox secret: a cache that can be rebuilt, and never an authority.

/// `mailbox` on a mailbox secret, `grants` on its companion.
pub const MANAGED: &str = "shopmail:managed";
/// Whom to tell. Never one of the secret's own mailboxes, whose mail may stand still.
pub const CONTACT: &str = "shopmail:contact";
/// The tenant of the app registration, as last looked at.
pub const TENANT: &str = "shopmail:tenant";
/// The app registration's client id, as last looked at, and those before, with spaces between.
pub const APP: &str = "shopmail:app";
/// A short hash of the ARN of the secret that these tags were first set on. Replicas have their primary's tags, also
/// once they were promoted.
pub const ORIGIN: &str = "shopmail:origin";
/// When the current client secret was made.
pub const ISSUED_AT: &str = "shopmail:issued-at";
/// When the current client secret ends.
pub const EXPIRES_AT: &str = "shopmail:expires-at";
/// The version whose promotion has been told.
pub const ROTATED_VERSION: &str = "shopmail:rotated-version";
/// `rotated`, `waiting:<token>:<until>/<rung>:<what>.<what>…`, or `stalled:<token>:<check>`; times in Unix
/// seconds.
pub const STATE: &str = "shopmail:state";
/// The last reminder, `<version>:<rung>`; rung 0 is "expired".
pub const REMINDED: &str = "shopmail:reminded";
/// What was last found not to be as it was left, `<hash>.<hash>…@<time>`; a drift is told when it
/// appears. The time is of the last change: a check's in Unix seconds, or a promoted version. A `+`
/// before a hash: seen once, and told when a second check sees it too.
pub const DRIFT: &str = "shopmail:drift";
/// What [`DRIFT`] has before its time where all is as it was left, and [`STALLED`] where all is in order.
pub const NONE: &str = "none";
/// What was last told of superseded credentials, `<hash of the keyId>:<rung>:<used>.…`.
pub const SUPERSEDED: &str = "shopmail:superseded";
/// The deliveries outside of a rotation that were begun and not told, `<version>:<begun>:<hash>.<hash>…`.
pub const REDELIVERY: &str = "shopmail:redelivery";
/// The credentials that were lost and are being removed, `<keyId>.<keyId>…`: a kill after the removal
/// does not swallow its event.
pub const REMOVING: &str = "shopmail:removing";
/// How the last attempt at a step ended, `<token>:<step>:<error type>:<code>:<what>`.
pub const LAST_FAILURE: &str = "shopmail:last-failure";
/// The failures that were told, `<version>:<hash>.<hash>…`; the version is AWSCURRENT's.
pub const FAILURES_TOLD: &str = "shopmail:failures-told";
/// Since when a mailbox has not been in order, when a person was last told, and on which rung of the ladder,
/// `<since>:<told>/<rung>`, in Unix seconds; `none` where it is in order.
pub const STALLED: &str = "shopmail:stalled";
/// `<AWSCURRENT version>`: that version's credential leaked.
pub const EMERGENCY: &str = "shopmail:emergency";

/// The state of a rotation that waits for a person.
#[must_use]
pub fn waiting(token: &str) -> String {
    format!("waiting:{token}:")
}

/// The state of a rotation that a check found standing still; the check's time follows.
#[must_use]
pub fn stalled(token: &str) -> String {
    format!("stalled:{token}:")
}
