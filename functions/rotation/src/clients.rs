//! The settings and the clients of every outside service, and what is had from the two together.

use jiff::Timestamp;
use shared::credential::ClientSecret;
use shared::entra::App;
use shared::entra::rotator::Rotators;
use shared::entra::token::{ClientProof, TokenEndpoint};
use shared::event_bus::EventBus;
use shared::failure::Failure;
use shared::grants::GrantsStore;
use shared::graph::application::Registration;
use shared::http::Client;
use shared::mailbox::MailClient;
use shared::mailbox_secret::MailboxSecret;
use shared::policy::{self, Policy, Thresholds};
use shared::retry::Deadline;
use shared::secret_store::{SecretMetadata, SecretStore};

use crate::Settings;

/// Made once in init, and lent to all the work of an invocation.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) settings: Settings,
    pub(crate) http: Client,
    pub(crate) mail: MailClient,
    pub(crate) store: SecretStore,
    pub(crate) events: EventBus,
    rotators: Rotators,
    /// One writer of the grants at a time: side by side they would only lose races to each other.
    pub(crate) grants_writer: tokio::sync::Mutex<()>,
}

impl Clients {
    pub(crate) fn over(settings: Settings, http: Client, mail: MailClient) -> Self {
        let store = SecretStore::new(&settings.aws, &http);
        let events = EventBus::new(&settings.aws, &http, settings.event_bus.clone());
        let rotators = Rotators::new(
            http.clone(),
            settings.microsoft.clone(),
            store.clone(),
            &settings.aws,
        );
        Self {
            settings,
            http,
            mail,
            store,
            events,
            rotators,
            grants_writer: tokio::sync::Mutex::new(()),
        }
    }

    pub(crate) fn app(&self, mailbox: &MailboxSecret) -> App {
        App {
            endpoints: self.settings.microsoft.endpoints(mailbox.cloud),
            tenant: mailbox.tenant_id.clone(),
            client_id: mailbox.client_id.clone(),
        }
    }

    pub(crate) fn rotators(&self) -> &Rotators {
        &self.rotators
    }

    /// The app registration, as its rotator may change it.
    pub(crate) async fn registration(
        &self,
        mailbox: &MailboxSecret,
        deadline: Deadline,
    ) -> Result<Registration, Failure> {
        self.registration_through(mailbox, mailbox, deadline).await
    }

    /// The same, with the rotator of another document: of an app that is its own, the secret that works.
    pub(crate) async fn registration_through(
        &self,
        mailbox: &MailboxSecret,
        rotator: &MailboxSecret,
        deadline: Deadline,
    ) -> Result<Registration, Failure> {
        let tokens = self.rotators.token(rotator, deadline).await?;
        let (http, app) = (self.http.clone(), self.app(mailbox));
        Ok(Registration::new(http, app, tokens))
    }

    /// The token endpoint, as the document's app with this client secret.
    pub(crate) fn token_endpoint(
        &self,
        mailbox: &MailboxSecret,
        secret: &ClientSecret,
    ) -> TokenEndpoint {
        let proof = ClientProof::Secret(secret.clone());
        TokenEndpoint::new(self.http.clone(), self.app(mailbox), proof)
    }

    pub(crate) fn grants(&self, secret: &SecretMetadata) -> GrantsStore {
        GrantsStore::of(&self.store, &secret.name)
    }

    pub(crate) fn policy(&self, secret: &SecretMetadata) -> Result<Policy, Failure> {
        let tag = secret.tags.get(policy::TAG).map(String::as_str);
        self.settings.policy.clone().with_tag(tag)
    }

    /// When people are asked again; those of the settings where the mailbox's own cannot be read.
    pub(crate) fn thresholds(&self, secret: &SecretMetadata) -> Thresholds {
        let policy = self.policy(secret);
        policy.map_or_else(
            |_| self.settings.policy.thresholds.clone(),
            |own| own.thresholds,
        )
    }

    /// Whether nothing that worked may be taken away now. A policy that cannot be read might say so; the
    /// checker reports it.
    pub(crate) fn is_frozen(&self, secret: &SecretMetadata, now: Timestamp) -> bool {
        let policy = self.policy(secret);
        policy.map_or(true, |policy| policy.is_frozen(now))
    }
}
