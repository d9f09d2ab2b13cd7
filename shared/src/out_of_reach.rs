//! What could not be reached, so that of none of the mailboxes behind it is known how it stands.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::DirectoryId;

/// What many mailboxes are behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum OutOfReach {
    /// Entra and Graph, for this tenant.
    Tenant(DirectoryId),
    /// The ShopCtrl at this host.
    #[serde(rename = "shopctrl")]
    ShopCtrl(String),
    /// The mail server of this name.
    MailServer(String),
}

impl OutOfReach {
    /// One sentence: what to do.
    #[must_use]
    pub fn next_step(&self) -> String {
        let look = match self {
            Self::Tenant(tenant) => format!(
                "See in the tenant {tenant}, Microsoft 365 admin center > Service health, whether Microsoft has trouble"
            ),
            Self::ShopCtrl(host) => format!("See whether ShopCtrl at {host} can be opened"),
            Self::MailServer(host) => format!(
                "See in Microsoft 365 admin center > Service health whether Exchange Online has trouble; if it has none, find out why AWS does not reach {host}"
            ),
        };
        format!("{look} (runbook, Out of reach).")
    }
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
            Self::ShopCtrl(host) => write!(f, "ShopCtrl at {host}"),
            Self::MailServer(host) => write!(f, "mail server {host}"),
        }
    }
}
