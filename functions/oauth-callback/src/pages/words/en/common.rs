//! What several pages say.

use jiff::Timestamp;
use shared::ids::MailboxAddress;
use shared::mailbox_secret::Connection;

/// The language of these files (RFC 5646).
pub(crate) const LANGUAGE: &str = "en";
/// At the top of every page.
pub(crate) const BRAND: &str = "Shop mail";
/// Before the reference that the logs carry too.
pub(crate) const REFERENCE: &str = "Reference for support:";
/// On the button that copies the value beside it.
pub(crate) const COPY: &str = "Copy";
/// On it for a moment afterwards.
pub(crate) const COPIED: &str = "Copied";

// ShopCtrl's own labels.
pub(crate) const TENANT_ID: &str = "Tenant ID";
pub(crate) const CLIENT_ID: &str = "Client ID";
pub(crate) const CLIENT_SECRET: &str = "Client Secret";

pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%-d %B %Y").to_string()
}

pub(crate) fn clock(time: Timestamp) -> String {
    time.strftime("%H:%M UTC").to_string()
}

/// Where people reach a connection's ShopCtrl.
pub(crate) fn host(connection: &Connection) -> &str {
    let ui = connection.shopctrl.ui.as_str();
    let host = ui.split("://").last().unwrap_or(ui);
    host.split('/').next().unwrap_or(host)
}

/// Shop and mailbox, as terms with what they are here.
pub(crate) fn shop_and_mailbox(
    connections: &[&Connection],
    mailbox: &MailboxAddress,
) -> Vec<(&'static str, String)> {
    let mut shops: Vec<String> = Vec::new();
    for connection in connections {
        let shop = format!("{} at {}", connection.shopctrl.shop_id, host(connection));
        if !shops.contains(&shop) {
            shops.push(shop);
        }
    }
    vec![("Shop", shops.join(", ")), ("Mailbox", mailbox.to_string())]
}
