//! The connections of a mailbox document, reached through their ShopCtrl.

use std::collections::BTreeMap;

use shared::failure::Failure;
use shared::mailbox_secret::{Connection, MailboxSecret};
use shared::secret_store::versions::CURRENT;
use shared::shopctrl::{Login, ShopCtrl};

use crate::Rotation;

/// A ShopCtrl client for each connection of a document; a login that serves several is read once.
pub(crate) struct ShopCtrls(BTreeMap<String, Result<Login, Failure>>);

impl Rotation {
    /// Reads the logins of all connections, in parallel.
    pub(crate) async fn shopctrls(&self, mailbox: &MailboxSecret) -> ShopCtrls {
        let mut names: Vec<&str> = mailbox.connections.iter().map(login_name).collect();
        names.sort_unstable();
        names.dedup();
        let logins = names.into_iter().map(async |name| {
            let value = self.store.value_with_label(name, CURRENT).await;
            let login = value
                .map_err(|error| error.failure.while_doing("reading the ShopCtrl login"))
                .and_then(|value| Login::read(&value.text));
            (name.to_owned(), login)
        });
        ShopCtrls(
            futures_util::future::join_all(logins)
                .await
                .into_iter()
                .collect(),
        )
    }

    /// The client of one connection's ShopCtrl.
    ///
    /// # Errors
    /// When its login could not be read.
    pub(crate) fn shopctrl(
        &self,
        logins: &ShopCtrls,
        connection: &Connection,
    ) -> Result<ShopCtrl, Failure> {
        let login = match logins.0.get(login_name(connection)) {
            Some(login) => login.clone()?,
            None => return Err(missing()),
        };
        Ok(ShopCtrl::new(
            self.http.clone(),
            self.settings.shopctrl_paths.clone(),
            connection.shopctrl.api.clone(),
            login,
        ))
    }
}

fn login_name(connection: &Connection) -> &str {
    &connection.shopctrl.credentials
}

fn missing() -> Failure {
    Failure::new(
        shared::failure::Kind::Misconfigured,
        "reading the ShopCtrl login: it was not read",
    )
}
