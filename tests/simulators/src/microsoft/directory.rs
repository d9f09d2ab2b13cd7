//! What Entra and Graph know together: tenants, apps with their credentials, people, consents and
//! tokens. The wire is in [`crate::microsoft::entra`] and [`crate::microsoft::graph`]; tests and stories build the world and
//! look at it here.

pub mod account;
pub mod application;
mod client;
pub mod denial;
pub mod redemption;
pub mod replication;
pub mod scope;
pub mod sign_in;
mod signing_key;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Clock;
use account::{Account, ConsentPolicy, PERSONAL_TENANT, Person, Tenant};
use application::{AppIds, Application, Credential, FederatedCredential, NewSecret, Registration};
pub use client::PublicKey;
use redemption::{AccessToken, AuthorizationCode, RefreshToken};
use replication::{Door, Moment, Replicas};
pub use replication::{Lag, Replica};
use scope::{Scope, ScopeEcho};
use sign_in::SignIn;
use signing_key::SigningKey;

/// How long a refresh token lasts without being replaced (facts/microsoft.md, 2.6).
pub(crate) const REFRESH_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long an authorization code lasts (facts/microsoft.md, 2.4).
pub(crate) const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How long an access token lasts (facts/microsoft.md, 2.1: about 60 to 90 minutes).
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

/// A mail that went out through `POST /me/sendMail`.
#[derive(Debug, Clone)]
pub struct SentMail {
    /// Who sent it.
    pub oid: Uuid,
    /// The request's body.
    pub body: Value,
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

pub(crate) struct Records {
    pub(crate) authority: String,
    pub(crate) rng: StdRng,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) applications: Vec<Application>,
    pub(crate) deleted_applications: Vec<Application>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) consents: BTreeMap<(Uuid, Uuid), BTreeSet<Scope>>,
    pub(crate) codes: HashMap<String, AuthorizationCode>,
    pub(crate) refresh_tokens: BTreeMap<String, RefreshToken>,
    pub(crate) access_tokens: HashMap<String, AccessToken>,
    pub(crate) sign_ins: HashMap<String, SignIn>,
    pub(crate) sessions: HashMap<String, Uuid>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) sent_mail: Vec<SentMail>,
    pub(crate) token_replicas: Replicas,
    pub(crate) graph_replicas: Replicas,
    pub(crate) scope_echo: ScopeEcho,
    pub(crate) refusals_redirect: bool,
    pub(crate) graph_habits: GraphHabits,
}

impl Directory {
    /// An empty directory. Its ids and secrets follow from `seed`.
    #[must_use]
    pub fn new(clock: Arc<Clock>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            clock,
            signing_key: SigningKey::of_the_simulator(),
            records: Mutex::new(Records {
                authority: "https://login.microsoftonline.com".to_owned(),
                rng: StdRng::seed_from_u64(seed),
                tenants: vec![Tenant {
                    id: PERSONAL_TENANT,
                    domain: "live.com".to_owned(),
                    consent_policy: ConsentPolicy::Users,
                }],
                applications: Vec::new(),
                deleted_applications: Vec::new(),
                accounts: Vec::new(),
                consents: BTreeMap::new(),
                codes: HashMap::new(),
                refresh_tokens: BTreeMap::new(),
                access_tokens: HashMap::new(),
                sign_ins: HashMap::new(),
                sessions: HashMap::new(),
                secrets: BTreeSet::new(),
                sent_mail: Vec::new(),
                token_replicas: Replicas::new(Door::Token),
                graph_replicas: Replicas::new(Door::Graph),
                scope_echo: ScopeEcho::default(),
                refusals_redirect: false,
                graph_habits: GraphHabits::default(),
            }),
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

    // === Building the world ===

    /// Tells where the authority is served: `https://login.microsoftonline.com` until then.
    pub fn set_authority(&self, base: &str) {
        base.trim_end_matches('/')
            .clone_into(&mut self.records().authority);
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
        records.tenants.push(Tenant {
            id,
            domain: domain.to_owned(),
            consent_policy: ConsentPolicy::default(),
        });
        id
    }

    /// Decides who may consent in a tenant.
    pub fn set_consent_policy(&self, tenant: Uuid, policy: ConsentPolicy) {
        let mut records = self.records();
        if let Some(tenant) = records.tenants.iter_mut().find(|known| known.id == tenant) {
            tenant.consent_policy = policy;
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
        let found = records
            .applications
            .iter()
            .position(|app| app.ids.app_id == app_id);
        if let Some(at) = found {
            let app = records.applications.remove(at);
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
        let mut records = self.records();
        if let Some(account) = records.accounts.iter_mut().find(|known| known.oid == oid) {
            change(&mut account.person);
        }
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

    /// Revokes all of a person's refresh tokens ("revoke sessions": facts/microsoft.md, 2.6).
    pub fn revoke_sessions(&self, oid: Uuid) {
        let now = self.clock.now();
        let mut records = self.records();
        for token in records.refresh_tokens.values_mut() {
            if token.oid == oid && token.revoked.is_none() {
                token.revoked = Some(now);
            }
        }
        records.sessions.retain(|_, signed_in| *signed_in != oid);
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

    /// Sets how token answers spell scopes.
    pub fn set_scope_echo(&self, echo: ScopeEcho) {
        self.records().scope_echo = echo;
    }

    /// Whether refusals about the person (50105, 53003, …) are sent to the redirect URI at once instead
    /// of being shown on Microsoft's page, from which the person can go back: both have been seen.
    pub fn set_refusals_redirect(&self, redirect: bool) {
        self.records().refusals_redirect = redirect;
    }

    /// Calls `hook` before a report is made: whoever reckons use of credentials late does it then.
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

    // === Looking at it ===

    /// An app, by its client id.
    #[must_use]
    pub fn application(&self, app_id: Uuid) -> Option<Application> {
        self.records().app(app_id).cloned()
    }

    /// An app's credentials, once every change has spread.
    #[must_use]
    pub fn credentials(&self, app_id: Uuid) -> Vec<Credential> {
        self.records()
            .app(app_id)
            .map(|app| app.credentials().cloned().collect())
            .unwrap_or_default()
    }

    /// The value of a credential, also of a removed one.
    #[must_use]
    pub fn secret_value(&self, key_id: Uuid) -> Option<String> {
        self.find_credential(|credential| credential.key_id == key_id)
            .map(|credential| credential.value)
    }

    /// The credential that has this value, also a removed one.
    #[must_use]
    pub fn credential_with_value(&self, value: &str) -> Option<Credential> {
        self.find_credential(|credential| credential.value == value)
    }

    fn find_credential(&self, wanted: impl Fn(&Credential) -> bool) -> Option<Credential> {
        self.records()
            .applications
            .iter()
            .flat_map(|app| &app.credentials)
            .find(|credential| wanted(credential))
            .cloned()
    }

    /// An account.
    #[must_use]
    pub fn account(&self, oid: Uuid) -> Option<Account> {
        self.records().account(oid).cloned()
    }

    /// The account known under an address.
    #[must_use]
    pub fn account_at(&self, address: &str) -> Option<Account> {
        self.records()
            .accounts
            .iter()
            .find(|account| account.person.has_address(address))
            .cloned()
    }

    /// What an access token stands for, expired or not. Mail servers ask it.
    #[must_use]
    pub fn access_token(&self, token: &str) -> Option<AccessToken> {
        self.records().access_tokens.get(token).cloned()
    }

    /// What a refresh token stands for.
    #[must_use]
    pub fn refresh_token(&self, token: &str) -> Option<RefreshToken> {
        self.records().refresh_tokens.get(token).cloned()
    }

    /// Mails sent through Graph.
    #[must_use]
    pub fn sent_mail(&self) -> Vec<SentMail> {
        self.records().sent_mail.clone()
    }

    /// How far a secret is good for the app now. It is no request: replicas do not take turns.
    #[must_use]
    pub fn standing(&self, app_id: Uuid, secret: &str) -> Standing {
        let now = self.clock.now();
        let records = self.records();
        let Some(app) = records.app(app_id) else {
            return Standing::Refused;
        };
        if app.registration.disabled || app.registration.deleted {
            return Standing::Refused;
        }
        let verdicts: Vec<bool> = records
            .token_replicas
            .all_views(app_id, now)
            .iter()
            .map(|view| {
                app.credentials.iter().any(|credential| {
                    credential.value == secret
                        && credential.is_in_time(now)
                        && view.shows(&credential.added, credential.removed.as_ref())
                })
            })
            .collect();
        match (verdicts.contains(&true), verdicts.contains(&false)) {
            (true, false) => Standing::Accepted,
            (true, true) => Standing::Disputed,
            (false, _) => Standing::Refused,
        }
    }

    /// From when until when a secret works for the app, leaving out how changes spread.
    #[must_use]
    pub fn validity(&self, app_id: Uuid, secret: &str) -> Option<(Timestamp, Timestamp)> {
        let records = self.records();
        let app = records.app(app_id)?;
        let credential = app.credentials.iter().find(|known| known.value == secret)?;
        let removed = credential.removed.map(|removed| removed.at);
        Some((
            credential.start.max(credential.added.at),
            removed.map_or(credential.end, |at| at.min(credential.end)),
        ))
    }

    /// Every secret value, code, verifier, password, assertion and token ever issued or received: what
    /// a scan for leaks looks for.
    #[must_use]
    pub fn all_secret_strings(&self) -> BTreeSet<String> {
        self.records().secrets.clone()
    }
}

impl Records {
    pub(crate) fn guid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid()
    }

    /// A string like Entra's opaque tokens.
    pub(crate) fn opaque(&mut self, prefix: &str) -> String {
        let bytes: [u8; 48] = self.rng.random();
        let token = format!("{prefix}{}", data_encoding::BASE64URL_NOPAD.encode(&bytes));
        self.note_secret(&token);
        token
    }

    /// 40 characters with `~`, `.`, `_` and `-` among them, as real ones have (facts, 1.2).
    fn secret_text(&mut self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text: String = (0..40)
            .filter_map(|_| LETTERS.get(self.rng.random_range(0..LETTERS.len())))
            .map(|letter| char::from(*letter))
            .collect();
        text.replace_range(3..6, "8Q~");
        for (at, mark) in [(13, "."), (22, "_"), (31, "-")] {
            text.replace_range(at..=at, mark);
        }
        self.note_secret(&text);
        text
    }

    pub(crate) fn note_secret(&mut self, secret: &str) {
        // Shorter ones would be found by chance in innocent text.
        if secret.len() >= 8 {
            self.secrets.insert(secret.to_owned());
        }
    }

    pub(crate) fn app(&self, app_id: Uuid) -> Option<&Application> {
        self.applications
            .iter()
            .find(|app| app.ids.app_id == app_id)
    }

    pub(crate) fn app_mut(&mut self, app_id: Uuid) -> Option<&mut Application> {
        self.applications
            .iter_mut()
            .find(|app| app.ids.app_id == app_id)
    }

    pub(crate) fn account(&self, oid: Uuid) -> Option<&Account> {
        self.accounts.iter().find(|account| account.oid == oid)
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|tenant| {
            tenant.domain.eq_ignore_ascii_case(name)
                || Uuid::try_parse(name).is_ok_and(|id| id == tenant.id)
        })
    }

    pub(crate) fn granted(&self, oid: Uuid, app: &Application) -> BTreeSet<Scope> {
        let mut granted = app.registration.admin_consent.clone();
        if let Some(consented) = self.consents.get(&(oid, app.ids.app_id)) {
            granted.extend(consented.iter().cloned());
        }
        granted
    }

    pub(crate) fn moment(&self, app_id: Uuid, at: Timestamp) -> Moment {
        Moment {
            at,
            token_requests: self.token_replicas.seen(app_id),
            graph_reads: self.graph_replicas.seen(app_id),
        }
    }

    pub(crate) fn new_credential(
        &mut self,
        app_id: Uuid,
        now: Timestamp,
        secret: NewSecret,
    ) -> Credential {
        let value = self.secret_text();
        let start = secret.start.unwrap_or(now);
        Credential {
            key_id: self.guid(),
            display_name: secret.display_name,
            custom_key_identifier: secret.custom_key_identifier,
            hint: value.chars().take(3).collect(),
            start,
            end: secret.end.unwrap_or_else(|| two_years_after(start)),
            last_used: None,
            on_service_principal: secret.on_service_principal,
            added: self.moment(app_id, now),
            removed: None,
            value,
        }
    }

    pub(crate) fn remove_credential(&mut self, app_id: Uuid, key_id: Uuid, now: Timestamp) -> bool {
        let removed = self.moment(app_id, now);
        let Some(app) = self.app_mut(app_id) else {
            return false;
        };
        let present = app
            .credentials
            .iter_mut()
            .find(|credential| credential.key_id == key_id && credential.removed.is_none());
        let Some(credential) = present else {
            return false;
        };
        credential.removed = Some(removed);
        true
    }
}

/// The default `endDateTime` (facts/microsoft.md, 1.3).
pub(crate) fn two_years_after(start: Timestamp) -> Timestamp {
    use jiff::ToSpan;
    let civil = jiff::tz::Offset::UTC.to_datetime(start);
    civil
        .checked_add(2.years())
        .ok()
        .and_then(|end| jiff::tz::Offset::UTC.to_timestamp(end).ok())
        .unwrap_or(Timestamp::MAX)
}
