//! What ShopCtrl's connections hold: each login read once, each host with its own time.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use shared::failure::{Failure, Kind};
use shared::ids::ConnectionId;
use shared::mailbox_secret::{Connection, Delivery, Direction};
use shared::out_of_reach::OutOfReach;
use shared::preflight::{Requirement, Row, Seen};
use shared::rotation::inspection::HeldSecret;
use shared::shopctrl::status::ShopStatus;
use tokio::sync::OnceCell;

use super::documents::Document;
use super::target::Target;
use crate::clients::Clients;
use crate::delivery::logins::Logins;

pub(super) struct Shops<'a> {
    logins: Logins<'a>,
    hosts: BTreeMap<String, Target>,
    /// By host and login: each is asked once, by whom needs it first.
    statuses: BTreeMap<(String, String), OnceCell<Result<Statuses, Failure>>>,
}

type Statuses = BTreeMap<u64, ShopStatus>;

/// What ShopCtrl shows for one document.
#[derive(Default)]
pub(super) struct SeenShops {
    /// What each `api` connection holds, or why that was not seen.
    pub(super) held: Vec<Result<HeldSecret, Failure>>,
    /// The receiving connections of shops whose mail is not checked any more.
    pub(super) not_checked: Vec<ConnectionId>,
    pub(super) problems: Vec<Failure>,
    /// What a rotation needs there.
    pub(super) preflight: Vec<Row>,
}

impl<'a> Shops<'a> {
    /// Of all connections of these documents that ShopCtrl shows something of.
    pub(super) async fn of(clients: &'a Clients, documents: &[Document]) -> Self {
        let connections = || documents.iter().flat_map(shown);
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
            statuses: connections()
                .map(|connection| (login(connection), OnceCell::new()))
                .collect(),
        }
    }

    pub(super) async fn look(&self, document: &Document) -> SeenShops {
        let receiving = shown(document).filter(|c| c.direction == Direction::Receiving);
        let statuses = receiving.map(async |c| (c, self.status(c).await));
        let (held, statuses) = tokio::join!(self.held(document), join_all(statuses));
        let mut seen = SeenShops {
            held,
            ..SeenShops::default()
        };
        for (connection, status) in statuses {
            seen.preflight.extend(rows(connection, &status));
            match status {
                Ok(Some(status)) if status.mail_is_not_checked() => {
                    seen.not_checked.push(connection.id.clone());
                }
                Ok(_) => {}
                Err(failure) => seen.problems.push(failure),
            }
        }
        seen
    }

    /// `None` where the login does not see the shop.
    async fn status(&self, connection: &Connection) -> Result<Option<ShopStatus>, Failure> {
        let Some(statuses) = self.statuses.get(&login(connection)) else {
            return Ok(None);
        };
        let read = async || {
            let shopctrl = self.logins.shopctrl(connection)?;
            let read = async || shopctrl.shop_statuses().await;
            match self.hosts.get(&host(connection)) {
                Some(target) => target.call(read).await,
                None => Ok(read().await?),
            }
        };
        let statuses = statuses.get_or_init(read).await.as_ref();
        let statuses = statuses.map_err(Failure::clone)?;
        Ok(statuses.get(&connection.shopctrl.shop_id).cloned())
    }

    async fn held(&self, document: &Document) -> Vec<Result<HeldSecret, Failure>> {
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

/// Those that are asked for themselves, and those whose shop says when it checked mail.
fn shown(document: &Document) -> impl Iterator<Item = &Connection> {
    let connections = document.mailbox.connections.iter();
    connections.filter(|c| c.delivery == Delivery::Api || c.direction == Direction::Receiving)
}

/// What the shop's status shows of the login. Both directions of a shop have the same; it is read for the receiving one.
fn rows(connection: &Connection, status: &Result<Option<ShopStatus>, Failure>) -> [Row; 2] {
    let (login, shop) = match status {
        Ok(Some(_)) => (Seen::Present, Seen::Present),
        Ok(None) => (Seen::Present, Seen::Missing),
        Err(failure) => match failure.kind {
            Kind::Misconfigured => (Seen::Missing, Seen::NotSeen),
            Kind::Temporary | Kind::Refused | Kind::WaitingForPerson | Kind::Frozen => {
                (Seen::NotSeen, Seen::NotSeen)
            }
        },
    };
    let place = &connection.shopctrl;
    let rows = [
        (Requirement::ShopctrlLogin, login),
        (Requirement::Shop, shop),
    ];
    rows.map(|(requirement, seen)| {
        let row = Row::new(requirement, seen).at(connection.id.clone());
        row.about(place.credentials.clone())
    })
}

fn login(connection: &Connection) -> (String, String) {
    let place = &connection.shopctrl;
    (place.api.to_string(), place.credentials.clone())
}

fn host(connection: &Connection) -> String {
    connection.shopctrl.api.host().to_owned()
}
