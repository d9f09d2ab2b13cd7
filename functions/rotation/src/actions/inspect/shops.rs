//! What ShopCtrl's connections hold: each login read once, each host with its own time.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use shared::failure::Failure;
use shared::mailbox_secret::{Connection, Delivery};
use shared::out_of_reach::OutOfReach;
use shared::rotation::inspection::HeldSecret;

use super::documents::Document;
use super::target::Target;
use crate::clients::Clients;
use crate::delivery::logins::Logins;

pub(super) struct Shops<'a> {
    logins: Logins<'a>,
    hosts: BTreeMap<String, Target>,
}

impl<'a> Shops<'a> {
    /// Of all `api` connections of these documents.
    pub(super) async fn of(clients: &'a Clients, documents: &[Document]) -> Self {
        let connections = || documents.iter().flat_map(api);
        let mut of_host: BTreeMap<String, usize> = BTreeMap::new();
        for connection in connections() {
            *of_host.entry(host(connection)).or_default() += 1;
        }
        let hosts = of_host.into_iter().map(|(host, connections)| {
            let target = Target::new(OutOfReach::ShopCtrl(host.clone()), connections);
            (host, target)
        });
        Self {
            logins: Logins::of(clients, connections()).await,
            hosts: hosts.collect(),
        }
    }

    /// What each `api` connection of a document holds, or why that was not seen.
    pub(super) async fn look(&self, document: &Document) -> Vec<Result<HeldSecret, Failure>> {
        let looks = api(document).map(async |connection| {
            let shopctrl = self.logins.shopctrl(connection)?;
            let read = async || shopctrl.connection(connection).await;
            let held = match self.hosts.get(&host(connection)) {
                Some(target) => target.call(read).await?,
                None => read().await?,
            };
            Ok(HeldSecret {
                connection: connection.id.clone(),
                key_id: held.key_id,
                authorized: held.authorized,
                enabled: held.enabled,
            })
        });
        join_all(looks).await
    }
}

fn api(document: &Document) -> impl Iterator<Item = &Connection> {
    let connections = document.mailbox.connections.iter();
    connections.filter(|connection| connection.delivery == Delivery::Api)
}

fn host(connection: &Connection) -> String {
    connection.shopctrl.api.host().to_owned()
}
