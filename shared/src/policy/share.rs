//! A share of a client secret's life: `1/10`, or `none`.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;

/// At most a third: what is due for longer than it is fresh would be renewed all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share(Option<Fraction>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fraction {
    numerator: u16,
    denominator: u16,
}

/// The text is not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a share such as 1/10 (at most 1/3), or none")]
pub struct NotAShare;

impl Share {
    /// This share of `lifetime`.
    #[must_use]
    pub fn of(self, lifetime: SignedDuration) -> SignedDuration {
        let Some(Fraction {
            numerator,
            denominator,
        }) = self.0
        else {
            return SignedDuration::ZERO;
        };
        let share = i128::from(lifetime.as_secs()) * i128::from(numerator);
        let seconds = share / i128::from(denominator.max(1));
        SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
    }
}

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        if text == "none" {
            return Ok(Self(None));
        }
        let (numerator, denominator) = text.split_once('/').ok_or(NotAShare)?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(numerator) || !digits(denominator) {
            return Err(NotAShare);
        }
        let numerator: u16 = numerator.parse().map_err(|_| NotAShare)?;
        let denominator: u16 = denominator.parse().map_err(|_| NotAShare)?;
        let at_most_a_third = u32::from(numerator) * 3 <= u32::from(denominator);
        if numerator == 0 || !at_most_a_third {
            return Err(NotAShare);
        }
        Ok(Self(Some(Fraction {
            numerator,
            denominator,
        })))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(fraction) => write!(f, "{}/{}", fraction.numerator, fraction.denominator),
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_fraction_of_at_most_a_third() {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        for (text, share) in [("1/10", 73), ("1/3", 243), ("2/12", 121), ("none", 0)] {
            let read: Share = text.parse().unwrap();
            assert_eq!(read.of(days(730)).as_hours() / 24, share, "{text}");
        }
        for text in [
            "", "1", "/", "1/", "/3", "0/3", "1/0", "1/2", "-1/9", "+1/9", "0.1", "10%", "1/3/9",
            "1/99999", " 1/3", "None",
        ] {
            assert_eq!(text.parse::<Share>(), Err(NotAShare), "{text}");
        }
    }
}
