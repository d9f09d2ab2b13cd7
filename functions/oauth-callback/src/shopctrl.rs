//! Asking a connection's ShopCtrl.

use std::time::Duration;

use jiff::Timestamp;
use shared::failure::Failure;
use shared::mailbox_secret::Connection;
use shared::retry::{Deadline, with_retries};
use shared::secret_store::versions::CURRENT;
use shared::shopctrl::{Login, ShopCtrl};
use tracing::info;

use crate::clients::Clients;
use crate::hand_over::observation::{Observation, mails_from, since_statement};
use crate::hand_over::task::{Task, TaskKind};

/// A page waits for ShopCtrl no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) async fn client(
    clients: &Clients,
    connection: &Connection,
) -> Result<ShopCtrl, Failure> {
    let login = clients
        .store
        .value_with_label(&connection.shopctrl.credentials, CURRENT)
        .await
        .map_err(|error| error.failure.while_doing("reading the ShopCtrl login"))?;
    Ok(ShopCtrl::new(
        clients.http.clone(),
        clients.settings.shopctrl_paths.clone(),
        connection.shopctrl.api.clone(),
        Login::read(&login.text)?,
    ))
}

/// What ShopCtrl shows of the shop of each task, asked in parallel; `None` where it could not be asked.
pub(crate) async fn observe(
    clients: &Clients,
    tasks: &[Task<'_>],
    deadline: Deadline,
    now: Timestamp,
) -> Vec<Option<Observation>> {
    let deadline = deadline.at_most(PATIENCE);
    let observations = tasks.iter().map(async |task| {
        let observation = observe_one(clients, task, deadline, now);
        match tokio::time::timeout(PATIENCE, observation).await {
            Ok(Ok(observation)) => Some(observation),
            Ok(Err(failure)) => {
                info!(connection = %task.connection.id, %failure, "ShopCtrl could not be asked");
                None
            }
            Err(_) => {
                info!(connection = %task.connection.id, "ShopCtrl took too long to answer");
                None
            }
        }
    });
    futures_util::future::join_all(observations).await
}

async fn observe_one(
    clients: &Clients,
    task: &Task<'_>,
    deadline: Deadline,
    now: Timestamp,
) -> Result<Observation, Failure> {
    let shopctrl = client(clients, task.connection).await?;
    let shop_id = task.connection.shopctrl.shop_id;
    let status = shopctrl.shop_status(shop_id).await?;
    let statement = match &task.kind {
        TaskKind::EnterSecret { statement } => *statement,
        TaskKind::Authorize { .. } => None,
    };
    let since = match statement.map(|statement| statement.at) {
        None => None,
        Some(at) => {
            let mails = with_retries(deadline, async || {
                shopctrl.mails_since(shop_id, mails_from(at)).await
            });
            let mails = mails.await?;
            Some(since_statement(
                task.connection,
                at,
                &status,
                mails.as_deref(),
                now,
            ))
        }
    };
    Ok(Observation { status, since })
}

/// The time by a connection's ShopCtrl, where it can be asked.
pub(crate) async fn clock(
    clients: &Clients,
    connection: &Connection,
    deadline: Deadline,
) -> Option<Timestamp> {
    let asked = async {
        let shopctrl = client(clients, connection).await.ok()?;
        let shop_id = connection.shopctrl.shop_id;
        let status = with_retries(deadline.at_most(PATIENCE), async || {
            shopctrl.shop_status(shop_id).await
        });
        status.await.ok()?.now
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}
