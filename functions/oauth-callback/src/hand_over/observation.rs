//! What ShopCtrl shows of mail while a hand-over is proved. It shows that mail flows, never with which
//! secret.

use jiff::{SignedDuration, Timestamp};
use shared::mailbox_secret::Connection;
use shared::shopctrl::status::{LastMailCheck, Mail, ShopStatus};

/// What ShopCtrl shows of one connection's shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    pub status: ShopStatus,
    /// Since the person said that the connection is authorized.
    pub since: Option<SinceStatement>,
}

/// What happened since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SinceStatement {
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
const LONG_AGO: SignedDuration = SignedDuration::from_mins(6);

/// From when on the mails are looked at, for a statement that was made `at`.
pub(crate) fn mails_from(at: Timestamp) -> Timestamp {
    at.checked_sub(TEST_MAIL).unwrap_or(at)
}

/// What happened since a statement that was made `at`. `now` counts where ShopCtrl does not tell its own time.
pub(crate) fn since_statement(
    connection: &Connection,
    at: Timestamp,
    status: &ShopStatus,
    mails: Option<&[Mail]>,
    now: Timestamp,
) -> SinceStatement {
    let arrived = || mails.unwrap_or_default().iter().filter(|mail| mail.arrived);
    let after = |mail: &&Mail| mail.date.is_none_or(|date| date >= at);
    let own = connection.mailbox.key();
    SinceStatement {
        mail_check: matches!(status.last_mail_check, LastMailCheck::At(last) if last > at),
        arrived: mails.map(|_| arrived().filter(after).count()),
        test_mail: arrived().any(|mail| mail.from.to_lowercase().contains(&own)),
        long_ago: status.now.unwrap_or(now).duration_since(at) >= LONG_AGO,
    }
}
