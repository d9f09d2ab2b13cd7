//! One check at a time: a lease in a tag of the secret that signs links, which each installation has. Where it cannot
//! be read or written the check goes on: two at once cost calls, and each act looks again before it acts.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use shared::tags;
use tracing::warn;

use crate::call::Check;
use crate::clients::Clients;

/// A part has an invocation of a quarter of an hour, and begins when Lambda has a slot for it.
const OF_A_PART: SignedDuration = SignedDuration::from_mins(20);

/// One that lasts longer was taken at a time that somebody mistyped.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// `<time of the check>/<until>`, both as Unix seconds. Its time is what a check in parts is known by, and one whose
/// event was delivered twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    check: i64,
    until: i64,
}

impl Lease {
    fn of(check: &Check) -> Self {
        let length = OF_A_PART.as_secs() * i64::from(check.part);
        Self {
            check: check.now.as_second(),
            until: check.now.as_second().saturating_add(length),
        }
    }

    fn read(tag: Option<&str>) -> Option<Self> {
        let (check, until) = tag?.split_once('/')?;
        Some(Self {
            check: check.parse().ok()?,
            until: until.parse().ok()?,
        })
    }

    fn holds_back(self, check: &Check) -> bool {
        let now = check.now.as_second();
        let left = self.until.saturating_sub(now);
        self.check != now && (1..=LONGEST.as_secs()).contains(&left)
    }

    /// Takes it, or says when the check began that has it.
    pub(crate) async fn take(clients: &Clients, check: &Check) -> Result<(), Timestamp> {
        let secret = &clients.settings.ticket_key_secret;
        let held = match clients.store.describe(secret).await {
            Ok(described) => Self::read(described.tags.get(tags::CHECK).map(String::as_str)),
            Err(error) => {
                warn!(failure = %error.failure, "whether another check is under way is not known");
                return Ok(());
            }
        };
        if let Some(held) = held.filter(|held| held.holds_back(check)) {
            return Err(Timestamp::from_second(held.check).unwrap_or(check.now));
        }
        write(clients, Self::of(check).to_string()).await;
        Ok(())
    }

    /// Gives it back.
    pub(crate) async fn end(clients: &Clients) {
        write(clients, tags::NONE.to_owned()).await;
    }
}

async fn write(clients: &Clients, value: String) {
    let secret = &clients.settings.ticket_key_secret;
    if let Err(failure) = clients.tag(secret, &[(tags::CHECK, value)]).await {
        warn!(%failure, "another check may begin beside this one");
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.check, self.until)
    }
}

#[cfg(test)]
mod tests {
    use shared::events::Totals;

    use super::*;
    use crate::call::Scope;

    fn check(time: &str, part: u32) -> Check {
        Check {
            now: time.parse().unwrap(),
            dry_run: false,
            scope: Scope::All,
            part,
            so_far: Totals::default(),
        }
    }

    #[test]
    fn a_lease_holds_back_other_checks_until_its_part_must_have_ended_and_never_its_own() {
        let lease = Lease::of(&check("2026-11-27T06:00:00Z", 2));
        assert_eq!(Lease::read(Some(&lease.to_string())), Some(lease));
        for (time, held_back) in [
            ("2026-11-27T06:00:00Z", false),
            ("2026-11-27T06:39:59Z", true),
            ("2026-11-27T06:40:00Z", false),
            // A part of an earlier check that another one has overtaken.
            ("2026-11-27T00:00:00Z", true),
            // Somebody called with a time of next year, and it died.
            ("2025-11-27T06:00:00Z", false),
        ] {
            assert_eq!(lease.holds_back(&check(time, 1)), held_back, "{time}");
        }
        for odd in [None, Some("none"), Some("1/"), Some("x/1"), Some("")] {
            assert_eq!(Lease::read(odd), None);
        }
    }
}
