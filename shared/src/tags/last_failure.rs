//! [`super::LAST_FAILURE`]: how the last attempt at a step of a rotation ended,
//! `<token>:<step>:<error type>:<code>:<what>`.

use std::fmt;
use std::str::FromStr;

use super::Unreadable;
use crate::failure::Failure;
use crate::mailbox::Unusable;

/// How the last attempt at a step of a rotation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    token: String,
    /// The step.
    pub step: String,
    /// The Lambda error type.
    error_type: String,
    /// The server's code.
    pub code: Option<String>,
    /// What was being done, and how it ended.
    pub what: String,
}

/// A code is not longer.
const LONGEST_CODE: usize = 64;

/// A tag's value is not longer (AWS, "Tag naming limits and requirements").
const LONGEST: usize = 256;

impl LastFailure {
    /// Of an attempt at `step` in the rotation with this token.
    #[must_use]
    pub fn new(token: &str, step: &str, failure: &Failure) -> Self {
        let code = failure.code.as_deref();
        let code = code.map(|code| code.chars().take(LONGEST_CODE).collect());
        Self {
            token: token.to_owned(),
            step: step.to_owned(),
            error_type: failure.kind.error_type().to_owned(),
            code,
            what: failure.what.clone(),
        }
    }

    /// What the tag says of the rotation with this token.
    #[must_use]
    pub fn read(tag: Option<&str>, token: &str) -> Option<Self> {
        let rest = tag?.strip_prefix(token)?.strip_prefix(':')?;
        Self::of_fields(token, rest).ok()
    }

    fn of_fields(token: &str, rest: &str) -> Result<Self, Unreadable> {
        let mut fields = rest.splitn(4, ':').map(str::to_owned);
        let mut next = || fields.next().ok_or(Unreadable);
        Ok(Self {
            token: token.to_owned(),
            step: next()?,
            error_type: next()?,
            code: Some(next()?).filter(|code| !code.is_empty()),
            what: next()?,
        })
    }
}

impl FromStr for LastFailure {
    type Err = Unreadable;

    fn from_str(tag: &str) -> Result<Self, Unreadable> {
        // Of a token without a colon, as Secrets Manager makes them; another one has to be known: `read`.
        let (token, rest) = tag.split_once(':').ok_or(Unreadable)?;
        Self::of_fields(token, rest)
    }
}

impl fmt::Display for LastFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            token,
            step,
            error_type,
            code,
            what,
        } = self;
        let code = code.as_deref().unwrap_or_default();
        let whole = format!("{token}:{step}:{error_type}:{code}:{what}");
        f.write_str(&as_a_tag_may_hold(&whole))
    }
}

/// The next step of its own that a failure has; else, where it is only tried again, [`super::NONE`]. Of a mailbox that
/// cannot be used it is the code alone: a tag has no room for causes, and no letters for commands.
#[must_use]
pub fn next_step(failure: &Failure) -> String {
    let failure = failure.clone();
    let own = failure
        .where_nothing_tries_again("", "rotate again")
        .next_step;
    match (own.as_str(), Unusable::with_next_step(&own)) {
        ("", _) => super::NONE.to_owned(),
        (_, Some(unusable)) => unusable.code().to_owned(),
        (own, None) => as_a_tag_may_hold(&own.replace('>', "/")),
    }
}

/// What that tag says a person can do.
#[must_use]
pub fn read_next_step(tag: &str) -> Option<&str> {
    match Unusable::named(tag) {
        Some(unusable) => Some(unusable.next_step()),
        None => Some(tag).filter(|next_step| *next_step != super::NONE),
    }
}

/// AWS, "Tag naming limits and requirements".
fn as_a_tag_may_hold(text: &str) -> String {
    let may_be = |c: &char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(*c);
    text.chars().filter(may_be).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            token in "[a-zA-Z0-9-]{1,64}",
            step in "[a-zA-Z]{1,12}",
            code in prop::option::of("[a-zA-Z0-9_. -]{1,64}"),
            what in "[a-zA-Z0-9 _.:/=+@-]{0,80}",
        ) {
            let failure = Failure { code, ..Failure::new(Kind::Misconfigured, what) };
            let last = LastFailure::new(&token, &step, &failure);
            prop_assert_eq!(last.to_string().parse(), Ok(last.clone()));
            prop_assert_eq!(LastFailure::read(Some(&last.to_string()), &token), Some(last));
            let token = format!("2026-11-27T06:00:00Z-{token}");
            let last = LastFailure::new(&token, &step, &failure);
            prop_assert_eq!(LastFailure::read(Some(&last.to_string()), &token), Some(last));
        }

        #[test]
        fn every_failure_fits_into_a_tag(code in ".{0,300}", what in ".{0,300}") {
            let failure = Failure::new(Kind::Temporary, what).code(code);
            let tag = LastFailure::new(&"t".repeat(64), "createSecret", &failure).to_string();
            let may_be = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
            prop_assert!(tag.len() <= LONGEST && tag.chars().all(may_be), "{tag}");
        }
    }

    #[test]
    fn the_next_step_of_a_mailbox_that_cannot_be_used_is_read_back_in_full() {
        for unusable in Unusable::ALL {
            let failure = Failure::new(Kind::Misconfigured, unusable.meaning());
            let tag = next_step(&failure.next_step(unusable.next_step()));
            assert_eq!(as_a_tag_may_hold(&tag), tag);
            assert_eq!(read_next_step(&tag), Some(unusable.next_step()));
        }
        let tried_again = next_step(&Failure::new(Kind::Temporary, "asking: 503"));
        assert_eq!(read_next_step(&tried_again), None);
        let own = Failure::new(Kind::Misconfigured, "x").next_step("Do that.");
        assert_eq!(read_next_step(&next_step(&own)), Some("Do that."));
    }

    #[test]
    fn a_failure_of_another_rotation_says_nothing_of_this_one() {
        let read = |tag| LastFailure::read(Some(tag), "t");
        let failure = read("t:setSecret:Temporary:X:asking: 503").unwrap();
        assert_eq!(
            (failure.step.as_str(), failure.code.as_deref()),
            ("setSecret", Some("X"))
        );
        assert_eq!(failure.what, "asking: 503");
        assert_eq!(read("t:setSecret:Temporary::x").unwrap().code, None);
        for tag in [
            "u:setSecret:Temporary:X:x",
            "t",
            "t:",
            "t:setSecret",
            "t:setSecret:x:y",
        ] {
            assert_eq!(read(tag), None, "{tag}");
        }
    }
}
