//! The marker of all that this command makes, by which it is found again and by which nothing else is: in names and,
//! beside them, in tags. Both have to be there.

use std::fmt;

use uuid::Uuid;

/// With which every name begins.
pub const NAME: &str = "shopmail-first-hour";
/// The key of the tag of secrets in AWS; its value is the run. In Entra, where tags have no values, it is [`NAME`].
pub const TAG: &str = "shopmail:first-hour";

/// One run of this command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run(String);

impl Run {
    /// A new one.
    pub fn new() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        Self(id.chars().take(8).collect())
    }

    /// The tag's value.
    pub fn id(&self) -> &str {
        &self.0
    }

    /// The name of a secret in AWS.
    pub fn secret(&self, purpose: &str) -> String {
        format!("{NAME}/{self}/{purpose}")
    }

    /// The name of an app registration.
    pub fn app(&self, purpose: &str) -> String {
        format!("{NAME}-{self}-{purpose}")
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose things are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// One run's.
    Run(Run),
    /// Those of all runs, killed ones too.
    All,
}

impl Of {
    /// Whether a secret of this name with this value of [`TAG`] is among them.
    pub fn has_secret(&self, name: &str, tag: Option<&str>) -> bool {
        self.has(run_of_secret(name), tag)
    }

    /// Whether an app registration of this name with these tags is.
    pub fn has_app(&self, name: &str, tags: &[String]) -> bool {
        let rest = name
            .strip_prefix(NAME)
            .and_then(|rest| rest.strip_prefix('-'));
        let run = rest.and_then(|rest| rest.split('-').next());
        let tagged = tags.iter().any(|tag| tag == NAME);
        self.has(run, run.filter(|_| tagged))
    }

    fn has(&self, named: Option<&str>, tagged: Option<&str>) -> bool {
        let Some(run) = named.filter(|run| !run.is_empty() && tagged == Some(run)) else {
            return false;
        };
        match self {
            Self::All => true,
            Self::Run(this) => this.id() == run,
        }
    }
}

/// The run that the name of a secret says, where it is the name of one that is to be described at all.
pub fn run_of_secret(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(NAME)?.strip_prefix('/')?;
    rest.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_the_name_or_the_tag_is_somebody_elses() {
        let run = Run::new();
        let (all, this) = (Of::All, Of::Run(run.clone()));
        let (secret, app) = (run.secret("labels"), run.app("mailbox"));
        let tags = ["x".to_owned(), NAME.to_owned()];
        for of in [&all, &this] {
            assert!(of.has_secret(&secret, Some(run.id())) && of.has_app(&app, &tags));
            assert!(!of.has_secret(&secret, None) && !of.has_secret(&secret, Some("other")));
            assert!(!of.has_secret("shopmail/orders", Some(run.id())));
            assert!(!of.has_secret(&format!("{NAME}-x/{run}/labels"), Some(run.id())));
            assert!(!of.has_secret(&format!("{NAME}/"), Some("")));
            assert!(!of.has_app(&app, &[]) && !of.has_app("ShopCtrl mail", &tags));
        }
        let other = Of::Run(Run::new());
        assert!(!other.has_secret(&secret, Some(run.id())) && !other.has_app(&app, &tags));
    }
}
