//! A tenant with its own rotator and its own ShopCtrl login.

use serde_json::json;
use uuid::Uuid;

use super::{World, federated_rotator};
use crate::aws::lambda::Functions;
use crate::microsoft::directory::application::AppIds;

/// A tenant of the world's.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// The rotator's app.
    pub rotator: AppIds,
    /// The secret that has the ShopCtrl login.
    pub login_secret: String,
    /// That login: name and password.
    pub login: (String, String),
}

impl<L: Functions> World<L> {
    /// Adds a tenant with a rotator that trusts the rotation function's role, and a ShopCtrl login for these shops.
    ///
    /// # Errors
    /// When there is a tenant with this domain already.
    pub fn add_tenant(&self, domain: &str, shops: &[i64]) -> Result<Tenant, String> {
        let id = self.directory.add_tenant(domain);
        let tenant = Tenant {
            id,
            rotator: federated_rotator(&self.directory, &self.sts, id),
            login_secret: format!("shopmail-shopctrl/{domain}"),
            login: (format!("api@{domain}"), format!("Basic-P4ss~{domain}")),
        };
        let (username, password) = &tenant.login;
        let login = json!({"username": username, "password": password}).to_string();
        let created = self
            .secrets_manager
            .create(&tenant.login_secret, &login, &[]);
        created.map_err(|error| error.message)?;
        self.shopctrl.add_login(username, password, shops);
        Ok(tenant)
    }
}
