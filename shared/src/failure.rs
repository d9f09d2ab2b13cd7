//! What goes wrong, classified where it is met: by what happens next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::half_done::HalfDone;
use crate::out_of_reach::OutOfReach;

/// What happens next; its name is the Lambda error type, which metrics and alarms count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Transient: Secrets Manager's next attempt finds everything as it was left.
    Temporary,
    /// Only a person can go on, and has been asked. No alarm.
    WaitingForPerson,
    /// A rotation came inside a freeze of its policy; nothing was issued.
    Frozen,
    /// The call itself is wrong (unknown step, foreign token, rotation off). Nothing was done.
    Refused,
    /// An administrator must correct a document, a setting, a permission or a policy first.
    Misconfigured,
}

impl Kind {
    /// The Lambda error type.
    #[must_use]
    pub fn error_type(self) -> &'static str {
        match self {
            Self::Temporary => "Temporary",
            Self::WaitingForPerson => "WaitingForPerson",
            Self::Frozen => "Frozen",
            Self::Refused => "Refused",
            Self::Misconfigured => "Misconfigured",
        }
    }
}

/// A failure as the engineer on call reads it: what was being done, the server's code, the next
/// step. Never contains a secret or an untrusted free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happens next.
    pub kind: Kind,
    /// What was being done, and how it ended: `adding a client secret in Entra: answered 403`.
    pub what: String,
    /// The server's own code: `Authorization_RequestDenied`, `AADSTS7000215`, …
    pub code: Option<String>,
    /// One sentence for a person: what to do next. Empty where `what` ends with it.
    pub next_step: String,
    /// What could not be reached, where it is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_reach: Option<Box<OutOfReach>>,
    /// Where a delivery came to, if that is half way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_done: Option<HalfDone>,
}

/// The next step in a rotation or a check: both are tried again, by Secrets Manager or the next check.
fn usual_next_step(kind: Kind) -> &'static str {
    match kind {
        Kind::Temporary => "Nothing to do: it is tried again.",
        Kind::WaitingForPerson => "Open the link that was sent to the contact.",
        Kind::Frozen => "Nothing to do: it is tried again when the freeze ends.",
        Kind::Refused => "Nothing was done; correct the call.",
        Kind::Misconfigured => "Correct the configuration, then rotate again.",
    }
}

impl Failure {
    /// A failure of `kind` while doing `what`; the next step is the kind's usual one.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            code: None,
            next_step: usual_next_step(kind).to_owned(),
            out_of_reach: None,
            half_done: None,
        }
    }

    /// Takes apart what [`fmt::Display`] made of a failure in another function of ours. What is not of that form
    /// is all of it what was being done.
    #[must_use]
    pub fn read(kind: Kind, text: &str) -> Self {
        let (what, next_step) = text.split_once(". ").unwrap_or((text, ""));
        let (what, half_done) = HalfDone::split_off(what);
        let in_brackets = what
            .strip_suffix(')')
            .and_then(|what| what.rsplit_once(" ("));
        let is_code = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
        let (what, code) = match in_brackets {
            Some((what, code)) if code.chars().all(is_code) => (what, Some(code.to_owned())),
            _ => (what, None),
        };
        Self {
            kind,
            what: what.to_owned(),
            code,
            next_step: next_step.to_owned(),
            out_of_reach: None,
            half_done,
        }
    }

    /// With the server's own code.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// With another next step than the kind's usual one.
    #[must_use]
    pub fn next_step(mut self, next_step: impl Into<String>) -> Self {
        self.next_step = next_step.into();
        self
    }

    /// With what could not be reached.
    #[must_use]
    pub fn out_of_reach(mut self, of: OutOfReach) -> Self {
        self.out_of_reach = Some(Box::new(of));
        self
    }

    /// With where a delivery came to.
    #[must_use]
    pub fn half_done(mut self, half_done: Option<HalfDone>) -> Self {
        self.half_done = half_done;
        self
    }

    /// The same where nothing tries again by itself: a transient failure has this next step, a wrong
    /// configuration is followed by the other. What has a next step of its own keeps it.
    #[must_use]
    pub fn where_nothing_tries_again(
        mut self,
        after_trouble: &str,
        after_correction: &str,
    ) -> Self {
        if self.next_step != usual_next_step(self.kind) {
            return self;
        }
        match self.kind {
            Kind::Temporary => after_trouble.clone_into(&mut self.next_step),
            Kind::Misconfigured => {
                self.next_step = format!("Correct the configuration, then {after_correction}.");
            }
            Kind::WaitingForPerson | Kind::Frozen | Kind::Refused => {}
        }
        self
    }

    /// With what was being done around it: `delivering to orders-in: answered 503`.
    #[must_use]
    pub fn while_doing(mut self, context: &str) -> Self {
        self.what = format!("{context}: {}", self.what);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(half_done) = &self.half_done {
            write!(f, "; {half_done}")?;
        }
        if self.next_step.is_empty() {
            return Ok(());
        }
        write!(f, ". {}", self.next_step)
    }
}

impl std::error::Error for Failure {}

/// Keeps of an untrusted code only what a code is made of, and not more than 64 characters: a server
/// cannot put text of its own into our logs and mails through it.
#[must_use]
pub fn sanitized_code(code: &str) -> String {
    code.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_function_said_is_taken_apart_and_reads_the_same() {
        let said = Failure::new(Kind::Temporary, "rotating: answered 503")
            .code("ServiceUnavailable")
            .next_step("Wait. It passes (mostly).");
        let read = Failure::read(Kind::Temporary, &said.to_string());
        assert_eq!(read.what, said.what);
        assert_eq!((&read.code, &read.next_step), (&said.code, &said.next_step));
        let half_done = said.half_done(Some(HalfDone::SendingNotYet));
        let text = half_done.to_string();
        assert!(
            text.contains(
                "503 (ServiceUnavailable); receiving has the new secret, sending not yet. "
            ),
            "{text}"
        );
        assert_eq!(Failure::read(Kind::Temporary, &text), half_done);
        for text in [
            "",
            ".",
            ". ",
            "a (b). c",
            "a ()",
            "a (b\"c)",
            "(b)",
            "a. b. c (d)",
        ] {
            let read = Failure::read(Kind::Temporary, text);
            assert_eq!(read.to_string(), text.strip_suffix(". ").unwrap_or(text));
        }
    }

    #[test]
    fn where_nothing_tries_again_no_failure_says_so_and_its_own_next_step_stays() {
        let said = |failure: Failure| {
            let failure = failure.where_nothing_tries_again("Try again.", "try again");
            failure.next_step
        };
        assert_eq!(said(Failure::new(Kind::Temporary, "calling")), "Try again.");
        assert_eq!(
            said(Failure::new(Kind::Misconfigured, "calling")),
            "Correct the configuration, then try again."
        );
        let own = Failure::new(Kind::Temporary, "calling").next_step("Restore it.");
        assert_eq!(said(own), "Restore it.");
    }
}
