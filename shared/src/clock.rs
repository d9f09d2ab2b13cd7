//! The machine's clock. It serves the end of tickets and of invocations, and nothing of a rotation:
//! there the schedule's time counts, or Entra's.

use jiff::Timestamp;

/// What the machine's clock shows.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place; see the module's words"
)]
pub fn machine() -> Timestamp {
    Timestamp::now()
}
