//! The ShopCtrl logins of a mailbox document, and a client for each of its connections.

use std::collections::BTreeMap;

use shared::failure::{Failure, Kind};
use shared::mailbox_secret::{Connection, MailboxSecret};
use shared::retry::CallError;
use shared::secret_store::SecretValue;
use shared::shopctrl::{Login, ShopCtrl};

use crate::clients::Clients;

/// A login that serves several connections is read once.
pub(crate) struct Logins<'a> {
    clients: &'a Clients,
    by_name: BTreeMap<String, Result<Login, Failure>>,
}

impl<'a> Logins<'a> {
    /// Reads the logins of all connections, in one call.
    pub(crate) async fn read(clients: &'a Clients, mailbox: &MailboxSecret) -> Self {
        Self::of(clients, mailbox.connections.iter()).await
    }

    /// Reads those of some connections.
    pub(crate) async fn of<'c>(
        clients: &'a Clients,
        connections: impl Iterator<Item = &'c Connection>,
    ) -> Self {
        let names = Self::names(connections);
        let values = match clients.store.values(&names).await {
            Ok(values) => values,
            Err(error) => {
                let each = names.iter();
                each.map(|name| ((*name).to_owned(), Err(error.clone())))
                    .collect()
            }
        };
        Self::among(clients, values)
    }

    /// The names of the secrets that hold them, each once.
    pub(crate) fn names<'c>(connections: impl Iterator<Item = &'c Connection>) -> Vec<&'c str> {
        let mut names: Vec<&str> = connections.map(login_name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Those that were read among others, by name.
    pub(crate) fn among(
        clients: &'a Clients,
        values: BTreeMap<String, Result<SecretValue, CallError>>,
    ) -> Self {
        let logins = values.into_iter().map(|(name, value)| {
            let login = value
                .map_err(|error| error.failure.while_doing("reading the ShopCtrl login"))
                .and_then(|value| Login::read(&value.text));
            (name, login)
        });
        Self {
            clients,
            by_name: logins.collect(),
        }
    }

    /// The client of one connection's ShopCtrl.
    ///
    /// # Errors
    /// When its login could not be read.
    pub(crate) fn shopctrl(&self, connection: &Connection) -> Result<ShopCtrl, Failure> {
        let login = self.by_name.get(login_name(connection));
        let login = login.cloned().unwrap_or_else(|| Err(not_read()))?;
        Ok(ShopCtrl::new(
            self.clients.http.clone(),
            self.clients.settings.shopctrl_paths.clone(),
            connection.shopctrl.api.clone(),
            login,
        ))
    }
}

fn login_name(connection: &Connection) -> &str {
    &connection.shopctrl.credentials
}

fn not_read() -> Failure {
    Failure::new(
        Kind::Misconfigured,
        "reading the ShopCtrl login: it was not read",
    )
}
