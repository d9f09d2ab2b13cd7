//! What Entra and Graph know together: tenants, apps with their credentials, people, consents and
//! tokens. The wire is in [`crate::microsoft::entra`] and [`crate::microsoft::graph`]; tests and stories build the world and
//! look at it here.

pub mod account;
pub mod application;
mod authorize_request;
mod client;
pub mod denial;
mod found;
mod observe;
mod records;
pub mod redemption;
pub mod replication;
pub mod scope;
pub mod sign_in;
mod signing_key;
pub mod tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clock::Clock;
use account::{Account, ConsentPolicy, Person, Tenant};
use application::{AppIds, Application, FederatedCredential, NewSecret, Registration};
pub use client::PublicKey;
pub(crate) use records::{Records, two_years_after};
pub use replication::{Lag, Replica};
use scope::{Scope, ScopeEcho};
use signing_key::SigningKey;

/// How long a refresh token lasts without being replaced (docs/beliefs.md, Entra).
pub(crate) const REFRESH_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long an authorization code lasts (docs/beliefs.md, Entra).
pub(crate) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How long an access token lasts (docs/beliefs.md, Entra: about 60 to 90 minutes).
pub(crate) const ACCESS_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_secs(3599);

type Hook = Box<dyn Fn() + Send + Sync>;
type KeySource = Box<dyn Fn(&str) -> Option<Vec<PublicKey>> + Send + Sync>;

/// The directory. It is shared by Entra, Graph, ShopCtrl and the mail servers.
pub struct Directory {
    pub(crate) clock: Arc<Clock>,
    pub(crate) signing_key: SigningKey,
    records: Mutex<Records>,
    issuers: Mutex<Option<KeySource>>,
    before_reports: Mutex<Vec<Hook>>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").finish_non_exhaustive()
    }
}

/// How Graph behaves where the vendor leaves it open or has been seen to vary.
#[derive(Debug, Clone)]
pub struct GraphHabits {
    /// How long one write on an app takes; another one meanwhile is a concurrency violation.
    pub write_takes: Duration,
    /// For how long after a write on an app another one is refused.
    pub write_spacing: SignedDuration,
    /// `Directory_ConcurrencyViolation` has come as 409 and as 503 (facts, 1.8).
    pub concurrency_status: u16,
    /// For how long removePassword does not know of an added credential (facts, 1.4).
    pub remove_learns: Lag,
    /// Whether a credential is listed with its `hint`; all its properties are nullable (facts, 1.2).
    pub shows_hint: bool,
    /// Whether a connection has its replica for as long as it lasts (microsoft-graph-docs-contrib#13118), or each
    /// read goes to the next one.
    pub reads_by_connection: bool,
    /// Whether delegated use of a credential shows in the sign-in report (not settled: facts, 1.3).
    pub report_shows_delegated_use: bool,
    /// So many requests for reports in so long are answered.
    pub reports: (usize, SignedDuration),
    /// Whether `Application.ReadWrite.OwnedBy` lets a caller read apps that it does not own, as the documents name it for
    /// listing all of them (graph-docs, application-list), or Graph refuses that: both are told.
    pub owned_by_reads_all: bool,
    /// What a list of owned objects shows of an app.
    pub owned_shown: OwnedShown,
    /// Whether a rotator owns a group beside its apps.
    pub rotators_own_a_group: bool,
    /// So many requests within batches are answered 429 next.
    pub throttled_batch_items: u32,
}

/// What a list of owned objects shows of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnedShown {
    /// All of it.
    #[default]
    Whole,
    /// `passwordCredentials` is null.
    WithoutCredentials,
    /// All but type and id is null: "limited information" (graph-docs, serviceprincipal-list-ownedobjects).
    IdAndType,
}

impl Default for GraphHabits {
    fn default() -> Self {
        Self {
            write_takes: Duration::ZERO,
            write_spacing: SignedDuration::ZERO,
            concurrency_status: 409,
            remove_learns: Lag::None,
            shows_hint: true,
            reads_by_connection: false,
            report_shows_delegated_use: true,
            reports: (5, SignedDuration::from_secs(10)),
            owned_by_reads_all: false,
            owned_shown: OwnedShown::default(),
            rotators_own_a_group: false,
            throttled_batch_items: 0,
        }
    }
}

/// How far a secret is good for getting a token at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// At every replica.
    Accepted,
    /// At some replicas, while a change spreads.
    Disputed,
    /// At none.
    Refused,
}

impl Directory {
    /// An empty directory. Its ids and secrets follow from `seed`.
    #[must_use]
    pub fn new(clock: Arc<Clock>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            clock,
            signing_key: SigningKey::of_the_simulator(),
            records: Mutex::new(Records::seeded(seed)),
            issuers: Mutex::new(None),
            before_reports: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issuers(&self) -> MutexGuard<'_, Option<KeySource>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells where the authority is served: `https://login.microsoftonline.com` until then.
    pub fn set_authority(&self, base: &str) {
        base.trim_end_matches('/')
            .clone_into(&mut self.records().authority);
    }

    /// Tells where Graph is served, for the addresses of next pages: `https://graph.microsoft.com` until then.
    pub fn set_graph(&self, base: &str) {
        base.trim_end_matches('/')
            .clone_into(&mut self.records().graph);
    }

    /// Where the authority is served, without a slash at the end.
    #[must_use]
    pub fn authority(&self) -> String {
        self.records().authority.clone()
    }

    /// Tells where the public keys of federated issuers come from; without it none is trusted.
    pub fn set_key_source(
        &self,
        keys: impl Fn(&str) -> Option<Vec<PublicKey>> + Send + Sync + 'static,
    ) {
        *self.issuers() = Some(Box::new(keys));
    }

    /// Adds a tenant and gives its id.
    pub fn add_tenant(&self, domain: &str) -> Uuid {
        let mut records = self.records();
        let id = records.guid();
        records.tenants.push(Tenant::new(id, domain));
        id
    }

    /// Decides who may consent in a tenant.
    pub fn set_consent_policy(&self, tenant: Uuid, policy: ConsentPolicy) {
        let mut records = self.records();
        if let Some(tenant) = records.tenants.by_id_mut(tenant) {
            tenant.consent_policy = policy;
        }
    }

    /// Decides what an organization has in Exchange and Entra beside that.
    pub fn change_tenant(&self, tenant: Uuid, change: impl FnOnce(&mut Tenant)) {
        self.settle();
        if let Some(tenant) = self.records().tenants.by_id_mut(tenant) {
            change(tenant);
        }
    }

    /// Sets `passwordLifetime` of a tenant's default app management policy.
    pub fn set_longest_secret(&self, tenant: Uuid, longest: Option<SignedDuration>) {
        let mut records = self.records();
        if let Some(tenant) = records.tenants.by_id_mut(tenant) {
            tenant.longest_secret = longest;
        }
    }

    /// Registers an app with its service principal.
    pub fn register(&self, tenant: Uuid, registration: Registration) -> AppIds {
        let mut records = self.records();
        let ids = AppIds {
            object_id: records.guid(),
            app_id: records.guid(),
            service_principal_id: records.guid(),
        };
        records.applications.push(Application {
            ids,
            tenant_id: tenant,
            registration,
            created: self.clock.now(),
            credentials: Vec::new(),
            federated: Vec::new(),
            writes_in_flight: 0,
            last_write: None,
        });
        ids
    }

    /// Changes what was decided about an app.
    pub fn change(&self, app_id: Uuid, change: impl FnOnce(&mut Registration)) {
        if let Some(app) = self.records().app_mut(app_id) {
            change(&mut app.registration);
        }
    }

    /// Deletes an app with its service principal; it can be restored.
    pub fn delete_registration(&self, app_id: Uuid) {
        let mut records = self.records();
        if let Some(app) = records.applications.remove(app_id) {
            if !app.registration.without_principal {
                records.deleted_principals.push(app.clone());
            }
            records.deleted_applications.push(app);
        }
    }

    /// Restores a deleted app as it was.
    pub fn restore_registration(&self, app_id: Uuid) {
        let mut records = self.records();
        let found = records
            .deleted_applications
            .iter()
            .position(|app| app.ids.app_id == app_id);
        if let Some(at) = found {
            let app = records.deleted_applications.remove(at);
            let principals = &mut records.deleted_principals;
            principals.retain(|gone| gone.ids.app_id != app_id);
            records.applications.push(app);
        }
    }

    /// Puts a secret into an app, as a person in the portal would, and gives its key id and value.
    pub fn add_secret(&self, app_id: Uuid, secret: NewSecret) -> Option<(Uuid, String)> {
        let now = self.clock.now();
        let mut records = self.records();
        let credential = records.new_credential(app_id, now, secret);
        let added = (credential.key_id, credential.value.clone());
        records.app_mut(app_id)?.credentials.push(credential);
        Some(added)
    }

    /// Takes a credential away, as a person in the portal would. True if it was there.
    pub fn delete_secret(&self, app_id: Uuid, key_id: Uuid) -> bool {
        let now = self.clock.now();
        self.records().remove_credential(app_id, key_id, now)
    }

    /// Lets a credential end at this time, which may be past.
    pub fn set_secret_end(&self, app_id: Uuid, key_id: Uuid, end: Timestamp) {
        if let Some(app) = self.records().app_mut(app_id) {
            for credential in &mut app.credentials {
                if credential.key_id == key_id {
                    credential.end = end;
                }
            }
        }
    }

    /// Lets an app trust tokens of another issuer.
    pub fn add_federated(&self, app_id: Uuid, issuer: &str, subject: &str, audience: &str) {
        let now = self.clock.now();
        let mut records = self.records();
        let added = records.moment(app_id, now);
        if let Some(app) = records.app_mut(app_id) {
            app.federated.push(FederatedCredential {
                issuer: issuer.to_owned(),
                subject: subject.to_owned(),
                audience: audience.to_owned(),
                added,
            });
        }
    }

    /// Adds an account and gives its `oid`.
    pub fn add_account(&self, tenant: Uuid, person: Person) -> Uuid {
        let mut records = self.records();
        let oid = records.guid();
        records.note_secret(&person.password);
        records.accounts.push(Account {
            oid,
            tenant_id: tenant,
            person,
        });
        oid
    }

    /// Changes an account.
    pub fn change_account(&self, oid: Uuid, change: impl FnOnce(&mut Person)) {
        self.settle();
        let mut change = Some(change);
        self.records().accounts.retain(|account| {
            if account.oid == oid
                && let Some(change) = change.take()
            {
                change(&mut account.person);
            }
            true
        });
    }

    /// Deletes an account: its refresh tokens die with it.
    pub fn delete_account(&self, oid: Uuid) {
        self.revoke_sessions(oid);
        self.records().accounts.retain(|known| known.oid != oid);
    }

    /// Grants an app delegated permissions for one person.
    pub fn consent(&self, oid: Uuid, app_id: Uuid, scopes: &str) {
        self.records()
            .consents
            .entry((oid, app_id))
            .or_default()
            .extend(Scope::parse_list(scopes));
    }

    /// Takes back all that a person granted an app.
    pub fn withdraw_consent(&self, oid: Uuid, app_id: Uuid) {
        self.records().consents.remove(&(oid, app_id));
    }

    /// Revokes all of a person's refresh tokens ("revoke sessions": docs/beliefs.md, Entra).
    pub fn revoke_sessions(&self, oid: Uuid) {
        let now = self.clock.now();
        let mut records = self.records();
        for token in records.refresh_tokens.values_mut() {
            if token.oid == oid && token.revoked.is_none() {
                token.revoked = Some(now);
            }
        }
        records.sessions.retain(|_, session| session.oid != oid);
    }

    /// Lets one refresh token be as if unused for 90 days (700082).
    pub fn expire_refresh_token(&self, token: &str) {
        let long_ago = self.clock.now() - REFRESH_TOKEN_LIFETIME;
        if let Some(token) = self.records().refresh_tokens.get_mut(token) {
            token.issued = long_ago;
        }
    }

    /// Lets a person's refresh tokens for an app be as if unused for 90 days (700082).
    pub fn expire_refresh_tokens(&self, oid: Uuid, app_id: Uuid) {
        let long_ago = self.clock.now() - REFRESH_TOKEN_LIFETIME;
        for token in self.records().refresh_tokens.values_mut() {
            if token.oid == oid && token.app_id == app_id {
                token.issued = long_ago;
            }
        }
    }

    /// Sets the replicas of the token endpoint: requests about an app go round them.
    pub fn set_token_replicas(&self, replicas: Vec<Replica>) {
        self.records().token_replicas.set(replicas);
    }

    /// Sets the replicas that Graph reads apps from: reads of an app go round them.
    pub fn set_graph_replicas(&self, replicas: Vec<Replica>) {
        self.records().graph_replicas.set(replicas);
    }

    /// Sets how Graph behaves.
    pub fn set_graph_habits(&self, change: impl FnOnce(&mut GraphHabits)) {
        change(&mut self.records().graph_habits);
    }

    pub(crate) fn throttles_batch_item(&self) -> bool {
        let left = &mut self.records().graph_habits.throttled_batch_items;
        let throttled = *left > 0;
        *left = left.saturating_sub(1);
        throttled
    }

    /// Sets how token answers spell scopes.
    pub fn set_scope_echo(&self, echo: ScopeEcho) {
        self.records().scope_echo = echo;
    }

    /// Whether refusals about the person (50105, 53003, …) are sent to the redirect URI at once instead
    /// of being shown on Microsoft's page, from which the person can go back: both have been seen.
    pub fn set_refusals_redirect(&self, redirect: bool) {
        self.records().refusals_redirect = redirect;
    }

    /// Calls `hook` before a report is made, and before an account or a tenant is changed: whoever reckons late what was
    /// done until then does it then.
    pub fn before_reports(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.before_reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(hook));
    }

    pub(crate) fn settle(&self) {
        let hooks = self
            .before_reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for hook in hooks.iter() {
            hook();
        }
    }

    /// Notes that a credential was used then in a person's name, without a request.
    pub fn used_by_person(&self, app_id: Uuid, secret: &str, at: Timestamp) {
        let mut records = self.records();
        if !records.graph_habits.report_shows_delegated_use {
            return;
        }
        if let Some(app) = records.app_mut(app_id) {
            for credential in &mut app.credentials {
                if credential.value == secret {
                    credential.last_used = credential.last_used.max(Some(at));
                }
            }
        }
    }

    /// Notes that a refresh token was used and replaced then, without a request: its text stands for
    /// the newer one from now on.
    pub fn renewed(&self, refresh_token: &str, at: Timestamp) {
        if let Some(token) = self.records().refresh_tokens.get_mut(refresh_token) {
            token.issued = token.issued.max(at);
        }
    }

    /// Lets a scan for leaks look for this secret too.
    pub fn note_secret(&self, secret: &str) {
        self.records().note_secret(secret);
    }
}
