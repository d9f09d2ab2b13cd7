//! What goes wrong, sorted where it is met: by what happens next.

use std::fmt;

/// What happens next; its name is the Lambda error type, which metrics and alarms count by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Passing trouble: Secrets Manager's next attempt finds everything as it was left.
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
/// step. Never contains a secret or a foreign free text.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What happens next.
    pub kind: Kind,
    /// What was being done, and how it ended: `adding a client secret in Entra: answered 403`.
    pub what: String,
    /// The server's own code: `Authorization_RequestDenied`, `AADSTS7000215`, …
    pub code: Option<String>,
    /// One sentence for a person: what to do next. Empty where `what` ends with it.
    pub next_step: String,
}

impl Failure {
    /// A failure of `kind` while doing `what`; the next step is the kind's usual one.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        let next_step = match kind {
            Kind::Temporary => "Nothing to do: it is tried again.",
            Kind::WaitingForPerson => "Open the link that was sent to the contact.",
            Kind::Frozen => "Nothing to do: it is tried again when the freeze ends.",
            Kind::Refused => "Nothing was done; correct the call.",
            Kind::Misconfigured => "Correct the configuration, then rotate again.",
        };
        Self {
            kind,
            what: what.into(),
            code: None,
            next_step: next_step.to_owned(),
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
        if self.next_step.is_empty() {
            return Ok(());
        }
        write!(f, ". {}", self.next_step)
    }
}

impl std::error::Error for Failure {}

/// Keeps of a foreign code only what a code is made of, and not more than 64 characters: a server
/// cannot put text of its own into our logs and mails through it.
#[must_use]
pub fn foreign_code(code: &str) -> String {
    code.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .take(64)
        .collect()
}
