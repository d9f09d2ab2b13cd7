//! What the work of one invocation goes by.

use shared::credential::{Credential, IssuedBy, Marker};
use shared::events::{Event, EventKind, MailboxSubject, Subject};
use shared::mailbox_secret::MailboxSecret;
use shared::retry::Deadline;
use shared::secret_store::SecretMetadata;

use crate::clients::Clients;

/// One version of one mailbox secret, and the time that there is.
pub(crate) struct Context<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) secret: SecretMetadata,
    /// The version whose credential is issued, delivered, proved or asked for: in a rotation the pending one,
    /// whose id is the rotation's token; else the current one.
    pub(crate) version: String,
    /// The document of that version; of one that createSecret has yet to fill, the current one.
    pub(crate) document: MailboxSecret,
    pub(crate) deadline: Deadline,
}

impl Context<'_> {
    /// The marker of what a rotation issues for this version.
    pub(crate) fn marker(&self) -> Marker {
        Marker::new(&self.secret.arn, &self.version)
    }

    /// Whether the rotation of this version issued the credential.
    pub(crate) fn issued(&self, credential: &Credential) -> bool {
        let by_this = |marker: Marker| {
            marker.issued_by(&self.secret.arn) == IssuedBy::This && marker.token == self.version
        };
        credential.marker().is_some_and(by_this)
    }

    pub(crate) fn event(&self, kind: EventKind) -> Event {
        let mailboxes = self.document.own_addresses();
        Event {
            subject: Subject::Secret(MailboxSubject::new(&self.secret, Some(mailboxes))),
            token: Some(self.version.clone()),
            kind,
        }
    }
}

/// An event about a secret whose document was not read, of the rotation that made this version, where it is of
/// one.
pub(crate) fn event(secret: &SecretMetadata, version: Option<&str>, kind: EventKind) -> Event {
    Event {
        subject: Subject::Secret(MailboxSubject::new(secret, None)),
        token: version.map(str::to_owned),
        kind,
    }
}

/// Whether the actions leave the secret as it is: it is somebody else's, or goes, or its rotation was switched
/// off, by which whoever did it means "stop everything".
pub(crate) fn is_left_alone(secret: &SecretMetadata) -> bool {
    secret.is_replica() || secret.deleted || !secret.rotation_enabled
}
