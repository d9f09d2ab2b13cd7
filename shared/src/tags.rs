//! The tags of a mailbox secret: a cache that can be rebuilt, and never an authority. What is more than one plain
//! value has a module with its grammar. A tag has 256 characters.

pub mod apps;
pub mod last_failure;
pub mod open_troubles;
pub mod published_failures;
pub mod redelivery;
pub mod reminded;
pub mod removing;
pub mod rotator;
pub mod seen_drift;
pub mod stalled;
pub mod state;
pub mod superseded;

/// The text is not in this tag's form: somebody edited it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in this tag's form")]
pub struct Unreadable;

/// `mailbox` on a mailbox secret, `grants` on its companion.
pub const MANAGED: &str = "shopmail:managed";
/// Who hears of what happens. Never one of the secret's own mailboxes, whose mail may stand still.
pub const CONTACT: &str = "shopmail:contact";
/// The tenant of the app registration, as last looked at.
pub const TENANT: &str = "shopmail:tenant";
/// Who issues its credentials, as last looked at: [`rotator::CloudRotator`].
pub const ROTATOR: &str = "shopmail:rotator";
/// The shop's number in ShopCtrl.
pub const SHOP: &str = "shopmail:shop";
/// The mailboxes' addresses and sign-in names, as last looked at, with spaces between; those that a tag can hold.
pub const MAILBOXES: &str = "shopmail:mailboxes";
/// `attended` where a person delivers to some connection, else `api`; as last looked at.
pub const DELIVERY: &str = "shopmail:delivery";
/// What people were told is wrong: [`open_troubles::OpenTroubles`].
pub const OPEN: &str = "shopmail:open";
/// The app registration's client id, as last looked at, and those before: [`apps::Apps`].
pub const APP: &str = "shopmail:app";
/// A short hash of the ARN of the secret that these tags were first set on. Replicas have their primary's tags, also
/// once they were promoted.
pub const ORIGIN: &str = "shopmail:origin";
/// When the current client secret was made.
pub const ISSUED_AT: &str = "shopmail:issued-at";
/// When the current client secret ends.
pub const EXPIRES_AT: &str = "shopmail:expires-at";
/// The version whose promotion has been published.
pub const ROTATED_VERSION: &str = "shopmail:rotated-version";
/// On the secret that signs links: the check that is under way, as `expiry-checker` has it; or [`NONE`].
pub const CHECK: &str = "shopmail:check";
/// Where a rotation stands: [`state::State`].
pub const STATE: &str = "shopmail:state";
/// The last reminder: [`reminded::Reminded`].
pub const REMINDED: &str = "shopmail:reminded";
/// What was last found not to be as it was left: [`seen_drift::SeenDrift`].
pub const DRIFT: &str = "shopmail:drift";
/// What [`DRIFT`] has before its time where all is as it was left, and [`STALLED`] where all is in order.
pub const NONE: &str = "none";
/// What was last published of superseded credentials: [`superseded::SupersededWarnings`].
pub const SUPERSEDED: &str = "shopmail:superseded";
/// The deliveries outside of a rotation that were begun and not published: [`redelivery::Redelivery`].
pub const REDELIVERY: &str = "shopmail:redelivery";
/// The credentials that were lost and are being removed: [`removing::Removing`].
pub const REMOVING: &str = "shopmail:removing";
/// How the last attempt at a step ended: [`last_failure::LastFailure`].
pub const LAST_FAILURE: &str = "shopmail:last-failure";
/// What a person can do about it, or [`NONE`]: [`last_failure::next_step`].
pub const LAST_NEXT_STEP: &str = "shopmail:last-next-step";
/// The failures that were published: [`published_failures::PublishedFailures`].
pub const PUBLISHED_FAILURES: &str = "shopmail:failures-told";
/// Since when a mailbox has not been in order: [`stalled::Stalled`], or [`NONE`].
pub const STALLED: &str = "shopmail:stalled";
/// `<AWSCURRENT version>`: that version's credential leaked.
pub const EMERGENCY: &str = "shopmail:emergency";
