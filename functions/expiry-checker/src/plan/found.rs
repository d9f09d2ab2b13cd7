//! What a check found about one mailbox secret.

use shared::events::MailboxSubject;
use shared::period::Period;
use shared::policy::Policy;
use shared::rotation::inspection::Facts;
use shared::secret_store::SecretMetadata;

/// What was found about one mailbox secret.
#[derive(Debug, Clone)]
pub struct Found {
    /// Labels, tags, state.
    pub secret: SecretMetadata,
    /// What `rotation` saw, unless it could not look.
    pub facts: Option<Facts>,
    /// The mailbox's policy.
    pub policy: Policy,
    /// How long a superseded credential is kept.
    pub quarantine: Period,
    /// Another secret uses the same client secret, and there it leaked.
    pub shares_a_leaked_secret: bool,
    /// The contact is asked for a hand-over of another mailbox.
    pub contact_is_asked: bool,
    /// The check was asked for right after a promotion: rotations that are under way are not pushed.
    pub requested: bool,
    /// An earlier part of this check may have begun its rotation just now.
    pub continued: bool,
    /// It is this secret's turn today to be looked at for what only a look from time to time shows.
    pub turn: bool,
}

impl Found {
    /// As events and mails name it.
    pub fn subject(&self) -> MailboxSubject {
        let mailboxes = self.facts.as_ref().map(|facts| facts.mailboxes.clone());
        MailboxSubject::new(&self.secret, mailboxes)
    }

    /// The value of one of the secret's tags.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.secret.tags.get(key).map(String::as_str)
    }
}
