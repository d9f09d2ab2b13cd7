//! Tenants, apps and accounts, each found by what it is asked for by.

use std::collections::HashMap;

use uuid::Uuid;

use super::account::{Account, ConsentPolicy, PERSONAL_TENANT, Tenant};
use super::application::Application;

/// All tenants.
pub(crate) struct Tenants {
    all: Vec<Tenant>,
    by_id: HashMap<Uuid, usize>,
}

impl Tenants {
    /// Those that are there before any is made.
    pub(super) fn of_personal_accounts() -> Self {
        let mut tenants = Self {
            all: Vec::new(),
            by_id: HashMap::new(),
        };
        tenants.push(Tenant {
            consent_policy: ConsentPolicy::Users,
            ..Tenant::new(PERSONAL_TENANT, "live.com")
        });
        tenants
    }

    pub(super) fn push(&mut self, tenant: Tenant) {
        self.by_id.insert(tenant.id, self.all.len());
        self.all.push(tenant);
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&Tenant> {
        self.all.get(*self.by_id.get(&id)?)
    }

    pub(super) fn by_id_mut(&mut self, id: Uuid) -> Option<&mut Tenant> {
        self.all.get_mut(*self.by_id.get(&id)?)
    }

    /// By its id or its domain.
    pub(super) fn named(&self, name: &str) -> Option<&Tenant> {
        let by_id = Uuid::try_parse(name).ok().and_then(|id| self.by_id(id));
        let is_domain = |tenant: &&Tenant| tenant.domain.eq_ignore_ascii_case(name);
        by_id.or_else(|| self.all.iter().find(is_domain))
    }
}

/// All app registrations, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Applications {
    all: Vec<Application>,
    by_app_id: HashMap<Uuid, usize>,
    by_object_id: HashMap<Uuid, usize>,
    by_principal: HashMap<Uuid, usize>,
    by_tenant: HashMap<Uuid, Vec<usize>>,
}

impl Applications {
    pub(crate) fn push(&mut self, app: Application) {
        let at = self.all.len();
        self.by_app_id.insert(app.ids.app_id, at);
        self.by_object_id.insert(app.ids.object_id, at);
        self.by_principal.insert(app.ids.service_principal_id, at);
        self.by_tenant.entry(app.tenant_id).or_default().push(at);
        self.all.push(app);
    }

    pub(crate) fn remove(&mut self, app_id: Uuid) -> Option<Application> {
        let at = self.by_app_id.get(&app_id).copied()?;
        let mut left = std::mem::take(self).all;
        let removed = left.remove(at);
        left.into_iter().for_each(|app| self.push(app));
        Some(removed)
    }

    pub(crate) fn all(&self) -> &[Application] {
        &self.all
    }

    pub(crate) fn by_app_id(&self, id: Uuid) -> Option<&Application> {
        self.all.get(*self.by_app_id.get(&id)?)
    }

    pub(crate) fn by_app_id_mut(&mut self, id: Uuid) -> Option<&mut Application> {
        self.all.get_mut(*self.by_app_id.get(&id)?)
    }

    pub(crate) fn by_object_id(&self, id: Uuid) -> Option<&Application> {
        self.all.get(*self.by_object_id.get(&id)?)
    }

    /// By the id of its service principal.
    pub(crate) fn by_principal(&self, id: Uuid) -> Option<&Application> {
        self.all.get(*self.by_principal.get(&id)?)
    }

    /// Those that are registered in the tenant.
    pub(crate) fn of_tenant(&self, tenant: Uuid) -> impl Iterator<Item = &Application> {
        let places = self.by_tenant.get(&tenant).into_iter().flatten();
        places.filter_map(|at| self.all.get(*at))
    }
}

/// All accounts, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Accounts {
    all: Vec<Account>,
    by_oid: HashMap<Uuid, usize>,
    /// By what is typed at the sign-in, in small letters: the first that was made.
    by_name: HashMap<String, usize>,
    /// By every address, in small letters: the first that was made.
    by_address: HashMap<String, usize>,
}

impl Accounts {
    pub(super) fn push(&mut self, account: Account) {
        let at = self.all.len();
        self.by_oid.insert(account.oid, at);
        let first = self.by_name.entry(account.person.upn.to_ascii_lowercase());
        first.or_insert(at);
        for address in account.person.addresses() {
            let first = self.by_address.entry(address.to_ascii_lowercase());
            first.or_insert(at);
        }
        self.all.push(account);
    }

    /// Leaves those that `stays` says of, as it changed them.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&mut Account) -> bool) {
        for mut account in std::mem::take(self).all {
            if stays(&mut account) {
                self.push(account);
            }
        }
    }

    pub(super) fn by_oid(&self, oid: Uuid) -> Option<&Account> {
        self.all.get(*self.by_oid.get(&oid)?)
    }

    /// Whom the sign-in knows by this name.
    pub(super) fn signing_in_as(&self, name: &str) -> Option<&Account> {
        self.all.get(*self.by_name.get(&name.to_ascii_lowercase())?)
    }

    /// Who is known under this address.
    pub(crate) fn at_address(&self, address: &str) -> Option<&Account> {
        let at = self.by_address.get(&address.to_ascii_lowercase())?;
        self.all.get(*at)
    }
}
