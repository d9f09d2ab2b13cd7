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
        let text = without_what_mail_adds(&text);
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

/// The ticket without what mail programs and people put around a link: a line break inside, and a quotation mark,
/// bracket or full stop behind (aws-cdk#38121, #5924). A ticket is a JWT: letters, digits, `-`, `_` and dots
/// inside (RFC 7515, 3.1).
fn without_what_mail_adds(text: &str) -> String {
    let ticket = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let whole = text.chars().filter(|c| !c.is_whitespace());
    let front: String = whole.take_while(ticket).collect();
    front.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_though_something_was_put_behind_or_into_it() {
        let ticket = "eyJ0.eyJw-_9.c2ln";
        for odd in ["\"", ".", ">", ")", ",", ".\"", " ", "\r\n", "&quot;"] {
            assert_eq!(without_what_mail_adds(&format!("{ticket}{odd}")), ticket);
        }
        assert_eq!(without_what_mail_adds("eyJ0.ey\r\n Jw-_9.c2ln"), ticket);
        assert_eq!(without_what_mail_adds("\""), "");
    }
}
