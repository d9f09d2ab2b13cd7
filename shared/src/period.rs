//! ISO-8601 durations, as documents, policies and settings write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time that is not negative: `P180D`, `PT30S`. A day is 24 hours; months and years
/// have no fixed length and are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Duration);

/// The text is not a duration that a [`Period`] can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an ISO-8601 duration of weeks, days, hours, minutes and seconds such as P180D or PT30S"
)]
pub struct NotAPeriod;

impl Period {
    /// Whole days of 24 hours.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self(Duration::from_secs(days * 86_400))
    }

    /// Whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// For waiting.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }

    /// For reckoning with timestamps.
    #[must_use]
    pub fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }
}

impl From<Duration> for Period {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        // Only ISO 8601: jiff would also read "5 days".
        if !text.starts_with('P') {
            return Err(NotAPeriod);
        }
        let span: Span = text.parse().map_err(|_| NotAPeriod)?;
        if span.get_months() != 0 || span.get_years() != 0 {
            return Err(NotAPeriod);
        }
        let signed = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| NotAPeriod)?;
        Duration::try_from(signed).map(Self).map_err(|_| NotAPeriod)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let sub = self.0.subsec_millis();
        if days > 0 && rest == 0 && sub == 0 {
            write!(f, "P{days}D")
        } else if sub > 0 {
            write!(f, "PT{seconds}.{sub:03}S")
        } else {
            write!(f, "PT{seconds}S")
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_iso_8601_and_refuses_everything_else() {
        assert_eq!("P180D".parse(), Ok(Period::days(180)));
        assert_eq!("P2W".parse(), Ok(Period::days(14)));
        assert_eq!("PT0.5S".parse(), Ok(Period(Duration::from_millis(500))));
        for text in [
            "",
            "P",
            "180",
            "5 days",
            "P1M",
            "P1Y",
            "-P1D",
            "PT-5S",
            "P1D ",
            "P99999999999D",
        ] {
            assert_eq!(text.parse::<Period>(), Err(NotAPeriod), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in ["P180D", "PT90S", "PT0S", "PT0.250S"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
    }
}
