//! What the directory has on record.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::GraphHabits;
use super::account::{Account, Tenant};
use super::application::{Application, Credential, NewSecret};
use super::found::{Accounts, Applications, Tenants};
use super::replication::{Door, Moment, Replicas};
use super::scope::{Scope, ScopeEcho};
use super::sign_in::SignIn;
use super::tokens::{AccessToken, AuthorizationCode, RefreshToken, Session};
use crate::microsoft::exchange::store::MailStore;

pub(crate) struct Records {
    pub(crate) authority: String,
    pub(crate) rng: StdRng,
    /// Where Graph is served.
    pub(crate) graph: String,
    pub(crate) tenants: Tenants,
    pub(crate) applications: Applications,
    pub(crate) deleted_applications: Vec<Application>,
    /// The apps whose service principals were deleted.
    pub(crate) deleted_principals: Vec<Application>,
    pub(crate) accounts: Accounts,
    pub(crate) consents: BTreeMap<(Uuid, Uuid), BTreeSet<Scope>>,
    pub(crate) codes: HashMap<String, AuthorizationCode>,
    pub(crate) refresh_tokens: BTreeMap<String, RefreshToken>,
    pub(crate) access_tokens: HashMap<String, AccessToken>,
    pub(crate) sign_ins: HashMap<String, SignIn>,
    /// By the browser's cookie.
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) mail: MailStore,
    pub(crate) token_replicas: Replicas,
    pub(crate) graph_replicas: Replicas,
    pub(crate) scope_echo: ScopeEcho,
    pub(crate) refusals_redirect: bool,
    pub(crate) graph_habits: GraphHabits,
    /// When each app asked for reports of its tenant.
    pub(crate) reports_asked: HashMap<(Uuid, Uuid), Vec<Timestamp>>,
}

impl Records {
    pub(super) fn seeded(seed: u64) -> Self {
        Self {
            authority: "https://login.microsoftonline.com".to_owned(),
            rng: StdRng::seed_from_u64(seed),
            graph: "https://graph.microsoft.com".to_owned(),
            tenants: Tenants::of_personal_accounts(),
            applications: Applications::default(),
            deleted_applications: Vec::new(),
            deleted_principals: Vec::new(),
            accounts: Accounts::default(),
            consents: BTreeMap::new(),
            codes: HashMap::new(),
            refresh_tokens: BTreeMap::new(),
            access_tokens: HashMap::new(),
            sign_ins: HashMap::new(),
            sessions: HashMap::new(),
            secrets: BTreeSet::new(),
            mail: MailStore::default(),
            token_replicas: Replicas::new(Door::Token),
            graph_replicas: Replicas::new(Door::Graph),
            scope_echo: ScopeEcho::default(),
            refusals_redirect: false,
            graph_habits: GraphHabits::default(),
            reports_asked: HashMap::new(),
        }
    }

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
        self.applications.by_app_id(app_id)
    }

    pub(crate) fn app_mut(&mut self, app_id: Uuid) -> Option<&mut Application> {
        self.applications.by_app_id_mut(app_id)
    }

    pub(crate) fn account(&self, oid: Uuid) -> Option<&Account> {
        self.accounts.by_oid(oid)
    }

    pub(crate) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.named(name)
    }

    /// What the tenant's default policy allows.
    pub(crate) fn longest_secret(&self, tenant: Uuid) -> Option<SignedDuration> {
        let tenant = self.tenants.by_id(tenant);
        tenant.and_then(|tenant| tenant.longest_secret)
    }

    /// Whether the tenant's default policy blocks new client secrets of this app for this caller.
    pub(crate) fn blocks_secrets(&self, app: &Application, caller: Uuid) -> bool {
        let tenant = self.tenants.by_id(app.tenant_id);
        let blocked = tenant.and_then(|tenant| tenant.secrets_blocked.as_ref());
        blocked.is_some_and(|blocked| {
            blocked.apps_since.is_none_or(|since| app.created >= since)
                && !blocked.excepted_callers.contains(&caller)
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

/// The default `endDateTime` (docs/beliefs.md, Graph).
pub(crate) fn two_years_after(start: Timestamp) -> Timestamp {
    use jiff::ToSpan;
    let civil = jiff::tz::Offset::UTC.to_datetime(start);
    civil
        .checked_add(2.years())
        .ok()
        .and_then(|end| jiff::tz::Offset::UTC.to_timestamp(end).ok())
        .unwrap_or(Timestamp::MAX)
}
