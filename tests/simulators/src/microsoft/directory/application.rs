//! App registrations, with their service principals, credentials and rules.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::replication::Moment;
use super::scope::{GRAPH, OUTLOOK, OUTLOOK_365, Scope};

/// Who may sign in to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audience {
    /// Accounts of the app's own tenant.
    #[default]
    MyOrg,
    /// Accounts of any tenant.
    MultipleOrgs,
    /// Accounts of any tenant, and personal ones.
    AnyAndPersonal,
    /// Personal accounts.
    Personal,
}

impl Audience {
    /// The value of `signInAudience`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MyOrg => "AzureADMyOrg",
            Self::MultipleOrgs => "AzureADMultipleOrgs",
            Self::AnyAndPersonal => "AzureADandPersonalMicrosoftAccount",
            Self::Personal => "PersonalMicrosoftAccount",
        }
    }

    /// Whether personal accounts may sign in: then the app may have two secrets (facts, 1.6).
    #[must_use]
    pub fn includes_personal(self) -> bool {
        matches!(self, Self::AnyAndPersonal | Self::Personal)
    }
}

/// What an administrator decides about an app; everything here can be changed later.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The app's name.
    pub display_name: String,
    /// Who may sign in.
    pub sign_in_audience: Audience,
    /// Redirect URIs of type `web`.
    pub redirect_uris: Vec<String>,
    /// Application permissions on Graph with admin consent: the `roles` of app-only tokens.
    pub app_roles: BTreeSet<String>,
    /// The same on Exchange Online: `IMAP.AccessAsApp`, `full_access_as_app`, …
    pub exchange_roles: BTreeSet<String>,
    /// Delegated permissions that an administrator granted for everyone.
    pub admin_consent: BTreeSet<Scope>,
    /// Whether `auth_time` is among the optional claims of its id tokens (entra-docs, optional-claims-reference.md).
    pub sends_auth_time: bool,
    /// Resources that the registration lists; others give 650057.
    pub resources: BTreeSet<String>,
    /// The ids of the delegated permissions that it lists (`requiredResourceAccess`).
    pub permissions: BTreeSet<String>,
    /// Object ids of the owners: service principals or people.
    pub owners: BTreeSet<Uuid>,
    /// What it is tagged with.
    pub tags: Vec<String>,
    /// Whether it has no service principal in its own tenant yet: then nobody signs in as it.
    pub without_principal: bool,
    /// Other tenants in which the app has a service principal.
    pub also_in: BTreeSet<Uuid>,
    /// People who may use the app, when it requires assignment.
    pub assigned: Option<BTreeSet<Uuid>>,
    /// Whether the app is disabled (7000112).
    pub disabled: bool,
    /// Whether the app is deleted.
    pub deleted: bool,
    /// `passwordLifetime` of an app management policy of its own, which takes the place of the tenant's; what that policy
    /// does not define, the tenant's does (docs/beliefs.md, Graph).
    pub max_secret_lifetime: Option<SignedDuration>,
    /// `passwordAddition` of that policy: no new secrets, or some whatever the tenant's says.
    pub secrets_blocked: Option<bool>,
    /// How many credentials fit into the manifest (facts, 1.6).
    pub credential_limit: usize,
}

/// The delegated permissions that ShopCtrl's pages ask for, by their ids (graph-docs, permissions-reference).
pub const DELEGATED: [(&str, &str); 5] = [
    ("570282fd-fa5c-430d-a7fd-fc8dc98a9dca", "Mail.Read"),
    ("e383f46e-2787-4529-855e-0e479a3ffac0", "Mail.Send"),
    (
        "652390e4-393a-48de-9484-05f9b1212954",
        "IMAP.AccessAsUser.All",
    ),
    (
        "d7b7f2d9-0f45-4ea1-9d42-e50810c06991",
        "POP.AccessAsUser.All",
    ),
    ("258f6531-6087-4cc4-bb90-092c5fb3ed3f", "SMTP.Send"),
];

impl Default for Registration {
    fn default() -> Self {
        Self {
            display_name: "ShopCtrl mail".to_owned(),
            sign_in_audience: Audience::MyOrg,
            redirect_uris: Vec::new(),
            app_roles: BTreeSet::new(),
            exchange_roles: BTreeSet::new(),
            admin_consent: BTreeSet::new(),
            sends_auth_time: false,
            resources: [GRAPH, OUTLOOK, OUTLOOK_365].map(str::to_owned).into(),
            permissions: DELEGATED.map(|(id, _)| id.to_owned()).into(),
            owners: BTreeSet::new(),
            tags: Vec::new(),
            without_principal: false,
            also_in: BTreeSet::new(),
            assigned: None,
            disabled: false,
            deleted: false,
            max_secret_lifetime: None,
            secrets_blocked: None,
            credential_limit: 1000,
        }
    }
}

impl Registration {
    /// Whether it has an app management policy of its own.
    #[must_use]
    pub fn has_own_policy(&self) -> bool {
        self.secrets_blocked.is_some() || self.max_secret_lifetime.is_some()
    }
}

/// A client secret to be put into an app without going through Graph, as the portal would.
#[derive(Debug, Clone, Default)]
pub struct NewSecret {
    /// Its name; older portal secrets have none here (facts, 1.2).
    pub display_name: Option<String>,
    /// Where older portal secrets keep their name, in base64.
    pub custom_key_identifier: Option<String>,
    /// From when it is valid; now, if not given.
    pub start: Option<Timestamp>,
    /// Until when; two years from the start, if not given.
    pub end: Option<Timestamp>,
    /// On the service principal instead of the app registration: it signs in, and no read of the application
    /// shows it (graph-explorer-v4#1436).
    pub on_service_principal: bool,
}

/// One entry of `passwordCredentials`.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Its `keyId`.
    pub key_id: Uuid,
    /// Its name.
    pub display_name: Option<String>,
    /// The legacy place of its name.
    pub custom_key_identifier: Option<String>,
    /// The first three characters of its value.
    pub hint: String,
    /// From when it is valid.
    pub start: Timestamp,
    /// Until when it is valid.
    pub end: Timestamp,
    /// When it was last used to get a token (facts, 1.3).
    pub last_used: Option<Timestamp>,
    pub(crate) value: String,
    pub(crate) on_service_principal: bool,
    pub(crate) added: Moment,
    pub(crate) removed: Option<Moment>,
}

impl Credential {
    pub(crate) fn is_in_time(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

/// A trust in tokens of another issuer (facts, 2.3).
#[derive(Debug, Clone)]
pub struct FederatedCredential {
    /// The issuer, to the letter: a trailing slash matters.
    pub issuer: String,
    /// The subject, to the letter.
    pub subject: String,
    /// The one audience.
    pub audience: String,
    pub(crate) added: Moment,
}

/// How an app is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppIds {
    /// The application object's id.
    pub object_id: Uuid,
    /// The client id.
    pub app_id: Uuid,
    /// The id of its service principal in its own tenant.
    pub service_principal_id: Uuid,
}

/// An app registration.
#[derive(Debug, Clone)]
pub struct Application {
    /// How it is known.
    pub ids: AppIds,
    /// Its tenant.
    pub tenant_id: Uuid,
    /// What an administrator decided.
    pub registration: Registration,
    /// When it was made.
    pub created: Timestamp,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) federated: Vec<FederatedCredential>,
    pub(crate) writes_in_flight: u32,
    pub(crate) last_write: Option<Timestamp>,
}

impl Application {
    /// The credentials that the app registration has: what a reader sees once every change has spread.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.credentials
            .iter()
            .filter(|credential| credential.removed.is_none() && !credential.on_service_principal)
    }

    pub(crate) fn is_in(&self, tenant: Uuid) -> bool {
        let at_home = self.tenant_id == tenant && !self.registration.without_principal;
        at_home || self.registration.also_in.contains(&tenant)
    }
}
