//! What ShopCtrl shows of mail while a hand-over is proved. It shows that mail flows, never with which
//! secret.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shared::failure::Failure;
use shared::mailbox_secret::Connection;
use shared::retry::Deadline;
use shared::secret_store::versions::CURRENT;
use shared::shopctrl::status::{LastMailCheck, Mail, ShopStatus};
use shared::shopctrl::{Login, ShopCtrl};
use tracing::info;

use crate::hand_over::{HandingOver, How, Task};
use crate::{OAuthCallback, now};

/// A page waits for ShopCtrl no longer than this.
const LOOK: Duration = Duration::from_secs(5);

/// What ShopCtrl shows of one connection's shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub status: ShopStatus,
    /// Since the person said that the connection is authorized.
    pub since: Option<Since>,
}

/// What happened since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since {
    /// Whether ShopCtrl checked the shop's mail.
    pub mail_check: bool,
    /// How many mails came in; `None` where this ShopCtrl does not show mails.
    pub arrived: Option<usize>,
    /// Whether one of them is from the mailbox itself, as the test mail is.
    pub test_mail: bool,
    /// Whether it is so long ago that what has not come by now points to something.
    pub long_ago: bool,
}

/// The test mail is sent before the person says what Status shows; so long before at most.
const TEST_MAIL: SignedDuration = SignedDuration::from_mins(30);
/// ShopCtrl checks mail every few minutes.
const PATIENCE: SignedDuration = SignedDuration::from_mins(6);

impl OAuthCallback {
    /// Looks at the shop of each task, in parallel; `None` where ShopCtrl could not be asked.
    pub(crate) async fn watch(&self, it: &HandingOver, deadline: Deadline) -> Vec<Option<Seen>> {
        let deadline = deadline.at_most(LOOK);
        let tasks = it.tasks();
        let looks = tasks.iter().map(async |task| {
            let look = tokio::time::timeout(LOOK, self.look(task, deadline));
            match look.await {
                Ok(Ok(seen)) => Some(seen),
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
        futures_util::future::join_all(looks).await
    }

    async fn look(&self, task: &Task<'_>, deadline: Deadline) -> Result<Seen, Failure> {
        let shopctrl = self.shopctrl(task.connection).await?;
        let shop_id = task.connection.shopctrl.shop_id;
        let status = shopctrl.shop_status(shop_id).await?;
        let said = match &task.how {
            How::Enter { said } => said.map(|said| said.at),
            How::Authorize { .. } => None,
        };
        let since = match said {
            None => None,
            Some(at) => {
                let from = at.checked_sub(TEST_MAIL).unwrap_or(at);
                let mails = shared::retry::with_retries(deadline, async || {
                    shopctrl.mails_since(shop_id, from).await
                });
                Some(since(task.connection, at, &status, mails.await?.as_deref()))
            }
        };
        Ok(Seen { status, since })
    }

    /// The time by a connection's ShopCtrl, where it can be asked.
    pub(crate) async fn shopctrl_clock(
        &self,
        connection: &Connection,
        deadline: Deadline,
    ) -> Option<Timestamp> {
        let asked = async {
            let shopctrl = self.shopctrl(connection).await.ok()?;
            let shop_id = connection.shopctrl.shop_id;
            let status = shared::retry::with_retries(deadline.at_most(LOOK), async || {
                shopctrl.shop_status(shop_id).await
            });
            status.await.ok()?.now
        };
        tokio::time::timeout(LOOK, asked).await.ok().flatten()
    }

    pub(crate) async fn shopctrl(&self, connection: &Connection) -> Result<ShopCtrl, Failure> {
        let login = self
            .store
            .value_with_label(&connection.shopctrl.credentials, CURRENT)
            .await
            .map_err(|error| error.failure.while_doing("reading the ShopCtrl login"))?;
        Ok(ShopCtrl::new(
            self.http.clone(),
            self.settings.shopctrl_paths.clone(),
            connection.shopctrl.api.clone(),
            Login::read(&login.text)?,
        ))
    }
}

fn since(
    connection: &Connection,
    at: Timestamp,
    status: &ShopStatus,
    mails: Option<&[Mail]>,
) -> Since {
    let arrived = || mails.unwrap_or_default().iter().filter(|mail| mail.arrived);
    let after = |mail: &&Mail| mail.date.is_none_or(|date| date >= at);
    let own = connection.mailbox.key();
    Since {
        mail_check: matches!(status.last_mail_check, LastMailCheck::At(last) if last > at),
        arrived: mails.map(|_| arrived().filter(after).count()),
        test_mail: arrived().any(|mail| mail.from.to_lowercase().contains(&own)),
        long_ago: status.now.unwrap_or_else(now).duration_since(at) >= PATIENCE,
    }
}
