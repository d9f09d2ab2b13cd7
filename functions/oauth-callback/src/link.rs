//! The link that a person opened: its ticket, if it is good.

use shared::ticket::{Refused, Ticket, TicketKey};

use crate::page::WayOn;
use crate::request::Request;
use crate::{Ending, OAuthCallback, now, texts};

/// A link that is good.
pub(crate) struct Link {
    /// The ticket as text.
    pub text: String,
    /// The key that it is signed with.
    pub key: TicketKey,
    /// What it says.
    pub ticket: Ticket,
}

impl OAuthCallback {
    pub(crate) async fn link(&self, request: &Request) -> Result<Link, Ending> {
        let Some(text) = request.query("ticket") else {
            return Err(Ending::new("no-ticket", texts::invalid_link()));
        };
        let key = self.ticket_key().await?;
        match key.verify(&text, now()) {
            Ok(ticket) => Ok(Link { text, key, ticket }),
            Err(Refused::Expired(_)) => Err(Ending {
                way_on: WayOn::NewLink { ticket: text },
                ..Ending::new("expired-ticket", texts::expired())
            }),
            Err(Refused::Invalid) => Err(Ending::new("invalid-ticket", texts::invalid_link())),
        }
    }
}
