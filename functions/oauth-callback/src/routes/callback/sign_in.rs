//! A sign-in that came back from Microsoft, and what it is for.

use jiff::Timestamp;
use shared::entra::App;
use shared::entra::refusal::{OAuthEndpoint, OAuthError, RefusalReason};
use shared::entra::sign_in::{admin_consent_url, scopes};
use shared::mailbox_secret::{Connection, Delivery, MailboxSecret, SignInName, StoredCredential};
use shared::secret_store::SecretMetadata;
use shared::ticket::{Purpose, Ticket, TicketKey};

use crate::clients::Clients;
use crate::load::{self, BoundVersion};
use crate::message::{Button, Message};
use crate::outcome::Outcome;
use crate::session::sign_in::SignInSession;
use crate::settings::Settings;

pub(crate) struct SignIn {
    pub session: SignInSession,
    pub key: TicketKey,
    pub ticket: Ticket,
    pub secret: SecretMetadata,
    pub mailbox: MailboxSecret,
    /// The one of the version that the link is bound to.
    pub credential: StoredCredential,
    pub app: App,
    /// When it came back.
    pub now: Timestamp,
}

impl SignIn {
    pub async fn load(
        clients: &Clients,
        session: SignInSession,
        key: TicketKey,
        now: Timestamp,
    ) -> Result<Self, Message> {
        let ticket = load::session_ticket(clients, &key, &session.ticket, now).await?;
        let BoundVersion {
            secret,
            document: mailbox,
            credential,
        } = load::bound_version(clients, &ticket, &session.ticket).await?;
        let app = clients.settings.app(&mailbox);
        Ok(Self {
            session,
            key,
            ticket,
            secret,
            mailbox,
            credential,
            app,
            now,
        })
    }

    /// The name that the account has to sign in with.
    pub fn name(&self) -> SignInName {
        self.mailbox.sign_in_name(&self.ticket.mailbox)
    }

    /// The account's connections.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        let mailbox = &self.ticket.mailbox;
        let connections = self.mailbox.connections.iter();
        connections.filter(move |connection| connection.mailbox == *mailbox)
    }

    /// Those to which a person delivers.
    pub fn attended(&self) -> impl Iterator<Item = &Connection> {
        self.connections()
            .filter(|connection| connection.delivery == Delivery::Attended)
    }

    /// What the app asks the account for.
    pub fn scopes(&self) -> Vec<String> {
        scopes(&self.app, &self.mailbox.connections, &self.ticket.mailbox)
    }

    /// The message of a sign-in that Microsoft refused, with the link that an administrator needs.
    pub fn refused(&self, settings: &Settings, refusal: &OAuthError, at: OAuthEndpoint) -> Message {
        let message = Message::refused(refusal, at, self.name());
        let pass_on = match (RefusalReason::of(refusal, at), self.ticket.purpose) {
            (RefusalReason::ClientRefused, Purpose::Connect) => {
                return Outcome::CurrentSecretRefused.into();
            }
            (RefusalReason::AdminApproval | RefusalReason::Declined, _) => {
                admin_consent_url(&self.app, &settings.redirect_uri(), &self.scopes()).ok()
            }
            (
                RefusalReason::WrongAccount
                | RefusalReason::PersonalAccount
                | RefusalReason::ForeignAccount
                | RefusalReason::NotAssigned
                | RefusalReason::BlockedByPolicy
                | RefusalReason::MoreProof
                | RefusalReason::AccountError
                | RefusalReason::ClientRefused
                | RefusalReason::Registration
                | RefusalReason::Federation
                | RefusalReason::StartAgain
                | RefusalReason::Transient
                | RefusalReason::Unknown,
                _,
            ) => None,
        };
        Message { pass_on, ..message }
    }

    /// A message with the button that signs in once more, where that can help.
    pub fn with_retry(&self, message: Message) -> Message {
        let outcome = &message.outcome;
        // With the secret that is in use refused, no sign-in with this link can succeed any more.
        if outcome.is_success() || *outcome == Outcome::CurrentSecretRefused {
            return message;
        }
        let ticket = &self.session.ticket;
        let button = if outcome.is_another_account() {
            Button::sign_in_as_another(ticket)
        } else {
            Button::sign_in(ticket)
        };
        message.with_button(button)
    }
}
