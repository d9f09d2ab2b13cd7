//! What is known of a hand-over when a request of its session comes.

use jiff::Timestamp;
use shared::events::{Event, EventKind, MailboxSubject, Subject};
use shared::failure::Failure;
use shared::grants::GrantsDocument;
use shared::half_done::HalfDone;
use shared::mailbox_secret::{Delivery, MailboxSecret, SignInName, StoredCredential};
use shared::policy::{self, Policy};
use shared::secret_store::SecretMetadata;
use shared::ticket::{Purpose, Ticket};

use crate::session::owner::GrantHolder;
use crate::session::signed_in::SignedIn;

#[derive(Debug)]
pub(crate) struct HandOverContext {
    pub session: SignedIn,
    pub ticket: Ticket,
    pub secret: SecretMetadata,
    /// The document of the version that the link is bound to.
    pub document: MailboxSecret,
    /// Its credential.
    pub credential: StoredCredential,
    pub grants_document: GrantsDocument,
}

impl HandOverContext {
    /// Whether a rotation made the link's version the current one.
    pub fn promoted(&self) -> bool {
        self.ticket.purpose == Purpose::Rotate
            && self.secret.versions.current() == Some(&self.ticket.version)
    }

    /// Whether the account that signed in is the mailbox's, also now.
    pub fn is_the_owners(&self) -> bool {
        // A session begins with an account of the document's tenant only.
        let (oid, tid) = (&self.session.oid, &self.document.tenant_id);
        let holder = GrantHolder::of(&self.grants_document.grants, &self.ticket.mailbox, oid, tid);
        holder == GrantHolder::ThisAccount
    }

    /// The name that the mailbox's account signs in with.
    pub fn sign_in_name(&self) -> SignInName {
        self.document.sign_in_name(&self.ticket.mailbox)
    }

    /// Whether connections of other accounts wait for their own hand-over.
    pub fn others_wait(&self) -> bool {
        let mut others = self.document.connections.iter().filter(|connection| {
            connection.delivery == Delivery::Attended && connection.mailbox != self.ticket.mailbox
        });
        let attestations = &self.grants_document.attestations;
        self.ticket.purpose == Purpose::Rotate
            && others.any(|c| !attestations.attested(&self.ticket.version, &c.id))
    }

    /// How far the new secret has come at this account's connections, if that is half way.
    pub fn half_done(&self) -> Option<HalfDone> {
        if self.ticket.purpose != Purpose::Rotate {
            return None;
        }
        let attestations = &self.grants_document.attestations;
        let connections = self.document.connections.iter();
        let own = connections.filter(|c| c.mailbox == self.ticket.mailbox);
        HalfDone::of(own.map(|connection| {
            let has = match connection.delivery {
                Delivery::Attended => attestations.attested(&self.ticket.version, &connection.id),
                Delivery::Api => self.session.held.contains(&connection.direction),
            };
            (connection.direction, has)
        }))
    }

    /// When the new secret will be renewed in its turn.
    ///
    /// # Errors
    /// When the mailbox's own policy cannot be read.
    pub fn renewal(&self, policy: &Policy) -> Result<Timestamp, Failure> {
        let tag = self.secret.tags.get(policy::TAG).map(String::as_str);
        let policy = policy.clone().with_tag(tag)?;
        Ok(policy.renewal(
            self.document.lifetime().signed(),
            self.credential.expires_at,
        ))
    }

    pub fn event(&self, kind: EventKind) -> Event {
        Event {
            subject: Subject::Secret(MailboxSubject::new(
                &self.secret,
                Some(self.document.own_addresses()),
            )),
            token: Some(self.ticket.version.clone()),
            kind,
        }
    }
}
