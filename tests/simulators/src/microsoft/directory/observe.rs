//! Looking into the directory, for tests and stories.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::account::Account;
use super::application::{Application, Credential, Registration};
use super::scope::GRAPH;
use super::tokens::{AccessToken, RefreshToken};
use super::{ACCESS_TOKEN_LIFETIME, Directory, Standing};

/// The Azure CLI, an app of Microsoft's.
const AZURE_CLI: Uuid = Uuid::from_u128(0x04b07795_8ddb_461a_bbee_02f9e1bf7b46);

impl Directory {
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

    /// The value of the first credential that an app has.
    #[must_use]
    pub fn first_secret_value(&self, app_id: Uuid) -> Option<String> {
        let records = self.records();
        let first = records.app(app_id)?.credentials().next()?;
        Some(first.value.clone())
    }

    /// The credential that has this value, also a removed one.
    #[must_use]
    pub fn credential_with_value(&self, value: &str) -> Option<Credential> {
        self.find_credential(|credential| credential.value == value)
    }

    fn find_credential(&self, wanted: impl Fn(&Credential) -> bool) -> Option<Credential> {
        self.records()
            .applications
            .all()
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
        self.records().accounts.at_address(address).cloned()
    }

    /// What an access token stands for, expired or not. Mail servers ask it.
    #[must_use]
    pub fn access_token(&self, token: &str) -> Option<AccessToken> {
        self.records().access_tokens.get(token).cloned()
    }

    /// A token for Graph in the name of somebody who is signed in to a command line (`az account get-access-token`),
    /// with these delegated permissions.
    #[must_use]
    pub fn token_of_a_command_line(&self, oid: Uuid, scopes: &[&str]) -> String {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let token = AccessToken {
            audience: GRAPH.to_owned(),
            expires: self.clock.now() + ACCESS_TOKEN_LIFETIME,
            app_id: AZURE_CLI,
            service_principal_id: Uuid::nil(),
            oid: Some(oid),
            scopes,
            roles: BTreeSet::new(),
        };
        let mut records = self.records();
        let text = records.opaque("ey");
        records.access_tokens.insert(text.clone(), token);
        text
    }

    /// What was deleted and not purged yet, apps and then those whose service principals were.
    #[must_use]
    pub fn deleted_registrations(&self) -> Vec<Registration> {
        let records = self.records();
        let apps = records.deleted_applications.iter();
        let all = apps.chain(&records.deleted_principals);
        all.map(|app| app.registration.clone()).collect()
    }

    /// All app registrations of a tenant.
    #[must_use]
    pub fn applications(&self, tenant: Uuid) -> Vec<Application> {
        let records = self.records();
        records.applications.of_tenant(tenant).cloned().collect()
    }

    /// What a refresh token stands for.
    #[must_use]
    pub fn refresh_token(&self, token: &str) -> Option<RefreshToken> {
        self.records().refresh_tokens.get(token).cloned()
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
