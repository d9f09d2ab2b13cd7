//! How an attempt at a step failed: noted for the checker, which hears of no attempt of Secrets Manager's,
//! and told where only an administrator can mend it: when it appears and when it changes, and not at each of
//! the attempts. What stays is told again by the checker, as a rotation that stands still.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use shared::events::{Event, EventKind, Subject};
use shared::failure::{Failure, Kind};
use shared::secret_store::SecretMetadata;
use shared::short_hash::short_hash;
use shared::tags;
use tracing::warn;

use crate::Rotation;
use crate::call::{Call, StepCall};

/// An attempt at a step that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed<'a> {
    pub(crate) step: &'static str,
    pub(crate) token: &'a str,
    pub(crate) failure: &'a Failure,
}

/// Kept free at the end of each invocation, for what is said here.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);

impl Rotation {
    /// Notes a step that failed, and tells it where it wants an administrator.
    pub(crate) async fn note_failure(&self, call: &Call, failure: &Failure) {
        let (Call::Step(step), true) = (call, wants_a_note(failure.kind)) else {
            return;
        };
        let failed = Failed {
            step: call.name(),
            token: &step.token,
            failure,
        };
        let noted = self.note(step, call.secret_name(), failed);
        match tokio::time::timeout(LAST_WORDS, noted).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => warn!(%failure, "the failure could not be noted"),
            Err(_) => warn!("the failure could not be noted in time"),
        }
    }

    async fn note(&self, call: &StepCall, name: &str, failed: Failed<'_>) -> Result<(), Failure> {
        let wants_administrator = failed.failure.kind == Kind::Misconfigured;
        let secret = match self.store.describe(&call.secret).await {
            Ok(secret) => secret,
            // Nobody knows whether it was told.
            Err(_) if wants_administrator => {
                let subject = Subject::Secret {
                    name: name.to_owned(),
                    arn: call.secret.clone(),
                };
                return self.events.publish(&[failed.event(subject)]).await;
            }
            Err(error) => return Err(error.failure),
        };
        if wants_administrator {
            self.tell_failure(&secret, failed).await?;
        }
        let note = failed.note();
        let known = secret.tags.get(tags::LAST_FAILURE) == Some(&note);
        let ours = secret.versions.in_progress() == Some(failed.token) && !secret.is_replica();
        if ours && !known {
            self.store
                .tag(&secret.arn, &[(tags::LAST_FAILURE, note)])
                .await?;
        }
        Ok(())
    }

    /// Tells a failure, unless it was told while this secret's version was current.
    pub(crate) async fn tell_failure(
        &self,
        secret: &SecretMetadata,
        failed: Failed<'_>,
    ) -> Result<(), Failure> {
        let current = secret.versions.current().unwrap_or_default();
        let tag = secret
            .tags
            .get(tags::PUBLISHED_FAILURES)
            .map(String::as_str);
        let mut told = Told::read(tag, current);
        if !told.add(failed.hash()) {
            return Ok(());
        }
        let subject = Subject::Secret {
            name: secret.name.clone(),
            arn: secret.arn.clone(),
        };
        self.events.publish(&[failed.event(subject)]).await?;
        // Marked after it was told: a kill between the two repeats it, and never swallows it.
        if !secret.is_replica() {
            let tag = (tags::PUBLISHED_FAILURES, told.to_string());
            self.store.tag(&secret.arn, &[tag]).await?;
        }
        Ok(())
    }
}

fn wants_a_note(kind: Kind) -> bool {
    match kind {
        Kind::Temporary | Kind::Misconfigured => true,
        // A person has been asked; a freeze ends by itself; the call was none of a rotation's.
        Kind::WaitingForPerson | Kind::Frozen | Kind::Refused => false,
    }
}

impl Failed<'_> {
    fn event(&self, subject: Subject) -> Event {
        Event {
            subject,
            token: Some(self.token.to_owned()),
            kind: EventKind::RotationFailed {
                step: self.step.to_owned(),
                error_type: self.failure.kind.error_type().to_owned(),
                what: self.failure.what.clone(),
                code: self.failure.code.clone(),
                next_step: self.failure.next_step.clone(),
            },
        }
    }

    /// What makes it another failure than the one before; the next step may say what was seen at that moment.
    fn hash(&self) -> String {
        let Failure {
            kind, what, code, ..
        } = self.failure;
        let code = code.as_deref().unwrap_or_default();
        short_hash(&format!(
            "{} {} {what} {code}",
            self.step,
            kind.error_type()
        ))
    }

    fn note(&self) -> String {
        let Failure {
            kind, what, code, ..
        } = self.failure;
        let code: String = code.iter().flat_map(|code| code.chars()).take(64).collect();
        let note = format!(
            "{}:{}:{}:{code}:{what}",
            self.token,
            self.step,
            kind.error_type()
        );
        // What a tag may hold (AWS, "Tag naming limits and requirements").
        let may_be = |c: &char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(*c);
        note.chars().filter(may_be).take(256).collect()
    }
}

/// The failures that were told of a version, as a tag keeps them: `<version>:<hash>.<hash>…`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    version: String,
    failures: BTreeSet<String>,
}

/// A tag has 256 characters. What is beyond this is told at each attempt.
const MOST: usize = 20;

impl Told {
    fn read(tag: Option<&str>, version: &str) -> Self {
        let of_version = |tag: &str| {
            tag.strip_prefix(version)?
                .strip_prefix(':')
                .map(str::to_owned)
        };
        let failures = tag.and_then(of_version).unwrap_or_default();
        let failures = failures.split('.').filter(|hash| !hash.is_empty());
        Self {
            version: version.to_owned(),
            failures: failures.map(str::to_owned).collect(),
        }
    }

    /// Whether it is new.
    fn add(&mut self, failure: String) -> bool {
        if self.failures.contains(&failure) {
            return false;
        }
        if self.failures.len() < MOST {
            self.failures.insert(failure);
        }
        true
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures: Vec<&str> = self.failures.iter().map(String::as_str).collect();
        write!(f, "{}:{}", self.version, failures.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_new_once_for_each_version() {
        let mut told = Told::read(None, "v");
        assert!(told.add("0a".into()));
        assert!(!told.add("0a".into()));
        assert!(told.add("1b".into()), "a change");
        let tag = told.to_string();
        assert_eq!(tag, "v:0a.1b");
        assert_eq!(Told::read(Some(&tag), "v"), told);
        assert!(Told::read(Some(&tag), "w").add("0a".into()));
        for edited in ["", "v", "v:", "vv:0a", "nonsense"] {
            assert!(Told::read(Some(edited), "v").add("0a".into()), "{edited}");
        }
    }

    #[test]
    fn the_longest_tags_fit() {
        let mut told = Told::read(None, &"v".repeat(64));
        for n in 0..100 {
            told.add(short_hash(&n.to_string()));
        }
        assert!(told.to_string().len() <= 256, "{told}");
        let failure = Failure::new(Kind::Misconfigured, "what\n".repeat(100));
        let failure = failure.code("c\"\n".repeat(200));
        let failed = Failed {
            step: "createSecret",
            token: &"t".repeat(64),
            failure: &failure,
        };
        let note = failed.note();
        assert!(note.len() <= 256 && !note.contains(['"', '\n']), "{note}");
    }
}
