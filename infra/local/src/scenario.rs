//! The stories that can be told, and what each begins with.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::{MailboxPlan, World, short_waits};

use crate::mails;

/// How long before its end a client secret is renewed.
pub const RENEW_BEFORE_DAYS: i64 = 30;
/// How long a superseded client secret is kept.
pub const QUARANTINE_DAYS: i64 = 7;
/// When Entra's servers learn of something new, in milliseconds. Real ones took 4 to 18 s.
const ENTRA_LEARNS_AFTER: [i64; 3] = [1500, 3000, 5000];

/// A story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// The whole renewal, the first time and once more.
    Renewal,
    /// The function dies in the middle of its work.
    Killed,
    /// The secret has ended.
    Expired,
    /// The secret has leaked.
    Leaked,
    /// A time in which nothing is touched.
    Frozen,
    /// ShopCtrl was changed by hand.
    BrokenMail,
    /// What a renewal needs is taken away, one thing after another.
    Preflight,
}

impl Scenario {
    /// Those that `--scenario` tells by their name.
    pub const NAMED: [Self; 5] = [
        Self::Killed,
        Self::Expired,
        Self::Leaked,
        Self::Frozen,
        Self::BrokenMail,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Killed => "killed",
            Self::Expired => "expired",
            Self::Leaked => "leaked",
            Self::Frozen => "frozen",
            Self::BrokenMail => "broken-mail",
            Self::Preflight => "preflight",
        }
    }

    /// What it shows, in a line.
    pub fn shows(self) -> &'static str {
        match self {
            Self::Renewal => "a client secret is renewed, and once more; then one by IMAP and SMTP",
            Self::Killed => "the function is killed three times in one renewal",
            Self::Expired => "nobody renewed in time, and mail stands still",
            Self::Leaked => "a leaked secret is replaced and removed at once",
            Self::Frozen => "weeks in which nothing is touched, up to a limit",
            Self::BrokenMail => "a hand in ShopCtrl stops mail, twice",
            Self::Preflight => "what its renewal needs of others, there and taken away",
        }
    }

    /// What stands behind `cargo run -p local` to have it told.
    pub fn arguments(self) -> String {
        match self {
            Self::Renewal => String::new(),
            Self::Preflight => format!(" -- {}", self.name()),
            Self::Killed | Self::Expired | Self::Leaked | Self::Frozen | Self::BrokenMail => {
                format!(" -- --scenario {}", self.name())
            }
        }
    }

    /// The story with this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::NAMED.into_iter();
        all.find(|scenario| scenario.name() == name)
    }

    /// The mailbox that it is about.
    pub fn plan(self) -> MailboxPlan {
        let days_left = match self {
            Self::Renewal | Self::Killed | Self::Expired | Self::Frozen => 20,
            Self::Leaked | Self::BrokenMail => 100,
            Self::Preflight => 180,
        };
        MailboxPlan {
            ends_in: SignedDuration::from_hours(24 * days_left) + SignedDuration::from_mins(5),
            granted: self != Self::Renewal,
            ..MailboxPlan::default()
        }
    }

    /// Whether Entra takes its time, so that it can be watched.
    pub fn entra_lags(self) -> bool {
        self == Self::Renewal
    }
}

/// What is there is known everywhere; what comes from now on is not, at first.
pub fn let_entra_lag(world: &World) {
    world.clock.advance(SignedDuration::from_mins(1));
    let lag = |millis| Replica {
        learns: Lag::Time(SignedDuration::from_millis(millis)),
        forgets: Lag::None,
    };
    let replicas = ENTRA_LEARNS_AFTER.map(lag);
    world.directory.set_token_replicas(replicas.to_vec());
}

/// What the functions are told, beside the addresses of what surrounds them. Entra may take its
/// time; the rest only would make people wait.
pub fn settings() -> BTreeMap<String, String> {
    let mut settings = short_waits();
    let ours = [
        ("PROPAGATION_WAIT", "PT60S".to_owned()),
        ("SIGN_IN_INTERVAL", "PT0.2S".to_owned()),
        ("MAIL_CHECK_WAIT", "PT30S".to_owned()),
        ("REQUEST_TIMEOUT", "PT10S".to_owned()),
        ("RENEW_BEFORE", format!("P{RENEW_BEFORE_DAYS}D")),
        ("QUARANTINE", format!("P{QUARANTINE_DAYS}D")),
    ];
    let mails = mails::SETTINGS.map(|(name, value)| (name, value.to_owned()));
    for (name, value) in ours.into_iter().chain(mails) {
        settings.insert(name.to_owned(), value);
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_story_is_found_by_its_name() {
        for scenario in Scenario::NAMED {
            assert_eq!(Scenario::named(scenario.name()), Some(scenario));
        }
        assert_eq!(
            Scenario::named("renewal"),
            None,
            "it is told without a name"
        );
    }
}
