//! ShopCtrl's documented REST API, as far as it shows that mail flows.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{Call, ShopCtrl, parsed};
use crate::failure::{Failure, Kind};
use crate::http;
use crate::retry::CallError;

/// A shop's entry in `GET v1/Shops/ShopStatus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopStatus {
    /// Whether the shop is active.
    pub active: bool,
    /// When ShopCtrl last checked the shop's mail, by its own clock. One time for all mailboxes of
    /// the shop; it says nothing of sending, nor with which secret it was done.
    pub last_mail_check: LastMailCheck,
    /// ShopCtrl's clock.
    pub now: Option<Timestamp>,
}

/// What ShopCtrl says of its last mail check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastMailCheck {
    /// When it was.
    At(Timestamp),
    /// Nothing: builds differ in their fields.
    NotSaid,
    /// Something that cannot be read, which is not the same as nothing.
    Unreadable,
}

impl LastMailCheck {
    /// `null` is nothing; a text is a time with up to 7 fractional digits and a local offset:
    /// `2026-01-11T16:13:34.2994193+01:00`.
    fn read(value: &Value) -> Self {
        match value {
            Value::Null => Self::NotSaid,
            value => {
                let time = value.as_str().and_then(|text| text.parse().ok());
                time.map_or(Self::Unreadable, Self::At)
            }
        }
    }
}

/// A mail that ShopCtrl shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Whether it came in and nobody has handled it yet (`MailboxId` 1: a folder, not an account).
    pub arrived: bool,
    /// Its sender's address.
    pub from: String,
    /// Its subject: foreign, and only searched.
    pub subject: String,
    /// When it came or went, by ShopCtrl's clock.
    pub date: Option<Timestamp>,
}

/// The folder of what came in and is not handled yet.
const UNHANDLED: i64 = 1;

/// The folder of what was sent.
const SENT: i64 = 3;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MailEntry {
    mailbox_id: Option<i64>,
    from_address: Option<String>,
    subject: Option<String>,
    date: Option<String>,
}

/// ShopCtrl checks mail every few minutes; what it does not do for so long it does not do any more.
const STANDS_STILL: SignedDuration = SignedDuration::from_hours(24);

impl ShopStatus {
    /// Whether ShopCtrl has not checked the shop's mail for a day, which it does for one that is active.
    #[must_use]
    pub fn mail_is_not_checked(&self) -> bool {
        match (self.last_mail_check, self.now) {
            (LastMailCheck::At(last), Some(now)) => {
                self.active && now.duration_since(last) > STANDS_STILL
            }
            (LastMailCheck::At(_) | LastMailCheck::NotSaid | LastMailCheck::Unreadable, _) => false,
        }
    }
}

const WHAT: &str = "reading the shop's status in ShopCtrl";

impl ShopCtrl {
    /// `GET v1/Shops/ShopStatus`, this shop's entry.
    ///
    /// # Errors
    /// [`CallError`]; also when the login does not see the shop.
    pub async fn shop_status(&self, shop_id: u64) -> Result<ShopStatus, CallError> {
        let mut all = self.shop_statuses().await?;
        all.remove(&shop_id).ok_or_else(|| {
            CallError::refused(
                Failure::new(
                    Kind::Misconfigured,
                    format!("{WHAT}: the login does not see shop {shop_id}"),
                )
                .next_step("Check shop_id, and give the ShopCtrl login a role in this shop."),
            )
        })
    }

    /// The same of all shops that the login sees.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn shop_statuses(&self) -> Result<BTreeMap<u64, ShopStatus>, CallError> {
        let response = self.call(WHAT, Call::get("/Shops/ShopStatus")).await?;
        // Of each entry, what is used: an odd one costs nothing but itself.
        let entries: Vec<Value> = parsed(WHAT, &response)?;
        let statuses = entries.iter().filter_map(|entry| {
            let status = ShopStatus {
                active: entry.get("Active").and_then(Value::as_bool).unwrap_or(true),
                last_mail_check: LastMailCheck::read(
                    entry.get("LastMailCheck").unwrap_or(&Value::Null),
                ),
                now: http::date(&response),
            };
            Some((entry.get("Id")?.as_u64()?, status))
        });
        Ok(statuses.collect())
    }

    /// `GET v1/Shops/{id}/Emails` since a time: the shop's newest mails, up to a hundred. `None` where
    /// this build of ShopCtrl does not show them.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn mails_since(
        &self,
        shop_id: u64,
        since: Timestamp,
    ) -> Result<Option<Vec<Mail>>, CallError> {
        let what = "reading the shop's mails in ShopCtrl";
        let path = format!("/Shops/{shop_id}/Emails?fromDate={since:.0}&pageSize=100");
        let response = self.call(what, Call::get(path)).await?;
        if matches!(response.status().as_u16(), 400 | 404) {
            return Ok(None);
        }
        let entries: Vec<MailEntry> = parsed(what, &response)?;
        let mails = entries.into_iter().map(|entry| Mail {
            arrived: entry.mailbox_id == Some(UNHANDLED),
            from: entry.from_address.unwrap_or_default(),
            subject: entry.subject.unwrap_or_default(),
            date: entry.date.and_then(|text| text.parse().ok()),
        });
        Ok(Some(mails.collect()))
    }

    /// `GET v1/Shops/{id}/Emails` of what was sent: whether anything was since a time. `None` where this build of
    /// ShopCtrl does not show it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn has_sent_since(
        &self,
        shop_id: u64,
        since: Timestamp,
    ) -> Result<Option<bool>, CallError> {
        let what = "reading the shop's sent mails in ShopCtrl";
        let path = format!(
            "/Shops/{shop_id}/Emails?fromDate={since:.0}&mailboxId={SENT}&pageSize=100&pageNumber=1"
        );
        let response = self.call(what, Call::get(path)).await?;
        if matches!(response.status().as_u16(), 400 | 404) {
            return Ok(None);
        }
        let entries: Vec<MailEntry> = parsed(what, &response)?;
        // A build that does not know a filter may leave it aside.
        let sent = entries.iter().filter(|e| e.mailbox_id == Some(SENT));
        let dates = sent.map(|e| e.date.as_ref()?.parse().ok());
        let dates: Vec<Option<Timestamp>> = dates.collect();
        let after = |date: &Option<Timestamp>| date.is_some_and(|date| date >= since);
        Ok(match dates.iter().any(after) {
            true => Some(true),
            false => dates.iter().all(Option::is_some).then_some(false),
        })
    }

    /// `GET v1/Me` and `v1/System/Version`: reachable, and the login is good.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn check_login(&self) -> Result<(), CallError> {
        let me = async {
            let what = "signing in to ShopCtrl";
            let response = self.call(what, Call::get("/Me")).await?;
            parsed::<serde_json::Value>(what, &response)
        };
        let version = async {
            let what = "asking for ShopCtrl's version";
            let response = self.call(what, Call::get("/System/Version")).await?;
            parsed::<serde_json::Value>(what, &response)
        };
        tokio::try_join!(me, version).map(|_| ())
    }
}
